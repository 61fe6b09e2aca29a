"""A drift check end to end on small fakes: what is read, written, uploaded and queued."""

import hashlib
import json
import math
import subprocess
import sys
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from shared.catalogue import Model
from shared.domain.drift.rows import TRIGGERS
from shared.errors import DataError, NoChampion, Unavailable
from shared.handlers.check_drift import DriftDeps, check_all, check_model
from shared.ports import Answers, ModelVersion, Window
from tests.fakes.marks import FakeMarks
from tests.fakes.profiles import FakeProfiles, FakeSource

NOW = datetime(2013, 6, 1, 4, tzinfo=UTC)
TODAY = datetime(2013, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
NO_ID = "00000000-0000-0000-0000-000000000000"
SEED_COLUMNS = {
    "run_id": str,
    "run_timestamp": datetime,
    "model_name": str,
    "model_version": str,
    "feature_name": str,
    "metric_type": str,
    "value": float,
    "threshold": float,
    "status": str,
    "severity": str,
    "reference_days": int,
    "current_days": int,
}


def model_of(name="delays", **windows) -> Model:
    return Model.model_validate(
        {
            "name": name,
            "task": "regression",
            "domain": "flights",
            "regulated": False,
            "owner": "ops",
            "cost_center": "42",
            "fabric": {"workspace_id": NO_ID, "pipeline_id": NO_ID},
            "data": {"predictions": "gold.served", "actuals": "gold.true", "holdout": "gold.held"},
            "columns": {"timestamp": "at", "id": "id", "prediction": "p", "actual": "y"},
            "features": [
                {"name": "distance", "kind": "numeric"},
                {"name": "carrier", "kind": "categorical"},
            ],
            "windows": windows,
            "gates": {"performance": {"floor": 0.0}},
        }
    )


@dataclass
class FakeRegistry:
    champions: dict = field(default_factory=dict)
    challengers: dict = field(default_factory=dict)
    down: set = field(default_factory=set)

    def champion(self, model):
        if model in self.down:
            raise Unavailable("registry: 503")
        if model not in self.champions:
            raise NoChampion(f"{model} has no champion")
        return self.champions[model]

    def challenger(self, model):
        return self.challengers.get(model)


@dataclass
class FakeWindows:
    """200 rows a day; a day from ``drift_from`` on has another mean."""

    drift_from: datetime = NEVER
    silent_from: datetime = NEVER
    error_from: datetime = NEVER
    reads: list = field(default_factory=list)

    def answers(self, model, version, start, end):
        self.reads.append((version, start, end))
        window = self.served(model, version, start, end)
        return Answers(window.prediction, window.actual)

    def served(self, model, version, start, end):
        days = [start + DAY * step for step in range(round((end - start) / DAY))]
        days = [day for day in days if day < self.silent_from]
        parts = [self._day(day) for day in days] or [np.empty((0, 3))]
        distance, prediction, actual = np.concatenate(parts).T
        carrier = np.where(np.arange(len(distance)) % 3 == 0, "AA", "UA")
        features = pa.table({"distance": distance, "carrier": pa.array(carrier, pa.string())})
        return Window(start, end, features, prediction, actual)

    def _day(self, day):
        chance = np.random.default_rng(int(day.timestamp()))
        shift = 2.0 if day >= self.drift_from else 0.0
        distance = chance.normal(shift, 1, size=200)
        truth = chance.normal(10, 1, size=200)
        noise = 3.0 if day >= self.error_from else 0.5
        return np.stack([distance, truth + chance.normal(0, noise, size=200), truth], axis=1)


@dataclass
class FakeTables:
    rows: dict = field(default_factory=dict)
    batches: dict = field(default_factory=dict)

    def append(self, table, rows, *, writer, batch):
        if self.batches.get((table, writer), 0) >= batch:
            return False
        self.batches[table, writer] = batch
        self.rows.setdefault(table, []).extend(rows)
        return True

    def read(self, table, where, *, since):
        return [
            row
            for row in self.rows[table]
            if row["model_name"] == where["model_name"] and row[since[0]] >= since[1]
        ]


@dataclass
class FakeSink:
    rows: list = field(default_factory=list)
    down: bool = False

    def upload(self, rows):
        if self.down:
            raise Unavailable("ingestion: 503")
        self.rows.extend(rows)


@dataclass
class FakeQueues:
    sent: list = field(default_factory=list)

    def send(self, queue, message, *, delay_seconds=0):
        self.sent.append((queue, message))


def version(number, training_end=NOW - 30 * DAY, model="delays", **tags):
    figures = {"rmse": "0.5", "mape": "0.05", "r2": "0.75", "ece": "0.1"}
    baseline = {f"baseline_{name}": value for name, value in figures.items()}
    baseline |= {"requirements": "numpy==2.0"}
    cutoff = {"training_end": training_end.isoformat()} if training_end else {}
    return ModelVersion(model, number, "r", "Production", frozenset(), baseline | cutoff | tags, "")


@pytest.fixture
def deps():
    registry, windows = FakeRegistry(champions={"delays": version("3")}), FakeWindows()
    ports = FakeTables(), FakeSink(), FakeQueues(), FakeSource(windows), FakeProfiles()
    return DriftDeps(registry, windows, *ports, FakeMarks(), lambda: {"numpy": "2.0"})


def metrics(deps):
    return deps.tables.rows.get("lh_gold.ml_drift_metrics", [])


def triggers(deps):
    return deps.tables.rows.get("lh_gold.ml_retrain_triggers", [])


def summaries(deps):
    return [row for row in metrics(deps) if row["feature_name"] == "__summary__"]


def test_a_quiet_model_gets_its_rows_and_no_trigger(deps):
    result = check_model(deps, model_of(), NOW)

    (summary,) = summaries(deps)
    assert (result.decision, result.severity, result.trigger_id) == ("NO_TRIGGER", "HEALTHY", "")
    assert (summary["metric_type"], summary["value"], summary["threshold"]) == (
        "DRIFT_VERDICT",
        0.0,
        1.0,
    )
    assert triggers(deps) == []


def test_each_row_starts_with_the_seeds_columns_and_types(deps):
    check_model(deps, model_of(), NOW)

    for row in metrics(deps):
        assert list(row)[:12] == list(SEED_COLUMNS)
        assert all(isinstance(row[name], kind) for name, kind in SEED_COLUMNS.items())
    assert {frozenset(row) for row in metrics(deps)} == {frozenset(metrics(deps)[0])}


def test_lasting_drift_triggers_with_one_pending_row(deps):
    deps.windows.drift_from = NOW - 20 * DAY

    result = check_model(deps, model_of(), NOW)

    (trigger,) = triggers(deps)
    assert (result.decision, result.severity) == ("TRIGGER", "P1")
    assert trigger == {
        "trigger_id": str(uuid.uuid5(TRIGGERS, result.run_id)),
        "triggered_at": NOW,
        "model_name": "delays",
        "model_version": "3",
        "severity": "P1",
        "reasons": " | ".join(result.reasons),
        "drift_run_id": result.run_id,
        "status": "PENDING",
    }
    assert result.reasons[0].startswith("SEVERE_INPUT_DRIFT: distance")
    assert summaries(deps)[0]["value"] >= 1


def test_drift_of_the_last_day_alone_does_not_trigger(deps):
    deps.windows.drift_from = TODAY - DAY

    assert check_model(deps, model_of(), NOW).decision == "NO_TRIGGER"


def test_the_check_is_named_by_model_version_and_moment(deps):
    result = check_model(deps, model_of(), NOW)

    text = "delays\n3\n2013-06-01T04:00:00.000000Z"
    assert result.run_id == "check-" + hashlib.sha256(text.encode()).hexdigest()[:24]


def test_the_answers_of_overlapping_windows_are_read_once(deps):
    check_model(deps, model_of(), NOW)

    assert [(start, end) for _, start, end in deps.windows.reads] == [
        (TODAY - 9 * DAY, TODAY - 8 * DAY),
        (TODAY - 8 * DAY, TODAY - 7 * DAY),
        (TODAY - 7 * DAY, TODAY - 2 * DAY),
        (TODAY - 2 * DAY, TODAY - DAY),
        (TODAY - DAY, TODAY),
    ]


def test_the_first_check_counts_the_reference_and_each_day_once(deps):
    check_model(deps, model_of(), NOW)

    cutoff = NOW - 30 * DAY
    assert deps.source.reads == [
        ("3", cutoff - 90 * DAY, cutoff),
        ("3", TODAY - 9 * DAY, TODAY),
    ]
    assert deps.source.rows == (90 + 9) * 200


def test_the_next_day_s_check_counts_the_new_day_only(deps):
    check_model(deps, model_of(), NOW)
    deps.source.reads.clear()
    deps.source.rows = 0

    check_model(deps, model_of(), NOW + DAY)

    assert deps.source.reads == [("3", TODAY, TODAY + DAY)]
    assert deps.source.rows == 200


def test_a_check_on_kept_profiles_says_what_one_that_counts_everything_says(deps):
    deps.windows.drift_from = NOW - 5 * DAY
    for step in range(4):
        check_model(deps, model_of(), NOW + step * DAY)
    fresh = replace(deps, profiles=FakeProfiles(), tables=FakeTables(), metrics=FakeSink())

    check_model(fresh, model_of(), NOW + 3 * DAY)

    last = [row for row in metrics(deps) if row["run_timestamp"] == NOW + 3 * DAY]
    assert last == metrics(fresh)
    assert len(last) > 10


def test_a_day_is_counted_anew_until_its_late_rows_have_had_their_time(deps):
    model = model_of(lag_days=2)
    check_model(deps, model, NOW)
    deps.source.reads.clear()

    check_model(deps, model, NOW + DAY)

    assert deps.source.reads == [("3", TODAY - 2 * DAY, TODAY + DAY)]
    kept = sorted(name.split("/")[-1] for name in deps.profiles.contents)
    assert kept[-2:] == ["2013-05-30.rlp", "reference.rlp"]


@pytest.mark.parametrize("name", ["2013-05-28.rlp", "reference.rlp"])
def test_a_damaged_profile_is_named_and_made_again(deps, caplog, name):
    check_model(deps, model_of(), NOW)
    whole = dict(deps.profiles.contents)
    path = f"delays/3/{name}"
    deps.profiles.contents[path] = whole[path][:-40] + b"x" * 40
    before = list(metrics(deps))
    deps.tables.batches.clear()

    check_model(deps, model_of(), NOW)

    assert f"profile {path}: damaged" in caplog.text
    assert deps.profiles.contents == whole
    assert metrics(deps)[len(before) :] == before


def test_another_catalogue_makes_the_profiles_again(deps):
    check_model(deps, model_of(), NOW)
    deps.source.reads.clear()

    check_model(deps, model_of(reference_days=60), NOW)

    cutoff = NOW - 30 * DAY
    assert deps.source.reads == [
        ("3", cutoff - 60 * DAY, cutoff),
        ("3", TODAY - 9 * DAY, TODAY),
    ]


def test_a_reference_without_rows_is_not_kept(deps):
    deps.windows.silent_from = NOW - 200 * DAY

    assert check_model(deps, model_of(), NOW).decision == "INSUFFICIENT_DATA"
    assert "delays/3/reference.rlp" not in deps.profiles.contents


def test_a_store_that_is_down_fails_the_check(deps):
    deps.profiles.faults.order(Unavailable("blob: 503"))

    with pytest.raises(Unavailable):
        check_model(deps, model_of(), NOW)


def test_errors_are_looked_for_where_the_actuals_have_arrived(deps):
    check_model(deps, model_of(actual_lag_days=4), NOW)

    assert max(end for _, _, end in deps.windows.reads) == TODAY - 4 * DAY
    (summary,) = summaries(deps)
    assert summary["window_end"] == TODAY


def test_a_window_summed_from_pieces_has_all_its_rows(deps):
    check_model(deps, model_of(), NOW)

    (summary,) = summaries(deps)
    assert (summary["n_reference"], summary["n_current"]) == (90 * 200, 7 * 200)
    assert (summary["window_start"], summary["window_end"]) == (TODAY - 7 * DAY, TODAY)


def test_performance_looks_at_rows_after_the_training_only(deps):
    deps.registry.champions["delays"] = version("3", TODAY - 3 * DAY)

    check_model(deps, model_of(), NOW)

    row = next(row for row in metrics(deps) if row["metric_type"] == "RMSE_DELTA_PCT")
    assert row["n_current"] == 3 * 200
    assert (row["feature_name"], row["status"]) == ("__model_performance__", "STABLE")


def test_errors_that_grew_trigger_without_any_drift_of_the_inputs(deps):
    deps.windows.error_from = NOW - 20 * DAY

    result = check_model(deps, model_of(), NOW)

    assert (result.decision, result.severity) == ("TRIGGER", "P2")
    assert {reason.split(":")[0] for reason in result.reasons} >= {
        "PERF_RMSE_DEGRADATION",
        "PERF_MAPE_DEGRADATION",
    }


def test_a_version_without_a_baseline_has_unknown_rows_that_name_the_tag(deps):
    deps.registry.champions["delays"] = version("3", baseline_rmse="")

    check_model(deps, model_of(), NOW)

    row = next(row for row in metrics(deps) if row["metric_type"] == "RMSE_DELTA_PCT")
    assert (row["status"], row["value"]) == ("UNKNOWN", None)
    assert "baseline_rmse" in row["note"]


def test_an_empty_window_is_insufficient_data_and_no_trigger(deps):
    deps.windows.silent_from = NOW - 15 * DAY

    result = check_model(deps, model_of(), NOW)

    (summary,) = summaries(deps)
    assert (result.decision, result.severity) == ("INSUFFICIENT_DATA", "P1")
    assert (summary["value"], summary["n_current"]) == (None, 0)
    assert "the window has no rows" in summary["note"]
    assert "WATCH VOLUME_DROP" in summary["note"]
    told = {row["feature_name"]: row["status"] for row in metrics(deps)}
    assert (told.pop("__volume__"), told.pop("__freshness__")) == ("DRIFT", "DRIFT")
    assert told.pop("__environment__") == "STABLE"
    assert set(told.values()) == {"INSUFFICIENT_DATA"}
    assert triggers(deps) == []


def test_doing_a_check_again_appends_nothing_twice(deps):
    deps.windows.drift_from = NOW - 20 * DAY
    first = check_model(deps, model_of(), NOW)
    count = len(metrics(deps))

    again = check_model(deps, model_of(), NOW)

    assert again == first
    assert (len(metrics(deps)), len(triggers(deps))) == (count, 1)


def test_a_check_that_died_before_the_upload_is_finished_by_the_next_try(deps):
    deps.windows.drift_from = NOW - 20 * DAY
    deps.metrics.down = True
    with pytest.raises(Unavailable):
        check_model(deps, model_of(), NOW)
    deps.metrics.down = False

    check_model(deps, model_of(), NOW)

    assert len(deps.metrics.rows) == len(metrics(deps))
    assert len(triggers(deps)) == 1


def test_the_log_gets_the_same_rows_as_plain_json_in_order_of_time(deps):
    deps.windows.silent_from = NOW - 15 * DAY

    check_model(deps, model_of(), NOW)

    assert len(deps.metrics.rows) == len(metrics(deps))
    for logged, row in zip(deps.metrics.rows, metrics(deps), strict=True):
        json.dumps(logged, allow_nan=False)
        assert set(logged) == {*row, "TimeGenerated"}
        assert logged["TimeGenerated"] == logged["run_timestamp"] == "2013-06-01T04:00:00.000000Z"


def test_no_row_holds_a_nan(deps):
    check_model(deps, model_of(), NOW)

    figures = [value for row in metrics(deps) for value in row.values() if isinstance(value, float)]
    assert figures
    assert all(math.isfinite(figure) for figure in figures)


def test_a_challenger_trained_on_the_drift_answers_it(deps):
    deps.windows.drift_from = NOW - 120 * DAY
    deps.registry.champions["delays"] = version("3", NOW - 130 * DAY)
    deps.registry.challengers["delays"] = version("4", NOW - 20 * DAY)

    result = check_model(deps, model_of(), NOW)

    assert (result.version, result.checked, result.decision) == ("4", ("4", "3"), "NO_TRIGGER")
    assert [
        (row["model_version"], row["metric_type"], row["status"]) for row in summaries(deps)
    ] == [
        ("4", "DRIFT_VERDICT", "NO_TRIGGER"),
        ("3", "DRIFT_VERDICT_CHAMPION", "TRIGGER"),
    ]
    assert triggers(deps) == []


def test_a_challenger_older_than_the_champion_does_not_decide(deps):
    deps.registry.challengers["delays"] = version("2", NOW - 60 * DAY)

    result = check_model(deps, model_of(), NOW)

    assert (result.version, result.checked) == ("3", ("3", "2"))


def test_a_version_with_both_roles_is_checked_once(deps):
    deps.registry.challengers["delays"] = version("3")

    assert check_model(deps, model_of(), NOW).checked == ("3",)


@pytest.mark.parametrize("text", [None, "yesterday", "2013-05-01T00:00:00"])
def test_a_version_that_does_not_say_when_its_training_ended_is_refused(deps, text):
    tags = {} if text is None else {"training_end": text}
    deps.registry.champions["delays"] = replace(version("3", None), tags=tags)

    with pytest.raises(DataError, match="training_end"):
        check_model(deps, model_of(), NOW)


def test_a_model_that_fails_is_queued_and_the_others_are_checked(deps, caplog):
    models = [model_of(name) for name in ("delays", "fares", "crews")]
    deps.registry.champions["crews"] = version("1", model="crews")
    deps.registry.down.add("fares")

    summary = check_all(deps, models, NOW, concurrency=2)

    assert [result.model for result in summary.results] == ["delays", "crews"]
    assert summary.failed == {"fares": "Unavailable: registry: 503"}
    assert deps.queues.sent == [
        ("drift-checks", {"v": 1, "model": "fares", "at": "2013-06-01T04:00:00.000000Z"})
    ]
    assert "fares" in caplog.text


def test_importing_the_handler_imports_nothing_heavy():
    code = (
        "import sys, shared.handlers.check_drift;"
        "print({'numpy', 'pyarrow', 'scipy', 'pandas'} & set(sys.modules))"
    )

    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert answer.stdout.strip() == "set()"


def test_a_check_needs_no_scipy():
    code = (
        "import sys, shared.domain.drift.rows;"
        "print({'scipy', 'pandas', 'sklearn'} & set(sys.modules))"
    )

    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert answer.stdout.strip() == "set()"
