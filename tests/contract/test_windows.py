"""What any Windows does: the fake and Delta in a folder give the same answers."""

import math
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from shared.errors import DataError, NoTable
from tests.contract.windows_worlds import (
    ACTUALS,
    END,
    HOLDOUT,
    MODEL,
    PREDICTIONS,
    START,
    FakeWorld,
    RealWorld,
    World,
    actual,
    held_out,
    model,
    prediction,
)


@pytest.fixture(params=["fake", "real"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return FakeWorld() if request.param == "fake" else RealWorld(tmp_path)


def test_a_window_holds_features_predictions_and_actuals_side_by_side(world: World):
    rows = [prediction("b", START + timedelta(hours=2), temp=3.0, p=2.0), prediction("a")]
    world.write(PREDICTIONS, rows)
    world.write(ACTUALS, [actual("a", 5.0), actual("b", 6.0), actual("c", 7.0)])

    window = world.windows.served(MODEL, "1", START, END)

    assert (window.start, window.end, window.rows) == (START, END, 2)
    assert window.features.to_pydict() == {"temp": [20.5, 3.0], "origin": ["JFK", "JFK"]}
    assert window.prediction.tolist() == [1.0, 2.0]
    assert window.actual.tolist() == [5.0, 6.0]
    assert window.prediction.dtype == window.actual.dtype == np.float64


def test_a_window_says_when_its_rows_were_served(world: World):
    later = START + timedelta(hours=30)
    world.write(PREDICTIONS, [prediction("b", later), prediction("a", START)])
    world.write(ACTUALS, [actual("a", 5.0)])

    times = world.windows.served(MODEL, "1", START, END).times

    assert times is not None
    assert times.tolist() == [START.replace(tzinfo=None), later.replace(tzinfo=None)]


def test_the_start_belongs_to_a_window_and_the_end_does_not(world: World):
    moments = (START - timedelta(microseconds=1), START, END - timedelta(microseconds=1), END)
    world.write(PREDICTIONS, [prediction(str(n), at, p=n) for n, at in enumerate(moments)])
    world.write(ACTUALS, [actual("1", 5.0)])

    window = world.windows.served(MODEL, "1", START, END)

    assert window.prediction.tolist() == [1.0, 2.0]


def test_only_the_version_asked_for_is_read(world: World):
    world.write(PREDICTIONS, [prediction("a"), prediction("b", model_version="2", p=2.0)])
    world.write(ACTUALS, [actual("a", 5.0)])

    assert world.windows.served(MODEL, "2", START, END).prediction.tolist() == [2.0]
    assert world.windows.served(MODEL, "x", START, END).rows == 0


def test_an_empty_window_still_has_its_columns(world: World):
    world.write(PREDICTIONS, [prediction("a")])
    world.write(ACTUALS, [actual("a", 5.0)])

    window = world.windows.served(MODEL, "1", END, END + timedelta(days=1))

    assert window.rows == len(window.prediction) == len(window.actual) == 0
    assert window.features.column_names == ["temp", "origin"]


def test_of_rows_with_one_id_the_last_scored_counts(world: World):
    rows = [prediction("a", START + timedelta(hours=h), p=float(h)) for h in (1, 3, 2)]
    world.write(PREDICTIONS, [*rows, prediction("b", START + timedelta(hours=1), p=9.0)])
    world.write(ACTUALS, [actual("a", 5.0)])

    window = world.windows.served(MODEL, "1", START, END)

    assert window.prediction.tolist() == [9.0, 3.0]
    assert window.actual.tolist() == [pytest.approx(math.nan, nan_ok=True), 5.0]


def test_an_actual_counts_once_it_is_known(world: World):
    world.write(PREDICTIONS, [prediction("a"), prediction("b")])
    world.write(ACTUALS, [actual("a", 5.0, END), actual("b", 6.0, END + timedelta(hours=1))])

    first = world.windows.served(MODEL, "1", START, END)
    world.clock.advance(hours=1)
    second = world.windows.served(MODEL, "1", START, END)

    assert first.actual.tolist() == [5.0, pytest.approx(math.nan, nan_ok=True)]
    assert second.actual.tolist() == [5.0, 6.0]


def test_a_corrected_actual_replaces_the_one_before(world: World):
    world.write(PREDICTIONS, [prediction("a"), prediction("b")])
    later = START + timedelta(days=1)
    world.write(ACTUALS, [actual("a", 5.0, later), actual("a", 4.0), actual("b", None, later)])
    world.write(ACTUALS, [actual("b", 3.0)])

    window = world.windows.served(MODEL, "1", START, END)

    assert window.actual.tolist() == [5.0, pytest.approx(math.nan, nan_ok=True)]


def test_without_a_time_an_actual_is_known_at_once(world: World):
    world.write(PREDICTIONS, [prediction("a")])
    world.write(ACTUALS, [actual("a", 5.0, END + timedelta(days=9)), actual("a", 5.0)])

    window = world.windows.served(model(columns={"actual_timestamp": None}), "1", START, END)

    assert window.actual.tolist() == [5.0]


def test_without_a_time_different_actuals_of_one_id_cannot_be_judged(world: World):
    world.write(PREDICTIONS, [prediction("a")])
    world.write(ACTUALS, [actual("a", 5.0), actual("a", 6.0)])

    with pytest.raises(DataError, match="'a'"):
        world.windows.served(model(columns={"actual_timestamp": None}), "1", START, END)


@pytest.mark.parametrize("missing", ["ts", "flight_id", "p", "model_version"])
def test_a_column_that_is_not_there_is_named(world: World, missing: str):
    row = prediction("a")
    del row[missing]
    world.write(PREDICTIONS, [row])
    world.write(ACTUALS, [actual("a", 5.0)])

    for read in (world.windows.served, world.windows.answers):
        with pytest.raises(DataError, match=f"{PREDICTIONS}: no column {missing}"):
            read(MODEL, "1", START, END)


def test_a_feature_that_is_no_column_is_null_in_every_row(world: World):
    rows = [prediction("a"), prediction("b")]
    for row in rows:
        del row["temp"]
    world.write(PREDICTIONS, rows)
    world.write(ACTUALS, [actual("a", 5.0)])

    features = world.windows.served(MODEL, "1", START, END).features

    assert features.to_pydict() == {"temp": [None, None], "origin": ["JFK", "JFK"]}
    assert pa.types.is_null(features.schema.field("temp").type)


def test_answers_are_those_of_the_window_whatever_the_features(world: World):
    rows = [prediction("a", p=2.0), prediction("b", p=None), prediction("c", END, p=9.0)]
    for row in rows:
        del row["temp"]
    world.write(PREDICTIONS, rows)
    world.write(ACTUALS, [actual("a", 5.0)])

    answers = world.windows.answers(MODEL, "1", START, END)

    assert answers.prediction.tolist() == [2.0, pytest.approx(math.nan, nan_ok=True)]
    assert answers.actual.tolist() == [5.0, pytest.approx(math.nan, nan_ok=True)]


@pytest.mark.parametrize("missing", ["delay", "known_at", "flight_id"])
def test_a_missing_column_of_the_actuals_is_named(world: World, missing: str):
    world.write(PREDICTIONS, [prediction("a")])
    row = actual("a", 5.0)
    del row[missing]
    world.write(ACTUALS, [row])

    with pytest.raises(DataError, match=f"{ACTUALS}: no column {missing}"):
        world.windows.served(MODEL, "1", START, END)


def test_tables_that_are_not_there_are_no_tables(world: World):
    with pytest.raises(NoTable, match=PREDICTIONS):
        world.windows.served(MODEL, "1", START, END)
    with pytest.raises(NoTable, match=HOLDOUT):
        world.windows.holdout(MODEL, END)

    world.write(PREDICTIONS, [prediction("a")])
    with pytest.raises(NoTable, match=ACTUALS):
        world.windows.served(MODEL, "1", START, END)


def test_groups_of_what_was_served_are_texts_beside_the_predictions(world: World):
    rows = [prediction("a", p=0.5, site="north"), prediction("b", p=None, site=None)]
    world.write(PREDICTIONS, [*rows, prediction("c", END, site="south")])
    watched = model(drift={"parity_attributes": ["site", "origin"]})

    found = world.windows.groups(watched, "1", START, END)

    assert found.prediction.tolist() == [0.5, pytest.approx(math.nan, nan_ok=True)]
    assert found.attributes["site"].tolist() == ["north", "(missing)"]
    assert found.attributes["origin"].tolist() == ["JFK", "JFK"]


def test_groups_need_no_actuals(world: World):
    world.write(PREDICTIONS, [prediction("a")])
    watched = model(drift={"parity_attributes": ["origin"]})

    assert len(world.windows.groups(watched, "1", START, END).prediction) == 1


def test_a_column_of_groups_that_is_not_there_is_named(world: World):
    world.write(PREDICTIONS, [prediction("a")])
    watched = model(drift={"parity_attributes": ["site"]})

    with pytest.raises(DataError, match=f"{PREDICTIONS}: no column site"):
        world.windows.groups(watched, "1", START, END)


def test_the_holdout_has_actuals_and_no_predictions(world: World):
    world.write(HOLDOUT, [held_out("b", START, temp=3.0, delay=None), held_out("a", START)])

    window = world.windows.holdout(MODEL, END)

    assert window.features.to_pydict() == {"temp": [20.5, 3.0], "origin": ["JFK", "JFK"]}
    assert window.actual.tolist() == [4.0, pytest.approx(math.nan, nan_ok=True)]
    assert np.isnan(window.prediction).all()
    assert len(window.prediction) == 2


def test_the_holdout_ends_before_a_moment_and_has_so_many_days(world: World):
    moments = [END - timedelta(days=3, microseconds=1), END - timedelta(days=3), END]
    world.write(HOLDOUT, [held_out(str(n), at, delay=float(n)) for n, at in enumerate(moments)])

    short = model(gates={"holdout_days": 3})
    window = world.windows.holdout(short, END)

    assert (window.start, window.end) == (END - timedelta(days=3), END)
    assert window.actual.tolist() == [1.0]


def test_columns_that_fairness_groups_by_stand_apart_from_the_features(world: World):
    rows = [held_out("b", START, group=None), held_out("a", START), held_out("c", START, group="z")]
    world.write(HOLDOUT, rows)
    fair = model(gates={"fairness": {"attributes": ["group", "origin"]}})

    window = world.windows.holdout(fair, END)

    assert window.features.column_names == ["temp", "origin"]
    assert {name: values.tolist() for name, values in window.attributes.items()} == {
        "group": ["a", "(missing)", "z"],
        "origin": ["JFK"] * 3,
    }
    assert window.attributes["group"].dtype.kind == "U"
    assert world.windows.holdout(MODEL, END).attributes == {}


def test_a_missing_column_of_the_holdout_is_named(world: World):
    row = held_out("a", START)
    del row["group"]
    world.write(HOLDOUT, [row])
    fair = model(gates={"fairness": {"attributes": ["group"]}})

    with pytest.raises(DataError, match=f"{HOLDOUT}: no column group"):
        world.windows.holdout(fair, END)


def test_the_holdout_can_be_read_as_it_was_after_a_commit(world: World):
    world.write(HOLDOUT, [held_out("a", START)])
    later = START + timedelta(hours=1)
    world.write(HOLDOUT, [held_out("b", START), held_out("a", later, delay=9.0)])

    first, newest = (world.windows.holdout(MODEL, END, version=number) for number in (0, 1))

    assert (first.ids.tolist(), first.actual.tolist()) == (["a"], [4.0])
    assert (newest.ids.tolist(), newest.actual.tolist()) == (["b", "a"], [4.0, 9.0])
    assert newest.times.tolist() == [START.replace(tzinfo=None), later.replace(tzinfo=None)]
    assert world.windows.holdout(MODEL, END).ids.tolist() == ["b", "a"]


def test_rows_of_the_holdout_without_an_id_all_stay_and_have_the_empty_one(world: World):
    world.write(HOLDOUT, [held_out(each, START) for each in ("a", None, None)])

    assert sorted(world.windows.holdout(MODEL, END).ids.tolist()) == ["", "", "a"]


def test_a_commit_that_never_was_is_no_table(world: World):
    world.write(HOLDOUT, [held_out("a", START)])

    with pytest.raises(NoTable, match=f"{HOLDOUT}: no version 7"):
        world.windows.holdout(MODEL, END, version=7)


def test_some_of_a_window_s_rows_keep_what_belongs_to_them(world: World):
    world.write(
        HOLDOUT, [held_out("a", START, temp=1.0), held_out("b", START, temp=2.0, group="z")]
    )
    fair = model(gates={"fairness": {"attributes": ["group"]}, "slices": {"columns": ["origin"]}})

    part = world.windows.holdout(fair, END).only(np.array([False, True]))

    assert part.features.to_pydict() == {"temp": [2.0], "origin": ["JFK"]}
    assert (part.ids.tolist(), part.rows) == (["b"], 1)
    assert {name: values.tolist() for name, values in part.attributes.items()} == {
        "group": ["z"],
        "origin": ["JFK"],
    }


@pytest.mark.parametrize("lost", ["log", "files"])
def test_a_commit_that_is_kept_no_more_is_told_from_storage_that_does_not_answer(tmp_path, lost):
    world = RealWorld(tmp_path)
    world.write(HOLDOUT, [held_out("a", START)])
    table = DeltaTable(tmp_path / HOLDOUT.replace(".", "/"))
    world.write_arrow(HOLDOUT, table.to_pyarrow_table(), mode="overwrite")
    if lost == "files":
        table.update_incremental()
        table.vacuum(0, dry_run=False, enforce_retention_duration=False)
    else:
        DeltaTable(table.table_uri).create_checkpoint()
        next(Path(tmp_path).rglob("00000000000000000000.json")).unlink()

    with pytest.raises(NoTable, match="version 0 is kept no more"):
        world.windows.holdout(MODEL, END, version=0)
