"""``loop drift`` as the tests call it: files in, exit status and reports out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from typer.testing import CliRunner

from local.cli import app

GOLDEN = Path(__file__).parents[1] / "golden"
REFERENCE = GOLDEN / "slot_reference.parquet"
CURRENT = GOLDEN / "slot_current.parquet"


@dataclass(frozen=True)
class Outcome:
    """What a call has left."""

    status: int
    stdout: str
    stderr: str
    document: Any
    page: str

    @property
    def features(self) -> dict[str, Any]:
        return self.document["features"]

    @property
    def summary(self) -> dict[str, Any]:
        return self.document["summary"]


class Folder:
    """A folder in which files are written and compared."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def parquet(self, name: str, columns: Mapping[str, Any]) -> Path:
        path = self.path / f"{name}.parquet"
        pyarrow.parquet.write_table(pa.table(dict(columns)), path)
        return path

    def csv(self, name: str, columns: Mapping[str, Any]) -> Path:
        path = self.path / f"{name}.csv"
        pyarrow.csv.write_csv(pa.table(dict(columns)), path)
        return path

    def text(self, name: str, text: str | bytes) -> Path:
        path = self.path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def compare(self, reference: Path, current: Path, *options: str) -> Outcome:
        """Run the command with both reports."""
        found, page = self.path / "out.json", self.path / "out.html"
        outputs = ("--json", str(found), "--html", str(page))
        outcome = call(reference, current, *outputs, *options)
        return Outcome(
            outcome.status,
            outcome.stdout,
            outcome.stderr,
            json.loads(found.read_text("utf-8"), parse_constant=refuse) if found.exists() else None,
            page.read_text("utf-8") if page.exists() else "",
        )


def call(reference: Path, current: Path, *options: str) -> Outcome:
    """Run the command as it is; a defect is raised, not swallowed."""
    arguments: Sequence[str] = (
        *("drift", "--reference", str(reference), "--current", str(current)),
        *options,
    )
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, arguments, catch_exceptions=False)
    return Outcome(result.exit_code, result.stdout, result.stderr, None, "")


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def normal(rows: int, mean: float = 0.0, seed: int = 1) -> Any:
    return np.random.default_rng(seed).normal(mean, 1.0, rows)


def letters(rows: int, shares: Mapping[str, float], seed: int = 1) -> Any:
    return np.random.default_rng(seed).choice(list(shares), rows, p=list(shares.values()))
