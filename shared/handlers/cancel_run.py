"""An operator wants a run gone: its job is cancelled at Fabric, its lock released, both audited.

Where Fabric has to be asked, the wish is written into the run first. Whoever drives the run next
sees it there, so that a wish outlives a worker that dies and a Fabric that does not answer.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from shared.catalogue import Catalogue, Model
from shared.domain.actor import Actor
from shared.domain.run import Lock, Run, State
from shared.errors import IllegalTransition, NotFound, Refused, Unavailable
from shared.handlers.journal import Applied, Change, entry
from shared.handlers.request_retrain import find_model
from shared.handlers.steps import Steps, owns
from shared.ports import Jobs, Snapshot

WISH = "cancel"
"""Where a run's facts hold who wants it cancelled, and why."""

NOTHING_OUTSIDE = frozenset({State.REQUESTED, State.HELD, State.JUDGING})
"""States in which no job of the run is known to be at work."""


@dataclass(frozen=True)
class CancelRun:
    """Cancels runs."""

    catalogue: Catalogue
    steps: Steps
    jobs: Jobs

    def __call__(self, model_name: str, run_id: str, reason: str, actor: Actor) -> Run:
        """Give the run: cancelled, or with the wish in it until Fabric has taken it.

        Raises:
            NotFound: the model is not in the catalogue, or has no such run.
            IllegalTransition: it is over, or its version is being staged.
            Unavailable: the store or the queue did not answer; ask again.
        """
        model = find_model(self.catalogue, model_name)
        applied = self.steps.journal.apply(
            model.name, run_id, lambda snapshot: self._wish(snapshot, run_id, reason, actor)
        )
        run = self.steps.announced(applied).run
        if run is None:
            raise AssertionError(run_id)  # the wish raises where there is none
        if run.state is State.CANCELLED:
            return run
        self.steps.send(run)
        carry_out(self.steps, self.jobs, model, run)
        return self.steps.journal.store.snapshot(model.name, run_id).run or run

    def _wish(self, snapshot: Snapshot, run_id: str, reason: str, actor: Actor) -> Change | None:
        now, run = self.steps.journal.clock.now(), snapshot.run
        if run is None:
            raise NotFound(f"model {snapshot.model!r} has no run {run_id}", subject=run_id)
        if run.state is State.CANCELLED or WISH in run.facts:
            return None
        _require_cancellable(run)
        wish = {"name": actor.name, "kind": actor.kind, "reason": reason}
        # the step counts on: the message sent with it replaces one that may wait for minutes
        wished = replace(run, updated_at=now, polls=run.polls + 1, facts={**run.facts, WISH: wish})
        if run.state in NOTHING_OUTSIDE:
            return _gone(snapshot, wished, now)
        intent = entry(wished, "run.cancel", now, outcome="intent", reason=reason, actor=actor)
        return Change(run=wished, entries=(intent,))


def carry_out(steps: Steps, jobs: Jobs, model: Model, run: Run) -> bool:
    """Cancel a run that somebody wants gone; False: nobody does, or it cannot be done yet.

    A run whose start is not settled waits until its job is known, and then loses it.
    """
    if WISH not in run.facts or run.state is State.STARTING or _passed(run):
        return False
    if run.state is State.RUNNING:
        try:
            jobs.cancel(model.job_items, run.job_id)
        except NotFound:
            pass  # a job that is gone needs no cancelling
        except (Refused, Unavailable):
            return False
    applied = withdraw(steps, run)
    return applied.run is not None and applied.run.state is State.CANCELLED


def withdraw(steps: Steps, run: Run) -> Applied:
    """End a run that somebody wants gone and that has no job at work."""

    def decide(snapshot: Snapshot) -> Change | None:
        now, found = steps.journal.clock.now(), snapshot.run
        if found is None or not found.active or WISH not in found.facts or _passed(found):
            return None
        return _gone(snapshot, found, now)

    return steps.announced(steps.journal.apply(run.model, run.run_id, decide))


def wanted_gone(run: Run) -> bool:
    """Tell whether a run is to be cancelled before anything else is done for it."""
    return WISH in run.facts and run.active and not _passed(run)


def _gone(snapshot: Snapshot, run: Run, now: datetime) -> Change:
    wish = run.facts[WISH]
    actor = Actor(wish["name"], wish["kind"])
    unknown = "; a job that it may have started is not known and goes on"
    reason = f"cancelled by {actor.name}: {wish['reason']}"
    reason += unknown if run.starts and not run.job_id else ""
    gone = run.to(State.CANCELLED, now, reason=reason, notified_at=None)
    context: dict[str, object] = {"job_id": run.job_id, "from": run.state}
    noted = entry(gone, "run.cancelled", now, context=context, actor=actor)
    lock = Lock("", run.fence, now) if owns(snapshot, run) else None
    return Change(gone, lock, (noted,))


def _require_cancellable(run: Run) -> None:
    if _passed(run):
        message = f"version {run.version} has passed its gates and is being staged"
        raise IllegalTransition(message, subject=run.run_id)
    if not run.active:
        message = f"a run in {run.state} cannot be cancelled"
        raise IllegalTransition(message, subject=run.run_id)


def _passed(run: Run) -> bool:
    """Tell whether the gates' yes is written: the registry may be changing at this moment."""
    return run.state is State.JUDGING and "verdict" in run.facts
