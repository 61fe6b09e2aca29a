"""A person approves or rejects: the right person, another person, what was judged, in time."""

from dataclasses import replace

import pytest

from shared.domain.actor import KEY_HOLDER, Actor
from shared.domain.run import State
from shared.errors import (
    BadInput,
    DataError,
    IllegalTransition,
    NotAllowed,
    NotFound,
    Unavailable,
)
from shared.handlers import messages
from shared.handlers.approve_run import Said
from shared.ports import Commit
from tests.fakes.duel import ANA, BEN, duel, live, run_of
from tests.fakes.fuse import Fuse, Killed
from tests.fakes.loop import resting
from tests.fakes.samples import MODEL

YES = Said(ANA, "seven good days", "2")


def waiting(**how):
    loop = duel(approval={"mode": "required"}, **how)
    live(loop, 3)
    loop.drain()
    assert run_of(loop).state is State.AWAITING_APPROVAL
    return loop


def approve(loop, said=YES):
    return loop.approval.approve(MODEL, run_of(loop).run_id, said)


def reject(loop, said=YES):
    return loop.approval.reject(MODEL, run_of(loop).run_id, said)


def champion(loop):
    return loop.ports.registry.champion(MODEL).version


def asked_by(loop, actor):
    """Make the run one that a person asked for."""
    run = run_of(loop)
    trigger = replace(run.trigger, kind="manual", actor=actor.name)
    facts = {**run.facts, **({"asked_by_id": actor.object_id} if actor.proven else {})}
    snapshot = loop.ports.store.snapshot(MODEL, run.run_id)
    asked = replace(run, trigger=trigger, facts=facts)
    loop.ports.store.commit(snapshot, Commit(asked, None, (), snapshot.head))


def latest(loop, action):
    return [row for row in loop.ports.store.chain(MODEL) if row["action"] == action][-1]


def test_an_approved_challenger_becomes_the_champion():
    loop = waiting()

    run = approve(loop)
    loop.drain()

    assert run.state is State.PROMOTING
    assert run_of(loop).state is State.PROMOTED
    assert champion(loop) == "2"


def test_the_ledger_says_who_approved_what_before_anything_is_promoted():
    loop = waiting()
    report = run_of(loop).facts["context"]["evidence_sha256"]

    approve(loop)

    told = latest(loop, "run.approved")
    assert champion(loop) == "1"
    assert (told["subject"], told["subject_type"]) == ("ana@example.com", "user")
    assert told["reason"] == "seven good days"
    assert told["context"]["version"] == "2"
    assert told["context"]["approver_id"] == "oid-ana"
    assert told["context"]["evidence_sha256"] == report
    assert told["context"]["consecutive_wins"] == 3
    loop.drain()
    assert latest(loop, "model.promoted")["context"]["approver"] == "ana@example.com"


@pytest.mark.parametrize(
    ("actor", "why"),
    [
        (KEY_HOLDER, "who asks is not proven"),
        (replace(ANA, kind="service_principal"), "an application may not approve"),
        (replace(ANA, roles=frozenset({"Reader"})), "lacks the app role"),
        (Actor("ana@example.com"), "who asks is not proven"),
    ],
    ids=["key", "application", "no role", "no id"],
)
@pytest.mark.parametrize("act", [approve, reject])
def test_who_has_not_proven_the_right_decides_nothing(act, actor, why):
    loop = waiting()

    with pytest.raises(NotAllowed, match=why):
        act(loop, replace(YES, actor=actor))

    assert run_of(loop).state is State.AWAITING_APPROVAL
    assert run_of(loop).facts.get("decided_by") is None


def test_the_one_who_asked_may_not_approve_under_any_name():
    loop = waiting()
    asked_by(loop, replace(ANA, name="ana.old-name@example.com"))

    with pytest.raises(NotAllowed, match="another person must approve"):
        approve(loop)

    approve(loop, replace(YES, actor=BEN))
    assert run_of(loop).state is State.PROMOTING


@pytest.mark.parametrize("who", [KEY_HOLDER, Actor("ana@example.com"), Actor("Ana Silva")])
def test_where_who_asked_has_proven_no_id_nobody_is_another_person(who):
    loop = waiting()
    asked_by(loop, who)

    with pytest.raises(NotAllowed, match="is not known"):
        approve(loop)


@pytest.mark.parametrize("act", [approve, reject])
def test_another_version_than_the_run_s_was_looked_at(act):
    loop = waiting()

    with pytest.raises(BadInput, match="version: is 3, the run's is 2"):
        act(loop, replace(YES, version="3"))


def test_another_report_than_the_run_s_was_looked_at():
    loop = waiting()

    with pytest.raises(BadInput, match="evidence_sha256"):
        approve(loop, replace(YES, report="0" * 64))


@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_report_that_is_not_what_was_judged_approves_nothing(how):
    loop = waiting()
    name = run_of(loop).facts["context"]["evidence"]
    if how == "changed":
        loop.ports.evidence.contents[name] = b"{}"
    else:
        del loop.ports.evidence.contents[name]

    with pytest.raises(DataError, match="not the one that was judged"):
        approve(loop)

    assert run_of(loop).state is State.AWAITING_APPROVAL


def test_a_version_that_lost_its_role_is_not_approved():
    loop = waiting()
    loop.ports.registry.retire(MODEL, "2")

    with pytest.raises(IllegalTransition, match="not the challenger any more"):
        approve(loop)


def test_a_run_that_does_not_wait_is_not_approved():
    loop = duel()

    with pytest.raises(IllegalTransition, match="staged does not wait"):
        approve(loop)


def test_a_run_that_is_not_there_is_not_found():
    with pytest.raises(NotFound):
        duel().approval.approve(MODEL, "run-none", YES)


def test_the_same_person_again_is_told_how_far_it_is():
    loop = waiting()
    approve(loop)

    again = approve(loop)
    loop.drain()

    assert again.state is State.PROMOTING
    assert approve(loop).state is State.PROMOTED
    assert loop.actions().count("run.approved/success") == 1


def test_who_comes_second_decides_nothing():
    loop = waiting()
    approve(loop)

    with pytest.raises(IllegalTransition):
        reject(loop, replace(YES, actor=BEN))
    loop.drain()

    assert run_of(loop).state is State.PROMOTED


def test_a_rejected_challenger_loses_its_role_and_the_reason_is_on_record():
    loop = waiting()

    run = reject(loop, Said(BEN, "the summer is not over", "2"))
    loop.drain()

    assert run.state is State.REJECTED
    assert run.reason == "rejected by ben@example.com: the summer is not over"
    assert loop.ports.registry.challenger(MODEL) is None
    assert champion(loop) == "1"
    assert latest(loop, "run.refused")["subject"] == "ben@example.com"
    assert any("was rejected" in notice.title for notice in loop.ports.notifier.sent)
    assert reject(loop, Said(BEN, "the summer is not over", "2")).state is State.REJECTED


def test_the_one_who_asked_may_reject():
    loop = waiting()
    asked_by(loop, ANA)

    assert reject(loop).state is State.REJECTED


def test_what_was_not_approved_in_time_is_not_approved_any_more():
    loop = waiting()
    loop.ports.clock.advance(hours=72)

    with pytest.raises(IllegalTransition, match="time to approve it is over"):
        approve(loop)

    loop.expire_approvals()
    with pytest.raises(IllegalTransition, match="rejected does not wait"):
        approve(loop)


@pytest.mark.parametrize(("act", "end"), [(approve, State.PROMOTED), (reject, State.REJECTED)])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("error", [Killed, Unavailable])
def test_whichever_call_breaks_a_decision_on_record_is_carried_out(act, end, error, after):
    whole = Fuse()
    loop = waiting()
    loop._wire({name: whole.tap(name, port) for name, port in vars(loop.ports).items()})
    act(loop)

    for at in range(1, len(whole.calls) + 1):
        loop = waiting()
        fuse = Fuse(at, error=error, after=after)
        loop._wire({name: fuse.tap(name, port) for name, port in vars(loop.ports).items()})
        try:
            act(loop)
        except (Killed, Unavailable):
            loop.expire_approvals()
        loop.drain()
        loop.settle()
        decided = {"run.approved/success", "run.refused/success"} & set(loop.actions())
        run = run_of(loop)
        assert run.state is (end if decided else State.AWAITING_APPROVAL), whole.calls[at - 1]
        assert champion(loop) == ("2" if run.state is State.PROMOTED else "1")
        assert resting(run)
        assert not loop.breaches()


def test_an_approval_s_message_that_was_lost_is_sent_again():
    loop = waiting()
    approve(loop)
    loop.ports.queues.take(messages.PROMOTIONS)

    loop.settle()

    assert run_of(loop).state is State.PROMOTED
