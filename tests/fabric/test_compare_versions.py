"""The comparing notebook, run as it is: the app's own figures, one row a day, each once."""

from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pandas as pd
import pytest

from local.notebook_runner import CellFailedError, execute
from shared.adapters.delta.delta_tables import DeltaTables
from shared.adapters.delta.lakehouse import Lakehouse
from shared.domain.champion import compare, streak
from tests.fabric.items import notebook
from tests.fabric.lakeside import (
    ACTUALS,
    DAY,
    FIRST_DAY,
    MODEL,
    PREDICTIONS,
    RUN_ID,
    SLOPES,
    facts,
)

# MLflow's own warnings, at import; nothing of them is decided here.
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning"),
    pytest.mark.xdist_group("lakeside"),  # one worker makes the registry for all
]

NOTEBOOK, TABLES = notebook("compare_versions"), notebook("create_tables")
TABLE = "lh_gold.ml_champion_challenger"
AFTERWARDS = FIRST_DAY + 10 * DAY
GIVEN = {
    "run_id": RUN_ID,
    "model": MODEL,
    "champion_version": "1",
    "challenger_version": "2",
    "first_day": "2026-05-01",
    "last_day": "2026-05-03",
    "as_of": AFTERWARDS.isoformat(),
    "predictions": PREDICTIONS,
    "actuals": ACTUALS,
    "id_column": "id",
    "timestamp_column": "at",
    "actual_column": "y",
    "actual_timestamp_column": "known_at",
}


def answered(day, version="1", n=120):
    rows = facts(day, n)
    return rows[["id", "at", "day", "x"]].assign(
        answer=SLOPES[version] * rows["x"], model_version=version
    )


def known(day, n=120):
    rows = facts(day, n)
    return rows[["id", "y"]].assign(known_at=rows["at"] + DAY)


@pytest.fixture
def served(lakeside):
    """Three days that version 1 served, their actuals known a day later."""
    execute(TABLES, {"only": TABLE})
    for day in range(3):
        lakeside.append(PREDICTIONS, answered(day))
        lakeside.append(ACTUALS, known(day))
    return lakeside


@pytest.fixture
def app(served):
    """The app's own reader of the same tables."""
    return DeltaTables(Lakehouse(f"{served.root}/{{lakehouse}}"))


def run(**changes):
    return execute(NOTEBOOK, {**GIVEN, **changes})


def in_order(app):
    return sorted(app.read(TABLE, {"run_id": RUN_ID}), key=lambda row: row["window_start"])


def test_each_day_has_the_figures_that_the_app_would_give_it(app):
    run()

    found = in_order(app)
    assert [row["window_start"].date() for row in found] == [date(2026, 5, d) for d in (1, 2, 3)]
    for day, row in enumerate(found):
        rows = facts(day)
        expected = compare(
            row["window_start"].date(),
            "regression",
            actual=rows["y"].to_numpy(),
            champion=1.0 * rows["x"].to_numpy(),
            challenger=2.0 * rows["x"].to_numpy(),
            min_rows=100,
        )
        assert (row["rows_scored"], row["n"]) == (expected.n, expected.n) == (120, 120)
        assert row["challenger_won"] is expected.won is True
        assert row["reason"] == expected.reason
        assert row["champion_rmse"] == pytest.approx(expected.champion.rmse)
        assert row["challenger_r2"] == pytest.approx(expected.challenger.r2)
        assert row["difference"] == pytest.approx(expected.difference)
        assert row["difference_error"] == pytest.approx(expected.error)
        assert (row["difference_low"], row["difference_high"]) == pytest.approx(expected.interval)
        assert row["p_value"] == pytest.approx(expected.p_value)
        assert row["data_version"] == 7


def test_the_app_counts_the_days_and_writes_none_of_them_again(app):
    run()

    last = app.last_batch(TABLE, f"challenge:{RUN_ID}")

    assert date.fromordinal(last) == date(2026, 5, 3)
    assert streak(in_order(app), "1", "2").wins == 3


def test_a_repeated_run_adds_nothing_and_a_longer_one_goes_on(app):
    run(last_day="2026-05-02")
    run(last_day="2026-05-02")

    run()

    assert [row["window_start"].day for row in in_order(app)] == [1, 2, 3]


def test_a_day_that_the_app_has_compared_meanwhile_is_left_to_it(app):
    run(last_day="2026-05-01")
    row = {**in_order(app)[0], "window_start": midnight(2), "reason": "the app's"}
    writer, batch = f"challenge:{RUN_ID}", date(2026, 5, 2).toordinal()
    app.append(TABLE, [row], writer=writer, batch=batch)

    run()

    assert [row["reason"] == "the app's" for row in in_order(app)] == [False, True, False]


def midnight(day):
    return datetime.combine(date(2026, 5, day), time(), UTC)


def test_a_day_of_too_few_rows_or_none_is_no_win(lakeside, app):
    lakeside.append(PREDICTIONS, answered(3, n=99))
    lakeside.append(ACTUALS, known(3))

    run(last_day="2026-05-05")

    found = in_order(app)[3:]
    assert [row["challenger_won"] for row in found] == [False, False]
    assert [row["reason"] for row in found] == [
        "99 rows with an actual, 100 are needed", "no rows were served",
    ]  # fmt: skip
    assert [row["rows_scored"] for row in found] == [99, 0]


def test_an_actual_that_is_not_known_yet_does_not_count(app):
    moment = FIRST_DAY + 3 * DAY + timedelta(hours=5)  # half of the third day's are known

    run(as_of=moment.isoformat())

    assert [row["rows_scored"] for row in in_order(app)] == [120, 120, 61]


def test_of_two_answers_and_two_actuals_the_later_ones_count(lakeside, app):
    again = answered(0).head(1).assign(x=50.0)
    again["at"] += timedelta(seconds=1)
    corrected = known(0).head(1).assign(y=100.0)
    corrected["known_at"] += timedelta(hours=1)
    lakeside.append(PREDICTIONS, again)
    lakeside.append(ACTUALS, corrected)

    run(last_day="2026-05-01")

    rows = facts(0)
    x, y = rows["x"].to_numpy().copy(), rows["y"].to_numpy().copy()
    x[0], y[0] = 50.0, 100.0
    expected = np.sqrt(np.mean((y - x) ** 2))
    assert in_order(app)[0]["champion_rmse"] == pytest.approx(expected)


def test_a_classification_is_won_by_auc(lakeside, app):
    lakeside.append(PREDICTIONS, answered(3))
    late = pd.DataFrame({"id": facts(3)["id"], "y": (facts(3)["x"] > 10).astype("float64")})
    lakeside.append(ACTUALS, late.assign(known_at=facts(3)["at"] + DAY))

    run(task="classification", first_day="2026-05-04", last_day="2026-05-04")

    (row,) = in_order(app)
    assert (row["metric"], row["champion_auc"], row["challenger_auc"]) == ("auc", 1.0, 1.0)
    assert row["reason"] == "the challenger ties: AUC 1 against 1"
    assert row["challenger_won"] is False
    assert row["champion_rmse"] is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"run_id": "another"}, "version 2 was not made by run 'another'"),
        ({"last_day": "2026-05-11"}, "2026-05-11 is not over"),
        ({"task": "ranking"}, "regression or classification"),
        ({"actuals": "lh_gold/nothing"}, "lh_gold/nothing"),
    ],
)
def test_what_cannot_be_compared_is_said_and_nothing_is_written(app, changes, said):
    with pytest.raises(CellFailedError) as caught:
        run(**changes)

    assert said in str(caught.value.__cause__)
    assert app.read(TABLE) == []
