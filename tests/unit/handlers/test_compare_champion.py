"""Champion and challenger over days: wins in a row promote, anything else does not."""

from datetime import timedelta

import pytest

from shared.domain.run import State
from shared.errors import NoTable, Unavailable
from shared.handlers.challenge_days import ChallengeDays
from tests.fakes.duel import comparisons, duel, live, off, run_of, serve
from tests.fakes.loop import fair
from tests.fakes.samples import MODEL, alert_of


def champion(loop):
    return loop.ports.registry.champion(MODEL).version


def test_enough_wins_in_a_row_make_the_challenger_the_champion():
    loop = duel()
    assert run_of(loop).state is State.STAGED

    live(loop, 3)
    loop.drain()

    run = run_of(loop)
    assert run.state is State.PROMOTED
    assert champion(loop) == "2"
    assert loop.ports.registry.previous(MODEL).version == "1"
    assert [row["challenger_won"] for row in comparisons(loop)] == [True, True, True]
    assert loop.actions()[-4:] == [
        "run.challenging/success",
        "run.promoting/success",
        "model.promote/intent",
        "model.promoted/success",
    ]
    assert not loop.breaches()
    assert any("is the champion" in notice.title for notice in loop.ports.notifier.sent)


def test_the_promotion_tells_the_streak_and_the_stages():
    loop = duel()
    live(loop, 3)
    loop.drain()

    (told,) = [row for row in loop.ports.store.chain(MODEL) if row["action"] == "model.promoted"]

    assert (told["from_stage"], told["to_stage"]) == ("Staging", "Production")
    assert told["context"]["consecutive_wins"] == 3
    assert told["context"]["consecutive_wins_required"] == 3
    assert told["context"]["replaces"] == "1"
    assert told["context"]["approver"] == "retrain-loop"


def test_two_wins_are_not_three():
    loop = duel()

    live(loop, 2)
    loop.drain()

    assert run_of(loop).state is State.CHALLENGING
    assert champion(loop) == "1"


def test_the_day_of_the_staging_does_not_count():
    loop = duel()
    serve(loop, loop.ports.clock.now())

    live(loop, 2)

    assert [row["window_start"].day for row in comparisons(loop)] == [
        (loop.ports.clock.now() - timedelta(days=1)).day,
        loop.ports.clock.now().day,
    ]


def test_a_challenger_that_is_no_closer_ties_and_stays():
    loop = duel(champion=fair)

    live(loop, 5)
    loop.drain()

    assert run_of(loop).state is State.CHALLENGING
    assert not any(row["challenger_won"] for row in comparisons(loop))
    assert "ties" in comparisons(loop)[0]["reason"]


def test_a_day_without_rows_breaks_the_streak_and_is_on_record():
    loop = duel()

    live(loop, 2)
    live(loop, 1, rows=0)
    live(loop, 2)
    loop.drain()

    assert [row["challenger_won"] for row in comparisons(loop)] == [True, True, False, True, True]
    assert run_of(loop).state is State.CHALLENGING


def test_a_day_with_too_few_rows_is_no_win():
    loop = duel()

    live(loop, 3, rows=9)

    assert {row["reason"] for row in comparisons(loop)} == {"9 rows with an actual, 10 are needed"}


def test_days_that_the_timer_missed_are_made_up_once_and_in_order():
    loop = duel(challenge={"wins": 30, "min_rows": 10, "max_days": 60})

    live(loop, 20)
    loop.ports.clock.advance(days=1)
    loop.compare.all()
    loop.compare.all()

    days = [row["window_start"] for row in comparisons(loop)]
    assert days == sorted(set(days))
    assert len(days) == 20


def test_the_timer_twice_a_day_compares_once():
    loop = duel()
    live(loop, 2)

    loop.compare.all()
    loop.compare.all()

    assert len(comparisons(loop)) == 2


def test_days_whose_actuals_may_still_arrive_are_not_compared_yet():
    loop = duel(windows={"actual_lag_days": 2})

    live(loop, 3)

    assert len(comparisons(loop)) == 1


def test_a_new_challenger_ends_the_old_one_s_run_and_inherits_no_win():
    loop = duel(policy={"cooldown_days": {"drift": 0}})
    live(loop, 2)
    loop.receive(alert_of(2, fired_at=loop.ports.clock.now()))
    loop.drain()

    live(loop, 1)
    loop.drain()

    old, new = run_of(loop, "2"), run_of(loop, "3")
    assert old.state is State.REJECTED
    assert "superseded: version 3 has" in old.reason
    assert new.state in (State.STAGED, State.CHALLENGING)
    assert champion(loop) == "1"


def test_a_champion_that_changed_meanwhile_starts_the_streak_anew():
    loop = duel()
    live(loop, 2)
    other = loop.add_version(off)
    loop.ports.registry.promote(MODEL, other)
    loop.champion = other

    live(loop, 1, version=other)
    loop.drain()

    assert run_of(loop).state is State.CHALLENGING
    assert [row["champion_version"] for row in comparisons(loop)] == ["1", "1", other]


def test_without_a_champion_nothing_is_compared_and_nobody_promoted():
    loop = duel()
    loop.ports.registry._aliases[MODEL].pop("champion")
    loop.ports.registry.set_stage(MODEL, "1", "None")

    live(loop, 3)
    loop.drain()

    assert run_of(loop).state is State.STAGED
    with pytest.raises(NoTable):
        comparisons(loop)


def test_a_challenger_that_never_wins_is_given_up_after_the_days_allowed():
    loop = duel(answer=off, champion=fair)

    live(loop, 10)
    loop.drain()

    run = run_of(loop)
    assert run.state is State.REJECTED
    assert run.reason == "no streak of 3 wins in 10 days, 10 are allowed"
    assert loop.ports.registry.challenger(MODEL) is None
    assert champion(loop) == "1"


def test_a_challenger_that_cannot_answer_loses_its_days():
    loop = duel()
    loop.ports.scorer.answers(MODEL, "2", lambda rows: [])

    live(loop, 3)
    loop.drain()

    assert not any(row["challenger_won"] for row in comparisons(loop))
    assert "gave 0 values" in comparisons(loop)[0]["reason"]
    assert run_of(loop).state is State.CHALLENGING


def test_where_a_person_must_approve_the_loop_waits_and_says_so():
    loop = duel(approval={"mode": "required"})

    live(loop, 3)
    loop.drain()

    run = run_of(loop)
    assert run.state is State.AWAITING_APPROVAL
    assert champion(loop) == "1"
    assert "a person must approve before" in run.reason
    assert any("waits for approval" in notice.title for notice in loop.ports.notifier.sent)


def test_a_registry_that_is_away_decides_nothing():
    loop = duel()
    live(loop, 2)
    loop.ports.registry.faults.order(Unavailable("away"))

    with pytest.raises(Unavailable):
        loop.compare.all()

    assert run_of(loop).state is State.CHALLENGING
    assert len(comparisons(loop)) == 2


def test_two_timers_at_a_time_write_no_day_past_the_decision(monkeypatch):
    loop = duel()
    decided = []
    real = ChallengeDays.append

    def append(self, found_duel, found):
        if not decided:
            decided.append(True)
            loop.compare.all()  # another worker comes in between, and finishes
        real(self, found_duel, found)

    monkeypatch.setattr(ChallengeDays, "append", append)
    live(loop, 8)
    loop.drain()

    assert run_of(loop).state is State.PROMOTED
    assert len(comparisons(loop)) == 3
