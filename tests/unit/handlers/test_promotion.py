"""Whatever changes a champion: once, in turn, finished or undone, and on record."""

from datetime import timedelta

import pytest

from shared.domain.run import Lock, Purpose, State
from shared.errors import IllegalTransition, NoChampion, NotFound, Refused, Unavailable
from shared.handlers import messages
from shared.ports import Commit
from tests.fakes.duel import ANA, duel, live, run_of
from tests.fakes.loop import FakeLoop, fair
from tests.fakes.samples import MODEL, alert_of


def champion(loop):
    return loop.ports.registry.champion(MODEL).version


def ready(**how):
    """Give a loop whose challenger is about to be promoted; the message is on its queue."""
    loop = duel(**how)
    live(loop, 3)
    assert run_of(loop).state is State.PROMOTING
    return loop


def roll_back(loop, key="key-1"):
    return loop.ask_champion.roll_back(MODEL, "worse in the field", ANA, key)


def latest(loop, action):
    return [row for row in loop.ports.store.chain(MODEL) if row["action"] == action][-1]


def run_named(loop, run_id):
    return next(run for run in loop.runs() if run.run_id == run_id)


def hold(loop, run_id="run-other", hours=2):
    snapshot = loop.ports.store.snapshot(MODEL, run_id)
    until = loop.ports.clock.now() + timedelta(hours=hours)
    lock = Lock(run_id, snapshot.lock.fence + 1, until)
    loop.ports.store.commit(snapshot, Commit(None, lock, (), snapshot.head))


def test_a_promotion_waits_while_another_run_has_the_model():
    loop = ready()
    hold(loop)

    loop.promote(MODEL, run_of(loop).run_id)

    assert champion(loop) == "1"
    assert run_of(loop).state is State.PROMOTING
    assert "model.promote/intent" not in loop.actions()
    loop.drain()
    assert run_of(loop).state is State.PROMOTED
    assert champion(loop) == "2"


def test_the_model_is_free_after_a_promotion():
    loop = ready()

    loop.drain()

    assert loop.ports.store.snapshot(MODEL, "run-none").lock.run_id == ""


def test_an_alert_during_a_promotion_is_merged_into_it():
    loop = ready()
    fuse = loop.ports.registry.faults
    fuse.order(Unavailable("away"), times=1)
    with pytest.raises(Unavailable):
        loop.promote(MODEL, run_of(loop).run_id)

    receipt = loop.receive(alert_of(5, fired_at=loop.ports.clock.now()))

    assert receipt.reason.startswith("merged: ")
    loop.drain()
    assert run_of(loop).state is State.PROMOTED


def test_a_challenger_that_lost_its_role_before_its_turn_is_not_promoted():
    loop = ready()
    loop.ports.registry.retire(MODEL, "2")

    loop.drain()

    run = run_of(loop)
    assert run.state is State.REJECTED
    assert run.reason == "version 2 is not the challenger any more, nobody is"
    assert champion(loop) == "1"


def test_what_was_turned_down_keeps_its_reason_where_the_worker_died_after_the_role_was_lost():
    loop = ready()
    version = loop.add_version(fair)
    loop.ports.registry.promote(MODEL, version)
    loop.ports.registry.retire(MODEL, "2")

    loop.drain()

    assert run_of(loop).reason == f"it has beaten version 1, and version {version} serves now"


def test_a_champion_changed_by_hand_after_the_intent_is_left_alone():
    loop = ready()
    faults = loop.ports.registry.faults
    version = loop.add_version(fair)
    calls = []
    faults_before = faults.before

    def before():
        calls.append(1)
        if len(calls) == 4:  # champion, challenger, the one before, promote
            raise Unavailable("away")
        return faults_before()

    faults.before = before
    with pytest.raises(Unavailable):
        loop.promote(MODEL, run_of(loop).run_id)
    assert "model.promote/intent" in loop.actions()
    faults.before = faults_before
    loop.ports.registry.promote(MODEL, version)

    loop.drain()

    assert run_of(loop).reason == f"the champion was changed to version {version} meanwhile"
    assert champion(loop) == version
    assert loop.ports.registry.challenger(MODEL) is None


def test_a_promotion_that_the_registry_refuses_is_undone_and_says_so(monkeypatch):
    loop = ready()
    registry, real = loop.ports.registry, loop.ports.registry.promote

    def half(model, version):
        real(model, version)
        if version == "2":
            raise Refused("no more aliases", code="INVALID_STATE")

    monkeypatch.setattr(registry, "promote", half)

    loop.drain()

    run = run_of(loop)
    assert run.state is State.REJECTED
    assert "everything is as before: no more aliases" in run.reason
    assert champion(loop) == "1"
    assert not loop.breaches()


@pytest.mark.parametrize("half", [True, False], ids=["half done", "not begun"])
def test_an_undone_promotion_leaves_who_was_the_champion_before_as_it_was(monkeypatch, half):
    loop = ready()
    registry, real = loop.ports.registry, loop.ports.registry.promote
    older = loop.add_version(fair)
    registry.promote(MODEL, older)
    registry.promote(MODEL, "1")

    def refuse(model, version):
        if half:
            real(model, version)
        raise Refused("no more aliases", code="INVALID_STATE")

    monkeypatch.setattr(registry, "promote", refuse)

    loop.drain()

    assert run_of(loop).state is State.REJECTED
    assert champion(loop) == "1"
    assert registry.previous(MODEL).version == older
    assert registry.challenger(MODEL) is None
    assert registry.version(MODEL, "2").aliases == frozenset()


def test_a_first_champion_that_the_registry_refuses_half_way_does_not_serve(monkeypatch):
    loop = fresh()
    registry, real = loop.ports.registry, loop.ports.registry.promote

    def half(model, version):
        real(model, version)
        raise Refused("no more aliases", code="INVALID_STATE")

    monkeypatch.setattr(registry, "promote", half)

    run = bootstrap(loop)
    loop.drain()

    assert run_named(loop, run.run_id).state is State.REJECTED
    with pytest.raises(NoChampion):
        champion(loop)


def test_the_same_message_twice_promotes_once():
    loop = ready()
    run = run_of(loop)

    loop.promote(MODEL, run.run_id)
    loop.promote(MODEL, run.run_id)

    assert loop.actions().count("model.promoted/success") == 1


def test_a_run_that_is_not_there_is_not_found():
    with pytest.raises(NotFound):
        duel().promote(MODEL, "run-none")


def test_a_rollback_brings_the_champion_before_back_and_closes_the_other_run():
    loop = ready()
    loop.drain()

    begun = roll_back(loop)
    loop.drain()

    assert begun.state is State.PROMOTING
    back = run_named(loop, begun.run_id)
    assert (back.state, back.purpose, back.version) == (State.PROMOTED, Purpose.ROLLBACK, "1")
    assert champion(loop) == "1"
    displaced = next(run for run in loop.runs() if run.state is State.ROLLED_BACK)
    assert displaced.version == "2"
    told = latest(loop, "model.promoted")
    assert (told["from_stage"], told["to_stage"]) == ("Archived", "Production")
    assert told["context"]["approver"] == ANA.name
    assert latest(loop, "run.rollback")["subject"] == ANA.name
    assert latest(loop, "model.rolled_back")["context"]["back_to"] == "1"


def test_the_same_key_is_the_same_rollback():
    loop = ready()
    loop.drain()

    first = roll_back(loop)
    loop.drain()
    again = roll_back(loop)
    loop.drain()

    assert first.run_id == again.run_id
    assert again.state is State.PROMOTED
    assert champion(loop) == "1"


def test_rolled_back_twice_the_first_is_the_champion_again():
    loop = ready()
    loop.drain()

    roll_back(loop, "a")
    loop.drain()
    roll_back(loop, "b")
    loop.drain()

    assert champion(loop) == "2"


def test_where_nobody_was_champion_before_there_is_nothing_to_go_back_to():
    with pytest.raises(IllegalTransition, match="no champion before"):
        roll_back(duel())


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(None, "does not answer"), (lambda rows: [None] * len(rows), "are not finite numbers")],
    ids=["does not load", "answers nothing"],
)
def test_a_version_that_does_not_answer_any_more_is_not_rolled_back_to(answer, reason):
    loop = ready()
    loop.drain()
    if answer is None:
        loop.ports.scorer._answers.pop((MODEL, "1"))
    else:
        loop.ports.scorer.answers(MODEL, "1", answer)

    begun = roll_back(loop)
    loop.drain()

    run = run_named(loop, begun.run_id)
    assert run.state is State.REJECTED
    assert reason in run.reason
    assert champion(loop) == "2"


def fresh():
    loop = FakeLoop()
    loop.ports.registry._aliases[MODEL].clear()
    return loop


def bootstrap(loop, version="1", key="key-1"):
    return loop.ask_champion.bootstrap(MODEL, version, "the first one", ANA, key)


def test_the_first_champion_is_an_operator_s_act_on_record():
    loop = fresh()
    with pytest.raises(NoChampion):
        champion(loop)

    run = bootstrap(loop)
    loop.drain()

    assert champion(loop) == "1"
    assert run_named(loop, run.run_id).state is State.PROMOTED
    told = latest(loop, "model.promoted")
    assert (told["from_stage"], told["to_stage"], told["model_version"]) == (
        "None",
        "Production",
        "1",
    )
    assert latest(loop, "run.bootstrap")["subject_type"] == "user"


def test_a_model_with_a_champion_is_not_bootstrapped():
    with pytest.raises(IllegalTransition, match="version 1 is the champion already"):
        bootstrap(FakeLoop())


def test_a_key_that_has_begun_one_version_begins_no_other():
    loop = fresh()
    loop.add_version(fair)
    first = bootstrap(loop, "1", "a")

    assert bootstrap(loop, "1", "a") == first
    with pytest.raises(IllegalTransition, match="begun the bootstrap of version 1, not of 2"):
        bootstrap(loop, "2", "a")


def test_of_two_bootstraps_at_a_time_one_is_turned_down():
    loop = fresh()
    loop.add_version(fair)

    first, second = bootstrap(loop, "1", "a"), bootstrap(loop, "2", "b")
    loop.drain()

    assert champion(loop) == "1"
    assert run_named(loop, first.run_id).state is State.PROMOTED
    assert run_named(loop, second.run_id).reason == "version 1 is the champion already"


def test_a_version_that_is_not_there_cannot_be_the_first():
    with pytest.raises(NotFound):
        bootstrap(fresh(), "9")


def test_a_rollback_makes_no_trigger_wait():
    loop = ready()
    loop.drain()
    loop.ports.clock.advance(days=8)
    roll_back(loop)
    loop.drain()

    receipt = loop.receive(alert_of(7, fired_at=loop.ports.clock.now()))

    assert receipt.decision == "accepted"


def test_a_promotion_that_stalled_is_sent_again_by_the_sweeper():
    loop = ready()
    loop.ports.queues.take(messages.PROMOTIONS)

    loop.settle()

    assert run_of(loop).state is State.PROMOTED
