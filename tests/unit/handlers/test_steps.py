"""A run is moved from where it was seen, by its owner, once; outcomes are announced."""

import pytest

from shared.domain.run import ACTIVE, NEXT, State
from shared.errors import IllegalTransition, Unavailable
from shared.handlers import messages
from shared.handlers.journal import Applied
from shared.handlers.steps import owns, unmoved
from tests.fakes.samples import MODEL, alert_of


@pytest.fixture
def run(loop):
    """A requested run that holds its model's lock; its message is out of the way."""
    loop.receive(alert_of())
    loop.ports.queues.take(messages.RETRAIN_RUNS)
    loop.ports.clock.advance(minutes=1)
    return loop.run()


def sent(loop):
    return [(item.queue, item.message) for item in loop.ports.queues.sent[1:]]


def snapshot(loop):
    return loop.ports.store.snapshot(MODEL, loop.run().run_id)


def move(loop, run, state=State.STARTING, **changes):
    return loop.steps.move(run, state, f"to.{state}", reason="because", **changes)


def test_a_move_changes_state_reason_and_fields_and_says_so_in_the_ledger(loop, run):
    applied = move(loop, run, starts=1, outcome="intent", context={"pipeline": "p"})

    now = loop.run()
    assert applied.changed
    assert (now.state, now.reason, now.starts) == (State.STARTING, "because", 1)
    assert now.updated_at == loop.ports.clock.now()
    assert loop.actions()[-1] == "to.starting/intent"
    assert list(loop.ports.store.chain(MODEL))[-1]["context"]["pipeline"] == "p"


def test_a_move_from_where_the_run_no_longer_is_does_nothing(loop, run):
    move(loop, run)
    actions = loop.actions()

    applied = move(loop, run, State.HELD)

    assert not applied.changed
    assert applied.run.state is State.STARTING
    assert loop.actions() == actions
    assert not sent(loop)


@pytest.mark.parametrize("changes", [{"polls": 1}, {"starts": 1}])
def test_a_step_taken_meanwhile_is_a_move_as_well(loop, run, changes):
    loop.steps.rewrite(run, **changes)

    assert not move(loop, run).changed


def test_a_move_that_the_state_machine_does_not_have_is_refused(loop, run):
    with pytest.raises(IllegalTransition):
        move(loop, run, State.STAGED)

    assert loop.run() == run


@pytest.mark.parametrize("state", sorted(NEXT[State.REQUESTED]))
def test_the_lock_is_kept_by_a_run_that_is_active_and_freed_by_one_that_is_not(loop, run, state):
    move(loop, run, state)

    lock = snapshot(loop).lock
    assert lock.run_id == (run.run_id if state in ACTIVE else "")
    assert lock.fence == run.fence


@pytest.mark.parametrize(
    ("state", "queues"),
    [
        (State.STARTING, []),
        (State.HELD, [messages.NOTICES]),
        (State.CANCELLED, [messages.NOTICES, messages.AUDIT_ROWS]),
    ],
)
def test_an_outcome_is_told_and_projected_and_a_wait_for_a_person_told(loop, run, state, queues):
    move(loop, run, state)

    assert [queue for queue, _ in sent(loop)] == queues


def test_only_whoever_wrote_an_outcome_announces_it(loop, run):
    move(loop, run, State.CANCELLED)
    announced = len(sent(loop))

    loop.steps.announced(Applied(snapshot(loop), loop.run(), changed=False))

    assert len(sent(loop)) == announced


@pytest.mark.parametrize("holder", [("run-other", 2), ("", 1), ("run-other", 1)])
def test_a_run_that_does_not_own_its_model_is_cancelled_instead(loop, run, holder):
    loop.lose_lock(*holder)

    applied = move(loop, run)

    assert applied.run.state is State.CANCELLED
    assert "lock had expired" in applied.run.reason
    assert (snapshot(loop).lock.run_id, snapshot(loop).lock.fence) == holder
    assert messages.NOTICES in [queue for queue, _ in sent(loop)]


def test_a_lock_taken_back_with_another_number_is_not_the_run_s(loop, run):
    loop.lose_lock(run.run_id, run.fence + 2)

    assert not owns(snapshot(loop), run)
    assert move(loop, run).run.state is State.CANCELLED


def test_a_rewrite_keeps_the_state_and_is_silent_unless_it_is_an_intent(loop, run):
    before = loop.actions()

    silent = loop.steps.rewrite(run, polls=1)
    loop.steps.rewrite(silent.run, "job.start", starts=1)

    now = loop.run()
    assert (now.state, now.polls, now.starts) == (State.REQUESTED, 1, 1)
    assert loop.actions() == [*before, "job.start/intent"]
    assert not sent(loop)


def test_a_rewrite_without_the_lock_changes_nothing_that_may_be_acted_on(loop, run):
    loop.lose_lock("run-other", 2)

    applied = loop.steps.rewrite(run, "job.start", starts=1)

    assert not applied.changed
    assert (loop.run().state, loop.run().starts) == (State.CANCELLED, 0)
    assert loop.actions()[-1] == "run.cancelled/failure"


def test_waiting_writes_the_step_before_it_sends_the_message(loop, run):
    loop.ports.queues.faults.order(Unavailable("queues are down"))

    with pytest.raises(Unavailable):
        loop.steps.wait(run, 30, "looking")

    assert (loop.run().polls, loop.run().reason) == (1, "looking")


def test_of_two_that_wait_one_sends(loop, run):
    loop.steps.wait(run, 30, "looking")
    loop.steps.wait(run, 30, "looking")

    (only,) = sent(loop)
    assert only == (messages.RETRAIN_RUNS, {**messages.run_message(run), "step": 1})
    assert loop.ports.queues.sent[-1].delay_seconds == 30


def test_a_run_is_unmoved_while_state_polls_and_starts_are(loop, run):
    assert unmoved(snapshot(loop), run)

    loop.steps.rewrite(run, reason="another reason")
    assert unmoved(snapshot(loop), run)

    loop.steps.rewrite(run, polls=1)
    assert not unmoved(snapshot(loop), run)
    assert not unmoved(loop.ports.store.snapshot(MODEL, "run-none"), run)
