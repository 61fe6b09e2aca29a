"""Triggers that drift checks raised move to the state of the runs that answer them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.run import State
from shared.errors import Refused, Unavailable
from shared.handlers.settle_triggers import STATUS, TRIGGERS_TABLE, SettleTriggers
from shared.ports import Commit
from tests.fakes.clock import START
from tests.fakes.fuse import BREAKS, Fuse, Killed
from tests.fakes.loop import FakeLoop, poor
from tests.fakes.samples import MODEL, alert_of

BEFORE = START - timedelta(minutes=10)


def raise_trigger(loop, number=1, at=BEFORE, model=MODEL):
    row = {
        "trigger_id": f"t-{number}",
        "triggered_at": at,
        "model_name": model,
        "model_version": "1",
        "severity": "P1",
        "reasons": "SEVERE_INPUT_DRIFT: distance",
        "drift_run_id": f"check-{number}",
        "status": "PENDING",
    }
    loop.ports.tables.append(TRIGGERS_TABLE, [row], writer=f"triggers:{model}", batch=number)


def statuses(loop):
    rows = loop.ports.tables.read(TRIGGERS_TABLE)
    return {row["trigger_id"]: row["status"] for row in rows}


def put(loop, state):
    run = loop.run()
    snapshot = loop.ports.store.snapshot(MODEL, run.run_id)
    moved = replace(run, state=state)
    loop.ports.store.commit(snapshot, Commit(moved, None, (), snapshot.head))


def test_a_trigger_whose_run_reached_staging_is_staged(loop):
    raise_trigger(loop)
    loop.receive(alert_of())

    loop.drain()

    assert loop.run().state is State.STAGED
    assert statuses(loop) == {"t-1": "STAGED"}


def test_a_trigger_whose_candidate_was_rejected_is_rejected(loop):
    raise_trigger(loop)
    loop.candidate = poor
    loop.receive(alert_of())

    loop.drain()

    assert statuses(loop) == {"t-1": "REJECTED"}


def test_a_trigger_whose_job_failed_is_failed(loop):
    raise_trigger(loop)
    loop.job_status = "Failed"
    loop.receive(alert_of())

    loop.drain()

    assert statuses(loop) == {"t-1": "FAILED"}


def test_a_trigger_that_nothing_answers_stays_pending(loop):
    raise_trigger(loop)

    loop.settle_triggers(MODEL)

    assert statuses(loop) == {"t-1": "PENDING"}


def test_an_alert_that_was_put_aside_skips_the_trigger(loop):
    loop.receive(alert_of(1))
    loop.drain()
    loop.ports.clock.advance(hours=1)
    raise_trigger(loop, at=loop.ports.clock.now())
    loop.ports.clock.advance(minutes=5)
    loop.receive(alert_of(2, fired_at=loop.ports.clock.now()))

    loop.settle()

    assert [run.state for run in loop.runs()] == [State.STAGED, State.SKIPPED]
    assert statuses(loop) == {"t-1": "SKIPPED"}


@pytest.mark.parametrize("state", sorted(State))
def test_a_trigger_has_the_status_of_its_runs_state(loop, state):
    raise_trigger(loop)
    loop.receive(alert_of())
    put(loop, state)

    loop.settle_triggers(MODEL)

    assert statuses(loop) == {"t-1": STATUS.get(state, "PENDING")}


def test_a_started_trigger_moves_on_and_an_ended_one_never_does(loop):
    raise_trigger(loop)
    loop.receive(alert_of())
    seen = []
    for state in (State.REQUESTED, State.RUNNING, State.JUDGING, State.REJECTED, State.RUNNING):
        put(loop, state)
        moved = loop.settle_triggers(MODEL)
        seen.append((statuses(loop)["t-1"], moved))

    assert seen == [
        ("PENDING", 0),
        ("STARTED", 1),
        ("STARTED", 0),
        ("REJECTED", 1),
        ("REJECTED", 0),
    ]


def test_all_triggers_before_a_run_are_answered_by_it_and_later_ones_are_not(loop):
    raise_trigger(loop, 1, BEFORE - timedelta(days=1))
    raise_trigger(loop, 2, BEFORE)
    raise_trigger(loop, 3, START + timedelta(hours=1))
    loop.receive(alert_of())

    loop.drain()

    assert statuses(loop) == {"t-1": "STAGED", "t-2": "STAGED", "t-3": "PENDING"}


def test_a_trigger_follows_the_first_run_after_it(loop):
    raise_trigger(loop)
    loop.receive(alert_of(1))
    loop.receive(alert_of(2))

    loop.drain()

    assert sorted(run.state for run in loop.runs()) == [State.SKIPPED, State.STAGED]
    assert statuses(loop) == {"t-1": "STAGED"}


def test_triggers_of_other_models_are_left_alone(loop):
    raise_trigger(loop, model="flight-cancel")
    loop.receive(alert_of())

    loop.drain()

    assert statuses(loop) == {"t-1": "PENDING"}


def test_settling_again_changes_nothing(loop):
    raise_trigger(loop)
    loop.receive(alert_of())
    loop.drain()

    assert loop.settle_triggers(MODEL) == 0


def test_a_reading_that_is_late_does_not_undo_a_later_one(loop):
    raise_trigger(loop)
    loop.receive(alert_of())
    put(loop, State.RUNNING)
    update = loop.ports.tables.update

    def late(*args):
        loop.ports.tables.update = update
        put(loop, State.STAGED)
        loop.settle_triggers(MODEL)
        return update(*args)

    loop.ports.tables.update = late

    assert loop.settle_triggers(MODEL) == 0
    assert statuses(loop) == {"t-1": "STAGED"}


@pytest.mark.parametrize("how", BREAKS)
def test_whatever_call_breaks_the_trigger_reaches_its_end(how):
    calls = FuseCount()
    rehearsal(FakeLoop(tap=calls.tap))

    for number in range(1, calls.count + 1):
        fuse = Fuse(number, **BREAKS[how])
        loop = FakeLoop(tap=fuse.tap)
        rehearsal(loop)

        assert statuses(loop) == {"t-1": "STAGED"}, fuse.calls


class FuseCount(Fuse):
    @property
    def count(self):
        return len(self.calls)


def rehearsal(loop):
    """From the alert, which its sender sends again where it got no answer, to rest."""
    raise_trigger(loop)
    try:
        loop.receive(alert_of())
    except (Unavailable, Killed):
        loop.receive(alert_of())
    loop.drain()
    loop.settle()


def test_a_table_that_refuses_does_not_hold_up_the_audit(loop, caplog):
    raise_trigger(loop)

    def refused(*args):
        raise Refused("another schema", code="SchemaMismatch")

    loop.ports.tables.update = refused
    loop.receive(alert_of())

    loop.drain()

    audited = loop.ports.tables.read("lh_gold.ml_promotion_audit")
    assert [row["action"] for row in audited][-1] == "model.staged"
    assert "cannot be settled" in caplog.text


def test_a_table_that_does_not_answer_brings_the_message_back(loop):
    raise_trigger(loop)
    loop.receive(alert_of())
    put(loop, State.STAGED)
    loop.ports.tables.faults.order(Unavailable("gone"))

    with pytest.raises(Unavailable):
        loop.project(MODEL)
    loop.project(MODEL)

    assert statuses(loop) == {"t-1": "STAGED"}


def test_without_a_table_there_is_nothing_to_settle(loop):
    assert SettleTriggers(loop.ports.store, loop.ports.tables)(MODEL) == 0
