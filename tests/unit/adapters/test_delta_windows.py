"""What the columns of a user's Delta tables may look like when a window is read."""

import math
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shared.errors import DataError, Unavailable
from tests.contract.windows_worlds import (
    ACTUALS,
    END,
    HOLDOUT,
    MODEL,
    PREDICTIONS,
    START,
    RealWorld,
    actual,
    held_out,
    model,
    prediction,
)


@pytest.fixture
def real(tmp_path: Path) -> RealWorld:
    return RealWorld(tmp_path)


def stored(column: str, values: Any, kind: pa.DataType | None = None) -> pa.Table:
    rows = pa.Table.from_pylist([prediction("a"), prediction("b")])
    return rows.set_column(rows.column_names.index(column), column, pa.array(values, kind))


def test_features_keep_their_own_types(real: RealWorld):
    real.write_arrow(PREDICTIONS, stored("temp", [1, 2], pa.int32()))
    real.write(ACTUALS, [actual("a", 5.0)])

    window = real.windows.served(MODEL, "1", START, END)

    assert window.features.schema.types == [pa.int32(), pa.string()]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, None], pa.int64()),
        ([True, None], pa.bool_()),
        ([Decimal("1.00"), None], pa.decimal128(9, 2)),
        ([1.0, math.nan], pa.float32()),
    ],
)
def test_numbers_of_any_type_become_floats(real: RealWorld, values: Any, kind: pa.DataType):
    real.write_arrow(PREDICTIONS, stored("p", values, kind))
    real.write(ACTUALS, [actual("a", 5.0)])

    window = real.windows.served(MODEL, "1", START, END)

    assert window.prediction[0] == 1.0
    assert math.isnan(window.prediction[1])


@pytest.mark.parametrize("values", [["1.0", "2.0"], [START, START], [[1.0], [2.0]]])
def test_a_prediction_that_is_no_number_is_named(real: RealWorld, values: Any):
    real.write_arrow(PREDICTIONS, stored("p", values))
    real.write(ACTUALS, [actual("a", 5.0)])

    with pytest.raises(DataError, match=rf"{PREDICTIONS}\.p: .* is not a number"):
        real.windows.served(MODEL, "1", START, END)


def test_groups_of_other_types_become_texts(real: RealWorld):
    real.write(HOLDOUT, [held_out("a", START, group=3), held_out("b", START, group=None)])
    fair = model(gates={"fairness": {"attributes": ["group"]}})

    assert real.windows.holdout(fair, END).attributes["group"].tolist() == ["3", "(missing)"]


def test_lists_name_no_groups(real: RealWorld):
    real.write(HOLDOUT, [held_out("a", START, group=[3])])
    fair = model(gates={"fairness": {"attributes": ["group"]}})

    with pytest.raises(DataError, match=rf"{HOLDOUT}\.group"):
        real.windows.holdout(fair, END)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([START.replace(tzinfo=None), END.replace(tzinfo=None)], pa.timestamp("us")),
        ([date(2013, 7, 1), date(2013, 7, 8)], pa.date32()),
    ],
)
def test_times_without_a_zone_and_dates_are_utc(real: RealWorld, values: Any, kind: pa.DataType):
    real.write_arrow(PREDICTIONS, stored("ts", values, kind))
    real.write(ACTUALS, [actual("a", 5.0)])

    assert real.windows.served(MODEL, "1", START, END).rows == 1
    late = START + timedelta(seconds=1)
    assert real.windows.served(MODEL, "1", late, END).rows == 0
    assert real.windows.served(MODEL, "1", late, END + timedelta(seconds=1)).rows == 1


def test_a_time_that_is_a_text_is_named(real: RealWorld):
    real.write_arrow(PREDICTIONS, stored("ts", ["2013-07-01", "2013-07-02"]))
    real.write(ACTUALS, [actual("a", 5.0)])

    with pytest.raises(DataError, match=rf"{PREDICTIONS}\.ts: string is not a timestamp"):
        real.windows.served(MODEL, "1", START, END)


@pytest.mark.parametrize(("version", "rows"), [("1", 2), ("2", 0), ("v1", 0)])
def test_a_version_may_be_stored_as_a_number(real: RealWorld, version: str, rows: int):
    real.write_arrow(PREDICTIONS, stored("model_version", [1, 1]))
    real.write(ACTUALS, [actual("a", 5.0)])

    assert real.windows.served(MODEL, version, START, END).rows == rows


def test_ids_may_be_numbers_of_different_width(real: RealWorld):
    real.write_arrow(PREDICTIONS, stored("flight_id", [10, 9], pa.int32()))
    real.write(ACTUALS, [actual(9, 5.0), actual(10, 6.0), actual(2**40, 7.0)])

    assert real.windows.served(MODEL, "1", START, END).actual.tolist() == [5.0, 6.0]


def test_ids_of_different_kinds_cannot_be_joined(real: RealWorld):
    real.write(PREDICTIONS, [prediction("a")])
    real.write(ACTUALS, [actual(1, 5.0)])

    with pytest.raises(DataError, match=rf"{ACTUALS}\.flight_id"):
        real.windows.served(MODEL, "1", START, END)


def test_rows_without_an_id_all_stay_and_have_no_actual(real: RealWorld):
    real.write(PREDICTIONS, [prediction("a"), prediction(None, p=2.0), prediction(None, p=3.0)])
    real.write(ACTUALS, [actual("a", 5.0), actual("a", 6.0, END), actual(None, 7.0)])
    real.write(PREDICTIONS, [prediction("a", START + timedelta(hours=1), p=4.0)])

    window = real.windows.served(MODEL, "1", START, END)

    assert sorted(window.prediction) == [2.0, 3.0, 4.0]
    assert window.actual[window.prediction.tolist().index(4.0)] == 6.0
    assert np.isnan(window.actual).sum() == 2


def test_other_days_files_are_not_opened(real: RealWorld):
    for day in range(7):
        at = START + timedelta(days=day)
        rows = pa.Table.from_pylist([prediction(str(day), at, day=at.date(), p=float(day))])
        real.write_arrow(PREDICTIONS, rows, partition_by=["day"])
        real.write(ACTUALS, [actual(str(day), float(day))])
    for file in (real.folder / "lh_gold" / "predictions").rglob("*.parquet"):
        if "day=2013-07-03" not in str(file):
            file.write_bytes(b"not to be read")

    day = START + timedelta(days=2)
    window = real.windows.served(MODEL, "1", day, day + timedelta(days=1))

    assert window.prediction.tolist() == window.actual.tolist() == [2.0]


def test_a_file_that_cannot_be_read_is_unavailable(real: RealWorld):
    real.write(PREDICTIONS, [prediction("a")])
    real.write(ACTUALS, [actual("a", 5.0)])
    for file in real.folder.rglob("*.parquet"):
        file.write_bytes(b"broken")

    with pytest.raises(Unavailable):
        real.windows.served(MODEL, "1", START, END)
