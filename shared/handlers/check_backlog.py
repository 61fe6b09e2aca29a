"""Which models are still to be checked for drift: what a timer that was killed leaves behind.

The timer marks what is due before it begins, each check marks what is done. The sweeper queues what
is due and not done; a queued check is tried as often as the host tries a message, and then hourly
until the next is due.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.domain.audit import timestamp
from shared.handlers import messages
from shared.ports import Marks, Queues

DRIFT: Final = "drift"
DUE: Final = "due"
DONE: Final = "drift-done"
QUEUED: Final = "drift-queued"
AGAIN: Final = timedelta(hours=1)
"""How long a queued check is left alone: what five tries in some minutes did not mend takes
longer."""


@dataclass(frozen=True)
class CheckBacklog:
    """Keeps the marks of the checks; times count in whole seconds."""

    marks: Marks
    queues: Queues

    def begin(self, now: datetime) -> None:
        """Mark that every model is due as of ``now``."""
        self.marks.advance(DRIFT, DUE, seconds(now))

    def done(self, model: str, at: datetime) -> None:
        """Mark that the check of a moment needs nothing more."""
        self.marks.advance(DONE, model, seconds(at))

    def queue(self, model: str, at: datetime, now: datetime) -> None:
        """Have one model checked as of ``at``; marked after it is sent: twice is harmless."""
        message = {"v": messages.VERSION, "model": model, "at": timestamp(at)}
        self.queues.send(messages.DRIFT_CHECKS, message)
        self.marks.advance(QUEUED, model, seconds(now))

    def send_overdue(self, models: Sequence[str], now: datetime, patience: timedelta) -> int:
        """Queue what is due for longer than ``patience`` and not done; gives their number."""
        due = self.marks.get(DRIFT, DUE)
        if not due or seconds(now - patience) < due:
            return 0
        late = self._late(models, due, seconds(now - AGAIN))
        for model in late:
            self.queue(model, datetime.fromtimestamp(due, UTC), now)
        return len(late)

    def _late(self, models: Sequence[str], due: int, queued_before: int) -> list[str]:
        done, queued = self.marks.group(DONE), self.marks.group(QUEUED)
        return [
            model
            for model in models
            if done.get(model, 0) < due and queued.get(model, 0) <= queued_before
        ]


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())
