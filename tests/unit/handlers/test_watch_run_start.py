"""A run's job is started exactly once, whatever Fabric answers."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest

from shared.domain.run import State
from shared.errors import NotFound, Refused, StartAmbiguous, Throttled, Unavailable
from shared.handlers import messages
from tests.fakes.clock import START
from tests.fakes.jobs import RETRY_AFTER
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


def test_the_intent_is_written_before_the_start_is_asked_for(loop):
    loop.ports.jobs.start_faults.order(KeyError("the worker ends here"))

    with pytest.raises(KeyError):
        loop.look()

    run = loop.run()
    assert (run.state, run.intent_at, run.starts) == (State.STARTING, START, 1)
    assert loop.actions() == ["run.requested/success", "job.start/intent"]


def test_a_start_that_is_accepted_runs_and_is_looked_at_later(loop):
    run = loop.look()

    assert (run.state, run.job_id, run.starts) == (State.RUNNING, job_ids(loop)[0], 1)
    assert run.deadline == START + timedelta(minutes=240)
    assert loop.actions()[-2:] == ["job.start/intent", "job.started/success"]
    assert sent_last(loop).queue == messages.RETRAIN_RUNS
    assert sent_last(loop).message["step"] == run.polls
    assert sent_last(loop).delay_seconds >= max(RETRY_AFTER, 15)


def test_the_job_is_told_which_run_it_is_for(loop):
    run = loop.look()

    (request,) = loop.ports.jobs.requests
    assert request.pipeline_id == ITEMS.pipeline_id
    assert request.parameters == {
        "run_id": run.run_id,
        "trigger_reason": "drift_alert",
        "alert_id": alert_of().alert_id,
        "model": MODEL,
        "as_of": START.isoformat(),
        "cost_center": "cc-7",
        "domain": "aviation",
        "intent": "retrain",
    }


def test_a_start_that_is_refused_fails_the_run_and_frees_the_model(loop):
    loop.ports.jobs.start_faults.order(Refused("no such item", code="ItemNotFound"))

    run = loop.look()

    assert (run.state, run.reason) == (State.START_FAILED, "Fabric refused: no such item")
    assert not loop.ports.store.snapshot(MODEL, run.run_id).lock.run_id
    assert loop.actions()[-1] == "job.start/failure"
    assert loop.ports.queues.visible(messages.NOTICES)


@pytest.mark.parametrize("asked", [20.0, 57.0, 900.0])
def test_a_start_that_is_throttled_waits_at_least_as_long_as_it_is_asked_to(loop, asked):
    loop.ports.jobs.start_faults.order(Throttled("busy", retry_after=asked))

    run = loop.look()

    assert (run.state, run.starts) == (State.STARTING, 0)
    assert run.reason == "Fabric asks to wait: busy"
    assert sent_last(loop).delay_seconds >= asked


def test_a_throttled_start_is_asked_for_again_and_starts_one_job(loop):
    loop.ports.jobs.start_faults.order(Throttled("busy", retry_after=57), times=2)
    loop.job_status = "Completed"

    loop.drain()

    assert loop.run().state is State.STAGED
    assert (len(loop.ports.jobs.requests), len(job_ids(loop))) == (3, 1)


def test_a_start_whose_answer_was_lost_is_found_and_adopted(loop):
    loop.ports.jobs.start_faults.order(LOST, done=True)
    waiting = loop.look()
    assert (waiting.state, waiting.job_id) == (State.STARTING, "")

    run = loop.look()

    assert (run.state, [run.job_id]) == (State.RUNNING, job_ids(loop))
    assert len(loop.ports.jobs.requests) == 1


def test_an_answer_without_an_instance_id_is_looked_up(loop):
    loop.ports.jobs.hide_ids = True
    assert loop.look().state is State.STARTING

    run = loop.look()

    assert (run.state, [run.job_id]) == (State.RUNNING, job_ids(loop))


@pytest.mark.parametrize("status", ["NotStarted", "InProgress", "Completed", "Failed"])
def test_a_lost_start_is_adopted_whatever_has_become_of_it(loop, status):
    loop.ports.jobs.next_status = status
    loop.ports.jobs.start_faults.order(LOST, done=True)
    loop.look()

    assert loop.look().state is State.RUNNING


def test_jobs_that_cannot_be_this_run_s_are_not_adopted(loop):
    jobs = loop.ports.jobs
    loop.ports.clock.advance(minutes=-5)
    jobs.add(ITEMS, {})
    loop.ports.clock.advance(minutes=5)
    jobs.add(ITEMS, {}, invoke_type="Scheduled")
    jobs.start_faults.order(LOST)
    loop.look()

    run = loop.look()

    assert (run.state, run.job_id) == (State.STARTING, "")


def test_a_job_that_another_run_owns_is_not_adopted(loop):
    first = started(loop)
    loop.ports.jobs.set_status(first.job_id, "Failed")
    loop.look()
    second = loop.receive(alert_of(2)).run_id
    loop.ports.jobs.start_faults.order(LOST)
    loop.watch(MODEL, second, 0)

    loop.watch(MODEL, second, 1)

    run = next(run for run in loop.runs() if run.run_id == second)
    assert (run.state, run.job_id) == (State.STARTING, "")


def test_a_job_whose_clock_is_a_little_behind_is_adopted(loop):
    loop.ports.jobs.start_faults.order(LOST)
    loop.look()
    loop.ports.clock.advance(seconds=-45)
    loop.ports.jobs.add(ITEMS, {})
    loop.ports.clock.advance(seconds=45)

    assert loop.look().state is State.RUNNING


def test_two_jobs_that_may_be_it_hold_the_run_for_a_person(loop):
    loop.ports.jobs.start_faults.order(LOST, done=True)
    loop.look()
    loop.ports.jobs.add(ITEMS, {})

    run = loop.look()

    assert run.state is State.HELD
    assert all(job_id in run.reason for job_id in job_ids(loop))
    assert loop.ports.store.snapshot(MODEL, run.run_id).lock.run_id == run.run_id
    assert loop.ports.queues.visible(messages.NOTICES)
    assert len(loop.ports.jobs.requests) == 1


def test_a_start_that_left_no_job_is_asked_for_again_after_the_grace_period(loop):
    loop.ports.jobs.start_faults.order(LOST)
    loop.look()
    loop.ports.clock.advance(GRACE - timedelta(seconds=1))
    assert (loop.look().starts, len(loop.ports.jobs.requests)) == (1, 1)
    loop.ports.clock.advance(seconds=1)

    run = loop.look()

    assert (run.state, run.starts, run.intent_at) == (State.RUNNING, 2, START)
    assert loop.actions().count("job.start/intent") == 2
    assert len(job_ids(loop)) == 1


def test_a_start_that_never_takes_fails_after_the_attempts_allowed(loop):
    loop.ports.jobs.start_faults.order(LOST, times=20)

    loop.drain()

    run = loop.run()
    assert (run.state, run.starts) == (State.START_FAILED, 5)
    assert len(loop.ports.jobs.requests) == 5
    assert "asked 5 times and no job appeared" in run.reason


def test_a_version_with_the_run_s_id_proves_a_start_that_is_no_longer_listed(loop):
    loop.ports.jobs.start_faults.order(LOST)
    run = loop.look()
    loop.add_version(None, run.run_id)
    loop.look()
    loop.ports.clock.advance(GRACE)

    run = loop.look()

    assert (run.state, run.polls) == (State.JUDGING, 0)
    assert loop.actions()[-1] == "job.adopted/success"
    assert loop.ports.queues.visible(messages.GATE_CHECKS)
    assert len(loop.ports.jobs.requests) == 1


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("Fabric is away"),
        Refused("no access", code="InsufficientPrivileges"),
        NotFound("no such item"),
        Throttled("busy", retry_after=57),
    ],
    ids=lambda error: type(error).__name__,
)
def test_while_the_jobs_cannot_be_listed_nothing_is_started(loop, error):
    loop.ports.jobs.start_faults.order(LOST)
    loop.look()
    loop.ports.clock.advance(GRACE)
    loop.ports.jobs.list_faults.order(error, times=1000)

    run = loop.look()
    assert (run.state, len(loop.ports.jobs.requests)) == (State.STARTING, 1)
    loop.drain()

    run = loop.run()
    assert run.state is State.HELD
    assert "cannot look for the start" in run.reason
    assert len(loop.ports.jobs.requests) == 1


def test_a_registry_that_is_down_lets_the_message_come_again(loop):
    loop.ports.jobs.start_faults.order(LOST)
    loop.look()
    loop.look()
    loop.ports.clock.advance(GRACE)
    loop.ports.registry.faults.order(Unavailable("registry is down"))

    with pytest.raises(Unavailable):
        loop.look()

    assert (loop.run().state, len(loop.ports.jobs.requests)) == (State.STARTING, 1)


def test_two_workers_on_one_message_start_one_job(loop):
    run_id = loop.run().run_id
    together = Barrier(8)

    def work(_):
        together.wait()
        loop.watch(MODEL, run_id, 0)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))

    assert len(loop.ports.jobs.requests) == 1
    assert loop.actions().count("job.start/intent") == 1
    loop.job_status = "Completed"
    loop.drain()
    assert loop.run().state is State.STAGED


def test_two_workers_after_the_grace_period_ask_again_once(loop):
    loop.ports.jobs.start_faults.order(LOST)
    loop.look()
    run = loop.look()
    loop.ports.clock.advance(GRACE)
    together = Barrier(8)

    def work(_):
        together.wait()
        loop.watch(MODEL, run.run_id, run.polls)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))

    assert len(loop.ports.jobs.requests) == 2
    assert len(job_ids(loop)) == 1


def test_a_job_of_another_model_of_the_same_pipeline_is_not_adopted():
    loop = FakeLoop(catalogue_of(model_document(), model_document("flight-cancel")))
    loop.job_status = ""
    other = loop.receive(alert_of(7, model="flight-cancel")).run_id
    loop.watch("flight-cancel", other, 0)
    loop.receive(alert_of())
    loop.ports.jobs.start_faults.order(LOST)
    loop.look()

    run = loop.look()

    assert (run.state, run.job_id) == (State.STARTING, "")
