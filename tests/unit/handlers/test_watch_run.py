"""A run's job is watched to its end, by whoever holds the model's lock, whatever Fabric says."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.run import State
from shared.errors import NotFound, Refused, StartAmbiguous, Throttled, Unavailable
from shared.handlers import messages
from shared.handlers.watch_run import LONGEST_ASKED, PollLimits
from shared.ports import Commit
from tests.fakes.clock import START
from tests.fakes.loop import FakeLoop
from tests.fakes.samples import MODEL, alert_of, catalogue_of, model_document

GRACE = timedelta(seconds=120)
ITEMS = catalogue_of().models[0].fabric
LOST = StartAmbiguous("no answer", sent_at=START)


@pytest.fixture
def loop(loop):
    """A requested run; its jobs go nowhere by themselves."""
    loop.job_status = ""
    loop.receive(alert_of())
    yield loop
    assert not loop.breaches()


def started(loop):
    """Give the run once its job runs."""
    run = loop.look()
    assert run.state is State.RUNNING
    return run


def sent_last(loop):
    return loop.ports.queues.sent[-1]


def job_ids(loop):
    return list(loop.ports.jobs.parameters)


@pytest.mark.parametrize(
    ("status", "state", "action"),
    [
        ("Completed", State.JUDGING, "job.completed/success"),
        ("Failed", State.JOB_FAILED, "job.failed/failure"),
        ("Cancelled", State.CANCELLED, "job.cancelled/failure"),
        ("Deduped", State.JOB_FAILED, "job.deduped/failure"),
        ("NotStarted", State.RUNNING, "job.started/success"),
        ("InProgress", State.RUNNING, "job.started/success"),
        ("Paused", State.RUNNING, "job.started/success"),
        ("completed", State.RUNNING, "job.started/success"),
        ("", State.RUNNING, "job.started/success"),
    ],
)
def test_a_status_means_what_fabric_says_and_an_unknown_one_is_no_end(loop, status, state, action):
    before = started(loop)
    loop.ports.jobs.set_status(before.job_id, status)

    run = loop.look()

    assert (run.state, loop.actions()[-1]) == (state, action)
    if run.state is State.RUNNING:
        assert (run.polls, run.reason) == (before.polls + 1, f"job is {status}")
        assert sent_last(loop).message["step"] == run.polls
    else:
        held = loop.ports.store.snapshot(MODEL, run.run_id).lock.run_id
        assert held == (run.run_id if state is State.JUDGING else "")


def test_a_job_that_failed_says_why(loop):
    loop.ports.jobs.set_status(started(loop).job_id, "Failed", "Train: out of memory")

    assert loop.look().reason == "the job failed: Train: out of memory"


def test_a_failure_without_detail_is_told_as_the_instance_has_it(loop):
    loop.ports.jobs.set_status(started(loop).job_id, "Failed")

    assert "JobInstanceStatusFailed" in loop.look().reason


def test_a_completed_job_is_handed_to_the_gates(loop):
    loop.ports.jobs.set_status(started(loop).job_id, "Completed")

    run = loop.look()

    assert run.polls == 0
    assert sent_last(loop).queue == messages.GATE_CHECKS
    assert sent_last(loop).message == messages.run_message(run)


def test_a_job_that_completed_after_its_deadline_is_judged_all_the_same(loop):
    run = started(loop)
    loop.ports.clock.set(run.deadline + timedelta(hours=1))
    loop.ports.jobs.set_status(run.job_id, "Completed")

    assert loop.look().state is State.JUDGING


@pytest.mark.parametrize(
    ("error", "least"),
    [
        (Unavailable("Fabric is away"), 15),
        (NotFound("no such instance"), 15),
        (Refused("no access"), 15),
        (Throttled("busy", retry_after=600), 600),
    ],
    ids=["unavailable", "not found", "refused", "throttled"],
)
def test_a_job_that_cannot_be_looked_at_is_looked_at_again(loop, error, least):
    before = started(loop)
    loop.ports.jobs.get_faults.order(error)

    run = loop.look()

    assert (run.state, run.polls) == (State.RUNNING, before.polls + 1)
    assert str(error) in run.reason
    assert sent_last(loop).delay_seconds >= least


def test_a_job_that_is_not_over_by_its_deadline_is_cancelled(loop):
    run = started(loop)
    loop.ports.clock.set(run.deadline)

    run = loop.look()

    assert run.state is State.TIMED_OUT
    assert loop.ports.jobs.get(ITEMS, run.job_id).status == "Cancelled"
    assert loop.actions()[-1] == "job.timed_out/failure"
    assert not loop.ports.store.snapshot(MODEL, run.run_id).lock.run_id


def test_the_run_times_out_even_if_its_job_cannot_be_reached(loop):
    run = started(loop)
    loop.ports.clock.set(run.deadline)
    loop.ports.jobs.get_faults.order(Unavailable("Fabric is away"))
    loop.ports.jobs.cancel_faults.order(Refused("no"))

    run = loop.look()

    assert run.state is State.TIMED_OUT
    assert "the cancellation was not taken: no" in run.reason


def test_a_cancellation_that_gets_no_answer_is_asked_for_again_for_half_an_hour(loop):
    run = started(loop)
    loop.ports.clock.set(run.deadline)
    loop.ports.jobs.cancel_faults.order(Unavailable("Fabric is away"), times=2)
    waiting = loop.look()
    assert (waiting.state, waiting.polls) == (State.RUNNING, run.polls + 1)

    loop.ports.clock.advance(minutes=30)
    run = loop.look()

    assert run.state is State.TIMED_OUT
    assert "the cancellation was not taken: Fabric is away" in run.reason


def test_a_job_without_end_is_polled_ever_more_slowly_until_its_deadline(loop):
    loop.ports.jobs.get_faults.order(Unavailable("Fabric is away"), times=500)

    loop.drain()

    delays = [sent.delay_seconds for sent in loop.ports.queues.sent if sent.delay_seconds]
    assert loop.run().state is State.TIMED_OUT
    assert delays == sorted(delays)
    assert (delays[0], delays[-1]) == (15, 300)


# --- many runs at a time -----------------------------------------------------------------------


OTHERS = ("flight-cancel", "flight-divert")


@pytest.fixture
def three():
    """Three models of one pipeline, a job of each at work."""
    loop = FakeLoop(catalogue_of(*map(model_document, (MODEL, *OTHERS))))
    loop.job_status = ""
    for number, model in enumerate((MODEL, *OTHERS)):
        run_id = loop.receive(alert_of(number, model=model)).run_id
        loop.watch(model, run_id, 0)
    return loop


def look_at(loop, model):
    run = running(loop, model)
    loop.watch(model, run.run_id, run.polls)


def running(loop, model):
    (run,) = loop.runs(model)
    return run


def test_runs_of_one_pipeline_are_looked_at_with_one_request(three):
    get = three.ports.jobs.get_faults
    get.order(Unavailable("not asked"))
    three.ports.jobs.set_status(running(three, "flight-divert").job_id, "Failed", "no rows")

    look_at(three, MODEL)

    assert [running(three, model).polls for model in (MODEL, "flight-cancel")] == [2, 2]
    assert running(three, "flight-divert").state is State.JOB_FAILED
    with pytest.raises(Unavailable):
        get.before()  # the order is still there


def test_a_run_that_was_looked_at_beside_another_drops_its_own_message(three):
    before = running(three, "flight-cancel")
    look_at(three, MODEL)
    sent = len(three.ports.queues.sent)

    three.watch("flight-cancel", before.run_id, before.polls)

    assert len(three.ports.queues.sent) == sent


def test_a_run_whose_look_is_far_off_is_left_to_it(three):
    run = running(three, "flight-cancel")
    far = three.steps.rewrite(run, due_at=START + timedelta(hours=1))

    look_at(three, MODEL)

    assert running(three, "flight-cancel").polls == far.run.polls


def test_where_the_list_does_not_tell_the_job_is_asked_for_by_itself(three):
    three.ports.jobs.list_faults.order(Unavailable("no list"))

    look_at(three, MODEL)

    assert running(three, MODEL).reason == "job is NotStarted"
    assert [running(three, model).polls for model in OTHERS] == [1, 1]


# --- messages --------------------------------------------------------------------------------


def test_a_message_for_an_older_step_is_dropped(loop):
    run = started(loop)
    loop.look()
    sent = len(loop.ports.queues.sent)

    loop.look(run.polls)

    assert len(loop.ports.queues.sent) == sent


def test_a_message_that_comes_twice_has_one_successor(loop):
    run = started(loop)

    loop.look(run.polls)
    loop.look(run.polls)

    steps = [sent.message["step"] for sent in loop.ports.queues.sent]
    assert steps.count(run.polls + 1) == 1


def test_a_run_that_is_being_judged_is_handed_to_the_gates_again(loop):
    loop.ports.jobs.set_status(started(loop).job_id, "Completed")
    loop.look()

    loop.look()

    assert len(loop.ports.queues.visible(messages.GATE_CHECKS)) == 2


def test_a_run_that_is_over_is_left_alone(loop):
    loop.ports.jobs.start_faults.order(Refused("no"))
    over = loop.look()
    sent, actions = len(loop.ports.queues.sent), loop.actions()

    assert loop.look(99) == over

    assert (len(loop.ports.queues.sent), loop.actions()) == (sent, actions)


@pytest.mark.parametrize(("model", "run_id"), [("unknown", "run-1"), (MODEL, "run-1")])
def test_a_message_about_nothing_is_not_found(loop, model, run_id):
    with pytest.raises(NotFound):
        loop.watch(model, run_id, 0)


def test_a_store_that_is_down_lets_the_message_come_again(loop):
    loop.ports.store.faults.order(Unavailable("storage is down"))

    with pytest.raises(Unavailable):
        loop.look()

    assert not loop.ports.jobs.requests


# --- the lock --------------------------------------------------------------------------------


def lose_before_the_start(loop):
    loop.lose_lock()


def lose_while_starting(loop):
    loop.ports.jobs.start_faults.order(LOST)
    loop.look()
    loop.lose_lock()
    loop.ports.clock.advance(GRACE)


def lose_while_waiting(loop):
    loop.ports.jobs.start_faults.order(LOST)
    loop.look()
    loop.lose_lock()


def lose_while_running(loop):
    started(loop)
    loop.lose_lock()


def lose_at_the_end(loop):
    loop.ports.jobs.set_status(started(loop).job_id, "Completed")
    loop.lose_lock()


@pytest.mark.parametrize(
    "lose",
    [
        lose_before_the_start,
        lose_while_starting,
        lose_while_waiting,
        lose_while_running,
        lose_at_the_end,
    ],
)
def test_a_run_that_has_lost_its_lock_is_cancelled_and_starts_nothing_more(loop, lose):
    lose(loop)
    asked = len(loop.ports.jobs.requests)

    run = loop.look()

    assert run.state is State.CANCELLED
    assert loop.actions()[-1] == "run.cancelled/failure"
    assert len(loop.ports.jobs.requests) == asked
    assert loop.ports.store.snapshot(MODEL, run.run_id).lock.run_id == "run-other"
    assert loop.ports.queues.visible(messages.NOTICES)


@given(st.integers(0, 10_000), st.none() | st.floats(0, 1e9))
def test_the_time_to_the_next_look_is_what_is_asked_and_never_without_bound(polls, asked):
    wait = PollLimits(15, 300).after(polls, asked)

    assert 15 <= wait <= (300 if asked is None else LONGEST_ASKED)
    assert asked is None or wait >= min(asked, LONGEST_ASKED)


def test_a_run_of_another_state_is_nobody_s_to_drive(loop):
    run = loop.run()
    snapshot = loop.ports.store.snapshot(MODEL, run.run_id)
    held = replace(run, state=State.HELD)
    loop.ports.store.commit(snapshot, Commit(held, None, (), snapshot.head))

    assert loop.look().state is State.HELD
    assert not loop.ports.jobs.requests
