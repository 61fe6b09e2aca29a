// Asked on standard input, answers on standard output; see kusto_language.py.
const asked = JSON.parse(require("fs").readFileSync(0, "utf8"));
require(asked.package + "/bridge.min.js"); // the order matters: this one makes the global Kusto
require(asked.package + "/Kusto.Language.Bridge.min.js");

const { Symbols, GlobalState, KustoCode } = Kusto.Language;
const tables = Object.entries(asked.tables).map(([name, schema]) =>
  Symbols.TableSymbol.From(schema).WithName(name)
);
const database = new Symbols.DatabaseSymbol.$ctor1("logs", tables);
const globals = GlobalState.Default.WithDatabase(database);
const listed = (list) => Array.from({ length: list.Count }, (_, place) => list.getItem(place));

function analyse(text) {
  const code = KustoCode.ParseAndAnalyze(text, globals);
  const faults = listed(code.GetDiagnostics()).map(
    (each) => `${each.Severity} ${each.Code} @${each.Start}+${each.Length}: ${each.Message}`
  );
  const result = code.ResultType && code.ResultType.Columns;
  const columns = result ? listed(result).map((each) => [each.Name, each.Type.Name]) : [];
  return { faults, columns };
}

console.log(JSON.stringify(asked.texts.map(analyse)));
