"""Sends again whatever has stalled: the net under every crash between a write and a message.

What may go in here: who has stalled. Nothing is decided about a run; its own handler does that.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from shared.catalogue import Catalogue
from shared.domain.run import DRIVEN, Run
from shared.handlers import messages
from shared.handlers.apart import each_apart
from shared.handlers.check_backlog import CheckBacklog
from shared.handlers.steps import Steps


@dataclass(frozen=True)
class Swept:
    """What a sweep sent."""

    runs: int = 0
    notices: int = 0
    chains: int = 0
    checks: int = 0

    def __add__(self, other: "Swept") -> "Swept":
        return Swept(
            self.runs + other.runs,
            self.notices + other.notices,
            self.chains + other.chains,
            self.checks + other.checks,
        )


@dataclass(frozen=True)
class Sweep:
    """Looks at every model's unsettled runs, and at the ledgers that are not projected."""

    catalogue: Catalogue
    steps: Steps
    stalled_after: timedelta
    backlog: CheckBacklog | None = None

    def __call__(self) -> Swept:
        """Send what has rested longer than it should; sending twice is harmless.

        A model that cannot be read, or a run that cannot be sent, keeps no other from being swept:
        it would be the same ones each time that come after it.

        Raises:
            LoopError: the first trouble, once everything else is swept.
        """
        models = [partial(self._runs, model.name) for model in self.catalogue.models]
        parts = (*models, partial(self._chains), partial(self._checks))
        return sum(each_apart(parts), Swept())

    def _runs(self, model: str) -> Swept:
        return sum(each_apart(partial(self._send, run) for run in self._stalled(model)), Swept())

    def _send(self, run: Run) -> Swept:
        if run.state in DRIVEN:
            self.steps.send(run)
            return Swept(runs=1)
        if run.notified_at is None:
            self.steps.queues.send(messages.NOTICES, messages.run_message(run))
            return Swept(notices=1)
        return Swept()

    def _chains(self) -> Swept:
        chains = self.steps.journal.store.unprojected()
        each_apart(partial(self._project, chain) for chain in chains)
        return Swept(chains=len(chains))

    def _project(self, chain: str) -> None:
        self.steps.queues.send(messages.AUDIT_ROWS, messages.chain_message(chain))

    def _checks(self) -> Swept:
        """Queue the drift checks that a timer left undone."""
        if self.backlog is None:
            return Swept()
        names = [model.name for model in self.catalogue.models]
        now = self.steps.journal.clock.now()
        return Swept(checks=self.backlog.send_overdue(names, now, self.stalled_after))

    def _stalled(self, model: str) -> list[Run]:
        now = self.steps.journal.clock.now()
        runs = self.steps.journal.store.unsettled(model)
        return [run for run in runs if stalled(run, now, self.stalled_after)]


def stalled(run: Run, now: datetime, after: timedelta) -> bool:
    """Tell whether a run has rested for longer than it should, past its next look.

    A run that was written in the future has stalled too: our clock was set back since, and may not
    reach that time for days.
    """
    due = max(run.updated_at, run.due_at or run.updated_at)
    return now > due + after or now < run.updated_at - after
