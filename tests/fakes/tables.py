"""The lakehouse's tables in memory."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from shared.adapters.delta.delta_tables import known_table, require_texts
from shared.adapters.delta.table_rows import checked_values, require_known_columns
from shared.errors import NoTable, Refused
from tests.fakes.faults import Faults


class FakeTables:
    """Checks rows as the real one does; ``faults`` are for ``append``."""

    def __init__(self) -> None:
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._batches: dict[tuple[str, str], int] = {}
        self._lock = Lock()
        self.faults = Faults()

    def append(
        self,
        table: str,
        rows: Sequence[Mapping[str, Any]],
        *,
        writer: str,
        batch: int,
        after: int | None = None,
    ) -> bool:
        schema = known_table(table)
        if batch < 1:
            raise Refused(f"{table}: batch {batch} is below 1", code="InvalidBatch", subject=table)
        if not rows:
            raise Refused(f"{table}: no rows to append", code="NoRows", subject=table)
        require_known_columns(schema, rows)
        columns = {column.name: checked_values(schema, column, rows) for column in schema.columns}
        fault = self.faults.before()
        with self._lock:
            last = self._batches.get((table, writer), 0)
            if last >= batch or after not in (None, last):
                return False
            self._batches[table, writer] = batch
            stored = self._rows.setdefault(table, [])
            for index in range(len(rows)):
                stored.append({name: _utc(values[index]) for name, values in columns.items()})
        self.faults.after(fault)
        return True

    def update(self, table: str, where: Mapping[str, str], changes: Mapping[str, str]) -> int:
        require_texts(table, where, changes)
        if table not in self._rows:
            raise NoTable(f"{table}: no such table", subject=table)
        fault = self.faults.before()
        with self._lock:
            chosen = [
                row
                for row in self._rows[table]
                if all(row[name] == value for name, value in where.items())
            ]
            for row in chosen:
                row.update(changes)
        self.faults.after(fault)
        return len(chosen)

    def last_batch(self, table: str, writer: str) -> int:
        return self._batches.get((table, writer), 0)

    def columns(self, table: str) -> Mapping[str, str]:
        if table not in self._rows:
            raise NoTable(f"{table}: no such table", subject=table)
        return {column.name: column.type for column in known_table(table).columns}

    def values(self, table: str, column: str) -> Sequence[str]:
        rows = self.read(table)
        self._require_text(table, column)
        return sorted({row[column] or "" for row in rows})

    def _require_text(self, table: str, name: str) -> None:
        column = known_table(table).column(name)
        if column is None or column.type != "STRING":
            message = f"{table}.{name}: no text column of this name"
            raise Refused(message, code="InvalidColumn", subject=table)

    def read(
        self,
        table: str,
        where: Mapping[str, str] | None = None,
        *,
        since: tuple[str, datetime] | None = None,
    ) -> list[dict[str, Any]]:
        if table not in self._rows:
            raise NoTable(f"{table}: no such table", subject=table)
        schema = known_table(table)
        for name in where or {}:
            self._require_text(table, name)
        name, moment = since or ("", None)
        column = schema.column(name)
        if name and (column is None or column.type != "TIMESTAMP"):
            message = f"{table}.{name}: no time column of this name"
            raise Refused(message, code="InvalidColumn", subject=table)
        wanted = dict(where or {}).items()
        return [
            dict(row)
            for row in self._rows[table]
            if all(row[key] == value for key, value in wanted)
            and (moment is None or (row[name] is not None and row[name] >= moment))
        ]


def _utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value
