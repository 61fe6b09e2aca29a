"""The scoring notebook, run as it is: each row of a day answered once by each version."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from local.notebook_runner import CellFailedError, execute
from shared.adapters.registry.registry_roles import CHALLENGER, CHAMPION, OUTGOING, ROLE_TAG
from tests.fabric.items import notebook
from tests.fabric.lakeside import DAY, FACTS, FIRST_DAY, MODEL, PREDICTIONS, SLOPES, facts

# MLflow's own warnings, at import and about stages; nothing of them is decided here.
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning"),
    pytest.mark.xdist_group("lakeside"),  # one worker makes the registry for all
]

NOTEBOOK = notebook("batch_score")
MORNING = FIRST_DAY + 2 * DAY + timedelta(hours=3)
GIVEN = {
    "model": MODEL,
    "as_of": MORNING.isoformat(),
    "facts": FACTS,
    "predictions": PREDICTIONS,
    "id_column": "id",
    "timestamp_column": "at",
    "day_column": "day",
    "prediction_column": "answer",
}


@pytest.fixture
def facts_of_two_days(lakeside):
    lakeside.append(FACTS, pd.concat([facts(0), facts(1)]))
    return lakeside


def score(**changes):
    return execute(NOTEBOOK, {**GIVEN, **changes})


def test_yesterdays_rows_get_the_answers_of_both_versions(facts_of_two_days):
    score()

    log = facts_of_two_days.rows(PREDICTIONS)
    for version, slope in SLOPES.items():
        mine = log[log["model_version"] == version].sort_values("id")
        assert mine["id"].tolist() == facts(1)["id"].tolist()
        assert np.allclose(mine["answer"], slope * mine["x"])
        assert set(mine["retrain_run_id"]) == {f"run-{version}"}
    assert log["at"].tolist() == [*facts(1)["at"]] * 2
    assert set(log["scored_at"]) == {pd.Timestamp(MORNING)}
    assert "y" not in log.columns


def test_a_repeated_run_adds_nothing(facts_of_two_days):
    first = score()

    again = score()

    assert first["scored"] == {"champion": 120, "challenger": 120}
    assert again["scored"] == {"champion": 0, "challenger": 0}
    assert len(facts_of_two_days.rows(PREDICTIONS)) == 240


def test_a_row_that_comes_late_is_added_and_the_others_are_not(facts_of_two_days):
    score()
    late = facts(1).head(1).assign(id="late")
    facts_of_two_days.append(FACTS, late)

    again = score()

    log = facts_of_two_days.rows(PREDICTIONS)
    assert again["scored"] == {"champion": 1, "challenger": 1}
    assert sorted(log.loc[log["id"] == "late", "model_version"]) == ["1", "2"]


def test_an_earlier_day_can_be_made_up(facts_of_two_days):
    score()

    score(day="2026-05-01")

    log = facts_of_two_days.rows(PREDICTIONS)
    assert log.groupby("day").size().to_dict() == {"2026-05-01": 240, "2026-05-02": 240}


def test_what_has_not_happened_yet_is_not_scored(facts_of_two_days):
    noon = FIRST_DAY + DAY + timedelta(hours=5)

    found = score(as_of=noon.isoformat(), day="2026-05-02")

    assert found["scored"] == {"champion": 60, "challenger": 60}
    assert facts_of_two_days.rows(PREDICTIONS)["at"].max() < pd.Timestamp(noon)


def test_of_two_runs_at_once_one_logs_the_day(facts_of_two_days):
    score(day="2026-05-01")  # so that the log is there and both start from its state
    left = score(roles="champion")
    facts_of_two_days.append(FACTS, facts(1).head(1).assign(id="late"))
    due = facts_of_two_days.rows(FACTS)
    left["due"] = due[due["day"] == "2026-05-02"]
    predict, champion = left["as_arrow"], left["holders"]["champion"]
    others = []

    def interrupted(version, rows):
        if not others:
            others.append("running")
            others.append(left["score"](version))
        return predict(version, rows)

    left["as_arrow"] = interrupted
    mine = left["score"](champion)

    log = facts_of_two_days.rows(PREDICTIONS)
    assert others == ["running", 1]
    assert mine == 0
    assert len(log[(log["id"] == "late") & (log["model_version"] == "1")]) == 1


def test_a_log_from_before_the_run_ids_gets_the_column(facts_of_two_days):
    older = facts(0)[["id", "at", "day", "x"]].assign(
        answer=0.0, model_version="1", scored_at=facts(0)["at"]
    )
    facts_of_two_days.append(PREDICTIONS, older, partition_by=["day"])

    score(roles="champion")

    log = facts_of_two_days.rows(PREDICTIONS)
    assert log["retrain_run_id"].isna().sum() == 120
    assert (log["retrain_run_id"] == "run-1").sum() == 120


def test_without_a_challenger_the_champion_is_scored_alone(facts_of_two_days):
    import mlflow

    mlflow.MlflowClient().delete_registered_model_alias(MODEL, "challenger")

    assert score()["scored"] == {"champion": 120}


def test_where_no_alias_says_it_the_stage_does(facts_of_two_days):
    import mlflow

    client = mlflow.MlflowClient()
    for alias in ("champion", "challenger"):
        client.delete_registered_model_alias(MODEL, alias)
    client.transition_model_version_stage(MODEL, "2", "Production")

    assert score()["scored"] == {"champion": 120}
    assert set(facts_of_two_days.rows(PREDICTIONS)["model_version"]) == {"2"}


def by_tag(tags):
    """Have the versions hold their roles by the app's tag alone."""
    import mlflow

    client = mlflow.MlflowClient()
    for alias in ("champion", "challenger"):
        client.delete_registered_model_alias(MODEL, alias)
    for version, tag in tags.items():
        client.set_model_version_tag(MODEL, version, ROLE_TAG, tag)


@pytest.mark.parametrize("champion", [CHAMPION, OUTGOING])
def test_where_neither_alias_nor_stage_says_it_the_tag_does(facts_of_two_days, champion):
    by_tag({"2": champion, "1": CHALLENGER})

    found = score()

    assert found["scored"] == {"champion": 120, "challenger": 120}
    assert {role: str(each.version) for role, each in found["holders"].items()} == {
        "champion": "2",
        "challenger": "1",
    }


def test_two_champions_by_tag_are_told_and_none_is_chosen(facts_of_two_days):
    by_tag({"1": CHAMPION, "2": CHAMPION})

    with pytest.raises(CellFailedError) as caught:
        score()

    assert "2 versions have retrain_loop.role = champion" in str(caught.value.__cause__)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"roles": "winner"}, "roles are champion, challenger"),
        ({"as_of": "2026-05-03T03:00:00"}, "offset from UTC"),
        ({"facts": "lh_gold/nothing"}, "lh_gold/nothing"),
    ],
)
def test_what_cannot_be_done_is_said(facts_of_two_days, changes, said):
    with pytest.raises(CellFailedError) as caught:
        score(**changes)

    assert said in str(caught.value.__cause__)


def test_a_model_without_a_champion_is_no_quiet_success(facts_of_two_days):
    import mlflow

    mlflow.MlflowClient().delete_registered_model_alias(MODEL, "champion")

    with pytest.raises(CellFailedError) as caught:
        score()

    assert "no version is the champion" in str(caught.value.__cause__)


def test_a_column_that_the_version_needs_is_named(lakeside):
    lakeside.append(FACTS, facts(1).drop(columns="x"))

    with pytest.raises(CellFailedError) as caught:
        score()

    assert "no column x" in str(caught.value.__cause__)
