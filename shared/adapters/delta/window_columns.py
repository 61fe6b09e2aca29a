"""What the columns of a user's tables may look like, and how they are compared and joined.

Works on Arrow data in memory and on filter expressions; opens nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from shared.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from shared.catalogue import Columns, Model

MISSING_GROUP = "(missing)"


def require_columns(table: str, schema: "pa.Schema", names: Sequence[str]) -> None:
    """Raise DataError naming every column that is not there."""
    missing = [name for name in dict.fromkeys(names) if name not in schema.names]
    if missing:
        message = f"{table}: no column {', '.join(missing)}"
        raise DataError(message, subject=f"{table}.{missing[0]}")


@dataclass(frozen=True)
class Between:
    """The time [start, end)."""

    start: datetime
    end: datetime


def answer_columns(columns: "Columns") -> list[str]:
    """Name the columns that a row of the predictions cannot do without."""
    return [columns.timestamp, columns.id, columns.prediction, columns.model_version]


def served_rows(model: "Model", schema: "pa.Schema", version: str, span: Between) -> Any:
    """Choose the rows that a version answered in a time."""
    columns, table = model.columns, model.data.predictions
    own = equals_text(table, schema.field(columns.model_version), version)
    return between(table, schema.field(columns.timestamp), span) & own


def with_columns(rows: "pa.Table", names: Sequence[str]) -> "pa.Table":
    """Give columns in this order, of type null where there is none."""
    import pyarrow as pa

    there = set(rows.column_names)
    blank = pa.chunked_array([pa.nulls(rows.num_rows)])
    columns = [rows[name] if name in there else blank for name in names]
    return pa.table(columns, names=list(names))


def between(table: str, field: "pa.Field", span: Between) -> Any:
    import pyarrow.compute as pc

    return (pc.field(field.name) >= _bound(table, field, span.start)) & before(
        table, field, span.end
    )


def before(table: str, field: "pa.Field", moment: datetime) -> Any:
    import pyarrow.compute as pc

    return pc.field(field.name) < _bound(table, field, moment)


def equals_text(table: str, field: "pa.Field", value: str) -> Any:
    """Compare a column of texts or whole numbers with an id, which is always text in the app."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
        return pc.field(field.name) == value
    if pa.types.is_integer(field.type):
        # a version that is no number has no rows in such a table
        return pc.field(field.name) == int(value) if value.isdecimal() else pc.scalar(False)  # noqa: FBT003 - an expression that chooses nothing
    raise _wrong_type(table, field, "text or a whole number")


def last_of_each(rows: "pa.Table", key: str) -> "pa.Table":
    """Keep the last row of each key, in the given order; rows without a key all stay."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    numbered = pa.table([rows[key], pa.array(np.arange(rows.num_rows))], names=["key", "row"])
    keyed = numbered.filter(pc.field("key").is_valid())
    if keyed.num_rows == pc.count_distinct(keyed["key"]).as_py():
        return rows
    last = keyed.group_by("key").aggregate([("row", "max")])["row_max"].to_numpy()
    bare = numbered.filter(pc.field("key").is_null())["row"].to_numpy()
    return rows.take(pa.array(np.sort(np.concatenate([last, bare]))))


def last_actuals(
    table: str, rows: "pa.Table", columns: "Columns", ids: "pa.ChunkedArray"
) -> "pa.ChunkedArray":
    """Give the actual of each id, the last known one; null where there is none.

    Raises:
        DataError: nothing tells which of an id's different actuals is the last.
    """
    import pyarrow.compute as pc

    rows = rows.filter(pc.field(columns.id).is_valid())
    if columns.actual_timestamp is None:
        _require_single(table, rows, columns.id, columns.actual)
    else:
        rows = rows.sort_by([(columns.actual_timestamp, "ascending")])
    rows = last_of_each(rows, columns.id)
    known = rows[columns.id].cast(ids.type).combine_chunks()
    return rows[columns.actual].take(pc.index_in(ids, known, skip_nulls=True))


def as_floats(table: str, name: str, column: "pa.ChunkedArray") -> "npt.NDArray[np.float64]":
    """Give numbers, flags or decimals as float64; null becomes NaN."""
    import numpy as np
    import pyarrow as pa

    if pa.types.is_string(column.type) or pa.types.is_temporal(column.type):
        message = f"{table}.{name}: {column.type} is not a number"
        raise DataError(message, subject=f"{table}.{name}")
    try:
        numbers = column.cast(pa.float64(), safe=False)
    except pa.ArrowException as error:
        message = f"{table}.{name}: {column.type} is not a number"
        raise DataError(message, subject=f"{table}.{name}") from error
    return np.asarray(numbers.fill_null(np.nan).to_numpy(), dtype=np.float64)


def as_times(column: "pa.ChunkedArray") -> "npt.NDArray[np.datetime64]":
    """Give times in UTC; dates are their midnights, times without a zone are UTC's."""
    import pyarrow as pa

    zone = column.type.tz if pa.types.is_timestamp(column.type) else None
    times: npt.NDArray[np.datetime64] = column.cast(pa.timestamp("us", tz=zone)).to_numpy()
    return times


def as_texts(
    table: str, name: str, column: "pa.ChunkedArray", missing: str = MISSING_GROUP
) -> "npt.NDArray[np.str_]":
    """Give the names of groups, or ids; rows without one are a group too."""
    import numpy as np
    import pyarrow as pa

    try:
        texts = column.cast(pa.string()).fill_null(missing)
    except pa.ArrowException as error:
        message = f"{table}.{name}: {column.type} does not name groups"
        raise DataError(message, subject=f"{table}.{name}") from error
    return np.array(texts.to_pylist(), dtype=np.str_)


def _require_single(table: str, rows: "pa.Table", key: str, value: str) -> None:
    pairs = rows.select([key, value]).group_by([key, value]).aggregate([])
    counts = pairs.group_by(key).aggregate([([], "count_all")])
    doubles = [row[key] for row in counts.to_pylist() if row["count_all"] > 1]
    if doubles:
        message = (
            f"{table}: {len(doubles)} ids have different actuals (such as {doubles[0]!r}) and "
            "columns.actual_timestamp does not say which is the last"
        )
        raise DataError(message, subject=table)


def _bound(table: str, field: "pa.Field", moment: datetime) -> "pa.Scalar":
    """Give a moment in the column's own type, so that files can be left out by statistics.

    A time without a zone is read as UTC, a date as its midnight.
    """
    import pyarrow as pa

    moment = moment.astimezone(UTC)
    if pa.types.is_date(field.type):
        return pa.scalar(_next_midnight(moment), field.type)
    if not pa.types.is_timestamp(field.type):
        raise _wrong_type(table, field, "a timestamp or a date")
    naive = moment if field.type.tz else moment.replace(tzinfo=None)
    return pa.scalar(naive, pa.timestamp("us", tz=field.type.tz))


def _next_midnight(moment: datetime) -> date:
    on_the_dot = moment.timetz() == time(tzinfo=UTC)
    return moment.date() if on_the_dot else moment.date() + timedelta(days=1)


def _wrong_type(table: str, field: "pa.Field", wanted: str) -> DataError:
    message = f"{table}.{field.name}: {field.type} is not {wanted}"
    return DataError(message, subject=f"{table}.{field.name}")
