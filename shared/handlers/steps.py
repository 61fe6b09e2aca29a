"""Steps of a run that more than one handler takes."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from shared.domain.audit import Outcome
from shared.domain.run import Lock, Run, State
from shared.handlers import messages
from shared.handlers.journal import Applied, Change, Journal, entry
from shared.ports import Queues, Snapshot


@dataclass(frozen=True)
class Steps:
    """Moves runs on, and has their outcome told."""

    journal: Journal
    queues: Queues

    def move(  # noqa: PLR0913 - a step says what, why and with which evidence
        self,
        run: Run,
        state: State,
        action: str,
        *,
        reason: str,
        outcome: Outcome = "success",
        context: dict[str, object] | None = None,
        stages: tuple[str, str] = ("", ""),
        **changes: Any,
    ) -> Applied:
        """Take the run from where it was seen to ``state``; does nothing if it has moved on."""

        def decide(snapshot: Snapshot) -> Change | None:
            now = self.journal.clock.now()
            found = snapshot.run
            if found is None or not unmoved(snapshot, run):
                return None
            if not owns(snapshot, run):
                return _lost(found, now)
            moved = found.to(state, now, reason=reason, **_laid_over(found, changes))
            lock = None if moved.active else Lock("", run.fence, now)
            noted = entry(
                moved,
                action,
                now,
                outcome=outcome,
                context=context,
                from_stage=stages[0],
                to_stage=stages[1],
            )
            return Change(moved, lock, (noted,))

        return self.announced(self.journal.apply(run.model, run.run_id, decide))

    def rewrite(
        self,
        run: Run,
        action: str = "",
        *,
        context: dict[str, object] | None = None,
        stages: tuple[str, str] = ("", ""),
        **changes: Any,
    ) -> Applied:
        """Write fields of a run that stays in its state; an intent where an action is named.

        A run that has lost its lock is cancelled instead, and ``changed`` is False: whoever asks
        for a rewrite in order to act next must not.
        """

        def decide(snapshot: Snapshot) -> Change | None:
            now = self.journal.clock.now()
            found = snapshot.run
            if found is None or not unmoved(snapshot, run):
                return None
            if not owns(snapshot, run):
                return _lost(found, now)
            kept = replace(found, updated_at=now, **_laid_over(found, changes))
            if not action:
                return Change(run=kept)
            noted = entry(
                kept,
                action,
                now,
                outcome="intent",
                context=context,
                from_stage=stages[0],
                to_stage=stages[1],
            )
            return Change(run=kept, entries=(noted,))

        applied = self.announced(self.journal.apply(run.model, run.run_id, decide))
        stayed = applied.run is not None and applied.run.state is run.state
        return replace(applied, changed=applied.changed and stayed)

    def wait(self, run: Run, seconds: float, reason: str, **changes: Any) -> None:
        """Come back to the run later: the step is written first, so that one message counts."""
        due_at = self.due(seconds)
        applied = self.rewrite(run, polls=run.polls + 1, reason=reason, due_at=due_at, **changes)
        if applied.changed and applied.run is not None:
            self.send(applied.run, delay_seconds=seconds)

    def due(self, seconds: float) -> datetime:
        """Give the time of a look that comes so much later."""
        return self.journal.clock.now() + timedelta(seconds=seconds)

    def send(self, run: Run, *, delay_seconds: float = 0) -> None:
        """Have the run driven on."""
        message = messages.run_message(run)
        self.queues.send(messages.queue_of(run), message, delay_seconds=delay_seconds)

    def announced(self, applied: Applied) -> Applied:
        """Have an outcome told and projected, by whoever wrote it."""
        run = applied.run
        if applied.changed and run is not None and run.notified_at is None:
            if not run.active or run.state is State.HELD:
                self.queues.send(messages.NOTICES, messages.run_message(run))
            if not run.active:
                self.queues.send(messages.AUDIT_ROWS, messages.chain_message(run.model, run.run_id))
        return applied


def unmoved(snapshot: Snapshot, run: Run) -> bool:
    """Tell whether the run still is where it was when it was read."""
    now = snapshot.run
    return now is not None and (now.state, now.polls, now.starts) == (
        run.state,
        run.polls,
        run.starts,
    )


def _laid_over(found: Run, changes: dict[str, Any]) -> dict[str, Any]:
    """Give the fields to write; facts are added, for somebody else may have added one meanwhile."""
    facts = {**found.facts, **changes.get("facts", {})}
    return {"due_at": None, **changes, "facts": facts}


def owns(snapshot: Snapshot, run: Run) -> bool:
    """Tell whether the run still holds its model's lock."""
    return (snapshot.lock.run_id, snapshot.lock.fence) == (run.run_id, run.fence)


def _lost(run: Run, now: datetime) -> Change:
    reason = "its lock had expired and another run holds the model"
    gone = run.to(State.CANCELLED, now, reason=reason)
    return Change(run=gone, entries=(entry(gone, "run.cancelled", now, outcome="failure"),))
