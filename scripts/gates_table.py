"""Write what ``loop gates --json`` found as one Markdown table: for a pull request, or a summary.

``python scripts/gates_table.py FOLDER`` reads every ``MODEL.json`` of a folder;
``python scripts/gates_table.py --models models.yaml`` prints the models' names instead.
"""

import argparse
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

MARKS = {"PASS": "✅", "FAIL": "❌", "ERROR": "⚠️", "SKIP": "⚪"}
LONGEST = 300
"""Characters of a reason: a table is read at a glance, the page of the gates holds the rest."""
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~@])")
_LINKING = re.compile(r":(?=//)|www(?=\.)|[@#]", re.IGNORECASE)
"""What GitHub makes a link of without any Markdown, up to where a space of no width breaks it."""


def models_in(catalogue: Path) -> list[str]:
    """Give the names in a models.yaml, whose settings need not be there."""
    document = yaml.safe_load(catalogue.read_text(encoding="utf-8"))
    return [model["name"] for model in document["models"]]


def render(documents: Sequence[Mapping[str, Any]]) -> str:
    """Give the whole text: one heading and one table a judgement."""
    if not documents:
        return "### Gates\n\nNo model has a judgement: see the log.\n"
    return "\n".join(line for document in documents for line in _lines(document)) + "\n"


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    model, version = _plain(document["model_name"]), _plain(document["model_version"])
    champion = _plain(document["champion_version"] or "none")
    verdict = document["verdict"]
    yield f"### {MARKS.get(verdict, '⚠️')} {verdict}: {model} version {version}"
    yield ""
    yield f"Champion: {champion}. Judged at {_plain(document['judged_at'])}."
    yield ""
    yield "| gate | verdict | value | must be | n | why |"
    yield "|---|---|---:|---:|---:|---|"
    yield from (_row(gate) for gate in document["gates"])
    yield ""


def _row(gate: Mapping[str, Any]) -> str:
    verdict = gate["verdict"]
    rule = f"{_plain(gate['operator'])} {_figure(gate['threshold'])}" if gate["operator"] else ""
    cells = (
        _plain(gate["gate"]),
        f"{MARKS.get(verdict, '⚠️')} {verdict}",
        _figure(gate["value"]),
        rule,
        "" if gate["n"] is None else f"{gate['n']:,}",
        _plain(gate["reason"]),
    )
    return f"| {' | '.join(cells)} |"


def _figure(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else _plain(value)


def _plain(value: Any) -> str:
    """Give a text that Markdown and GitHub show as it is: no link, no mention, no second row."""
    text = " ".join(str("" if value is None else value).split())[:LONGEST]
    return _LINKING.sub("\\g<0>\u200b", _SPECIAL.sub(r"\\\1", text))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="The gates' findings as a Markdown table.")
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--models", type=Path, help="print the names in this models.yaml")
    options = parser.parse_args(arguments)
    if options.models:
        print("\n".join(models_in(options.models)))
        return
    if options.folder is None:
        parser.error("name a folder, or --models")
    files = sorted(options.folder.glob("*.json"))
    print(render([json.loads(file.read_text(encoding="utf-8")) for file in files]), end="")


if __name__ == "__main__":
    main()
