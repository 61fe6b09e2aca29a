"""The custom log table in memory."""

from collections.abc import Mapping, Sequence
from typing import Any

from shared.adapters.logs_ingestion import json_row, split_rows
from tests.fakes.faults import Faults


class FakeSink:
    """Keeps rows as they would travel; ``faults`` order failing uploads."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.faults = Faults()

    def upload(self, rows: Sequence[Mapping[str, Any]]) -> None:
        documents = [row for part in split_rows([json_row(row) for row in rows]) for row in part]
        fault = self.faults.before()
        self.rows.extend(documents)
        self.faults.after(fault)
