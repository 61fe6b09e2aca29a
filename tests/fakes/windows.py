"""A model's rows in memory."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from shared.adapters.delta.row_digests import row_digests
from shared.adapters.delta.window_columns import MISSING_GROUP
from shared.catalogue import Columns, Model
from shared.errors import DataError, NoTable
from shared.ports import Answers, Clock, Groups, Window
from tests.fakes.clock import FakeClock
from tests.fakes.faults import Faults

Row = Mapping[str, Any]


class FakeWindows:
    """Answers from the rows a test wrote; ``faults`` are for every call."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or FakeClock()
        self._tables: dict[str, list[Row]] = {}
        self._commits: dict[str, list[list[Row]]] = {}
        self.faults = Faults()

    def write(self, table: str, rows: Sequence[Row]) -> None:
        """Append rows, all with the same columns."""
        self.overwrite(table, [*self._tables.get(table, []), *rows])

    def overwrite(self, table: str, rows: Sequence[Row]) -> None:
        """Put rows in place of all there are."""
        self._tables[table] = list(rows)
        self._commits.setdefault(table, []).append(list(rows))

    def version(self, table: str) -> int:
        """Give the table's newest version: the first write makes number 0."""
        return len(self._commits[table]) - 1

    def served(self, model: Model, version: str, start: datetime, end: datetime) -> Window:
        self.faults.before()
        columns = model.columns
        chosen = self._served(model, version, start, end)
        actuals = self._actuals(model)
        return Window(
            start=start,
            end=end,
            features=_table(chosen, model.feature_names),
            prediction=_floats(row[columns.prediction] for row in chosen),
            actual=_floats(actuals.get(row[columns.id]) for row in chosen),
            times=_times(row[columns.timestamp] for row in chosen),
        )

    def answers(self, model: Model, version: str, start: datetime, end: datetime) -> Answers:
        window = self.served(model, version, start, end)
        return Answers(window.prediction, window.actual)

    def groups(self, model: Model, version: str, start: datetime, end: datetime) -> Groups:
        self.faults.before()
        names = model.drift.parity_attributes
        chosen = self._served(model, version, start, end, names)
        return Groups(
            _floats(row[model.columns.prediction] for row in chosen),
            {name: _texts(row[name] for row in chosen) for name in names},
        )

    def _served(
        self,
        model: Model,
        version: str,
        start: datetime,
        end: datetime,
        names: Sequence[str] = (),
    ) -> list[Row]:
        columns = model.columns
        needed = (columns.timestamp, columns.id, columns.prediction, columns.model_version)
        rows = self._rows(model.data.predictions, (*needed, *names))
        chosen = [
            row
            for row in rows
            if start <= row[columns.timestamp] < end and row[columns.model_version] == version
        ]
        return _latest(chosen, columns)

    def holdout(self, model: Model, until: datetime, *, version: int | None = None) -> Window:
        self.faults.before()
        columns = model.columns
        start = until - timedelta(days=model.gates.holdout_days)
        attributes = model.gates.group_columns
        needed = (
            columns.timestamp,
            columns.id,
            columns.actual,
            *model.feature_names,
            *attributes,
        )
        rows = self._rows(model.data.holdout, needed, version)
        chosen = _latest([row for row in rows if start <= row[columns.timestamp] < until], columns)
        features = _table(chosen, model.feature_names)
        actual = _floats(row[columns.actual] for row in chosen)
        groups = {name: _texts(row[name] for row in chosen) for name in attributes}
        return Window(
            start=start,
            end=until,
            features=features,
            prediction=np.full(len(chosen), np.nan),
            actual=actual,
            attributes=groups,
            times=_times(row[columns.timestamp] for row in chosen),
            ids=_texts((row[columns.id] for row in chosen), missing=""),
            digests=row_digests(features, actual, groups),
        )

    def _actuals(self, model: Model) -> dict[Any, Any]:
        columns, known_at = model.columns, model.columns.actual_timestamp
        needed = [columns.id, columns.actual, *([known_at] if known_at else [])]
        rows = self._rows(model.data.actuals, needed)
        if known_at:
            rows = [row for row in rows if row[known_at] <= self._clock.now()]
            rows.sort(key=lambda row: row[known_at])
        found: dict[Any, Any] = {}
        for row in rows:
            key, value = row[columns.id], row[columns.actual]
            if known_at is None and found.get(key, value) != value:
                raise DataError(f"{model.data.actuals}: {key!r} has different actuals")
            found[key] = value
        return found

    def _rows(self, table: str, needed: Sequence[str], version: int | None = None) -> list[Row]:
        if table not in self._tables:
            raise NoTable(f"{table}: no such table", subject=table)
        rows = self._tables[table] if version is None else self._commit(table, version)
        missing = [name for name in needed if rows and name not in rows[0]]
        if missing:
            message = f"{table}: no column {', '.join(missing)}"
            raise DataError(message, subject=f"{table}.{missing[0]}")
        return list(rows)

    def _commit(self, table: str, version: int) -> list[Row]:
        if version > self.version(table):
            raise NoTable(f"{table}: no version {version}", subject=table)
        return self._commits[table][version]


def _latest(rows: list[Row], columns: Columns) -> list[Row]:
    def place(row: Row) -> tuple[Any, ...]:
        key = row[columns.id]
        return row[columns.timestamp], key is None, 0 if key is None else key

    ordered = sorted(rows, key=place)
    last = {row[columns.id]: index for index, row in enumerate(ordered)}
    bare = {index for index, row in enumerate(ordered) if row[columns.id] is None}
    return [ordered[index] for index in sorted({*last.values(), *bare})]


def _table(rows: Sequence[Row], names: Iterable[str]) -> pa.Table:
    return pa.table({name: pa.array([row.get(name) for row in rows]) for name in names})


def _floats(values: Iterable[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def _times(values: Iterable[datetime]) -> np.ndarray[Any, np.dtype[np.datetime64]]:
    return np.array([value.replace(tzinfo=None) for value in values], dtype="datetime64[us]")


def _texts(
    values: Iterable[Any], missing: str = MISSING_GROUP
) -> np.ndarray[Any, np.dtype[np.str_]]:
    return np.array([missing if value is None else str(value) for value in values], dtype=np.str_)
