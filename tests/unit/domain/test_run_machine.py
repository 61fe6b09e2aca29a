"""Whatever happens in whichever order: no illegal step, and no state without a row that says so."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shared.domain.actor import Actor
from shared.domain.run import ACTIVE, NEXT, Lock, Purpose, Run, State
from shared.errors import LoopError, Refused, StartAmbiguous, Throttled, Unavailable
from shared.handlers.promotion_start import new_promotion, send_to_promotion
from shared.ports import Commit
from tests.fakes.clock import START
from tests.fakes.loop import FakeLoop
from tests.fakes.samples import MODEL, alert_of, catalogue_of, model_document

ANA = Actor("ana@example.com", "user")
STATUSES = ("NotStarted", "InProgress", "Completed", "Failed", "Cancelled", "Deduped", "Paused")
FAULTS = (
    Unavailable("away"),
    Throttled("busy", retry_after=57),
    Refused("no access"),
    StartAmbiguous("lost", sent_at=START),
)
ENTRY = frozenset({State.REQUESTED, State.HELD, State.SKIPPED, State.PROMOTING})
"""States in which a run may come into being."""
HOLDING = ACTIVE | {State.PROMOTING}
"""States in which a run may have its model's lock."""


class RunMachine(RuleBasedStateMachine):
    """One model, its alerts, an operator, a job service that does anything, and time."""

    def __init__(self) -> None:
        super().__init__()
        rests = {"cooldown_days": {"drift": 0, "concept": 0}, "job_deadline_minutes": 60}
        self.loop = FakeLoop(catalogue_of(model_document(policy=rests)))
        self.loop.job_status = ""
        self.alerts = 0

    @rule(kind=st.sampled_from(["drift", "concept"]))
    def an_alert_fires(self, kind: str) -> None:
        self.alerts += 1
        fired_at = self.loop.ports.clock.now()
        self.loop.receive(alert_of(self.alerts, kind=kind, fired_at=fired_at))

    @precondition(lambda self: self.alerts)
    @rule(data=st.data(), condition=st.sampled_from(["Fired", "Resolved"]))
    def an_alert_comes_again_or_resolves(self, data: st.DataObject, condition: str) -> None:
        number = data.draw(st.integers(1, self.alerts + 1))
        fired_at = self.loop.ports.clock.now()
        self.loop.receive(alert_of(number, condition=condition, fired_at=fired_at))

    @precondition(lambda self: self.loop.runs())
    @rule(data=st.data(), late=st.integers(0, 3))
    def a_message_is_handled(self, data: st.DataObject, late: int) -> None:
        run = self._any_run(data)
        handlers = {State.JUDGING: self.loop.judge, State.PROMOTING: self.loop.promote}
        handler = handlers.get(run.state)
        try:
            if handler is None:
                self.loop.watch(MODEL, run.run_id, max(0, run.polls - late))
            else:
                handler(MODEL, run.run_id)
        except LoopError:
            return  # the message comes again

    @precondition(lambda self: self.loop.runs())
    @rule(data=st.data(), how=st.sampled_from(["cancel", "release"]))
    def an_operator_decides(self, data: st.DataObject, how: str) -> None:
        run = self._any_run(data)
        try:
            getattr(self.loop, how)(MODEL, run.run_id, "because", ANA)
        except LoopError:
            return  # it may not be done now

    @rule()
    def the_timer_compares(self) -> None:
        try:
            self.loop.compare.all()
        except LoopError:
            return  # nothing was served that could be compared

    @precondition(lambda self: self.loop.runs())
    @rule(data=st.data())
    def a_challenger_wins(self, data: st.DataObject) -> None:
        run = self._any_run(data)
        if run.state is State.CHALLENGING:
            send_to_promotion(self.loop.steps, run, reason="it won")

    @rule(data=st.data(), purpose=st.sampled_from([Purpose.ROLLBACK, Purpose.BOOTSTRAP]))
    def an_operator_names_a_champion(self, data: st.DataObject, purpose: Purpose) -> None:
        version = data.draw(st.sampled_from(["1", "2", "9"]))
        new_promotion(
            self.loop.steps, self.loop.catalogue.models[0], version=version, purpose=purpose,
            key=data.draw(st.sampled_from("ab")), reason="because", actor=ANA,
        )  # fmt: skip

    @rule(error=st.sampled_from([Unavailable("away"), Refused("no")]), done=st.booleans())
    def the_registry_fails(self, error: LoopError, done: bool) -> None:
        self.loop.ports.registry.faults.order(error, done=done)

    @precondition(lambda self: self.loop.ports.jobs.parameters)
    @rule(data=st.data(), status=st.sampled_from(STATUSES), registers=st.booleans())
    def a_job_moves(self, data: st.DataObject, status: str, registers: bool) -> None:
        jobs = self.loop.ports.jobs
        job_id = data.draw(st.sampled_from(sorted(jobs.parameters)))
        jobs.set_status(job_id, status)
        if status == "Completed" and registers:
            self.loop.add_version(self.loop.candidate, jobs.parameters[job_id]["run_id"])

    @rule(error=st.sampled_from(FAULTS), done=st.booleans())
    def the_next_start_fails(self, error: LoopError, done: bool) -> None:
        took = done and isinstance(error, StartAmbiguous)
        self.loop.ports.jobs.start_faults.order(error, done=took)

    @rule(call=st.sampled_from(["get", "list", "cancel"]), error=st.sampled_from(FAULTS[:3]))
    def another_request_fails(self, call: str, error: LoopError) -> None:
        getattr(self.loop.ports.jobs, f"{call}_faults").order(error)

    @rule(minutes=st.sampled_from([-600, -1, 1, 3, 20, 90, 1200]))
    def time_passes_or_the_clock_is_set(self, minutes: int) -> None:
        self.loop.ports.clock.advance(minutes=minutes)

    @precondition(lambda self: self.loop.runs())
    @rule()
    def the_model_s_lock_is_lost(self) -> None:
        store = self.loop.ports.store
        snapshot = store.snapshot(MODEL, "run-none")
        later = self.loop.ports.clock.now() + timedelta(days=1)
        lost = Lock("run-other", snapshot.lock.fence + 1, later)
        store.commit(snapshot, Commit(None, lost, (), snapshot.head))

    @rule()
    def the_sweeper_comes(self) -> None:
        self.loop.sweep()

    @invariant()
    def every_step_is_in_the_table(self) -> None:
        for history in self._histories().values():
            assert history[0].state in ENTRY
            for before, after in pairwise(history):
                if before.state is not after.state:
                    assert after.state in NEXT.get(before.state, ())

    @invariant()
    def every_state_has_a_row_of_the_same_transaction(self) -> None:
        known: dict[str, State] = {}
        for commit in self.loop.ports.store.commits:
            run = commit.run
            if run is not None and known.get(run.run_id) is not run.state:
                said = [row.entry.context.get("state") for row in commit.rows]
                assert run.state in said, f"{run.run_id} became {run.state}, rows say {said}"
                known[run.run_id] = run.state

    @invariant()
    def at_most_one_run_works_on_the_model_with_its_lock(self) -> None:
        lock = self.loop.ports.store.snapshot(MODEL, "run-none").lock
        owners = [
            run
            for run in self.loop.runs()
            if run.state in HOLDING and (run.run_id, run.fence) == (lock.run_id, lock.fence)
        ]
        assert len(owners) <= 1

    @invariant()
    def a_run_has_one_job_at_most_and_a_job_one_run(self) -> None:
        owners = Counter(run.job_id for run in self.loop.runs() if run.job_id)
        assert all(count == 1 for count in owners.values())
        asked = {run.run_id for run in self.loop.runs() if run.intent_at is not None}
        jobs = Counter(each["run_id"] for each in self.loop.ports.jobs.parameters.values())
        assert set(jobs) <= asked
        assert all(count == 1 for count in jobs.values())

    @invariant()
    def a_run_that_promoted_said_so_once_before_and_once_after(self) -> None:
        said = Counter((row["run_id"], row["action"]) for row in self.loop.ports.store.chain(MODEL))
        for run in self.loop.runs():
            done = run.state in (State.PROMOTED, State.ROLLED_BACK)
            assert said[run.run_id, "model.promoted"] == done
            assert said[run.run_id, "model.promote"] in ((1,) if done else (0, 1))

    @invariant()
    def the_ledger_is_unbroken(self) -> None:
        assert not self.loop.breaches()

    def _any_run(self, data: st.DataObject) -> Run:
        return data.draw(st.sampled_from(self.loop.runs()))

    def _histories(self) -> dict[str, list[Run]]:
        found: dict[str, list[Run]] = {}
        for commit in self.loop.ports.store.commits:
            if commit.run is not None:
                found.setdefault(commit.run.run_id, []).append(commit.run)
        return found


RunMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestRunMachine = RunMachine.TestCase
