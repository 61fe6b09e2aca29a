"""What a comparison writes and hides, and that breaking it anywhere changes nothing."""

from datetime import timedelta

import pytest

from shared.domain.run import State
from shared.errors import Unavailable
from shared.handlers import messages
from tests.fakes.fuse import BREAKS, Fuse, Killed, Switch
from tests.fakes.loop import fair
from tests.fakes.samples import MODEL, catalogue_of, model_document
from tests.fakes.weeks import FIRST, challenged, compare_on, compared, live, run_of, serve

ONE_DAY = timedelta(days=1)


def test_seven_days_won_in_a_row_promote_by_default_and_six_do_not():
    loop = challenged()

    live(loop, 6)
    assert run_of(loop, "2").state is State.CHALLENGING
    live(loop, 1, first=FIRST + 6 * ONE_DAY)

    assert run_of(loop, "2").state is State.PROMOTING
    (sent,) = loop.ports.queues.visible(messages.PROMOTIONS)
    assert sent["run_id"] == run_of(loop, "2").run_id


def test_a_row_says_who_met_whom_on_what_and_how_sure_it_is():
    loop = challenged()

    live(loop, 1)

    (row,) = compared(loop)
    assert (row["champion_version"], row["challenger_version"]) == ("1", "2")
    assert row["window_end"] - row["window_start"] == ONE_DAY
    assert row["evaluation_window"].date() == FIRST
    assert (row["rows_scored"], row["n"], row["metric"]) == (30, 30, "rmse")
    assert row["challenger_rmse"] < row["champion_rmse"]
    assert 0 < row["difference_low"] < row["difference"] < row["difference_high"]
    assert row["p_value"] < 0.001
    assert row["run_id"] == run_of(loop, "2").run_id
    assert row["git_sha"] == "c0ffee"
    assert row["reason"].startswith("the challenger wins: RMSE")


def test_neither_version_is_told_what_was_served_or_what_became_true():
    loop = challenged()
    seen = []
    loop.ports.scorer.answers(MODEL, "2", lambda rows: seen.append(rows.column_names) or fair(rows))

    live(loop, 1)

    assert seen == [["distance"]]


def off_at(row, by):
    """Answer as ``fair``, one row so far off."""
    return lambda rows: [
        value + (by if number == row else 0.0) for number, value in enumerate(fair(rows))
    ]


def test_wins_that_could_be_chance_do_not_promote_where_significance_is_asked_for():
    loop = challenged(challenge={"significance": 0.01})
    # a hair better on every day: won, and nowhere near sure
    loop.ports.scorer.answers(MODEL, "1", off_at(0, 1.001))
    loop.ports.scorer.answers(MODEL, "2", off_at(4, 1.0))

    live(loop, 9)

    assert all(row["challenger_won"] for row in compared(loop))
    assert compared(loop)[-1]["p_value"] > 0.9
    assert run_of(loop, "2").state is State.CHALLENGING


def test_trouble_with_one_model_leaves_the_others_compared():
    loop = challenged()
    rule = {"min_rows": 20}
    both = catalogue_of(
        model_document("broken", challenge=rule), model_document(challenge=rule)
    )  # the broken one first
    object.__setattr__(loop.compare, "catalogue", both)
    serve(loop, FIRST)
    runs = loop.ports.store.runs

    def one_breaks(name, **given):
        if name == "broken":
            raise Unavailable("away")
        return runs(name, **given)

    loop.ports.store.runs = one_breaks

    with pytest.raises(Unavailable):
        compare_on(loop, FIRST + ONE_DAY)

    assert len(compared(loop)) == 1


def play(fuse):
    """Play two days won of two asked for; each timer comes again until it has done its work."""
    switch = Switch(fuse)
    loop = challenged(challenge={"wins": 2}, tap=switch.tap)
    switch.on = True
    for day in (FIRST, FIRST + ONE_DAY):
        serve(loop, day)
        for _ in range(2):
            try:
                compare_on(loop, day + ONE_DAY)
            except (Killed, Unavailable):
                continue
    switch.on = False
    loop.drain()
    loop.settle()
    return loop


@pytest.mark.parametrize("how", BREAKS)
def test_whichever_call_breaks_the_next_timer_finds_it_as_if_none_had(how):
    counted = Fuse()
    play(counted)

    for number, call in enumerate(counted.calls, start=1):
        loop = play(Fuse(number, **BREAKS[how]))

        days = [row["window_start"].date() for row in compared(loop)]
        assert days == [FIRST, FIRST + ONE_DAY], call
        assert run_of(loop, "2").state is State.PROMOTED, call
        assert loop.actions().count("run.promoting/success") == 1, call
        assert loop.actions().count("model.promoted/success") == 1, call
        assert not loop.breaches(), call
        assert loop.ports.registry.champion(MODEL).version == "2", call


def test_a_feature_without_a_value_on_one_of_several_days_harms_none_of_them():
    loop = challenged()
    serve(loop, FIRST)
    serve(loop, FIRST + ONE_DAY)
    loop.ports.scorer.answers(MODEL, "1", lambda rows: [1.0] * rows.num_rows)
    loop.ports.scorer.answers(MODEL, "2", lambda rows: [2.0] * rows.num_rows)
    for row in loop.ports.windows._tables["lh_gold.flights_predictions"][:30]:
        row["distance"] = None

    compare_on(loop, FIRST + 2 * ONE_DAY)

    assert [row["rows_scored"] for row in compared(loop)] == [30, 30]
