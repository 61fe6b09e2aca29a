"""The custom log table: its declared columns, and how a posted row is held against them."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

TIME_COLUMN = "TimeGenerated"
LARGEST_FIELD_BYTES = 64 * 1024
"""The service cuts longer values off."""


class ColumnType(StrEnum):
    """The types of a data collection rule's stream."""

    STRING = "string"
    INT = "int"
    LONG = "long"
    REAL = "real"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    DYNAMIC = "dynamic"


class Column(BaseModel):
    """One column, as the table and the stream both declare it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    type: ColumnType


class LogTable(BaseModel):
    """The table's declaration, which the deployment and the simulator share."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    NUMERIC: ClassVar = frozenset({ColumnType.INT, ColumnType.LONG, ColumnType.REAL})

    table: str
    stream: str
    columns: tuple[Column, ...]

    @cached_property
    def types(self) -> Mapping[str, ColumnType]:
        return {column.name: column.type for column in self.columns}


class RowRefused(ValueError):
    """A posted row does not fit the table."""


@dataclass(frozen=True)
class LogRow:
    """One row as it is kept: the time parsed, the rest as it came."""

    time: datetime
    values: Mapping[str, Any]


def load_table(path: Path) -> LogTable:
    return LogTable.model_validate_json(path.read_text(encoding="utf-8"))


def parse_row(raw: object, table: LogTable, received: datetime) -> LogRow:
    """Check one posted element; raise ``RowRefused`` naming everything that is wrong with it."""
    if not isinstance(raw, dict):
        raise RowRefused("a row must be a JSON object")
    problems = list(_problems(raw, table))
    if problems:
        raise RowRefused("; ".join(problems))
    posted = raw.get(TIME_COLUMN)
    time = datetime.fromisoformat(posted) if posted is not None else received
    values = {name: _cut(value) for name, value in raw.items()}
    return LogRow(time, {**values, TIME_COLUMN: time.isoformat()})


def _problems(raw: Mapping[str, Any], table: LogTable) -> Iterator[str]:
    for name, value in raw.items():
        kind = table.types.get(name)
        if kind is None:
            yield f"column {name} is not declared"
        elif value is not None and not _CHECKS[kind](value):
            yield f"column {name} must be {kind.value}"


def _cut(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return value.encode()[:LARGEST_FIELD_BYTES].decode(errors="ignore")


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_real(value: object) -> bool:
    return _is_integer(value) or (isinstance(value, float) and math.isfinite(value))


def _is_aware_time(value: object) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


_CHECKS: Mapping[ColumnType, Callable[[object], bool]] = {
    ColumnType.STRING: lambda value: isinstance(value, str),
    ColumnType.INT: _is_integer,
    ColumnType.LONG: _is_integer,
    ColumnType.REAL: _is_real,
    ColumnType.BOOLEAN: lambda value: isinstance(value, bool),
    ColumnType.DATETIME: _is_aware_time,
    ColumnType.DYNAMIC: lambda _value: True,
}
