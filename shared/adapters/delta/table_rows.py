"""Rows of the app's own tables as Arrow: types checked value by value, nothing cast silently.

Only the step from dicts to Arrow lives here; what is written where is not known.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from shared.domain.tables import Column, DataType, Table
from shared.errors import Refused

if TYPE_CHECKING:
    import pyarrow as pa

_INT_BITS = 31
_BIGINT_BITS = 63
_SHOWN = 80
"""Characters of a refused value that go into the message."""


def arrow_schema(table: Table) -> "pa.Schema":
    """Give the table's columns as Arrow fields, NOT NULL where required."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field(column.name, _arrow_type(column.type), nullable=not column.required)
            for column in table.columns
        ]
    )


def arrow_table(table: Table, rows: Sequence[Mapping[str, Any]]) -> "pa.Table":
    """Turn rows into one Arrow table with all of the table's columns.

    Its fields are nullable, whatever the schema says: nulls are checked here, and a column that an
    older table lacks can only be added as a nullable one.

    Raises:
        Refused: no rows, an unknown column, a missing value or one of another type; the message
            names table, column and value.
    """
    import pyarrow as pa

    if not rows:
        raise Refused(f"{table.name}: no rows to append", code="NoRows", subject=table.name)
    require_known_columns(table, rows)
    arrays = [
        pa.array(checked_values(table, column, rows), type=_arrow_type(column.type))
        for column in table.columns
    ]
    return pa.table(arrays, names=[column.name for column in table.columns])


def require_known_columns(table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    known = {column.name for column in table.columns}
    for row in rows:
        for name in row:
            if name not in known:
                raise _refusal(table, name, row[name], "the table has no such column")


def checked_values(table: Table, column: Column, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Give a column's values; a missing one is null, and NaN is null."""
    fits = _FITS[column.type]
    values: list[Any] = []
    for row in rows:
        value = row.get(column.name)
        if value is not None and not fits(value):
            raise _refusal(table, column.name, value, f"not a {column.type}")
        if column.type == "DOUBLE" and value is not None and math.isnan(value):
            value = None
        if value is None and column.required:
            raise _refusal(table, column.name, value, "must not be null")
        values.append(value)
    return values


def _whole(value: Any, bits: int) -> bool:
    # True is an Integral, and a flag in a count column is a mistake
    if not isinstance(value, Integral) or isinstance(value, bool):
        return False
    return -(1 << bits) <= int(value) < 1 << bits


_FITS: Mapping[DataType, Callable[[Any], bool]] = {
    "STRING": lambda value: isinstance(value, str),
    "INT": lambda value: _whole(value, _INT_BITS),
    "BIGINT": lambda value: _whole(value, _BIGINT_BITS),
    "DOUBLE": lambda value: isinstance(value, Real) and not isinstance(value, bool),
    "BOOLEAN": lambda value: isinstance(value, bool),
    "TIMESTAMP": lambda value: isinstance(value, datetime) and value.tzinfo is not None,
}


def _arrow_type(kind: DataType) -> Any:
    import pyarrow as pa

    types = {
        "STRING": pa.string(),
        "INT": pa.int32(),
        "BIGINT": pa.int64(),
        "DOUBLE": pa.float64(),
        "BOOLEAN": pa.bool_(),
        "TIMESTAMP": pa.timestamp("us", tz="UTC"),
    }
    return types[kind]


def _refusal(table: Table, column: str, value: Any, why: str) -> Refused:
    shown = repr(value)[:_SHOWN]
    message = f"{table.name}.{column}: {why}: {shown}"
    return Refused(message, code="InvalidRow", subject=f"{table.name}.{column}")
