"""The rows that came in: in memory for the rules, in a JSONL file for the next start."""

import json
from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from pathlib import Path

from local.monitor_simulator.table import TIME_COLUMN, LogRow

_by_time = attrgetter("time")


class RowStore:
    """Rows in the order of their time; rows of the same time in the order they came."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[LogRow] = []
        if path.exists():
            self._remember(map(_from_line, path.read_text(encoding="utf-8").splitlines()))

    def add(self, rows: Sequence[LogRow]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row.values) + "\n" for row in rows)
        self._remember(rows)

    def between(self, after: datetime, until: datetime) -> Sequence[LogRow]:
        """The rows with ``after`` < time <= ``until``: adjoining windows share no row."""
        first = bisect_right(self._rows, after, key=_by_time)
        return self._rows[first : bisect_right(self._rows, until, key=_by_time)]

    def all(self) -> Sequence[LogRow]:
        return tuple(self._rows)

    def _remember(self, rows: Iterable[LogRow]) -> None:
        for row in rows:
            insort(self._rows, row, key=_by_time)


def _from_line(line: str) -> LogRow:
    values = json.loads(line)
    return LogRow(datetime.fromisoformat(values[TIME_COLUMN]), values)
