"""An alert resolved: close what it had asked for and has not begun. Never starts anything.

A resolution and its firing carry the same alert id, so they name the same run, in whichever order
they come:

- no run yet: the run is written as skipped, and the firing that comes later finds it so;
- requested: skipped, since what it was to answer is over;
- held: left to the person who was asked, with the fact on record;
- started or further: left alone. The job is paid for, and the gates judge what it makes.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.audit import AuditEntry
from shared.domain.run import Lock, Run, SkipReason, State, Trigger, run_id_of
from shared.handlers.journal import Change, Journal, entry
from shared.handlers.request_retrain import SEEN_FIRING, Receipt
from shared.handlers.steps import owns
from shared.ports import Snapshot

RESOLVED_AT = "alert_resolved_at"
"""The fact of a run that its alert resolved, and when that was received."""


@dataclass(frozen=True)
class ResolveAlert:
    """Takes resolutions."""

    journal: Journal

    def __call__(self, model: str, trigger: Trigger) -> Receipt:
        """Give a receipt once the fact is stored; a resolution that comes again changes nothing.

        Raises:
            Unavailable: it could not be stored; the sender should come again.
        """
        run_id = run_id_of(model, trigger)
        applied = self.journal.apply(
            model, run_id, lambda snapshot: self._decide(model, trigger, snapshot)
        )
        if applied.run is None:  # the decision always writes a run
            raise AssertionError(run_id)
        was = applied.before.run
        known = was is not None and RESOLVED_AT in was.facts
        decision = "duplicate" if known else "resolved"
        reason = f"{trigger.reason}; {_what_became(was)}"
        return Receipt(decision, reason, model, run_id, applied.run.state)

    def _decide(self, model: str, trigger: Trigger, snapshot: Snapshot) -> Change:
        now, run = self.journal.clock.now(), snapshot.run
        if run is None:
            early = _early(model, trigger, now)
            return Change(run=early, entries=(_noted(early, trigger, None, now),))
        if RESOLVED_AT in run.facts:
            again = f"resolution came again; {run.run_id} is {run.state}"
            return Change(entries=(entry(run, "alert.duplicate", now, reason=again),))
        resolved = replace(run, facts={**run.facts, RESOLVED_AT: now.isoformat()})
        noted = _noted(resolved, trigger, run, now)
        if run.state is not State.REQUESTED:
            return Change(run=resolved, entries=(noted,))
        return _closed(resolved, trigger, noted, snapshot, now)


def _closed(
    run: Run, trigger: Trigger, noted: AuditEntry, snapshot: Snapshot, now: datetime
) -> Change:
    """Skip a run that nobody has begun, and free its model."""
    reason = f"{SkipReason.RESOLVED}: {trigger.reason} before the run had begun"
    skipped = run.to(State.SKIPPED, now, reason=reason, notified_at=now)
    lock = Lock("", run.fence, now) if owns(snapshot, run) else None
    return Change(skipped, lock, (noted, entry(skipped, "run.skipped", now)))


def _noted(run: Run, trigger: Trigger, was: Run | None, now: datetime) -> AuditEntry:
    context: dict[str, object] = {"alert_id": trigger.alert_id}
    reason = f"{trigger.reason}; {_what_became(was)}"
    return entry(run, "alert.resolved", now, reason=reason, context=context)


def _early(model: str, trigger: Trigger, now: datetime) -> Run:
    return Run(
        model=model,
        run_id=run_id_of(model, trigger),
        state=State.SKIPPED,
        trigger=trigger,
        created_at=now,
        updated_at=now,
        reason=f"{SkipReason.RESOLVED}: {trigger.reason} before it was seen firing",
        notified_at=now,
        facts={RESOLVED_AT: now.isoformat(), SEEN_FIRING: False},
    )


def _what_became(run: Run | None) -> str:
    if run is None:
        return "it was not seen firing before"
    if run.state is State.REQUESTED:
        return f"{run.run_id} had not begun and is skipped"
    return f"{run.run_id} is {run.state} and stays so"
