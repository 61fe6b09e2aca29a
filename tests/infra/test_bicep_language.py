"""What the reader and the evaluation make of the language, in small files."""

import pytest

from local.bicep.evaluation import evaluate, parameters_of
from local.bicep.functions import Unknown
from local.bicep.parse import parse_file
from local.bicep.project import load_project
from local.bicep.syntax import BicepError


@pytest.fixture
def outputs(tmp_path):
    """Evaluate one file's properties: each line is a property of the one resource."""

    def of(declarations, *lines, **given):
        text = f"{declarations}\nresource it 'A.B/c@2025-01-01' = {{\n  name: 'it'\n"
        text += "\n".join(f"  {each}" for each in lines) + "\n}\n"
        path = tmp_path / "main.bicep"
        path.write_text(text, encoding="utf-8")
        [planned] = evaluate(load_project(path), given)
        return {name: value for name, value in planned.body.items() if name != "name"}

    return of


def test_an_access_belongs_to_the_arm_it_stands_in(outputs):
    declarations = "param a object\nparam flag bool"

    found = outputs(declarations, "v: flag ? 'no' : a.b.c", a={"b": {"c": "yes"}}, flag=False)

    assert found == {"v": "yes"}


def test_an_access_belongs_to_the_body_of_a_lambda(outputs):
    found = outputs("param a array", "v: map(a, x => x.n)", a=[{"n": 1}, {"n": 2}])

    assert found == {"v": [1, 2]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'a${1}b'", "a1b"),
        (r"'it\'s \${x}'", "it's ${x}"),
        ("!true", False),
        ("1 + 2 - -1", 4),
        ("1 == 1 && 2 > 3", False),
        ("null ?? 'x'", "x"),
        ("empty([]) || false", True),
        ("[for i in range(1, 2): i + 1]", [2, 3]),
        ("[for (x, i) in ['a', 'b']: '${x}${i}']", ["a0", "b1"]),
        ("union({ a: 1 }, { a: 2, b: 3 })", {"a": 2, "b": 3}),
        ("concat([1], [2])", [1, 2]),
        ("mapValues({ a: 1 }, v => v + 1)", {"a": 2}),
        ("filter([1, 2], v => v > 1)", [2]),
        ("max(7, min(90, 30))", 30),
        ("{ a: 1 }.?b ?? 5", 5),
        ("[1, 2][1]", 2),
        ("[\n    { a: [3] }['a']\n    [4][0]\n  ]", [[3], 4]),
        ("toLower('AB')", "ab"),
        ("items({ a: 1 })", [{"key": "a", "value": 1}]),
        ("contains(['x'], 'x')", True),
        ("length('abc')", 3),
        ("string(true)", "true"),
    ],
)
def test_an_expression_has_its_value(outputs, text, value):
    assert outputs("", f"v: {text}") == {"v": value}


def test_what_only_azure_knows_stays_a_placeholder(outputs):
    declarations = "resource other 'A.B/d@2025-01-01' existing = {\n  name: 'other'\n}"

    found = outputs(declarations, "id: other.id", "n: other.name", "url: 'x/${other.properties.u}'")

    assert isinstance(found["id"], Unknown)
    assert (str(found["id"]), found["n"]) == ("{other.id}", "other")
    assert str(found["url"]) == "x/{other.properties.u}"


def test_a_remark_parts_no_parameter_from_what_is_said_of_it(tmp_path):
    path = tmp_path / "main.bicep"
    path.write_text(
        "@allowed([\n  'a'\n])\n// why\n#disable-next-line no-unused-params // because\n"
        "param word string\n"
    )

    assert parse_file(path).parameters["word"].allowed == ("a",)


def test_a_module_is_given_its_parameters_and_gives_its_outputs(tmp_path):
    (tmp_path / "part.bicep").write_text(
        "param n int\nresource r 'A.B/c@2025-01-01' = {\n  name: 'r${n}'\n}\n"
        "output twice int = n + n\n"
    )
    (tmp_path / "main.bicep").write_text(
        "module one 'part.bicep' = {\n  name: 'one'\n  params: {\n    n: 2\n  }\n}\n"
        "module two 'part.bicep' = if (one.outputs.twice > 9) {\n"
        "  name: 'two'\n  params: {\n    n: 3\n  }\n}\n"
        "module three 'part.bicep' = if (one.outputs.twice == 4) {\n"
        "  name: 'three'\n  params: {\n    n: one.outputs.twice\n  }\n}\n"
    )

    planned = evaluate(load_project(tmp_path / "main.bicep"), {})

    assert [each.name for each in planned] == ["r2", "r4"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("v: missing", "missing has no value"),
        ("v: resourceId('a')", r"resourceId\(\) is not known here"),
        ("v: { a: 1 }.b", "there is no b"),
        ("v: 7 % 2", "% is not known here"),
        ("v: [for x in 'a': x]", "must be a list, is a"),
    ],
)
def test_what_has_no_value_is_refused_with_its_line(outputs, line, message):
    with pytest.raises(BicepError, match=message):
        outputs("", line)


def test_parameters_are_filled_from_the_environment_as_azd_does(tmp_path):
    path = tmp_path / "p.json"
    path.write_text(
        '{"parameters": {"a": {"value": "${A}"}, "b": {"value": "${B=x}"}, "c": {"value": "${C=}"},'
        ' "d": {"value": {"e": "${E}"}}, "f": {"value": [1]}}}'
    )

    found = parameters_of(path, {"A": "1", "B": ""})

    assert {name: found[name] for name in "abcf"} == {"a": "1", "b": "x", "c": "", "f": [1]}
    assert str(found["d"]["e"]) == "{e}"
