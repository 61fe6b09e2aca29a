"""Starts a run's job exactly once, though a service may have no idempotency key.

What may go in here: what happens to a run from its request until its job is known. The order is
fixed: list what is there, write the intent, ask. Whatever is listed later and was not there before,
that no run owns, may be this run's. One such job is adopted; none after the grace period: asked for
again; more than one, or one that another run may have started as well: a person decides. No clock
takes part in that choice, so one that jumps cannot make two jobs of one. A service that tells what
a job was started with leaves no choice: a job that names this run is its own, one that names
another is not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.catalogue import Catalogue, Model
from shared.domain.run import Run, State
from shared.errors import LoopError, NotFound, Refused, Throttled, Unavailable
from shared.handlers.cancel_run import wanted_gone, withdraw
from shared.handlers.pacing import PollLimits
from shared.handlers.steps import Steps
from shared.ports import JobInstance, Jobs, Registry

CLOCK_SKEW = timedelta(seconds=60)
"""How far a service's clock may be behind ours, for a run that kept no list of jobs before it."""

LEAST_LOOKS = 5
"""Looks at a start before time alone may end it."""

SEARCHED = "searched"
"""Where a run's facts hold which of its starts has been searched for in vain at least once."""

JOBS_BEFORE = "jobs_before"
"""Where a run's facts hold the instances that were listed before its start was first asked for."""


@dataclass(frozen=True)
class StartRun:
    """Gets a run its job."""

    catalogue: Catalogue
    steps: Steps
    jobs: Jobs
    registry: Registry
    limits: PollLimits

    def begin(self, model: Model, run: Run) -> None:
        """Ask for a job for the first time, once it is known which jobs there are already."""
        try:
            listed = self.jobs.instances(model.job_items)
        except Unavailable as error:
            self._not_yet(model, run, error)
        except (NotFound, Refused) as error:
            self._failed(run, f"{model.job_items.service} refused to list the jobs: {error}")
        else:
            self._intend(model, run, self._unowned(model, listed))

    def reconcile(self, model: Model, run: Run) -> None:
        """Go on with a start that is not settled: find the job, wait for it, or ask again."""
        if not unanswered(run):
            self._again(model, run)
            return
        try:
            listed = self.jobs.instances(model.job_items)
        except (NotFound, Refused, Unavailable) as error:
            self._cannot_reconcile(model, run, error)
            return
        found = self._candidates(model, run, listed)
        certain = all(job.run_id for job in found)
        rivals = self._rivals(model, run) if len(found) == 1 and not certain else ()
        if len(found) == 1 and not rivals:
            self._started(model, run, found[0].instance_id, found[0].retry_after)
        elif found:
            self._hold(run, _ambiguity(found, rivals))
        else:
            self._not_found(model, run)

    def _not_yet(self, model: Model, run: Run, error: Unavailable) -> None:
        reason = f"the jobs cannot be listed, so none is asked for: {error}"
        if self._is_patient(model, run, run.created_at):
            self._wait(run, error, reason)
        else:
            self._failed(run, reason)

    def _intend(self, model: Model, run: Run, before: Sequence[JobInstance]) -> None:
        now = self._now()
        applied = self.steps.move(
            run,
            State.STARTING,
            "job.start",
            outcome="intent",
            reason=run.trigger.reason,
            context={"pipeline_id": model.job_items.label},
            intent_at=now,
            asked_at=now,
            starts=1,
            # one that names its run is never taken for another's, so it need not be remembered
            facts={JOBS_BEFORE: [job.instance_id for job in before if not job.run_id]},
        )
        if applied.changed and applied.run is not None and applied.run.state is State.STARTING:
            self._ask(model, applied.run, None)

    def _again(self, model: Model, run: Run) -> None:
        if wanted_gone(run):
            withdraw(self.steps, run)
            return
        again = self.steps.rewrite(run, "job.start", asked_at=self._now(), starts=run.starts + 1)
        if again.changed and again.run is not None:
            self._ask(model, again.run, run.asked_at)

    def _ask(self, model: Model, run: Run, unanswered_since: datetime | None) -> None:
        """Ask; ``unanswered_since`` is when an earlier start was asked for that is still open."""
        try:
            started = self.jobs.start(model.job_items, parameters_of(model, run))
        except Refused as error:
            self._refused(model, run, error, unanswered_since)
        except Throttled as error:
            self._declined(model, run, error, unanswered_since)
        except Unavailable as error:
            self._wait(run, None, f"no answer to the start: {error}")
        else:
            if started.instance_id is None:
                seconds = self.limits.after(run.polls, started.retry_after)
                self.steps.wait(run, seconds, "started; the answer named no instance")
            else:
                self._started(model, run, started.instance_id, started.retry_after)

    def _refused(
        self, model: Model, run: Run, error: Refused, unanswered_since: datetime | None
    ) -> None:
        """End the run; an earlier start that left no job in its grace period is only told of."""
        earlier = "; an earlier start was never answered" if unanswered_since else ""
        reason = f"{model.job_items.service} refused: {error}{earlier}"
        self._failed(run, reason, starts=run.starts - 1, asked_at=unanswered_since)

    def _declined(
        self, model: Model, run: Run, error: Throttled, unanswered_since: datetime | None
    ) -> None:
        """Wait as long as the service says; a plain no started nothing, so it is not looked for."""
        reason = f"{model.job_items.service} asks to wait: {error}"
        known = {"asked_at": unanswered_since, "starts": run.starts - 1}
        if unanswered_since or self._is_patient(model, run, run.intent_at or run.created_at):
            self._wait(run, error, reason, **known)
        else:
            self._failed(run, reason, **known)

    def _started(self, model: Model, run: Run, job_id: str, retry_after: float | None) -> None:
        seconds = self.limits.after(0, retry_after)
        applied = self.steps.move(
            run,
            State.RUNNING,
            "job.started",
            reason=f"job instance {job_id}",
            context={"job_id": job_id, "starts": run.starts},
            job_id=job_id,
            asked_at=None,
            deadline=self._now() + _patience(model),
            due_at=self.steps.due(seconds),
            polls=run.polls + 1,
        )
        if not applied.changed or applied.run is None:
            return  # whoever moved it on meanwhile finds the job in the list
        if applied.run.state is State.RUNNING:
            self.steps.send(applied.run, delay_seconds=seconds)
        else:
            cancel_quietly(self.jobs, model, job_id)

    def _cannot_reconcile(self, model: Model, run: Run, error: LoopError) -> None:
        reason = f"cannot look for the start: {error}"
        if self._is_patient(model, run, run.intent_at or run.created_at):
            self._wait(run, error, reason)
        else:
            self._hold(run, reason)

    def _not_found(self, model: Model, run: Run) -> None:
        left = self._grace_left(model, run)
        if left is not None:
            searched = {"asked_at": min(run.asked_at or self._now(), self._now())}
            facts = {SEARCHED: run.starts}
            seconds = self.limits.after(run.polls, left)
            self.steps.wait(run, seconds, "looking for the lost start", facts=facts, **searched)
        elif self.registry.made_by(model.name, run.run_id):
            reason = "no job instance is listed, and a version carries the run's id: it was started"
            applied = self.steps.move(run, State.JUDGING, "job.adopted", reason=reason, polls=0)
            if applied.changed and applied.run is not None:
                self.steps.send(applied.run)
        elif run.starts >= model.policy.start_attempts:
            reason = f"asked {run.starts} times and no job appeared; last: {run.reason}"
            self._failed(run, reason)
        else:
            self._again(model, run)

    def _grace_left(self, model: Model, run: Run) -> float | None:
        """Give the seconds until a start may be asked for again; None: it may.

        The first search that finds nothing is always followed by a whole grace period, which the
        queue measures: our clock may have jumped ahead while the request is still on its way.
        """
        grace = timedelta(seconds=model.policy.start_grace_seconds)
        waited = self._now() - (run.asked_at or run.intent_at or run.created_at)
        if run.facts.get(SEARCHED) != run.starts or waited < timedelta(0):
            return grace.total_seconds()
        return (grace - waited).total_seconds() if waited < grace else None

    def _candidates(
        self, model: Model, run: Run, listed: Sequence[JobInstance]
    ) -> list[JobInstance]:
        """Give the jobs that may be this run's: no run has them, and they were not there before.

        Those that name this run are the only ones where there are any.
        """
        unowned, known = self._unowned(model, listed), run.facts.get(JOBS_BEFORE)
        named = [job for job in unowned if job.run_id == run.run_id]
        if named:
            return named
        found = [job for job in unowned if not job.run_id]
        if known is not None:
            return [job for job in found if job.instance_id not in known]
        since = (run.intent_at or run.created_at) - CLOCK_SKEW
        return [job for job in found if job.started_at is None or job.started_at >= since]

    def _unowned(self, model: Model, listed: Sequence[JobInstance]) -> list[JobInstance]:
        """Give the jobs that were asked for, by hand or by API, and that no run has."""
        owned = {run.job_id for run in self._runs_beside(model)}
        return [
            job for job in listed if job.invoke_type == "Manual" and job.instance_id not in owned
        ]

    def _rivals(self, model: Model, run: Run) -> tuple[str, ...]:
        """Give the other runs that may have started the same job: asked, and never answered.

        What one of them asked for more than a grace period before this run's list was in that list.
        """
        grace = timedelta(seconds=model.policy.start_grace_seconds)
        since = (run.intent_at or run.created_at) - grace
        return tuple(
            other.run_id
            for other in self._runs_beside(model)
            if other.run_id != run.run_id
            and not other.job_id
            and other.asked_at is not None
            and other.asked_at >= since
            and other.state in _MAY_HAVE_STARTED
        )

    def _runs_beside(self, model: Model) -> list[Run]:
        """Give the runs of every model that shares the pipeline, this one's among them."""
        return [
            run
            for other in self.catalogue.models
            if other.job_items.place == model.job_items.place
            for run in self.steps.journal.store.runs(other.name)
        ]

    def _is_patient(self, model: Model, run: Run, since: datetime) -> bool:
        """Tell whether to go on waiting; a clock that jumps ahead ends nothing by itself."""
        return run.polls < LEAST_LOOKS or self._now() - since < _patience(model)

    def _failed(self, run: Run, reason: str, **changes: Any) -> None:
        self.steps.move(
            run, State.START_FAILED, "job.start", reason=reason, outcome="failure", **changes
        )

    def _hold(self, run: Run, reason: str) -> None:
        self.steps.move(run, State.HELD, "run.held", reason=reason, outcome="partial")

    def _wait(self, run: Run, error: LoopError | None, reason: str, **changes: Any) -> None:
        seconds = self.limits.after_error(run.run_id, run.polls, error)
        self.steps.wait(run, seconds, reason, **changes)

    def _now(self) -> datetime:
        return self.steps.journal.clock.now()


_MAY_HAVE_STARTED = frozenset({State.STARTING, State.HELD, State.START_FAILED, State.CANCELLED})


def unanswered(run: Run) -> bool:
    """Tell whether a start may have taken of which nothing is known."""
    return run.asked_at is not None or JOBS_BEFORE not in run.facts


@dataclass(frozen=True)
class Untaken:
    """Why a cancellation was not taken, empty where it was; and whether to ask again."""

    reason: str = ""
    again: bool = False


def cancel_quietly(jobs: Jobs, model: Model, job_id: str) -> Untaken:
    """Ask to cancel a job that no run wants any more; raises nothing."""
    try:
        jobs.cancel(model.job_items, job_id)
    except (NotFound, Refused, Unavailable) as error:
        return Untaken(f"the cancellation was not taken: {error}", error.retry)
    return Untaken()


def parameters_of(model: Model, run: Run) -> Mapping[str, Any]:
    """Give the pipeline's parameters: texts only, which every request form can carry."""
    return {
        "run_id": run.run_id,
        "trigger_reason": f"{run.trigger.kind}_alert" if run.trigger.alert_id else run.trigger.kind,
        "alert_id": run.trigger.alert_id,
        "model": model.name,
        "as_of": run.created_at.isoformat(),
        "cost_center": model.cost_center,
        "domain": model.domain,
        "intent": "retrain",
    }


def _patience(model: Model) -> timedelta:
    """Give how long a start is tried: as long as its job might have run."""
    return timedelta(minutes=model.policy.job_deadline_minutes)


def _ambiguity(found: Sequence[JobInstance], rivals: Sequence[str]) -> str:
    ids = ", ".join(job.instance_id for job in found)
    if rivals:
        others = ", ".join(rivals)
        return f"job instance {ids} may be this run's, or that of {others}, unanswered as well"
    return f"{len(found)} job instances may be this run's: {ids}"
