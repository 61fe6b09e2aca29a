"""An alert becomes one run, one lock, one chain of facts, and a message; never half of it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest

from shared.domain.run import State
from shared.errors import BadInput, Unavailable
from shared.handlers import messages
from shared.handlers.receive_alert import UNROUTED
from shared.handlers.request_retrain import LOCK_MARGIN
from tests.fakes.clock import START
from tests.fakes.samples import MODEL, alert_of


def waiting(loop, queue=messages.RETRAIN_RUNS):
    return loop.ports.queues.visible(queue)


def snapshot(loop):
    return loop.ports.store.snapshot(MODEL, loop.run().run_id)


def test_a_new_alert_is_one_run_one_lock_one_fact_and_one_message(loop):
    receipt = loop.receive(alert_of())

    run = loop.run()
    assert (receipt.decision, receipt.state, receipt.run_id) == (
        "accepted",
        "requested",
        run.run_id,
    )
    assert (run.state, run.created_at, run.notified_at) == (State.REQUESTED, START, None)
    assert "Sev2 (value 0.31)" in run.trigger.reason
    deadline = timedelta(minutes=240) + LOCK_MARGIN
    lock = snapshot(loop).lock
    assert (lock.run_id, lock.fence, lock.expires_at) == (run.run_id, 1, START + deadline)
    assert run.fence == lock.fence
    assert loop.actions() == ["run.requested/success"]
    assert waiting(loop) == [{"v": 1, "model": MODEL, "run_id": run.run_id, "step": 0}]
    assert len(loop.ports.store.commits) == 1
    assert not loop.breaches()


def test_nothing_is_started_on_the_way_of_an_alert(loop):
    loop.receive(alert_of())

    assert not loop.ports.jobs.requests


def test_the_same_alert_again_is_a_duplicate_and_sends_the_message_while_it_waits(loop):
    first = loop.receive(alert_of())

    again = loop.receive(alert_of())

    assert (again.decision, again.run_id) == ("duplicate", first.run_id)
    assert len(loop.runs()) == 1
    assert len(waiting(loop)) == 2
    assert loop.actions() == ["run.requested/success", "alert.duplicate/success"]


def test_the_same_alert_after_the_start_is_recorded_and_sends_nothing(loop):
    loop.job_status = "InProgress"
    loop.receive(alert_of())
    loop.step()
    sent = len(loop.ports.queues.sent)

    again = loop.receive(alert_of())

    assert (again.decision, again.state) == ("duplicate", "running")
    assert len(loop.ports.queues.sent) == sent
    assert loop.actions()[-1] == "alert.duplicate/success"


def test_another_alert_while_a_run_is_active_is_merged_into_it(loop):
    first = loop.receive(alert_of(1))

    second = loop.receive(alert_of(2))

    assert (second.decision, second.state) == ("skipped", "skipped")
    assert second.reason == f"merged: {first.run_id} is already answering for this model"
    merged = next(run for run in loop.runs() if run.run_id == second.run_id)
    assert (merged.state, merged.fence, merged.notified_at) == (State.SKIPPED, 0, START)
    assert loop.ports.store.snapshot(MODEL, first.run_id).lock.run_id == first.run_id
    assert loop.actions() == ["run.requested/success", "run.skipped/success"]
    assert len(waiting(loop)) == 1


def test_a_lock_that_has_expired_is_taken_over_with_a_higher_fence(loop):
    loop.receive(alert_of(1))
    loop.ports.clock.advance(LOCK_MARGIN + timedelta(hours=4, seconds=1))

    second = loop.receive(alert_of(2, kind="manual", fired_at=loop.ports.clock.now()))

    lock = loop.ports.store.snapshot(MODEL, second.run_id).lock
    assert (second.decision, lock.run_id, lock.fence) == ("accepted", second.run_id, 2)


def test_a_resolution_is_recorded_and_starts_nothing(loop):
    receipt = loop.receive(alert_of(condition="Resolved"))

    assert receipt.decision == "resolved"
    assert loop.run().state is State.SKIPPED
    assert not loop.ports.queues.sent
    assert loop.actions() == ["alert.resolved/success"]


@pytest.mark.parametrize(
    ("alert", "reason"),
    [
        (alert_of(model="unknown"), "model 'unknown' is not in the catalogue"),
        (alert_of(properties={}), "names no model"),
        (alert_of(model="../head"), "model '../head' is not in the catalogue"),
        (alert_of(model="unknown", condition="Resolved"), "is not in the catalogue"),
    ],
)
def test_an_alert_that_is_not_ours_is_recorded_apart(loop, alert, reason):
    receipt = loop.receive(alert)

    assert (receipt.decision, receipt.model) == ("ignored", "")
    assert reason in receipt.reason
    assert loop.actions(UNROUTED) == ["alert.ignored/success"]
    assert not loop.breaches(UNROUTED)
    assert not loop.runs()
    assert not loop.ports.queues.sent


def test_a_model_is_found_whatever_its_name_s_case(loop):
    assert loop.receive(alert_of(model=" Flight-DELAY ")).model == MODEL


def test_an_old_alert_is_recorded_as_stale(loop):
    receipt = loop.receive(alert_of(fired_at=START - timedelta(hours=25)))

    assert receipt.state == "skipped"
    assert receipt.reason.startswith("stale: fired 25.0 h ago")
    assert not waiting(loop)


def test_a_kind_that_needs_a_person_is_held_and_told(loop):
    receipt = loop.receive(alert_of(kind="concept"))

    assert (receipt.decision, loop.run().state) == ("held", State.HELD)
    assert snapshot(loop).lock.run_id == receipt.run_id
    assert not waiting(loop)
    assert len(waiting(loop, messages.NOTICES)) == 1


def test_a_held_alert_that_comes_again_is_told_until_somebody_was(loop):
    loop.receive(alert_of(kind="concept"))
    loop.receive(alert_of(kind="concept"))
    assert len(waiting(loop, messages.NOTICES)) == 2
    loop.drain()

    loop.receive(alert_of(kind="concept"))

    assert len(loop.ports.notifier.sent) == 1
    assert not waiting(loop, messages.NOTICES)


@pytest.mark.parametrize("kind", ["retrain-now", "Dr1ft", " "])
def test_a_trigger_kind_that_does_not_exist_is_bad_input_and_leaves_no_trace(loop, kind):
    with pytest.raises(BadInput) as caught:
        loop.receive(alert_of(properties={"model": MODEL, "trigger_kind": kind}))

    assert caught.value.field == "data.customProperties.trigger_kind"
    assert not loop.actions()
    assert not loop.ports.queues.sent


def test_a_store_that_is_down_leaves_nothing_half(loop):
    loop.ports.store.faults.order(Unavailable("storage is down"))

    with pytest.raises(Unavailable):
        loop.receive(alert_of())

    assert not loop.runs()
    assert not loop.actions()
    assert not loop.ports.queues.sent


def test_a_write_whose_answer_was_lost_is_found_by_the_repeated_alert(loop):
    loop.ports.store.faults.order(Unavailable("no answer"), done=True)
    with pytest.raises(Unavailable):
        loop.receive(alert_of())
    assert not waiting(loop)

    again = loop.receive(alert_of())

    assert again.decision == "duplicate"
    assert len(waiting(loop)) == 1


def test_a_queue_that_is_down_is_made_up_for_by_the_repeated_alert(loop):
    loop.ports.queues.faults.order(Unavailable("queues are down"))
    with pytest.raises(Unavailable):
        loop.receive(alert_of())
    assert loop.run().state is State.REQUESTED
    assert not waiting(loop)

    loop.receive(alert_of())

    assert len(waiting(loop)) == 1


def test_a_queue_that_is_down_is_made_up_for_by_the_sweeper_if_the_alert_does_not_come_again(loop):
    loop.ports.queues.faults.order(Unavailable("queues are down"))
    with pytest.raises(Unavailable):
        loop.receive(alert_of())

    loop.settle()

    assert loop.run().state is State.STAGED


@pytest.mark.parametrize("numbers", [(1,) * 8, tuple(range(8))], ids=["the same", "different"])
def test_alerts_at_the_same_moment_make_one_active_run(loop, numbers):
    together = Barrier(len(numbers))

    def receive(number):
        together.wait()
        return loop.receive(alert_of(number))

    with ThreadPoolExecutor(len(numbers)) as pool:
        receipts = list(pool.map(receive, numbers))

    decisions = [receipt.decision for receipt in receipts]
    assert decisions.count("accepted") == 1
    assert len(loop.runs()) == len(set(numbers))
    assert [run.active for run in loop.runs()].count(True) == 1
    assert not loop.breaches()


def test_texts_as_long_as_they_may_be_still_fit_where_they_are_stored(loop):
    wide = "\N{FIRE}"
    alert = alert_of(alert_id=wide * 500, rule=wide * 260, severity=wide * 260)

    receipt = loop.receive(alert)

    assert receipt.decision == "accepted"
    assert not loop.breaches()
