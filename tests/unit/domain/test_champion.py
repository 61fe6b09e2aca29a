"""Champion against challenger: who wins a day, what counts as a streak, what follows."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from shared.domain.champion import Next, Streak, compare, decide, streak
from shared.sections.challenge import Challenge

DAY = date(2013, 7, 19)
GENERATOR = np.random.default_rng(11)
ACTUAL = GENERATOR.normal(size=400)
CLOSE, FAR = ACTUAL + GENERATOR.normal(0, 0.1, 400), ACTUAL + GENERATOR.normal(0, 0.5, 400)


def day(champion, challenger, *, actual=ACTUAL, task="regression", min_rows=100):
    return compare(
        DAY, task, actual=actual, champion=champion, challenger=challenger, min_rows=min_rows
    )


def row(offset, *, won=True, challenger="2", **changes):
    return {
        "window_start": datetime(2013, 7, 19, tzinfo=UTC) + timedelta(days=offset),
        "challenger_won": won,
        "champion_version": "1",
        "challenger_version": challenger,
        "rows_scored": 200,
        "difference": 0.1,
        "difference_error": 0.05,
    } | changes


def test_the_closer_one_wins_and_the_difference_is_sure():
    found = day(FAR, CLOSE)

    assert found.won
    assert found.n == 400
    assert found.challenger.rmse < found.champion.rmse
    assert found.challenger.r2 > found.champion.r2
    low, high = found.interval
    assert 0 < low < found.difference < high
    assert found.p_value < 1e-6
    assert "wins: RMSE" in found.reason


def test_the_paired_test_is_the_textbook_s():
    found = day(FAR, CLOSE)

    losses = (ACTUAL - FAR) ** 2 - (ACTUAL - CLOSE) ** 2
    z = losses.mean() / (losses.std(ddof=1) / np.sqrt(losses.size))
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-9)
    ends = stats.norm.interval(0.95, loc=losses.mean(), scale=losses.mean() / z)
    assert found.interval == pytest.approx(ends)


def test_the_one_farther_off_loses():
    found = day(CLOSE, FAR)

    assert not found.won
    assert found.difference < 0


def test_the_same_answers_tie_and_a_tie_is_no_win():
    found = day(CLOSE, CLOSE)

    assert not found.won
    assert (found.difference, found.p_value) == (0.0, 1.0)
    assert "ties" in found.reason


def test_a_classification_is_won_by_the_better_ranking():
    actual = (ACTUAL > 0).astype(float)

    found = day(np.full(400, 0.5), np.clip(0.5 + ACTUAL / 10, 0, 1), actual=actual,
                task="classification")  # fmt: skip

    assert found.won
    assert (found.champion.auc, found.challenger.auc) == (0.5, 1.0)
    assert found.champion.rmse is None


def test_a_classification_is_lost_by_the_worse_ranking_and_tied_by_the_same():
    actual = (ACTUAL > 0).astype(float)
    good, poor = (np.clip(0.5 + each / 10, 0, 1) for each in (ACTUAL, FAR))

    lost = day(good, poor, actual=actual, task="classification")
    tied = day(good, good, actual=actual, task="classification")

    assert (lost.won, tied.won) == (False, False)
    assert 0.5 < lost.challenger.auc < lost.champion.auc
    assert "ties: AUC 1 against 1" in tied.reason


def test_rows_without_an_actual_do_not_count():
    actual = ACTUAL.copy()
    actual[:301] = np.nan

    found = day(FAR, CLOSE, actual=actual)

    assert not found.won
    assert found.n == 99
    assert found.reason == "99 rows with an actual, 100 are needed"


def test_the_least_number_of_rows_is_enough():
    assert day(FAR, CLOSE, min_rows=400).won
    assert not day(FAR, CLOSE, min_rows=401).won


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("who", ["champion", "challenger"])
def test_an_answer_that_is_no_number_wins_nothing(bad, who):
    answers = {"champion": FAR.copy(), "challenger": CLOSE.copy()}
    answers[who][3] = bad

    found = day(answers["champion"], answers["challenger"])

    assert not found.won
    assert found.reason == f"1 of 400 answers of the {who} are not finite numbers"
    assert found.difference is None
    assert found.interval == (None, None)


def test_a_day_on_which_nothing_varies_is_no_win():
    assert "every actual is 2" in day(FAR, CLOSE, actual=np.full(400, 2.0)).reason


def test_classes_other_than_0_and_1_are_no_win():
    found = day(FAR, CLOSE, task="classification", actual=np.round(ACTUAL))

    assert not found.won
    assert "are 0 and 1" in found.reason


def test_wins_are_counted_back_from_the_last_day():
    rows = [row(0), row(1, won=False), row(2), row(3)]

    assert streak(rows, "1", "2").wins == 2


@pytest.mark.parametrize(
    "break_",
    [{"won": False}, {"champion_version": "9"}, {"challenger": "3"}],
    ids=lambda it: next(iter(it)),
)
def test_a_lost_day_or_another_version_ends_the_streak(break_):
    assert streak([row(0), row(1, **break_), row(2)], "1", "2").wins == 1


def test_a_day_that_is_missing_ends_the_streak():
    assert streak([row(0), row(2), row(3)], "1", "2").wins == 2


def test_the_order_of_the_rows_is_nothing_to_the_streak():
    assert streak([row(2), row(0), row(1)], "1", "2").wins == 3


def test_without_days_there_is_no_streak():
    assert streak([], "1", "2") == Streak()


def test_the_days_of_a_streak_are_pooled_by_their_rows():
    found = streak(
        [
            row(0, rows_scored=100, difference=0.4, difference_error=0.1),
            row(1, rows_scored=300, difference=0.0),
        ],
        "1",
        "2",
    )

    mean, error = 0.1, np.hypot(100 * 0.1, 300 * 0.05) / 400
    assert (found.n, found.difference) == (400, pytest.approx(mean))
    assert found.p_value == pytest.approx(2 * stats.norm.sf(mean / error))


@given(
    st.lists(st.sampled_from(["won", "lost", "missing", "other"]), max_size=40),
    st.integers(1, 10),
)
def test_no_streak_is_longer_than_its_unbroken_end(days, wins):
    rows = [
        row(n, won=kind != "lost", challenger="3" if kind == "other" else "2")
        for n, kind in enumerate(days)
        if kind != "missing"
    ]

    found = streak(rows, "1", "2")

    told = "".join("w" if kind == "won" else "." if kind == "missing" else "x" for kind in days)
    told = told.rstrip(".")  # a day that is not there yet breaks nothing
    assert found.wins == len(told) - len(told.rstrip("w"))
    promoted = decide(found, len(rows), Challenge(wins=wins))[0] is Next.PROMOTE
    assert promoted == (found.wins >= wins)


def test_enough_wins_promote():
    what, reason = decide(Streak(7, 1400, 0.01), 7, Challenge())

    assert what is Next.PROMOTE
    assert reason == "won 7 days in a row, 7 are asked for; p 0.01 over 1400 rows"


def test_fewer_wins_wait():
    assert decide(Streak(6, 1200, 0.01), 30, Challenge())[0] is Next.WAIT


def test_wins_that_may_be_chance_wait_where_significance_is_asked_for():
    what, reason = decide(Streak(9, 90, 0.2), 9, Challenge(significance=0.05))

    assert what is Next.WAIT
    assert "below 0.05 is asked for" in reason


def test_wins_in_ranking_with_surely_larger_errors_are_no_significance():
    ranks = 0.9 + 0.1 / (1 + np.exp(-ACTUAL))
    found = day(np.clip(0.5 + FAR / 4, 0, 1), ranks, actual=(ACTUAL > 0) * 1.0,
                task="classification")  # fmt: skip
    days = [row(n, difference=found.difference, difference_error=found.error) for n in range(7)]

    what, reason = decide(streak(days, "1", "2"), 7, Challenge(significance=0.05))

    assert found.won
    assert found.p_value < 0.001
    assert what is Next.WAIT
    assert "its squared errors are not smaller" in reason


@pytest.mark.parametrize(("p_value", "what"), [(0.049, Next.PROMOTE), (0.05, Next.WAIT)])
def test_a_streak_is_sure_below_the_level_and_not_at_it(p_value, what):
    found = Streak(7, 700, p_value, difference=0.1)

    assert decide(found, 7, Challenge(significance=0.05))[0] is what


@pytest.mark.parametrize("found", [Streak(6, 1200, 0.01), Streak(7, 70, 0.5)])
def test_at_the_last_day_the_challenger_is_given_up(found):
    rule = Challenge(significance=0.05, max_days=60)

    assert decide(found, 59, rule)[0] is Next.WAIT
    assert decide(found, 60, rule)[0] is Next.GIVE_UP


def test_a_streak_on_the_last_day_still_promotes():
    assert decide(Streak(7, 700, 0.001), 60, Challenge(max_days=60))[0] is Next.PROMOTE
