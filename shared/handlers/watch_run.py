"""Drives a run from its request to the end of its job: start exactly once, then look.

Fabric gives no idempotency key, so the intent is written before the request is sent. A run found
with an intent and no job id is reconciled against the list of job instances before anything is
asked for again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.catalogue import Catalogue, Model
from shared.domain.run import Run, State
from shared.errors import LoopError, NotFound, Refused, Throttled, Unavailable
from shared.handlers.steps import Steps
from shared.ports import JobInstance, Jobs, Registry

CLOCK_SKEW = timedelta(seconds=60)
"""How far Fabric's clock may be behind ours when a start is looked for."""

BACKOFF = 1.5
"""Growth of the time between two looks where Fabric does not say when to come back."""

LONGEST_ASKED = 24 * 3600.0
"""Seconds of a Retry-After that are believed; a queue cannot hide a message for a week."""


@dataclass(frozen=True)
class PollLimits:
    """Bounds of the time between two looks at a job, seconds.

    Attributes:
        longest: where Fabric does not ask for more: coming back too early is throttled again.
    """

    shortest: float
    longest: float

    def after(self, polls: int, asked: float | None) -> float:
        """Give the time to the next look: what Fabric asks for, or growing."""
        if asked is not None:
            return max(min(asked, LONGEST_ASKED), self.shortest)
        return min(self.shortest * BACKOFF ** min(polls, 20), self.longest)


@dataclass(frozen=True)
class WatchRun:
    """Starts a run's job and watches it."""

    catalogue: Catalogue
    steps: Steps
    jobs: Jobs
    registry: Registry
    limits: PollLimits

    def __call__(self, model_name: str, run_id: str, step: int) -> None:
        """Take the next step of a run; safe to repeat, and to run twice at a time.

        Raises:
            NotFound: the model is not in the catalogue, or has no such run.
            Unavailable: the store did not answer; the message comes again.
        """
        model = self.catalogue.find(model_name)
        run = self.steps.journal.store.snapshot(model_name, run_id).run
        if model is None or run is None:
            raise NotFound(f"no run {run_id} of model {model_name!r}", subject=run_id)
        if step < run.polls:
            return  # an older message of a run that was sent again
        match run.state:
            case State.REQUESTED:
                self._begin(model, run)
            case State.STARTING:
                self._reconcile(model, run)
            case State.RUNNING:
                self._look(model, run)
            case State.JUDGING:
                self.steps.send(run)
            case _:
                return

    def _begin(self, model: Model, run: Run) -> None:
        now = self._now()
        applied = self.steps.move(
            run,
            State.STARTING,
            "job.start",
            outcome="intent",
            reason=run.trigger.reason,
            context={"pipeline_id": model.fabric.pipeline_id},
            intent_at=now,
            starts=1,
        )
        if applied.changed and applied.run is not None and applied.run.state is State.STARTING:
            self._ask(model, applied.run)

    def _ask(self, model: Model, run: Run) -> None:
        try:
            started = self.jobs.start(model.fabric, parameters_of(model, run))
        except Refused as error:
            self._failed(run, State.START_FAILED, "job.start", f"Fabric refused: {error}")
        except Throttled as error:
            self._wait(run, error.retry_after, f"Fabric throttles: {error}")
        except Unavailable as error:
            self._wait(run, None, f"no answer to the start: {error}")
        else:
            if started.instance_id is None:
                self._wait(run, started.retry_after, "started; the answer named no instance")
            else:
                self._started(model, run, started.instance_id, started.retry_after)

    def _started(self, model: Model, run: Run, job_id: str, retry_after: float | None) -> None:
        deadline = self._now() + timedelta(minutes=model.policy.job_deadline_minutes)
        applied = self.steps.move(
            run,
            State.RUNNING,
            "job.started",
            reason=f"job instance {job_id}",
            context={"job_id": job_id, "starts": run.starts},
            job_id=job_id,
            deadline=deadline,
            polls=run.polls + 1,
        )
        if applied.changed and applied.run is not None:
            self.steps.send(applied.run, delay_seconds=self.limits.after(0, retry_after))

    def _reconcile(self, model: Model, run: Run) -> None:
        try:
            found = self._candidates(model, run)
        except (NotFound, Refused, Unavailable) as error:
            self._cannot_reconcile(model, run, error)
            return
        if len(found) == 1:
            self._started(model, run, found[0].instance_id, found[0].retry_after)
        elif found:
            ids = ", ".join(instance.instance_id for instance in found)
            reason = f"{len(found)} job instances may be this run's: {ids}"
            self.steps.move(run, State.HELD, "run.held", reason=reason, outcome="partial")
        else:
            self._not_found(model, run)

    def _cannot_reconcile(self, model: Model, run: Run, error: LoopError) -> None:
        reason = f"cannot look for the start: {error}"
        patience = timedelta(minutes=model.policy.job_deadline_minutes)
        if self._now() - (run.intent_at or run.created_at) < patience:
            self._wait(run, _retry_after(error), reason)
        else:
            self.steps.move(run, State.HELD, "run.held", reason=reason, outcome="partial")

    def _candidates(self, model: Model, run: Run) -> list[JobInstance]:
        since = (run.intent_at or run.created_at) - CLOCK_SKEW
        owned = self._owned(model)
        return [
            instance
            for instance in self.jobs.instances(model.fabric)
            if instance.instance_id not in owned
            and instance.invoke_type == "Manual"
            and (instance.started_at is None or instance.started_at >= since)
        ]

    def _owned(self, model: Model) -> set[str]:
        """Give the jobs that runs have, of every model that shares the pipeline."""
        place = (model.fabric.workspace_id, model.fabric.pipeline_id)
        return {
            run.job_id
            for other in self.catalogue.models
            if (other.fabric.workspace_id, other.fabric.pipeline_id) == place
            for run in self.steps.journal.store.runs(other.name)
            if run.job_id
        }

    def _not_found(self, model: Model, run: Run) -> None:
        intent = run.intent_at or run.created_at
        grace = timedelta(seconds=model.policy.start_grace_seconds)
        waited = self._now() - intent
        if waited < grace:
            self._wait(run, (grace - waited).total_seconds(), "looking for the lost start")
        elif self.registry.made_by(model.name, run.run_id):
            reason = "no job instance is listed, and a version carries the run's id: it was started"
            applied = self.steps.move(run, State.JUDGING, "job.adopted", reason=reason, polls=0)
            self._sent_on(applied.run if applied.changed else None)
        elif run.starts >= model.policy.start_attempts:
            reason = f"asked {run.starts} times and no job appeared; last: {run.reason}"
            self._failed(run, State.START_FAILED, "job.start", reason)
        else:
            again = self.steps.rewrite(
                run, "job.start", intent_at=self._now(), starts=run.starts + 1
            )
            if again.changed and again.run is not None:
                self._ask(model, again.run)

    def _look(self, model: Model, run: Run) -> None:
        try:
            job = self.jobs.get(model.fabric, run.job_id)
        except NotFound as error:
            self._keep_looking(model, run, None, str(error))
        except (Refused, Unavailable) as error:
            self._keep_looking(model, run, _retry_after(error), f"cannot look at the job: {error}")
        else:
            self._seen(model, run, job)

    def _seen(self, model: Model, run: Run, job: JobInstance) -> None:
        match job.status:
            case "Completed":
                reason = f"job instance {job.instance_id} completed"
                applied = self.steps.move(
                    run, State.JUDGING, "job.completed", reason=reason, polls=0
                )
                self._sent_on(applied.run if applied.changed else None)
            case "Failed":
                reason = self._failure(model, run, job)
                self._failed(run, State.JOB_FAILED, "job.failed", reason)
            case "Cancelled":
                reason = "the job was cancelled in Fabric"
                self._failed(run, State.CANCELLED, "job.cancelled", reason)
            case "Deduped":
                reason = "Fabric skipped the job: one of its type was already running"
                self._failed(run, State.JOB_FAILED, "job.deduped", reason)
            case status:
                # Fabric may add statuses: one that is not known is not an end.
                self._keep_looking(model, run, job.retry_after, f"job is {status}")

    def _keep_looking(self, model: Model, run: Run, retry_after: float | None, reason: str) -> None:
        if run.deadline is None or self._now() < run.deadline:
            self._wait(run, retry_after, reason)
            return
        try:
            self.jobs.cancel(model.fabric, run.job_id)
        except (NotFound, Refused, Unavailable) as error:
            reason = f"{reason}; the cancellation was not taken: {error}"
        late = f"not over by its deadline {run.deadline:%Y-%m-%d %H:%M}Z ({reason})"
        self._failed(run, State.TIMED_OUT, "job.timed_out", late)

    def _failure(self, model: Model, run: Run, job: JobInstance) -> str:
        try:
            detail = self.jobs.failure_text(model.fabric, run.job_id)
        except (NotFound, Refused, Unavailable) as error:
            detail = f"no detail: {error}"
        return f"the job failed: {detail or job.failure}"[:2000]

    def _failed(self, run: Run, state: State, action: str, reason: str) -> None:
        self.steps.move(run, state, action, reason=reason, outcome="failure")

    def _wait(self, run: Run, retry_after: float | None, reason: str) -> None:
        self.steps.wait(run, self.limits.after(run.polls, retry_after), reason)

    def _sent_on(self, run: Run | None) -> None:
        if run is not None:
            self.steps.send(run)

    def _now(self) -> datetime:
        return self.steps.journal.clock.now()


def _retry_after(error: LoopError) -> float | None:
    return error.retry_after if isinstance(error, Throttled) else None


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
