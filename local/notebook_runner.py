"""Runs a Fabric notebook in plain Python; the source format and its execution only.

The format is the one of Fabric's git integration: sections between lines such as
``# CELL ********************``. Cells run in order in one namespace, and parameters are set after
the parameters cell, as Fabric injects them.
"""

import argparse
import json
import re
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SECTION = re.compile(r"^# (METADATA|PARAMETERS CELL|CELL|MARKDOWN) \*{20}\s*$")
_FIRST_LINE = "# Fabric notebook source"


class NotebookFormatError(ValueError):
    """The file is not a notebook this runner can execute."""


class CellFailedError(RuntimeError):
    """A cell raised; the cause is attached."""

    def __init__(self, number: int, line: int) -> None:
        super().__init__(f"cell {number} (line {line}) failed")
        self.number = number


@dataclass(frozen=True)
class Cell:
    """One code cell: its place among the code cells, where it starts, and its source."""

    number: int
    line: int
    source: str
    is_parameters: bool


def parse(text: str) -> list[Cell]:
    """The code cells of a notebook's source, in order."""
    lines = text.splitlines()
    if not lines or lines[0].strip() != _FIRST_LINE:
        raise NotebookFormatError(f"the first line is not {_FIRST_LINE!r}")
    marks = [(i, found[1]) for i, line in enumerate(lines) if (found := _SECTION.match(line))]
    ends = [i for i, _ in marks[1:]] + [len(lines)]
    cells: list[Cell] = []
    for (start, kind), end in zip(marks, ends, strict=True):
        if kind in {"CELL", "PARAMETERS CELL"}:
            source = "\n".join(lines[start + 1 : end])
            cells.append(Cell(len(cells) + 1, start + 2, source, kind == "PARAMETERS CELL"))
    return cells


def _checked(cells: list[Cell], parameters: Mapping[str, Any]) -> None:
    if not cells:
        raise NotebookFormatError("the notebook has no code cell")
    if parameters and not any(cell.is_parameters for cell in cells):
        raise NotebookFormatError("parameters were given, but there is no parameters cell")


def _inject(namespace: dict[str, Any], parameters: Mapping[str, Any]) -> None:
    """Set the parameters, each as the type of the default it replaces."""
    for name, value in parameters.items():
        default = namespace.get(name)
        if isinstance(default, bool) and isinstance(value, str):
            namespace[name] = value.strip().lower() == "true"
        elif isinstance(default, (bool, int, float, str)) and value is not None:
            namespace[name] = type(default)(value)
        else:
            namespace[name] = value


def execute(path: Path, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Run every cell of the notebook and return the namespace they leave.

    Raises:
        NotebookFormatError: the file is no notebook, or takes no parameters and got some.
        CellFailedError: a cell raised, or its parameters do not fit their defaults' types.
    """
    cells = parse(path.read_text(encoding="utf-8"))
    _checked(cells, parameters)
    namespace: dict[str, Any] = {"__name__": "__main__", "__file__": str(path)}
    for cell in cells:
        try:
            # Blank lines in front keep the line numbers of tracebacks those of the file.
            code = compile("\n" * (cell.line - 1) + cell.source, str(path), "exec")
            exec(code, namespace)  # noqa: S102 - running the repository's notebook is the task
            if cell.is_parameters:
                _inject(namespace, parameters)
        except Exception as error:
            raise CellFailedError(cell.number, cell.line) from error
    return namespace


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m local.notebook_runner", description=__doc__)
    parser.add_argument("notebook", type=Path, help="path of a notebook-content.py")
    parser.add_argument("--parameters", type=Path, help="JSON file: an object of name to value")
    given = parser.parse_args(arguments)
    try:
        parameters = json.loads(given.parameters.read_text("utf-8")) if given.parameters else {}
        execute(given.notebook, parameters)
    except (CellFailedError, NotebookFormatError, OSError, json.JSONDecodeError) as error:
        if error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        print(f"FAILED {given.notebook}: {error}: {error.__cause__ or ''}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
