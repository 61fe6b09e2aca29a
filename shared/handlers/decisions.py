"""A decision on a promotion: put on record first, then carried out, by whoever comes by.

What may go in here: what is written and done once it is decided. Who may decide, and when the time
is over, is said by those who decide.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from shared.domain.actor import Actor
from shared.domain.audit import AuditEntry
from shared.domain.run import Run, State
from shared.errors import DataError, IllegalTransition, NotFound, Refused
from shared.handlers.journal import Change, entry
from shared.handlers.promotion_start import send_to_promotion
from shared.handlers.steps import Steps
from shared.ports import Registry, Snapshot

UNTIL = "approval_until"
"""Where a run's facts hold when nobody may approve it any more, ISO time."""
DECIDED = "decided_by"
"""Where a run's facts hold the object id of who has decided; empty: the time was over."""
APPROVED = "approved"
"""Where a run's facts hold how it was decided."""
DECISION = "decision"
"""Where a run's facts hold the decision in words."""


@dataclass(frozen=True)
class Decision:
    """What was decided on a promotion.

    Attributes:
        said: the reason as it was given.
        summary: the decision in words, for the run.
        context: what the ledger keeps of it.
    """

    action: Literal["run.approved", "run.refused", "run.expired"]
    actor: Actor
    said: str
    summary: str
    context: Mapping[str, Any] = field(default_factory=dict)

    @property
    def approves(self) -> bool:
        return self.action == "run.approved"

    def stands(self, run: Run) -> bool:
        """Tell whether this is what was decided on a run."""
        known = (run.facts.get(DECIDED), run.facts.get(APPROVED))
        return known == (self.actor.object_id, self.approves)


@dataclass(frozen=True)
class Decisions:
    """Writes decisions down and carries them out."""

    steps: Steps
    registry: Registry

    def record(self, run: Run, decision: Decision) -> Run:
        """Put a decision on record; the first one counts, and the same again is no other.

        Raises:
            IllegalTransition: the run waits no more, or was decided otherwise.
        """

        def decide(snapshot: Snapshot) -> Change | None:
            found = snapshot.run
            if found is None or found.state is not State.AWAITING_APPROVAL:
                return None
            if DECIDED in found.facts:
                return None
            kept, noted = self._written(found, decision)
            return Change(run=kept, entries=(noted,))

        now = self.steps.journal.apply(run.model, run.run_id, decide).run
        if now is None or not decision.stands(now):
            raise IllegalTransition("it was decided otherwise meanwhile", subject=run.run_id)
        return now

    def carry_out(self, run: Run) -> bool:
        """Promote or reject as was decided; safe to repeat. False where it was done before.

        A challenger loses its role before its run ends: a run that has ended is not come back to.
        """
        if run.state is not State.AWAITING_APPROVAL:
            return False
        if run.facts[APPROVED]:
            return self._promote(run)
        with suppress(NotFound, Refused):  # it has no role to lose
            self.registry.retire(run.model, run.version)
        reason = str(run.facts.get(DECISION) or f"rejected by {run.facts['approver']}")
        return end_candidate(self.steps, run, reason, run.facts.get("grounds", {}))

    def _promote(self, run: Run) -> bool:
        name, who = run.facts["approver"], run.facts[DECIDED]
        applied = send_to_promotion(
            self.steps,
            run,
            reason=str(run.facts.get(DECISION) or f"approved by {name}"),
            actor=Actor(name, object_id=who),
            context=run.facts["grounds"],
            expect=lambda now: now.facts.get(DECIDED) == who,
        )
        return applied.changed

    def _written(self, run: Run, decision: Decision) -> tuple[Run, AuditEntry]:
        now, actor, context = self.steps.journal.clock.now(), decision.actor, dict(decision.context)
        facts = {
            **run.facts,
            "grounds": context,
            "approver": actor.name,
            DECIDED: actor.object_id,
            APPROVED: decision.approves,
            DECISION: decision.summary,
        }
        kept = replace(run, facts=facts, updated_at=now)
        noted = entry(
            kept, decision.action, now, reason=decision.said, context=context, actor=actor
        )
        return kept, noted


def until(run: Run) -> datetime:
    """Give when nobody may approve a run any more.

    Raises:
        DataError: the run does not say.
    """
    try:
        return datetime.fromisoformat(run.facts[UNTIL])
    except (KeyError, TypeError, ValueError):
        message = f"{run.run_id} waits for approval and does not say how long"
        raise DataError(message, subject=run.run_id) from None


def end_candidate(steps: Steps, run: Run, reason: str, context: Mapping[str, Any]) -> bool:
    """Reject a run whose version will not become the champion.

    False where it has moved on, or was decided on since it was read.
    """

    def step(snapshot: Snapshot) -> Change | None:
        found, now = snapshot.run, steps.journal.clock.now()
        if found is None or found.state is not run.state:
            return None
        if (DECIDED in found.facts) is not (DECIDED in run.facts):
            return None
        moved = found.to(State.REJECTED, now, reason=reason[:2000], notified_at=None)
        noted = entry(
            moved, "run.rejected", now, outcome="denied", context={"blocked": True, **context}
        )
        return Change(run=moved, entries=(noted,))

    return steps.announced(steps.journal.apply(run.model, run.run_id, step)).changed
