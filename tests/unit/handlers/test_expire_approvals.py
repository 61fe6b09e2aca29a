"""Approvals whose time is over: ended once, each apart, and finished whatever breaks."""

from dataclasses import replace

import pytest

from shared.domain.run import State
from shared.errors import DataError, Unavailable
from shared.handlers.approve_run import Said
from shared.handlers.decisions import UNTIL
from shared.ports import Commit
from tests.fakes.duel import ANA, duel, live, run_of
from tests.fakes.fuse import BREAKS, Fuse, Killed
from tests.fakes.loop import FakeLoop, resting
from tests.fakes.samples import MODEL, catalogue_of, model_document

OTHER = "flight-cancel"
YES, NO = Said(ANA, "seven good days", "2"), Said(ANA, "not before the season", "2")


def waiting() -> FakeLoop:
    """Give a loop whose challenger waits for an approval that nobody gives in time."""
    loop = duel(approval={"mode": "required"})
    live(loop, 3)
    loop.drain()
    loop.ports.clock.advance(hours=71)
    return loop


def overdue() -> FakeLoop:
    loop = waiting()
    loop.ports.clock.advance(hours=1)
    return loop


def put(loop, run):
    snapshot = loop.ports.store.snapshot(run.model, run.run_id)
    loop.ports.store.commit(snapshot, Commit(run, None, (), snapshot.head))


def with_another_model(loop: FakeLoop) -> FakeLoop:
    """Have a second model's run wait just as long, looked at after the first's."""
    document = model_document(OTHER, approval={"mode": "required"})
    both = catalogue_of(model_document(approval={"mode": "required"}), document)
    object.__setattr__(loop.expire_approvals, "catalogue", both)
    version = loop.add_version(None, model=OTHER)
    loop.ports.registry.stage_candidate(OTHER, version)
    put(loop, replace(run_of(loop), model=OTHER, run_id="run-other", version=version))
    return loop


def state_of_other(loop):
    return loop.ports.store.snapshot(OTHER, "run-other").run.state


def test_what_nobody_approves_in_time_is_rejected_told_and_loses_its_role():
    loop = waiting()
    assert loop.expire_approvals() == 0

    loop.ports.clock.advance(hours=1)
    assert loop.expire_approvals() == 1
    loop.drain()

    run = run_of(loop)
    assert run.state is State.REJECTED
    assert run.reason.startswith("nobody approved it before ")
    assert loop.ports.registry.challenger(MODEL) is None
    assert any("was rejected" in notice.title for notice in loop.ports.notifier.sent)


def test_that_the_time_was_over_is_on_record_before_anything_is_done():
    loop = overdue()
    loop.ports.registry.faults.order(Unavailable("away"))

    with pytest.raises(Unavailable):
        loop.expire_approvals()

    assert loop.actions()[-1] == "run.expired/success"
    assert run_of(loop).state is State.AWAITING_APPROVAL
    assert loop.ports.registry.challenger(MODEL).version == "2"


def test_looking_twice_ends_it_once():
    loop = overdue()

    assert (loop.expire_approvals(), loop.expire_approvals()) == (1, 0)

    assert loop.actions().count("run.expired/success") == 1
    assert loop.actions().count("run.rejected/denied") == 1


def play(fuse: Fuse) -> FakeLoop:
    loop = overdue()
    loop._wire({name: fuse.tap(name, port) for name, port in vars(loop.ports).items()})
    for _ in range(3):  # the timer comes again, whatever became of it
        try:
            loop.expire_approvals()
        except (Killed, Unavailable):
            continue
    loop.drain()
    loop.settle()
    return loop


@pytest.mark.parametrize("how", BREAKS)
def test_whichever_call_breaks_the_next_look_takes_role_and_run(how):
    whole = Fuse()
    play(whole)
    assert "registry.retire" in whole.calls

    for at, call in enumerate(whole.calls, start=1):
        loop = play(Fuse(at, **BREAKS[how]))

        run = run_of(loop)
        assert run.state is State.REJECTED, call
        assert loop.ports.registry.challenger(MODEL) is None, call
        assert loop.actions().count("run.expired/success") == 1, call
        assert resting(run), call
        assert not loop.breaches(), call


@pytest.mark.parametrize(
    ("act", "said", "end"), [("approve", YES, State.PROMOTED), ("reject", NO, State.REJECTED)]
)
def test_a_decision_whose_worker_died_is_carried_out_in_its_own_words(act, said, end):
    loop = waiting()
    fuse = Fuse()
    loop._wire({name: fuse.tap(name, port) for name, port in vars(loop.ports).items()})
    getattr(loop.approval, act)(MODEL, run_of(loop).run_id, said)
    last = max(n for n, call in enumerate(fuse.calls, 1) if call == "store.commit") - 1

    loop = waiting()
    broken = Fuse(last)
    loop._wire({name: broken.tap(name, port) for name, port in vars(loop.ports).items()})
    with pytest.raises(Killed):
        getattr(loop.approval, act)(MODEL, run_of(loop).run_id, said)
    assert run_of(loop).state is State.AWAITING_APPROVAL
    assert loop.expire_approvals() == 1
    loop.drain()

    assert run_of(loop).state is end
    reasons = [row["reason"] for row in loop.ports.store.chain(MODEL)]
    word = {"approve": "approved", "reject": "rejected"}[act]
    assert f"{word} by ana@example.com: {said.reason}" in reasons


def dies_after(loop: FakeLoop, call: str) -> None:
    """Have Ana reject, and her worker die once a call has taken effect."""
    fuse = Fuse()
    counting = waiting()
    counting._wire({name: fuse.tap(name, port) for name, port in vars(counting.ports).items()})
    counting.approval.reject(MODEL, run_of(counting).run_id, NO)

    broken = Fuse(fuse.calls.index(call) + 1, after=True)
    loop._wire({name: broken.tap(name, port) for name, port in vars(loop.ports).items()})
    with pytest.raises(Killed):
        loop.approval.reject(MODEL, run_of(loop).run_id, NO)


def test_a_rejection_keeps_its_words_where_the_daily_comparison_comes_before_the_rest_of_it():
    loop = waiting()
    dies_after(loop, "registry.retire")
    assert loop.ports.registry.challenger(MODEL) is None

    loop.compare.all()
    assert run_of(loop).state is State.AWAITING_APPROVAL
    loop.expire_approvals()

    assert run_of(loop).reason == f"rejected by ana@example.com: {NO.reason}"


def test_a_comparison_that_began_before_a_decision_does_not_end_the_run():
    loop = waiting()
    stale = loop.ports.store.runs(MODEL)
    dies_after(loop, "registry.retire")
    runs, loop.ports.store.runs = loop.ports.store.runs, lambda *_, **__: stale

    loop.compare.all()

    loop.ports.store.runs = runs
    assert run_of(loop).state is State.AWAITING_APPROVAL
    assert loop.expire_approvals() == 1


def test_a_person_who_was_faster_is_no_trouble():
    loop = waiting()
    stale = loop.ports.store.runs(MODEL)
    loop.approval.approve(MODEL, run_of(loop).run_id, YES)
    loop.ports.clock.advance(hours=1)
    runs, loop.ports.store.runs = loop.ports.store.runs, lambda *_, **__: stale

    assert loop.expire_approvals() == 0

    loop.ports.store.runs = runs
    loop.drain()
    assert run_of(loop).state is State.PROMOTED


def test_one_run_s_trouble_keeps_no_other_from_its_end(monkeypatch):
    loop = with_another_model(overdue())
    retire = loop.ports.registry.retire

    def away_for_one(model, version):
        if model == MODEL:
            raise Unavailable("away")
        retire(model, version)

    monkeypatch.setattr(loop.ports.registry, "retire", away_for_one)

    with pytest.raises(Unavailable, match="away"):
        loop.expire_approvals()

    assert run_of(loop).state is State.AWAITING_APPROVAL
    assert state_of_other(loop) is State.REJECTED


def test_a_run_that_does_not_say_how_long_is_named_and_harms_no_other():
    loop = with_another_model(overdue())
    facts = {key: value for key, value in run_of(loop).facts.items() if key != UNTIL}
    put(loop, replace(run_of(loop), facts=facts))

    with pytest.raises(DataError, match="does not say how long"):
        loop.expire_approvals()

    assert state_of_other(loop) is State.REJECTED
