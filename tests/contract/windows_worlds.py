"""A lakehouse to test Windows against: in memory, and Delta in a folder."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
from deltalake import write_deltalake

from shared.adapters.delta.delta_windows import DeltaWindows
from shared.adapters.delta.lakehouse import Lakehouse
from shared.catalogue import Model
from shared.ports import Windows
from tests.fakes.clock import FakeClock
from tests.fakes.windows import FakeWindows

START = datetime(2013, 7, 1, tzinfo=UTC)
END = START + timedelta(days=7)
GUID = "00000000-0000-0000-0000-000000000001"
PREDICTIONS, ACTUALS, HOLDOUT = "lh_gold.predictions", "lh_gold.actuals", "lh_gold.holdout"


def model(**changes: Any) -> Model:
    columns = {"timestamp": "ts", "id": "flight_id", "prediction": "p", "actual": "delay"}
    document = {
        "name": "flight-delay",
        "task": "regression",
        "domain": "travel",
        "regulated": False,
        "owner": "someone",
        "cost_center": "c-1",
        "fabric": {"workspace_id": GUID, "pipeline_id": GUID},
        "data": {"predictions": PREDICTIONS, "actuals": ACTUALS, "holdout": HOLDOUT},
        "columns": {**columns, "actual_timestamp": "known_at", **changes.pop("columns", {})},
        "features": [
            {"name": "temp", "kind": "numeric"},
            {"name": "origin", "kind": "categorical"},
        ],
        "gates": {"performance": {"floor": 0.1}, **changes.pop("gates", {})},
    }
    return Model.model_validate({**document, **changes})


MODEL = model()


def prediction(flight_id: Any, at: datetime = START, **changes: Any) -> dict[str, Any]:
    row = {
        "flight_id": flight_id,
        "ts": at,
        "origin": "JFK",
        "temp": 20.5,
        "p": 1.0,
        "model_version": "1",
    }
    return {**row, **changes}


def actual(flight_id: Any, delay: float | None, known_at: datetime = START) -> dict[str, Any]:
    return {"flight_id": flight_id, "delay": delay, "known_at": known_at}


def held_out(flight_id: Any, at: datetime, **changes: Any) -> dict[str, Any]:
    row = {"flight_id": flight_id, "ts": at, "origin": "JFK", "temp": 20.5, "delay": 4.0}
    return {**row, "group": "a", **changes}


class World(Protocol):
    """A Windows, its clock, and a way to put rows into its tables."""

    windows: Windows
    clock: FakeClock

    def write(self, table: str, rows: Sequence[dict[str, Any]]) -> None: ...


class FakeWorld:
    def __init__(self) -> None:
        self.clock = FakeClock(END)
        self.windows = FakeWindows(self.clock)
        self.write = self.windows.write


class RealWorld:
    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock(END)
        self.folder = folder
        self.windows = DeltaWindows(Lakehouse(f"{folder}/{{lakehouse}}"), self.clock)

    def write(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        self.write_arrow(table, pa.Table.from_pylist(list(rows)))

    def write_arrow(self, table: str, rows: pa.Table, **options: Any) -> None:
        given = {"mode": "append", **options}
        write_deltalake(self.folder / table.replace(".", "/"), rows, **given)
