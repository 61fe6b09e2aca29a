"""Has the rows of checks reach the log that alert rules read: now, or with the next check.

The rows are in ``ml_drift_metrics`` before they are uploaded, so what could not be uploaded is read
from there; two marks a model say how far each side has come.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from shared.handlers.check_backlog import seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.ports import Marks, MetricSink, Tables

METRICS_TABLE: Final = "lh_gold.ml_drift_metrics"
WRITTEN: Final = "log-written"
SENT: Final = "log-sent"
TAKEN_FOR: Final = timedelta(days=2)
"""Azure Monitor stamps older rows with the time they arrive, and an old verdict would look like the
newest. Source: Azure Monitor, standard columns, TimeGenerated."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RowLog:
    """Uploads rows, and those of earlier checks that could not be uploaded then."""

    tables: Tables
    metrics: MetricSink
    marks: Marks

    def begin(self, model: str, at: datetime) -> bool:
        """Mark that a check's rows are about to be written.

        Gives whether there is more to send than these: something failed, or died, before.
        """
        batch = seconds(at)
        sent = self.marks.get(SENT, model)
        if not sent:
            # what was written before there were marks is nobody's debt
            self.marks.advance(SENT, model, batch - 1)
        held = bool(sent) and self.marks.get(WRITTEN, model) > sent
        self.marks.advance(WRITTEN, model, batch)
        return held

    def publish(
        self, model: str, at: datetime, rows: Sequence[Mapping[str, Any]], *, held: bool
    ) -> None:
        """Upload the rows; with ``held``, whatever of the table has not been sent instead.

        Raises:
            Unavailable: the log did not take them; they are sent with the next check.
        """
        from shared.domain.drift.rows import log_rows

        sending = self._unsent(model, at) if held else rows
        if sending:
            self.metrics.upload(log_rows(sending))
        self.marks.advance(SENT, model, seconds(at))

    def _unsent(self, model: str, at: datetime) -> list[dict[str, Any]]:
        first = datetime.fromtimestamp(self.marks.get(SENT, model) + 1, UTC)
        since = "run_timestamp", max(first, at - TAKEN_FOR)
        rows = self.tables.read(METRICS_TABLE, {"model_name": model}, since=since)
        log.warning("%s: %d rows that were held are sent to the log", model, len(rows))
        return sorted(rows, key=lambda row: row["run_timestamp"])
