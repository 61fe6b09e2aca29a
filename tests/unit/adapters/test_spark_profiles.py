"""Profiles that a notebook counts: what is asked of it, when, and what of its answers is used."""

import ast
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from local.fabric_simulator.items import Items
from local.notebook_runner import parse
from shared.adapters.profiles.spark_profiles import PROFILES, REQUESTS, SparkProfiles
from shared.domain.drift.edges import Edges
from shared.domain.drift.spec import ProfileSpec
from shared.domain.tables import FEATURE_PROFILES
from shared.errors import ConfigError, StartAmbiguous, Unavailable
from tests.contract.windows_worlds import ACTUALS, GUID, HOLDOUT, PREDICTIONS, model
from tests.fakes.clock import FakeClock
from tests.fakes.jobs import FakeJobs
from tests.fakes.tables import FakeTables

FABRIC = Path(__file__).parents[3] / "infra" / "fabric"
START = datetime(2013, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)
TABLES = {"predictions": PREDICTIONS, "actuals": ACTUALS, "holdout": HOLDOUT}
DATA = {**TABLES, "source": "spark", "spark": {"pipeline_id": GUID}}
MODEL = model(data=DATA, windows={"lag_days": 1})
EDGES = Edges(np.array([0.0, 1.5]), np.array([1]))
SPEC = ProfileSpec({"temp": EDGES, "origin": ("JFK", "LGA")}, EDGES)


class World:
    """A source, its tables and its jobs."""

    def __init__(self) -> None:
        self.clock = FakeClock(START + 9 * DAY)
        self.tables = FakeTables()
        self.jobs = FakeJobs(self.clock)
        self.source = SparkProfiles(self.tables, self.jobs, self.clock)
        self._batch = 0

    def days(self, days: int = 1) -> list[Any]:
        first = START.date()
        return list(self.source.days(MODEL, "1", SPEC, first, first + days * DAY))

    def ask(self) -> str:
        """Ask in vain; gives the request's id."""
        with pytest.raises(Unavailable, match="counting"):
            self.days()
        return self.tables.read(REQUESTS)[0]["request_id"]

    def answer(self, rows: Sequence[dict[str, Any]], **same: Any) -> None:
        self._batch += 1
        attempt = {"attempt": f"attempt-{self._batch}", "made_at": self.clock.now(), **same}
        filled = [{**blank_row(), **attempt, **row} for row in rows]
        self.tables.append(PROFILES, filled, writer="notebook", batch=self._batch)


def blank_row() -> dict[str, Any]:
    figures = dict.fromkeys(("s", "q", "lo", "hi", "centre", "cut", "bin_edge", "odd", "category"))
    return {"day": str(START.date()), "bucket": -1, "n": 0, **figures}


def counted(request_id: str, rows: int, **same: Any) -> list[dict[str, Any]]:
    """Give what the notebook writes for a day of equal rows."""
    number = {"bucket": 1, "n": rows, "s": 1.0 * rows, "q": 0.0, "lo": 1.0, "hi": 1.0}
    cells = [{"feature": name, **number, "centre": 1.0} for name in ("temp", "")]
    cells += [{"feature": name, "bucket": -1} for name in ("temp", "", "origin")]
    cells.append({"feature": "origin", "bucket": 0, "category": "LGA", "n": rows})
    return [{"request_id": request_id, **cell, **same} for cell in cells]


@pytest.fixture
def world() -> World:
    return World()


def test_the_first_question_writes_the_request_and_starts_the_job(world: World):
    request_id = world.ask()

    (asked,) = world.jobs.requests
    assert asked.pipeline_id == GUID
    assert asked.parameters["request_id"] == request_id
    assert asked.parameters["days"] == "2013-07-01"
    assert asked.parameters["table"] == "lh_gold/predictions"
    assert asked.parameters["start"].startswith("2013-07-01T00:00:00")
    rows = world.tables.read(REQUESTS)
    cuts = [row["cut"] for row in rows if row["feature"] == "temp" and row["place"] >= 0]
    names = [row["category"] for row in rows if row["feature"] == "origin" and row["place"] >= 0]
    assert cuts == [0.0, 1.5]
    assert names == ["JFK", "LGA"]
    assert {row["feature"] for row in rows if row["place"] == -1} == {"temp", "origin", ""}


def test_a_question_asked_again_waits_for_the_job_that_runs(world: World):
    world.ask()
    world.ask()

    assert len(world.jobs.requests) == 1
    assert len(world.tables.read(REQUESTS)) == 3 + 2 + 2 + 2


@pytest.mark.parametrize("status", ["Failed", "Completed", "Cancelled"])
def test_a_job_that_ended_without_an_answer_is_started_anew(world: World, status: str):
    world.ask()
    (instance_id,) = world.jobs.parameters
    world.jobs.set_status(instance_id, status)

    world.ask()

    assert len(world.jobs.requests) == 2


def test_a_lost_start_is_not_repeated_while_the_job_is_seen(world: World):
    error = StartAmbiguous("lost", sent_at=world.clock.now())
    world.jobs.start_faults.order(error, done=True)

    with pytest.raises(StartAmbiguous):
        world.days()
    world.ask()

    assert len(world.jobs.requests) == 1


def test_an_answer_becomes_the_profile(world: World):
    world.answer(counted(world.ask(), 7))

    (found,) = world.days()

    assert found.day == date(2013, 7, 1)
    assert found.profile.rows == 7
    assert found.profile.features["temp"].counts.tolist() == [0, 7, 0]
    assert found.profile.features["origin"].counts.tolist() == [0, 7]
    assert found.profile.prediction.sums.tolist() == [0.0, 7.0, 0.0]
    assert found.profile.odd == {}


def test_a_day_that_was_counted_and_had_no_rows_is_blank(world: World):
    world.answer(counted(world.ask(), 0))

    assert [day.profile.rows for day in world.days()] == [0]


def test_all_days_must_have_been_counted(world: World):
    world.answer(counted(world.ask(), 7))

    with pytest.raises(Unavailable, match="counting"):
        world.days(2)

    assert (
        world.jobs.requests[0].parameters["request_id"]
        == world.tables.read(REQUESTS)[0]["request_id"]
    )


def test_of_two_attempts_the_later_one_counts(world: World):
    request_id = world.ask()
    world.answer(counted(request_id, 7))
    world.answer(counted(request_id, 8), made_at=world.clock.now() + timedelta(minutes=1))

    assert [day.profile.rows for day in world.days()] == [8]


@pytest.mark.parametrize(
    ("made_at", "usable"),
    [
        (START + 2 * DAY, True),  # nothing is waited for any more: the lag is a day
        (START + 2 * DAY - timedelta(seconds=1), False),
        (START + 9 * DAY - timedelta(hours=5), True),
    ],
)
def test_counts_of_a_day_that_was_not_over_are_used_for_some_hours_only(
    world: World, made_at: datetime, usable: bool
):
    world.answer(counted(world.ask(), 7), made_at=made_at)

    if usable:
        assert len(world.days()) == 1
    else:
        with pytest.raises(Unavailable):
            world.days()


def test_what_is_wrong_with_a_column_is_told(world: World):
    rows = counted(world.ask(), 7)
    rows[2]["odd"] = "the column is not there"
    world.answer(rows)

    (found,) = world.days()

    assert found.profile.odd == {"temp": "the column is not there"}


def test_features_that_counted_different_rows_are_no_answer(world: World):
    rows = counted(world.ask(), 7)
    rows[0]["n"] = 6
    world.answer(rows)

    with pytest.raises(Unavailable, match="differ"):
        world.days()


def test_a_reference_brings_its_edges_and_categories(world: World):
    with pytest.raises(Unavailable):
        world.source.reference(MODEL, "1", START, START + DAY)
    request_id = world.tables.read(REQUESTS)[0]["request_id"]
    rows = counted(request_id, 7, day="")
    rows[0]["bin_edge"], rows[0]["cut"] = True, 0.0
    rows[1]["bin_edge"], rows[1]["cut"] = True, 0.0
    ends = [{"bucket": bucket, "cut": cut} for bucket, cut in ((0, None), (2, 1.5))]
    rows += [
        {"request_id": request_id, "day": "", "feature": name, "bin_edge": False, **end}
        for name in ("temp", "")
        for end in ends
    ]
    world.answer(rows)

    found = world.source.reference(MODEL, "1", START, START + DAY)

    temp = found.spec.features["temp"]
    assert isinstance(temp, Edges)
    assert (temp.cuts.tolist(), temp.coarse.tolist()) == ([0.0, 1.5], [0])
    assert found.spec.features["origin"] == ("LGA",)
    assert (found.profile.features["temp"].minimum, found.profile.rows) == (1.0, 7)
    assert found.fits(MODEL, START, START + DAY)


def test_a_model_without_a_notebook_is_told(world: World):
    with pytest.raises(ConfigError, match=r"data\.spark"):
        world.source.reference(model(), "1", START, START + DAY)


def test_the_pipeline_hands_on_every_parameter_the_question_has(world: World):
    world.ask()
    (asked,) = world.jobs.requests
    pipeline, notebook = (
        FABRIC / "pl_profile_days.DataPipeline",
        FABRIC / "profile_days.Notebook" / "notebook-content.py",
    )
    properties = json.loads((pipeline / "pipeline-content.json").read_text("utf-8"))["properties"]
    (activity,) = properties["activities"]
    cell = next(each for each in parse(notebook.read_text("utf-8")) if each.is_parameters)

    names = {node.targets[0].id for node in ast.parse(cell.source).body}
    handed = activity["typeProperties"]["parameters"]

    assert set(asked.parameters) == set(properties["parameters"]) == set(handed) == names
    for name, parameter in handed.items():
        assert parameter["value"]["value"] == f"@pipeline().parameters.{name}"


def test_the_local_job_service_knows_the_pipeline_and_its_notebook():
    found = Items(FABRIC)

    assert {"pl_profile_days", "profile_days"} <= {item.name for item in found.all()}


def test_the_notebook_writes_the_columns_that_are_read():
    text = (FABRIC / "profile_days.Notebook" / "notebook-content.py").read_text("utf-8")

    assert all(f'"{column.name}"' in text for column in FEATURE_PROFILES.columns)
    assert f'"{PROFILES.replace(".", "/")}"' in text
    assert f'"{REQUESTS.replace(".", "/")}"' in text
