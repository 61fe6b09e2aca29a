"""The sweeper sends again what has stalled, and nothing else."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.run import DRIVEN, State
from shared.errors import DataError, Unavailable
from shared.handlers import messages
from shared.handlers.sweep import Swept
from shared.ports import Commit
from tests.fakes.clock import START
from tests.fakes.host import STALLED_AFTER
from tests.fakes.loop import FakeLoop
from tests.fakes.samples import MODEL, alert_of, catalogue_of, model_document

RESTING = sorted({State.HELD, State.STAGED, State.REJECTED, State.JOB_FAILED, State.CANCELLED})


@pytest.fixture
def loop(loop):
    """A run that was requested and whose message was lost."""
    loop.receive(alert_of())
    loop.ports.queues.take(messages.RETRAIN_RUNS)
    return loop


def put(loop, **changes):
    run = loop.run()
    snapshot = loop.ports.store.snapshot(MODEL, run.run_id)
    loop.ports.store.commit(snapshot, Commit(replace(run, **changes), None, (), snapshot.head))
    return loop.run()


def put_all(loop, **changes):
    """Change every run, as an end would; the model is free then."""
    for run in loop.runs():
        snapshot = loop.ports.store.snapshot(MODEL, run.run_id)
        free = replace(snapshot.lock, run_id="")
        ended = Commit(replace(run, **changes), free, (), snapshot.head)
        loop.ports.store.commit(snapshot, ended)


def sweep_at(loop, after):
    loop.ports.clock.set(START + after)
    return loop.sweep()


def sent(loop, queue):
    return loop.ports.queues.visible(queue)


@pytest.mark.parametrize("state", sorted(DRIVEN))
def test_a_run_that_has_stalled_is_sent_to_where_it_stands(loop, state):
    run = put(loop, state=state, polls=3)

    swept = sweep_at(loop, STALLED_AFTER + timedelta(seconds=1))

    elsewhere = {State.JUDGING: messages.GATE_CHECKS, State.PROMOTING: messages.PROMOTIONS}
    queue = elsewhere.get(state, messages.RETRAIN_RUNS)
    assert swept == Swept(runs=1, notices=0, chains=1)
    assert sent(loop, queue) == [{"v": 1, "model": MODEL, "run_id": run.run_id, "step": 3}]


@pytest.mark.parametrize("state", RESTING)
def test_an_outcome_that_nobody_was_told_is_sent_to_be_told(loop, state):
    run = put(loop, state=state)

    swept = sweep_at(loop, STALLED_AFTER + timedelta(seconds=1))

    assert (swept.runs, swept.notices) == (0, 1)
    assert sent(loop, messages.NOTICES) == [messages.run_message(run)]
    assert not sent(loop, messages.RETRAIN_RUNS)


@pytest.mark.parametrize("state", [*sorted(DRIVEN), *RESTING])
def test_a_run_that_was_touched_lately_is_left_alone(loop, state):
    put(loop, state=state)

    swept = sweep_at(loop, STALLED_AFTER)

    assert (swept.runs, swept.notices) == (0, 0)
    assert not any(sent(loop, queue) for queue in (messages.RETRAIN_RUNS, messages.NOTICES))


@pytest.mark.parametrize("state", RESTING)
def test_an_outcome_that_was_told_is_left_alone(loop, state):
    put(loop, state=state, notified_at=START)

    swept = sweep_at(loop, timedelta(days=30))

    assert (swept.runs, swept.notices) == (0, 0)


def test_a_trigger_that_was_skipped_is_left_alone(loop):
    loop.receive(alert_of(2))
    put_aside = next(run for run in loop.runs() if run.state is State.SKIPPED)

    sweep_at(loop, timedelta(days=30))

    assert put_aside.run_id not in [m["run_id"] for m in sent(loop, messages.NOTICES)]
    assert [m["run_id"] for m in sent(loop, messages.RETRAIN_RUNS)] != [put_aside.run_id]


def test_every_chain_is_sent_to_be_projected_the_unrouted_alerts_among_them(loop):
    loop.receive(alert_of(model="unknown"))

    swept = sweep_at(loop, timedelta(seconds=1))

    chains = [message["chain"] for message in sent(loop, messages.AUDIT_ROWS)]
    assert (swept.chains, sorted(chains)) == (2, [MODEL, "unrouted.alerts"])


def test_a_chain_that_is_projected_to_its_end_is_not_sent_again(loop):
    loop.sweep()
    loop.drain()
    assert loop.sweep().chains == 0

    loop.receive(alert_of(2))

    assert loop.sweep().chains == 1


def test_a_run_that_waits_for_its_next_look_has_not_stalled_until_that_is_overdue(loop):
    due_at = START + timedelta(hours=2)
    put(loop, state=State.RUNNING, due_at=due_at)

    assert sweep_at(loop, timedelta(hours=2) + STALLED_AFTER).runs == 0
    assert sweep_at(loop, timedelta(hours=2, seconds=1) + STALLED_AFTER).runs == 1


def test_a_clock_that_was_set_back_does_not_put_a_run_off_for_days(loop):
    assert sweep_at(loop, -STALLED_AFTER).runs == 0
    assert sweep_at(loop, -timedelta(days=3)).runs == 1


def test_all_models_are_swept():
    loop = FakeLoop(catalogue_of(model_document(), model_document("flight-cancel")))
    for number, model in enumerate((MODEL, "flight-cancel")):
        loop.receive(alert_of(number, model=model))
    loop.ports.queues.take(messages.RETRAIN_RUNS)

    assert sweep_at(loop, timedelta(hours=1)).runs == 2
    assert {m["model"] for m in sent(loop, messages.RETRAIN_RUNS)} == {MODEL, "flight-cancel"}


def test_a_model_that_cannot_be_read_keeps_no_other_from_being_swept(monkeypatch):
    loop = FakeLoop(catalogue_of(model_document(), model_document("flight-cancel")))
    for number, model in enumerate((MODEL, "flight-cancel")):
        loop.receive(alert_of(number, model=model))
    loop.ports.queues.take(messages.RETRAIN_RUNS)
    unsettled = loop.ports.store.unsettled

    def broken(model):
        if model == MODEL:
            raise DataError("a stored run cannot be read")
        return unsettled(model)

    monkeypatch.setattr(loop.ports.store, "unsettled", broken)

    with pytest.raises(DataError):
        sweep_at(loop, timedelta(hours=1))

    assert [m["model"] for m in sent(loop, messages.RETRAIN_RUNS)] == ["flight-cancel"]
    assert len(sent(loop, messages.AUDIT_ROWS)) == 2


def test_a_run_that_cannot_be_sent_keeps_no_other_from_being_sent(monkeypatch):
    loop = FakeLoop(catalogue_of(model_document(policy={"cooldown_days": {"drift": 0}})))
    for number in (1, 2):
        loop.receive(alert_of(number, fired_at=loop.ports.clock.now()))
        put_all(loop, state=State.REJECTED)
    send, first = loop.ports.queues.send, loop.runs()[0].run_id

    def broken(queue, message, **how):
        if message.get("run_id") == first:
            raise Unavailable("no")
        send(queue, message, **how)

    monkeypatch.setattr(loop.ports.queues, "send", broken)

    with pytest.raises(Unavailable):
        sweep_at(loop, timedelta(hours=1))

    assert [m["run_id"] for m in sent(loop, messages.NOTICES)] == [loop.runs()[1].run_id]


def test_sweeping_twice_is_harmless(loop):
    sweep_at(loop, timedelta(minutes=16))
    loop.sweep()

    loop.drain()

    assert loop.run().state is State.STAGED
    assert len(loop.ports.jobs.requests) == 1
    assert len(loop.ports.notifier.sent) == 1


def test_sweeping_a_run_that_is_not_stalled_after_all_starts_nothing_twice(loop):
    loop.watch(MODEL, loop.run().run_id, 0)
    loop.ports.clock.advance(STALLED_AFTER + timedelta(seconds=1))

    loop.sweep()
    loop.drain()

    assert loop.run().state is State.STAGED
    assert len(loop.ports.jobs.requests) == 1


def test_a_queue_that_is_down_ends_the_sweep_and_the_next_one_makes_up_for_it(loop):
    loop.ports.queues.faults.order(Unavailable("queues are down"))
    with pytest.raises(Unavailable):
        sweep_at(loop, timedelta(hours=1))

    assert loop.sweep().runs == 1
