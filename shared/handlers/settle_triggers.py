"""Brings the triggers that drift checks raised to the state of the runs that answer them.

A trigger and a run know nothing of each other: between them are a log, an alert rule and an action
group. The run that answers a trigger is the model's first one at or after it. Safe to repeat: a
status only ever moves on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from shared.domain.run import Run, State
from shared.errors import NoTable
from shared.ports import RunStore, Tables

TRIGGERS_TABLE: Final = "lh_gold.ml_retrain_triggers"
PENDING: Final = "PENDING"
STARTED: Final = "STARTED"
OPEN: Final = (PENDING, STARTED)

STATUS: Final = {
    State.STARTING: STARTED,
    State.RUNNING: STARTED,
    State.JUDGING: STARTED,
    State.SKIPPED: "SKIPPED",
    State.REJECTED: "REJECTED",
    State.START_FAILED: "FAILED",
    State.JOB_FAILED: "FAILED",
    State.TIMED_OUT: "FAILED",
    State.CANCELLED: "FAILED",
    State.GATE_ERROR: "FAILED",
    State.STAGED: "STAGED",
    State.CHALLENGING: "STAGED",
    State.AWAITING_APPROVAL: "STAGED",
    State.PROMOTED: "STAGED",
    State.LIVE: "STAGED",
    State.ROLLED_BACK: "STAGED",
}
"""What a run's state makes of its trigger; requested and held are nothing new."""


@dataclass(frozen=True)
class SettleTriggers:
    """Settles a model's open triggers."""

    store: RunStore
    tables: Tables

    def __call__(self, model: str) -> int:
        """Write what has changed; gives the number of triggers moved on.

        Raises:
            Unavailable: store or table did not answer; the message comes again.
        """
        triggers = self._open(model)
        if not triggers:
            return 0
        oldest = min(row["triggered_at"] for row in triggers)
        runs = self.store.runs(model, since=oldest)
        return sum(
            self._move(row["trigger_id"], row["status"], _answer(runs, row["triggered_at"]))
            for row in triggers
        )

    def _open(self, model: str) -> list[dict[str, Any]]:
        try:
            rows = self.tables.read(TRIGGERS_TABLE, {"model_name": model})
        except NoTable:
            return []
        return [row for row in rows if row["status"] in OPEN]

    def _move(self, trigger_id: str, before: str, run: Run | None) -> int:
        after = STATUS.get(run.state) if run is not None else None
        if after is None or after == before:
            return 0
        # on the condition of the old status: of two that settle at once, the later reading stays
        where = {"trigger_id": trigger_id, "status": before}
        return self.tables.update(TRIGGERS_TABLE, where, {"status": after})


def _answer(runs: Sequence[Run], triggered_at: datetime) -> Run | None:
    after = [run for run in runs if run.created_at >= triggered_at]
    # of two alerts at the same moment one was put aside for the other
    return min(after, key=lambda run: (run.created_at, run.state is State.SKIPPED), default=None)
