"""Row counts in memory."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.catalogue import Model
from shared.errors import DataError, NoTable
from tests.fakes.faults import Faults

Row = Mapping[str, Any]


class FakeRowCounts:
    """Counts the rows a test wrote; ``faults`` are for every call."""

    def __init__(self) -> None:
        self._tables: dict[str, list[Row]] = {}
        self.faults = Faults()

    def write(self, table: str, rows: Sequence[Row]) -> None:
        self._tables.setdefault(table, []).extend(rows)

    def known(self, model: Model, start: datetime, end: datetime) -> int:
        self.faults.before()
        columns = model.columns
        table, moment, value = model.data.actuals, columns.actual_timestamp, columns.actual
        if moment is None:
            table, moment, value = model.data.predictions, columns.timestamp, columns.prediction
        if table not in self._tables:
            raise NoTable(f"{table}: no such table", subject=table)
        rows = self._tables[table]
        missing = [name for name in (columns.id, moment, value) if rows and name not in rows[0]]
        if missing:
            raise DataError(f"{table}: no column {missing[0]}", subject=f"{table}.{missing[0]}")
        chosen = [row for row in rows if row[moment] is not None and start <= row[moment] < end]
        return len({row[columns.id] for row in chosen if row[value] is not None} - {None})
