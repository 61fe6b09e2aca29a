"""Drives a run from its request to the end of its job: has it started once, then looks.

What may go in here: what a job's status means for its run. The start is in ``start_run.py``, the
waits between two looks are in ``pacing.py``.
"""

from dataclasses import dataclass
from datetime import timedelta

from shared.catalogue import Catalogue, Model
from shared.domain.run import Run, State
from shared.errors import LoopError, NotFound, Refused, Unavailable
from shared.handlers.cancel_run import carry_out
from shared.handlers.pacing import LONGEST_ASKED, PollLimits
from shared.handlers.start_run import StartRun, cancel_quietly, parameters_of
from shared.handlers.steps import Steps, owns
from shared.ports import JobInstance, Jobs, Registry

TOGETHER = timedelta(seconds=30)
"""How far ahead looks of runs on one pipeline are taken together: half of Fabric's usual wait."""

LAST_WORDS = timedelta(minutes=30)
"""How long a job is asked to end, past its deadline, by a Fabric that does not answer."""

__all__ = ["LONGEST_ASKED", "PollLimits", "WatchRun", "parameters_of"]


@dataclass(frozen=True)
class WatchRun:
    """Starts a run's job and watches it."""

    catalogue: Catalogue
    steps: Steps
    jobs: Jobs
    registry: Registry
    limits: PollLimits

    @property
    def start(self) -> StartRun:
        return StartRun(self.catalogue, self.steps, self.jobs, self.registry, self.limits)

    def __call__(self, model_name: str, run_id: str, step: int) -> None:
        """Take the next step of a run; safe to repeat, and to run twice at a time.

        Raises:
            NotFound: the model is not in the catalogue, or has no such run.
            Unavailable: the store did not answer; the message comes again.
        """
        model = self.catalogue.find(model_name)
        snapshot = self.steps.journal.store.snapshot(model_name, run_id)
        run = snapshot.run
        if model is None or run is None:
            raise NotFound(f"no run {run_id} of model {model_name!r}", subject=run_id)
        if step < run.polls:
            return  # an older message of a run that was sent again
        if carry_out(self.steps, self.jobs, model, run):
            return  # an operator wanted it gone
        if run.state is State.RUNNING and not owns(snapshot, run):
            self._give_up(model, run)
        else:
            self._step(model, run)

    def _step(self, model: Model, run: Run) -> None:
        match run.state:
            case State.REQUESTED:
                self.start.begin(model, run)
            case State.STARTING:
                self.start.reconcile(model, run)
            case State.RUNNING:
                self._look(model, run)
            case State.JUDGING:
                self.steps.send(run)
            case _:
                return

    def _give_up(self, model: Model, run: Run) -> None:
        """End a run whose model another run has taken; its job would work for nobody."""
        cancel_quietly(self.jobs, model, run.job_id)
        self.steps.rewrite(run)

    def _look(self, model: Model, run: Run) -> None:
        together = self._due_together(model, run)
        if len(together) > 1 and self._look_at_once(together):
            return
        try:
            job = self.jobs.get(model.job_items, run.job_id)
        except (NotFound, Refused, Unavailable) as error:
            reason = str(error) if isinstance(error, NotFound) else f"cannot look: {error}"
            self._keep_looking(model, run, self._pause(run, error), reason)
        else:
            self._seen(model, run, job)

    def _due_together(self, model: Model, run: Run) -> list[tuple[Model, Run]]:
        """Give this run, and those of the same pipeline that would be looked at next."""
        soon = self.steps.journal.clock.now() + TOGETHER
        return [
            (model, run),
            *(
                (other, beside)
                for other in self.catalogue.models
                if other.name != model.name and other.job_items.place == model.job_items.place
                for beside in self.steps.journal.store.unsettled(other.name)
                if beside.state is State.RUNNING
                and beside.due_at is not None
                and beside.due_at <= soon
            ),
        ]

    def _look_at_once(self, together: list[tuple[Model, Run]]) -> bool:
        """Look at all of them with one request; False: it did not tell of the first."""
        model, run = together[0]
        try:
            listed = self.jobs.instances(model.job_items)
        except (NotFound, Refused, Unavailable):
            return False
        jobs = {job.instance_id: job for job in listed}
        if run.job_id not in jobs:
            return False  # a list forgets what ended long ago
        for other, beside in together:
            if beside.job_id in jobs:
                self._seen(other, beside, jobs[beside.job_id])
        return True

    def _seen(self, model: Model, run: Run, job: JobInstance) -> None:
        match job.status:
            case "Completed":
                reason = f"job instance {job.instance_id} completed"
                applied = self.steps.move(
                    run, State.JUDGING, "job.completed", reason=reason, polls=0
                )
                if applied.changed and applied.run is not None:
                    self.steps.send(applied.run)
            case "Failed":
                reason = self._failure(model, run, job)
                self._failed(run, State.JOB_FAILED, "job.failed", reason)
            case "Cancelled":
                reason = f"the job was cancelled in {model.job_items.service}"
                self._failed(run, State.CANCELLED, "job.cancelled", reason)
            case "Deduped":
                service = model.job_items.service
                reason = f"{service} skipped the job: one of its type was already running"
                self._failed(run, State.JOB_FAILED, "job.deduped", reason)
            case status:
                # services add statuses: one that is not known is not an end.
                pause = self.limits.after(run.polls, job.retry_after)
                self._keep_looking(model, run, pause, f"job is {status}")

    def _keep_looking(self, model: Model, run: Run, pause: float, reason: str) -> None:
        now = self.steps.journal.clock.now()
        if run.deadline is None or now < run.deadline:
            self.steps.wait(run, pause, reason)
            return
        untaken = cancel_quietly(self.jobs, model, run.job_id)
        if untaken.again and now < run.deadline + LAST_WORDS:
            self.steps.wait(run, pause, f"past its deadline; {untaken.reason}")
            return
        reason = f"{reason}; {untaken.reason}" if untaken.reason else reason
        late = f"not over by its deadline {run.deadline:%Y-%m-%d %H:%M}Z ({reason})"
        self._failed(run, State.TIMED_OUT, "job.timed_out", late)

    def _pause(self, run: Run, error: LoopError) -> float:
        return self.limits.after_error(run.run_id, run.polls, error)

    def _failure(self, model: Model, run: Run, job: JobInstance) -> str:
        try:
            detail = self.jobs.failure_text(model.job_items, run.job_id)
        except (NotFound, Refused, Unavailable) as error:
            detail = f"{job.failure}; no detail: {error}"
        return f"the job failed: {detail or job.failure}"[:2000]

    def _failed(self, run: Run, state: State, action: str, reason: str) -> None:
        self.steps.move(run, state, action, reason=reason, outcome="failure")
