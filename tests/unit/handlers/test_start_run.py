"""Which job is a run's own: by what was listed before it was asked for, not by any clock."""

from datetime import timedelta

import pytest

from shared.domain.run import State
from shared.errors import NotFound, Refused, StartAmbiguous, Throttled, Unavailable
from shared.handlers import messages
from shared.handlers.pacing import LONGEST_OVERLOADED, SPREAD, PollLimits
from shared.handlers.start_run import JOBS_BEFORE
from tests.fakes.clock import START
from tests.fakes.loop import FakeLoop
from tests.fakes.samples import MODEL, alert_of, catalogue_of, model_document

GRACE = timedelta(seconds=120)
OTHER = "flight-cancel"
ITEMS = catalogue_of().models[0].fabric
LOST = StartAmbiguous("no answer", sent_at=START)
PAUSED = Throttled("Fabric: 400 CapacityNotActive", retry_after=300, overloaded=True)


@pytest.fixture
def loop(loop):
    """A requested run; its jobs go nowhere by themselves."""
    loop.job_status = ""
    loop.receive(alert_of())
    yield loop
    assert not loop.breaches()


@pytest.fixture
def shared_pipeline():
    """Two models of one pipeline, a run of each requested."""
    loop = FakeLoop(catalogue_of(model_document(), model_document(OTHER)))
    loop.job_status = ""
    loop.receive(alert_of(1))
    loop.receive(alert_of(2, model=OTHER))
    return loop


def look(loop, model):
    (run,) = loop.runs(model)
    loop.watch(model, run.run_id, run.polls)
    return loop.runs(model)[0]


def requests(loop):
    return len(loop.ports.jobs.requests)


# --- before the start ------------------------------------------------------------------------


def test_while_the_jobs_cannot_be_listed_none_is_asked_for(loop):
    loop.ports.jobs.list_faults.order(Unavailable("Fabric is away"), times=3)

    for _ in range(3):
        assert loop.look().state is State.REQUESTED
    assert requests(loop) == 0

    assert loop.look().state is State.RUNNING
    assert requests(loop) == 1


@pytest.mark.parametrize("error", [Refused("no access"), NotFound("no such item")])
def test_a_pipeline_whose_jobs_may_not_be_listed_starts_nothing(loop, error):
    loop.ports.jobs.list_faults.order(error)

    run = loop.look()

    assert (run.state, run.starts, requests(loop)) == (State.START_FAILED, 0, 0)
    assert str(error) in run.reason
    assert loop.ports.queues.visible(messages.NOTICES)


def test_a_fabric_that_stays_away_fails_the_run_when_its_job_would_have_been_over(loop):
    loop.ports.jobs.list_faults.order(Unavailable("Fabric is away"), times=1000)

    loop.drain()

    assert (loop.run().state, requests(loop)) == (State.START_FAILED, 0)
    assert loop.ports.clock.now() - START >= timedelta(minutes=240)


# --- clocks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("jump", [timedelta(days=-3), timedelta(hours=-1), timedelta(days=3)])
def test_a_clock_that_jumps_while_a_start_is_open_makes_no_second_job(loop, jump):
    loop.ports.jobs.start_faults.order(LOST, done=True)
    loop.look()
    loop.ports.clock.set(START + jump)

    run = loop.look()

    assert (run.state, requests(loop)) == (State.RUNNING, 1)


def test_a_clock_that_jumps_ahead_does_not_shorten_the_search_for_a_start_on_its_way(loop):
    loop.ports.jobs.start_faults.order(LOST)
    loop.look()
    loop.ports.clock.advance(hours=1)

    searched = loop.look()

    assert (searched.state, requests(loop)) == (State.STARTING, 1)
    assert loop.ports.queues.sent[-1].delay_seconds == GRACE.total_seconds()
    late = loop.ports.jobs.add(ITEMS, {})
    assert loop.look().job_id == late
    assert requests(loop) == 1


@pytest.mark.parametrize("behind", [timedelta(seconds=45), timedelta(days=2)])
def test_a_job_is_found_however_far_fabric_s_clock_is_behind(loop, behind):
    loop.ports.jobs.start_faults.order(LOST)
    loop.look()
    loop.ports.clock.set(START - behind)
    loop.ports.jobs.add(ITEMS, {})
    loop.ports.clock.set(START)

    assert loop.look().state is State.RUNNING


def test_a_clock_that_was_set_back_makes_the_grace_period_begin_anew_and_not_last_for_days(loop):
    loop.ports.jobs.start_faults.order(LOST)
    loop.look()
    loop.ports.clock.set(START - timedelta(days=3))
    assert loop.look().state is State.STARTING
    loop.ports.clock.advance(GRACE)

    run = loop.look()

    assert (run.state, requests(loop)) == (State.RUNNING, 2)


# --- whose job it is -------------------------------------------------------------------------


def test_a_first_job_that_appears_after_the_second_was_asked_for_holds_the_run(loop):
    loop.ports.jobs.start_faults.order(LOST, times=2)
    loop.look()
    loop.look()
    loop.ports.clock.advance(GRACE)
    loop.look()
    first, second = (loop.ports.jobs.add(ITEMS, {}) for _ in range(2))

    run = loop.look()

    assert run.state is State.HELD
    assert first in run.reason
    assert second in run.reason


def test_two_unanswered_starts_on_one_pipeline_never_adopt_the_same_job(shared_pipeline):
    loop = shared_pipeline
    loop.ports.jobs.start_faults.order(LOST)
    loop.ports.jobs.start_faults.order(LOST, done=True)
    look(loop, MODEL)
    look(loop, OTHER)

    one, other = look(loop, MODEL), look(loop, OTHER)

    assert (one.state, other.state) == (State.HELD, State.HELD)
    assert other.run_id in one.reason
    assert requests(loop) == 2


def test_on_a_shared_pipeline_a_run_whose_neighbour_is_answered_finds_its_own_job(shared_pipeline):
    loop = shared_pipeline
    look(loop, MODEL)
    loop.ports.jobs.start_faults.order(LOST, done=True)
    look(loop, OTHER)

    one, other = look(loop, MODEL), look(loop, OTHER)

    assert (one.state, other.state) == (State.RUNNING, State.RUNNING)
    assert one.job_id != other.job_id


def test_a_run_without_a_list_of_the_jobs_before_it_is_reconciled_by_time(loop):
    loop.ports.jobs.start_faults.order(LOST, done=True)
    run = loop.look()
    old = loop.steps.rewrite(run, polls=run.polls + 1, asked_at=None).run
    old.facts.pop(JOBS_BEFORE)
    loop.ports.store._partitions[MODEL].runs[run.run_id] = old

    assert loop.look().state is State.RUNNING
    assert requests(loop) == 1


# --- waiting ---------------------------------------------------------------------------------


def test_a_start_that_was_plainly_declined_is_asked_for_again_without_looking_for_it(loop):
    loop.ports.jobs.start_faults.order(Throttled("busy", retry_after=57))
    loop.look()
    loop.ports.jobs.list_faults.order(Unavailable("not asked"))

    run = loop.look()

    assert (run.state, run.starts, requests(loop)) == (State.RUNNING, 1, 2)


def test_a_declined_start_does_not_hide_an_earlier_one_that_is_still_open(loop):
    loop.ports.jobs.start_faults.order(LOST, done=False)
    loop.look()
    loop.look()
    loop.ports.clock.advance(GRACE)
    loop.ports.jobs.start_faults.order(Throttled("busy", retry_after=57))
    loop.look()
    late = loop.ports.jobs.add(ITEMS, {})

    run = loop.look()

    assert (run.state, run.job_id, requests(loop)) == (State.RUNNING, late, 2)


def test_a_refusal_after_an_unanswered_start_tells_of_both(loop):
    loop.ports.jobs.start_faults.order(LOST)
    loop.look()
    loop.look()
    loop.ports.clock.advance(GRACE)
    loop.ports.jobs.start_faults.order(Refused("no access"))

    run = loop.look()

    assert (run.state, run.starts) == (State.START_FAILED, 1)
    assert run.reason == "Fabric refused: no access; an earlier start was never answered"


def test_a_paused_capacity_is_waited_for_and_named_and_no_failure_at_once(loop):
    loop.ports.jobs.start_faults.order(PAUSED, times=6)

    for _ in range(6):
        run = loop.look()
        assert run.state is State.STARTING
        assert "CapacityNotActive" in run.reason
        assert loop.ports.queues.sent[-1].delay_seconds >= 300

    assert loop.look().state is State.RUNNING
    assert len(loop.ports.jobs.parameters) == 1


def test_a_capacity_that_stays_paused_fails_the_run_in_the_end(loop):
    loop.ports.jobs.start_faults.order(PAUSED, times=1000)

    loop.drain()

    run = loop.run()
    assert (run.state, run.starts) == (State.START_FAILED, 0)
    assert loop.ports.clock.now() - START >= timedelta(minutes=240)


def test_the_wait_for_a_capacity_grows_is_spread_and_has_a_bound():
    limits = PollLimits(15, 300)

    waits = [limits.after_error("run-1", polls, PAUSED) for polls in range(30)]

    assert all(300 <= wait <= LONGEST_OVERLOADED * (1 + SPREAD) for wait in waits)
    assert waits[0] < waits[4]
    assert limits.after_error("run-1", 3, PAUSED) != limits.after_error("run-2", 3, PAUSED)
    assert limits.after_error("run-1", 9, Throttled("blocked", retry_after=57)) == 57


def test_the_next_look_is_on_record_so_that_the_sweeper_waits_for_it(loop):
    loop.ports.jobs.start_faults.order(Throttled("busy", retry_after=7200))
    run = loop.look()
    assert run.due_at == START + timedelta(hours=2)
    loop.ports.clock.advance(hours=2)
    assert loop.sweep().runs == 0
    loop.ports.clock.advance(minutes=16)

    assert loop.sweep().runs == 1


# --- nobody wants it any more ----------------------------------------------------------------


def test_a_job_of_a_run_that_has_lost_its_model_is_cancelled(loop):
    run = loop.look()
    loop.lose_lock()

    assert loop.look().state is State.CANCELLED
    assert loop.ports.jobs.get(ITEMS, run.job_id).status == "Cancelled"


def test_a_job_that_was_started_while_the_model_was_lost_is_cancelled(loop):
    start = loop.ports.jobs.start

    def start_slowly(items, parameters):
        started = start(items, parameters)
        loop.lose_lock()
        return started

    loop.ports.jobs.start = start_slowly
    run = loop.look()

    assert run.state is State.CANCELLED
    (job_id,) = loop.ports.jobs.parameters
    assert loop.ports.jobs.get(ITEMS, job_id).status == "Cancelled"


def test_a_start_that_was_given_up_long_before_is_no_rival_any_more(loop):
    loop.ports.jobs.start_faults.order(LOST)
    loop.look()
    loop.lose_lock("", 1)
    loop.look()
    loop.ports.clock.advance(GRACE + timedelta(seconds=1))
    later = loop.receive(alert_of(2, fired_at=loop.ports.clock.now())).run_id
    loop.ports.jobs.start_faults.order(LOST, done=True)
    loop.watch(MODEL, later, 0)

    loop.watch(MODEL, later, 1)

    assert {run.run_id: run.state for run in loop.runs()}[later] is State.RUNNING
