"""The slot scenario end to end: prepared, retrained, advanced, and restored from the cache."""

import hashlib
import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from importlib import metadata
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from deltalake import DeltaTable

from local.fabric_simulator.items import Items
from local.scenarios import SCENARIOS, Paths
from local.scenarios.base import PROJECT, notebook_environment
from shared.domain.naming import run_advice

SCENARIO = SCENARIOS["slot-revenue"]
SPEC = SCENARIO.spec
COLUMNS = SPEC.columns

# MLflow's own warnings, at import and from its SQL store; nothing of them is decided here.
pytestmark = [
    pytest.mark.xdist_group("preparation"),  # one worker prepares the scenario, once
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated"),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType"),
]


def retrain(workdir, folder, run_id="run-1"):
    given = {"run_id": run_id, "model": SPEC.model_name, "as_of": SPEC.alarm_at.isoformat()}
    return notebook(workdir, folder, SPEC.notebook_path, given)


def notebook(workdir, folder, path, given):
    file = folder / "parameters.json"
    file.write_text(json.dumps(given), encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "local.notebook_runner", str(path), "--parameters", str(file)],
        env=os.environ | notebook_environment(workdir) | {"GIT_SHA": "abc123"},
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def client(workdir):
    return mlflow.MlflowClient(tracking_uri=workdir.tracking_uri)


def rows(workdir, table, **conditions):
    filters = [(name, "=", value) for name, value in conditions.items()] or None
    return DeltaTable(str(workdir.lakehouse / table)).to_pandas(filters=filters)


@pytest.fixture(scope="module")
def cache_root(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, cache_root):
    workdir = Paths(tmp_path_factory.mktemp("first"))
    SCENARIO.prepare(workdir, cache_root)
    return workdir


@pytest.fixture
def workdir(prepared, cache_root, tmp_path):
    """A copy of the prepared scenario, at a place of its own."""
    copy = Paths(tmp_path / "copy")
    SCENARIO.prepare(copy, cache_root)
    return copy


def test_the_first_version_is_champion_by_alias_and_by_stage(prepared):
    version = client(prepared).get_model_version_by_alias(SPEC.model_name, "champion")

    assert str(version.version) == "1"
    assert version.current_stage == "Production"
    assert version.tags["training_end"] == "2026-04-01T04:00:00+00:00"
    assert float(version.tags["baseline_r2"]) > 0.55


def test_the_log_holds_every_row_from_the_reference_window_to_the_alarm(prepared):
    log = rows(prepared, SPEC.tables.predictions)

    training_end = SPEC.champion_as_of - SPEC.label_lag
    stamps = log[COLUMNS.timestamp]
    assert log[COLUMNS.id].is_unique
    assert set(log["model_version"]) == {"1"}
    assert stamps.min() >= training_end - timedelta(days=14)
    assert SPEC.alarm_at - timedelta(hours=1) < stamps.max() < SPEC.alarm_at
    assert len(log) == 200 * (14 + (SPEC.alarm_at - training_end).days)


def test_actuals_are_missing_until_they_become_known(prepared):
    actuals = rows(prepared, SPEC.tables.actuals)

    assert actuals[COLUMNS.actual_at].max() <= SPEC.alarm_at


def test_the_holdout_is_whole_days_and_no_training_row_is_among_them(prepared):
    facts, holdout = (rows(prepared, t) for t in (SPEC.tables.facts, SPEC.tables.holdout))

    held = set(holdout[COLUMNS.day])
    trained = facts[~facts[COLUMNS.day].isin(held)]
    trained = trained[trained[COLUMNS.timestamp] < SPEC.champion_as_of - SPEC.label_lag]
    version = client(prepared).get_model_version(SPEC.model_name, "1")
    assert len(facts[facts[COLUMNS.day].isin(held)]) == len(holdout)
    assert version.tags["training_rows"] == str(len(trained))


def test_a_restored_copy_does_not_need_the_place_it_was_made_at(workdir, prepared):
    uri = client(workdir).get_model_version_download_uri(SPEC.model_name, "1")

    model = mlflow.pyfunc.load_model(uri)

    sample = rows(workdir, SPEC.tables.holdout).head(3)[COLUMNS.features]
    assert str(prepared.root) not in uri
    assert str(workdir.root) in uri
    assert len(model.predict(sample)) == 3


def test_a_repeated_run_registers_and_backfills_once(workdir, tmp_path):
    first, second = (retrain(workdir, tmp_path) for _ in range(2))

    versions = client(workdir).search_model_versions(f"name='{SPEC.model_name}'")
    backfill = rows(workdir, SPEC.tables.predictions, model_version="2")
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert sorted(str(v.version) for v in versions) == ["1", "2"]
    assert len(backfill) == 14 * 200
    assert backfill[COLUMNS.id].is_unique


def test_a_run_that_died_before_its_backfill_finishes_it(workdir, tmp_path):
    retrain(workdir, tmp_path)
    log = DeltaTable(str(workdir.lakehouse / SPEC.tables.predictions))
    log.delete("model_version = '2'")

    again = retrain(workdir, tmp_path)

    assert again.returncode == 0, again.stderr
    assert len(rows(workdir, SPEC.tables.predictions, model_version="2")) == 14 * 200


def test_a_candidate_carries_the_evidence_of_its_training(workdir, tmp_path):
    done = retrain(workdir, tmp_path)

    tags = client(workdir).get_model_version(SPEC.model_name, "2").tags
    assert "PROGRESS 1.00" in done.stdout
    assert tags["retrain_run_id"] == "run-1"
    assert datetime.fromisoformat(tags["training_end"]) == SPEC.alarm_at - SPEC.label_lag
    assert tags["git_sha"] == "abc123"
    assert tags["holdout_table"] == SPEC.tables.holdout.replace("/", ".")
    assert {"branch", "author", "intent", "domain", "cost_center", "task"} <= set(tags)


@pytest.fixture
def first_run(prepared):
    """The run that trained the first champion."""
    version = client(prepared).get_model_version(SPEC.model_name, "1")
    return client(prepared).get_run(version.run_id)


def test_a_run_is_on_record_so_that_it_can_be_made_again(prepared, first_run):
    data, version = first_run.data, client(prepared).get_model_version(SPEC.model_name, "1")

    folder = Path(first_run.info.artifact_uri)
    lock = (folder / "environment.lock.txt").read_text("utf-8")
    signature = mlflow.models.Model.load(
        client(prepared).get_model_version_download_uri(SPEC.model_name, "1")
    ).signature
    facts = DeltaTable(str(prepared.lakehouse / SPEC.tables.facts))
    assert f"scikit-learn=={metadata.version('scikit-learn')}\n" in lock
    digest = hashlib.sha256(lock.encode()).hexdigest()
    assert digest == data.tags["environment_lock_sha256"]
    assert digest == version.tags["environment_lock_sha256"]
    assert data.params["training_data_table"] == version.tags["training_data_table"]
    assert data.params["training_data_table"].endswith(SPEC.tables.facts.rpartition("/")[2])
    assert 0 <= int(data.params["training_data_version"]) <= facts.version()
    assert data.params["git_sha"] == data.tags["git_sha"]
    assert {"rmse", "mae", "r2", "ece", "baseline_rmse"} <= set(data.metrics)
    assert {"branch", "author", "intent", "domain", "cost_center"} <= set(data.tags)
    assert signature.inputs.input_names() == COLUMNS.features


def test_the_search_is_on_record_as_nested_runs_and_what_serves_was_kept(prepared, first_run):
    run_id = f"{SPEC.name}-first-champion"
    trials = client(prepared).search_runs(
        [first_run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{first_run.info.run_id}'"
    )

    by_name = {trial.info.run_name: trial.data for trial in trials}
    kept = by_name[f"{run_id}-trial-0"]
    assert len(by_name) == 4
    assert all(run_advice(name, run_id) == "" for name in [*by_name, first_run.info.run_name])
    assert {data.tags["intent"] for data in by_name.values()} == {"exploratory"}
    assert kept.params.items() <= first_run.data.params.items()
    assert kept.metrics["rmse"] == first_run.data.metrics["rmse"]
    assert kept.metrics["rmse"] <= min(d.metrics["rmse"] for d in by_name.values()) / 0.98


def test_the_scoring_pipeline_answers_as_the_scenario_does(workdir, tmp_path):
    day, log = "2026-04-28", SPEC.tables.predictions
    before = rows(workdir, log, business_date=day).sort_values(COLUMNS.id)
    DeltaTable(str(workdir.lakehouse / log)).delete(f"business_date = '{day}'")
    items = Items(PROJECT / "infra" / "fabric")
    (pipeline,) = (each for each in items.all() if each.name == "pl_batch_score_slot_revenue")
    (activity,) = pipeline.activities

    given = activity.resolve(pipeline.values({"day": day, "as_of": "2026-05-01T04:00Z"}), "run")
    done = notebook(workdir, tmp_path, items.notebook(activity.notebook_id).source, given)

    after = rows(workdir, log, business_date=day).sort_values(COLUMNS.id)
    same = [COLUMNS.id, COLUMNS.timestamp, *COLUMNS.features, COLUMNS.prediction, "model_version"]
    assert done.returncode == 0, done.stderr
    assert "200 rows scored by version 1, the champion" in done.stdout
    assert "nobody is the challenger" in done.stdout
    pd.testing.assert_frame_equal(
        after[same].reset_index(drop=True), before[same].reset_index(drop=True)
    )
    assert set(after["retrain_run_id"]) == {f"{SPEC.name}-first-champion"}


def test_time_passing_twice_to_the_same_moment_adds_nothing(workdir):
    SCENARIO.advance(workdir, SPEC.next_check_at, ["1"])
    before = {t: len(rows(workdir, t)) for t in vars(SPEC.tables).values()}

    SCENARIO.advance(workdir, SPEC.next_check_at, ["1"])

    assert {t: len(rows(workdir, t)) for t in vars(SPEC.tables).values()} == before
    newest = rows(workdir, SPEC.tables.predictions)[COLUMNS.timestamp].max()
    assert SPEC.next_check_at - timedelta(hours=1) < newest < SPEC.next_check_at


def test_a_run_without_its_data_fails_and_says_which_table(tmp_path):
    empty = Paths(tmp_path / "empty")
    empty.mlflow.mkdir(parents=True)

    done = retrain(empty, tmp_path)

    assert done.returncode == 1
    assert SPEC.tables.facts in done.stderr
