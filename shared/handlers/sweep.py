"""Sends again whatever has stalled: the net under every crash between a write and a message."""

from dataclasses import dataclass
from datetime import timedelta

from shared.catalogue import Catalogue
from shared.domain.run import WORKING, Run
from shared.handlers import messages
from shared.handlers.steps import Steps


@dataclass(frozen=True)
class Swept:
    """What a sweep sent."""

    runs: int = 0
    notices: int = 0
    chains: int = 0


@dataclass(frozen=True)
class Sweep:
    """Looks at every model's unsettled runs."""

    catalogue: Catalogue
    steps: Steps
    stalled_after: timedelta

    def __call__(self) -> Swept:
        """Send what has rested longer than it should; sending twice is harmless."""
        stalled = [run for model in self.catalogue.models for run in self._stalled(model.name)]
        driven = [run for run in stalled if run.state in WORKING]
        untold = [run for run in stalled if run.state not in WORKING and run.notified_at is None]
        for run in driven:
            self.steps.send(run)
        for run in untold:
            self.steps.queues.send(messages.NOTICES, messages.run_message(run))
        chains = self.steps.journal.store.chains()
        for chain in chains:
            self.steps.queues.send(messages.AUDIT_ROWS, messages.chain_message(chain))
        return Swept(len(driven), len(untold), len(chains))

    def _stalled(self, model: str) -> list[Run]:
        before = self.steps.journal.clock.now() - self.stalled_after
        runs = self.steps.journal.store.unsettled(model)
        return [run for run in runs if run.updated_at < before]
