"""Whatever alerts, operators, timers and the clock do in any order, the loop's promises hold."""

import contextlib
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from shared.domain.actor import Actor
from shared.domain.run import ACTIVE, State
from shared.errors import BadInput, IllegalTransition, Unavailable
from tests.fakes.jobs import ENDED
from tests.fakes.loop import FakeLoop, fair, poor
from tests.fakes.samples import MODEL, alert_of, catalogue_of, model_document

ANA = Actor("ana@example.com")
POLICY = {
    "budget": {"runs": 2, "days": 10},
    "cooldown_days": {"drift": 1},
    "schedule": {"cron": "0 */6 * * *", "volume_growth": None},
}
WHICH = st.integers(0, 3)


class Loop(RuleBasedStateMachine):
    """One model, whose messages are handled when the machine says so."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = FakeLoop(catalogue_of(model_document(policy=POLICY)))
        self.suppressed_until = self.loop.ports.clock.now()
        self.before: set[str] = set()

    def _chosen(self, which: int) -> str:
        runs = self.loop.runs()
        return runs[which % len(runs)].run_id if runs else "run-none"

    @rule(number=WHICH, kind=st.sampled_from(["", "concept", "volume"]))
    def alert(self, number: int, kind: str) -> None:
        now = self.loop.ports.clock.now()
        self.loop.receive(alert_of(number, kind=kind, fired_at=now))

    @rule(key=WHICH)
    def ask(self, key: int) -> None:
        self.loop.request.by_hand(MODEL, "new fare table", ANA, f"k-{key}")

    @rule()
    def tick(self) -> None:
        assert self.loop.schedule().failed == {}

    @rule(which=WHICH, answers=st.booleans())
    def cancel(self, which: int, answers: bool) -> None:
        if not answers:
            self.loop.ports.jobs.cancel_faults.order(Unavailable("no answer"))
        if self.loop.runs():
            with contextlib.suppress(IllegalTransition):
                self.loop.cancel(MODEL, self._chosen(which), "wrong data", ANA)

    @rule(which=WHICH)
    def release(self, which: int) -> None:
        if self.loop.runs():
            with contextlib.suppress(IllegalTransition, BadInput):
                self.loop.release(MODEL, self._chosen(which), "looked at it", ANA)

    @rule(hours=st.integers(1, 30))
    def suppress(self, hours: int) -> None:
        until = self.loop.ports.clock.now() + timedelta(hours=hours)
        self.loop.suppress(MODEL, until, "stocktaking", ANA)
        self.suppressed_until = until

    @rule()
    def lift(self) -> None:
        self.loop.suppress.lift(MODEL, "counted", ANA)
        self.suppressed_until = self.loop.ports.clock.now()

    @rule(candidate=st.sampled_from([fair, poor]), status=st.sampled_from(["Completed", "Failed"]))
    def next_job(self, candidate, status: str) -> None:
        self.loop.candidate, self.loop.job_status = candidate, status

    @rule(steps=st.integers(1, 4))
    def work(self, steps: int) -> None:
        for _ in range(steps):
            self.loop.step()

    @rule()
    def rest(self) -> None:
        self.loop.drain()

    @rule(hours=st.integers(1, 40))
    def wait(self, hours: int) -> None:
        self.loop.drain()
        self.loop.ports.clock.advance(hours=hours)

    @invariant()
    def the_ledger_holds_and_tells_of_every_run(self) -> None:
        assert not self.loop.breaches()
        told = {row["run_id"] for row in self.loop.ports.store.chain(MODEL)}
        assert {run.run_id for run in self.loop.runs()} <= told

    @invariant()
    def one_run_has_the_model(self) -> None:
        lock = self.loop.ports.store.snapshot(MODEL, "run-none").lock
        working = [run for run in self.loop.runs() if run.state in ACTIVE - {State.HELD}]
        holders = {run.run_id for run in self.loop.runs() if run.active} | {""}
        assert len(working) <= 1
        assert lock.run_id in holders
        assert all((run.run_id, run.fence) == (lock.run_id, lock.fence) for run in working)

    @invariant()
    def one_job_is_at_work_and_it_is_the_run_s(self) -> None:
        jobs = self.loop.ports.jobs
        busy = [job for job in jobs.parameters if jobs._jobs[job][1].status not in ENDED]
        owners = {run.job_id: run.state for run in self.loop.runs() if run.job_id}
        assert len(busy) <= 1
        assert all(owners.get(job) in (State.RUNNING, None) for job in busy)

    @invariant()
    def no_run_has_begun_in_a_suppression_and_none_beyond_the_budget(self) -> None:
        now = self.loop.ports.clock.now()
        runs = self.loop.runs()
        new = [run for run in runs if run.run_id not in self.before]
        if now < self.suppressed_until:
            assert all(run.state is State.SKIPPED for run in new)
        self.before = {run.run_id for run in runs}
        # a run that is held was let in before it cost anything
        paid = [run.created_at for run in runs if run.starts and not _released(run)]
        span = timedelta(days=POLICY["budget"]["days"])
        assert all(
            sum(at - span < other <= at for other in paid) <= POLICY["budget"]["runs"]
            for at in paid
        )

    def teardown(self) -> None:
        self.loop.drain()
        self.loop.settle()
        assert all(run.state == State.HELD or not run.active for run in self.loop.runs())
        assert not self.loop.poison


def _released(run) -> bool:
    return run.trigger.kind == "concept"


TestLoop = pytest.mark.timeout(300)(Loop.TestCase)
TestLoop.settings = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
