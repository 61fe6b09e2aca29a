"""Sends again whatever has stalled: the net under every crash between a write and a message.

What may go in here: who has stalled. Nothing is decided about a run; its own handler does that.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from shared.catalogue import Catalogue
from shared.domain.run import DRIVEN, Run
from shared.errors import LoopError
from shared.handlers import messages
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

        A model that cannot be read keeps no other from being swept: it would be the same ones each
        time that come after it.

        Raises:
            LoopError: the first trouble, once everything else is swept.
        """
        parts = [partial(self._runs, model.name) for model in self.catalogue.models]
        swept, troubles = Swept(), []
        for part in (*parts, partial(self._chains), partial(self._checks)):
            try:
                swept += part()
            except LoopError as error:
                troubles.append(error)
        if troubles:
            raise troubles[0]
        return swept

    def _runs(self, model: str) -> Swept:
        stalled = self._stalled(model)
        driven = [run for run in stalled if run.state in DRIVEN]
        untold = [run for run in stalled if run.state not in DRIVEN and run.notified_at is None]
        for run in driven:
            self.steps.send(run)
        for run in untold:
            self.steps.queues.send(messages.NOTICES, messages.run_message(run))
        return Swept(len(driven), len(untold))

    def _chains(self) -> Swept:
        chains = self.steps.journal.store.unprojected()
        for chain in chains:
            self.steps.queues.send(messages.AUDIT_ROWS, messages.chain_message(chain))
        return Swept(chains=len(chains))

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
