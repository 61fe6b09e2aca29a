"""What a promotion writes to its run and to the ledger: the intent, and how it ended.

What may go in here: writes of a run that promotes and has its model; the registry is not known.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from shared.domain.actor import LOOP
from shared.domain.audit import AuditEntry
from shared.domain.run import Lock, Purpose, Run, State
from shared.handlers.journal import Change, entry
from shared.handlers.steps import Steps, owns
from shared.ports import Snapshot

REPLACES = "replaces"
"""Where a run's facts hold the champion before, from the intent on; empty: there was none."""
PREVIOUS = "previous"
"""Where they hold the champion before that one, for an undo; empty: there was none."""
PRODUCTION = "Production"


@dataclass(frozen=True)
class PromotionRecord:
    """Puts promotions on record; each write is left out where the run has lost its model."""

    steps: Steps

    def intend(self, run: Run, serving: str, previous: str) -> Run | None:
        """Say which champion is about to be replaced; None where it must not be any more."""

        def change(found: Run) -> tuple[Run, AuditEntry]:
            now = self.steps.journal.clock.now()
            facts = {**found.facts, REPLACES: serving, PREVIOUS: previous}
            kept = replace(found, updated_at=now, facts=facts)
            context = {REPLACES: serving, **_grounds(found)}
            return kept, entry(
                kept,
                "model.promote",
                now,
                outcome="intent",
                context=context,
                from_stage=_from_stage(found),
                to_stage=PRODUCTION,
            )

        return self._owned(run, change, release=False)

    def done(self, run: Run, card: Mapping[str, Any]) -> None:
        """Say that the version serves now, and let the model go."""

        def change(found: Run) -> tuple[Run, AuditEntry]:
            now = self.steps.journal.clock.now()
            moved = found.to(State.PROMOTED, now, notified_at=None)
            context = {REPLACES: found.facts[REPLACES], **_grounds(found), **card}
            return moved, entry(
                moved,
                "model.promoted",
                now,
                context=context,
                from_stage=_from_stage(found),
                to_stage=PRODUCTION,
            )

        self._owned(run, change, release=True)

    def reject(self, run: Run, reason: str) -> None:
        """Say that the version does not become the champion, and let the model go."""

        def change(found: Run) -> tuple[Run, AuditEntry]:
            now = self.steps.journal.clock.now()
            moved = found.to(State.REJECTED, now, reason=reason[:2000], notified_at=None)
            return moved, entry(
                moved, "run.rejected", now, outcome="denied", context={"blocked": True}
            )

        self._owned(run, change, release=True)

    def tell_displaced(self, run: Run) -> None:
        """Close the run whose version has stopped serving."""
        served = {State.PROMOTED, State.LIVE}
        for other in self.steps.journal.store.runs(run.model, states=served):
            if other.version == run.facts[REPLACES] and other.run_id != run.run_id:
                self._roll_back(other, run)

    def _roll_back(self, other: Run, run: Run) -> None:
        def decide(snapshot: Snapshot) -> Change | None:
            found, now = snapshot.run, self.steps.journal.clock.now()
            if found is None or found.state is not other.state:
                return None
            # the rollback's own run tells people; a notice nobody took no longer matters
            told = found.notified_at or now
            moved = found.to(
                State.ROLLED_BACK, now, reason=run.trigger.reason, notified_at=told, due_at=None
            )
            context: dict[str, object] = {"by": run.run_id, "back_to": run.version}
            noted = entry(
                moved,
                "model.rolled_back",
                now,
                context=context,
                from_stage=PRODUCTION,
                to_stage="Archived",
            )
            return Change(run=moved, entries=(noted,))

        self.steps.journal.apply(other.model, other.run_id, decide)

    def _owned(
        self, run: Run, change: Callable[[Run], tuple[Run, AuditEntry]], *, release: bool
    ) -> Run | None:
        """Write, if the run still promotes and has the model; None where it does not."""

        def decide(snapshot: Snapshot) -> Change | None:
            found = snapshot.run
            if found is None or found.state is not State.PROMOTING or not owns(snapshot, run):
                return None
            written, noted = change(found)
            free = Lock("", run.fence, self.steps.journal.clock.now()) if release else None
            return Change(written, free, (noted,))

        applied = self.steps.announced(self.steps.journal.apply(run.model, run.run_id, decide))
        return applied.run if applied.changed else None


def _grounds(run: Run) -> dict[str, Any]:
    """Give what the audit's columns say of why and by whom."""
    return {"approver": run.facts.get("approver", LOOP.name), **run.facts.get("grounds", {})}


def _from_stage(run: Run) -> str:
    return {Purpose.PROMOTION: "Staging", Purpose.ROLLBACK: "Archived"}.get(run.purpose, "None")
