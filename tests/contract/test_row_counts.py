"""What any RowCounts does: the fake and Delta in a folder give the same answers."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from shared.adapters.delta.lakehouse import Lakehouse
from shared.adapters.delta.row_counts import DeltaRowCounts
from shared.errors import DataError, NoTable
from shared.ports import RowCounts
from tests.contract.windows_worlds import (
    ACTUALS,
    END,
    MODEL,
    PREDICTIONS,
    START,
    actual,
    model,
    prediction,
)
from tests.fakes.row_counts import FakeRowCounts

TICK = timedelta(microseconds=1)
Write = Callable[[str, Sequence[dict[str, Any]]], None]


@pytest.fixture(params=["fake", "real"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[RowCounts, Write]:
    if request.param == "fake":
        fake = FakeRowCounts()
        return fake, fake.write

    def write(table: str, rows: Sequence[dict[str, Any]]) -> None:
        write_deltalake(
            tmp_path / table.replace(".", "/"), pa.Table.from_pylist(list(rows)), mode="append"
        )

    return DeltaRowCounts(Lakehouse(f"{tmp_path}/{{lakehouse}}")), write


def test_actuals_count_from_the_moment_they_were_known_each_id_once(world):
    counts, write = world
    rows = [
        actual("a", 1.0, START - TICK),
        actual("b", 1.0, START),
        actual("c", 1.0, END - TICK),
        actual("c", 2.0, END - TICK),
        actual("d", 1.0, END),
        actual("e", None, START),
    ]
    write(ACTUALS, rows)

    assert counts.known(MODEL, START, END) == 2
    assert counts.known(MODEL, END + TICK, END + timedelta(days=1)) == 0


def test_without_a_time_on_the_actuals_served_rows_count(world):
    counts, write = world
    rows = [prediction("a", START), prediction("a", START, model_version="2"), prediction("b", END)]
    write(PREDICTIONS, rows)

    timeless = model(columns={"actual_timestamp": None})

    assert counts.known(timeless, START, END) == 1


def test_a_table_or_a_column_that_is_not_there_is_an_error_and_not_zero(world):
    counts, write = world

    with pytest.raises(NoTable):
        counts.known(MODEL, START, END)
    write(ACTUALS, [{"flight_id": "a", "delay": 1.0}])
    with pytest.raises(DataError, match="known_at"):
        counts.known(MODEL, START, END)
