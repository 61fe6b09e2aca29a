"""A person has looked at a held run: let it start, or tell it which job is its own."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.catalogue import Catalogue, Model
from shared.domain.actor import Actor
from shared.domain.run import Run, State
from shared.errors import BadInput, IllegalTransition, NotFound
from shared.handlers.journal import Change, entry
from shared.handlers.request_retrain import find_model, lock_for
from shared.handlers.steps import Steps, owns
from shared.ports import Jobs, Snapshot


@dataclass(frozen=True)
class ReleaseRun:
    """Releases held runs."""

    catalogue: Catalogue
    steps: Steps
    jobs: Jobs

    def __call__(
        self, model_name: str, run_id: str, reason: str, actor: Actor, *, job_id: str = ""
    ) -> Run:
        """Give the run, requested again; with a job id running, as that job.

        A run that was held because of its start may have a job already: starting it again could
        make two, so that it must be told its job, or be cancelled.

        Raises:
            NotFound: no such model, run or job.
            BadInput: a job id is missing, or is another run's.
            IllegalTransition: it is not held, or another run has the model.
            Unavailable: something did not answer; ask again.
        """
        model = find_model(self.catalogue, model_name)
        if job_id:
            self._require_free(model, run_id, job_id)
        said = f"released by {actor.name}: {reason}"

        def decide(snapshot: Snapshot) -> Change:
            now = self.steps.journal.clock.now()
            moved = _moved(model, _require_held(snapshot, run_id, now), job_id, now)
            return _change(model, snapshot, replace(moved, reason=said), actor)

        applied = self.steps.journal.apply(model.name, run_id, decide)
        if applied.run is None:
            raise AssertionError(run_id)  # the release raises where there is none
        self.steps.send(applied.run)
        return applied.run

    def _require_free(self, model: Model, run_id: str, job_id: str) -> None:
        self.jobs.get(model.job_items, job_id)
        for other in self.catalogue.models:
            if other.job_items.place != model.job_items.place:
                continue
            for run in self.steps.journal.store.runs(other.name):
                if run.job_id == job_id and run.run_id != run_id:
                    raise BadInput("job_id", f"is the job of {run.run_id}")


def _require_held(snapshot: Snapshot, run_id: str, now: datetime) -> Run:
    run = snapshot.run
    if run is None:
        raise NotFound(f"model {snapshot.model!r} has no run {run_id}", subject=run_id)
    if run.state is not State.HELD:
        raise IllegalTransition(f"a run in {run.state} is not held", subject=run_id)
    if snapshot.lock.held_by_other(run_id, now):
        message = f"{snapshot.lock.run_id} is active for this model"
        raise IllegalTransition(message, subject=run_id)
    return run


def _moved(model: Model, run: Run, job_id: str, now: datetime) -> Run:
    if job_id:
        deadline = now + timedelta(minutes=model.policy.job_deadline_minutes)
        return run.to(State.RUNNING, now, job_id=job_id, deadline=deadline, polls=run.polls + 1)
    if run.starts:
        raise BadInput(
            "job_id",
            "a job of this run may be at work: name the instance that is its own, or cancel it",
        )
    return run.to(State.REQUESTED, now, polls=run.polls + 1)


def _change(model: Model, snapshot: Snapshot, moved: Run, actor: Actor) -> Change:
    now = moved.updated_at
    fence = moved.fence if owns(snapshot, moved) else snapshot.lock.fence + 1
    released = replace(moved, fence=fence, notified_at=None)
    context: dict[str, object] = {"job_id": released.job_id} if released.job_id else {}
    noted = entry(released, "run.released", now, context=context, actor=actor)
    return Change(released, lock_for(model, released, now), (noted,))
