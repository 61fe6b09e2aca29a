"""Ends the approvals that nobody has given in time, and finishes those that were decided.

A run that waits without an end would wait for ever: it counts as decided against, on record as
any other decision is.
"""

from dataclasses import dataclass
from functools import partial

from shared.catalogue import Catalogue
from shared.domain.actor import LOOP
from shared.domain.run import Run, State
from shared.errors import IllegalTransition
from shared.handlers.apart import each_apart
from shared.handlers.decisions import DECIDED, Decision, Decisions, until


@dataclass(frozen=True)
class ExpireApprovals:
    """Looks at every run that waits for a person."""

    catalogue: Catalogue
    decisions: Decisions

    def __call__(self) -> int:
        """Reject what nobody has approved in time; gives how many runs were moved on.

        Raises:
            LoopError: the first trouble, once every other run was looked at.
        """
        models = self.catalogue.models
        return sum(each_apart(partial(self._of, model.name) for model in models))

    def _of(self, model: str) -> int:
        store = self.decisions.steps.journal.store
        waiting = store.runs(model, states={State.AWAITING_APPROVAL})
        return sum(each_apart(partial(self._look, run) for run in waiting))

    def _look(self, run: Run) -> bool:
        if DECIDED in run.facts:  # a worker died between the decision and what follows
            return self.decisions.carry_out(run)
        end = until(run)
        if self.decisions.steps.journal.clock.now() < end:
            return False
        reason = f"nobody approved it before {end:%Y-%m-%d %H:%M}Z"
        over = Decision("run.expired", LOOP, reason, reason, {"expired": True})
        try:
            noted = self.decisions.record(run, over)
        except IllegalTransition:
            return False  # a person was faster
        return self.decisions.carry_out(noted)
