"""``loop drift``: the figures, the verdict, the exit status, and what its options change."""

import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.main import get_command

from local.cli import app
from tests.local.drift_command import CURRENT, GOLDEN, REFERENCE, Folder, call, letters, normal

KEYS = {
    *("kind", "psi", "js", "ks", "ks_bound", "wasserstein", "chi2", "cramers_v"),
    *("p_value", "p_adjusted", "missing_reference", "missing_current", "unseen_share"),
    *("status", "note", "measures"),
}


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    folder = Folder(tmp_path_factory.mktemp("golden"))
    outcome = ("--prediction", "predicted_revenue", "--actual", "daily_revenue")
    return folder.compare(REFERENCE, CURRENT, *outcome)


@pytest.fixture(scope="module")
def expected():
    return json.loads((GOLDEN / "expected.json").read_text("utf-8"))


def test_the_golden_windows_give_the_expected_numeric_figures(golden, expected):
    numeric = {name: figures for name, figures in expected.items() if "ks_d" in figures}

    assert len(numeric) == 7
    for name, figures in numeric.items():
        found = golden.features[name]
        assert found["kind"] == "numeric"
        assert found["psi"] == pytest.approx(figures["psi"], rel=1e-9)
        assert found["ks"] <= figures["ks_d"] + 1e-12
        assert figures["ks_d"] <= found["ks"] + found["ks_bound"] + 1e-12
        assert found["ks_bound"] <= 1 / 4096 + 1 / 18_000
        assert found["wasserstein"] == pytest.approx(figures["wasserstein"], rel=0.01)
        wanted = math.log10(max(figures["ks_p"], 1e-150))
        assert math.log10(max(found["p_value"], 1e-150)) == pytest.approx(wanted, rel=0.01)
        drifts = figures["ks_drift"] or figures["psi_status"] == "SEVERE"
        assert (found["status"] in ("SEVERE", "DRIFT")) is drifts


def test_the_golden_windows_give_the_expected_categorical_figures(golden, expected):
    categorical = {name: figures for name, figures in expected.items() if "chi2" in figures}

    assert len(categorical) == 3
    for name, figures in categorical.items():
        found = golden.features[name]
        assert found["kind"] == "categorical"
        assert found["chi2"] == pytest.approx(figures["chi2"], rel=1e-9)
        assert found["cramers_v"] == pytest.approx(figures["cramers_v"], rel=1e-9)
        assert found["p_value"] == pytest.approx(figures["p"], rel=1e-6)
        assert (found["status"] == "DRIFT") is figures["drift"]


def test_the_golden_predictions_and_errors_are_those_expected(golden, expected):
    errors = {row["metric"]: row["value"] for row in golden.document["performance"]}
    prediction = golden.features["__prediction__"]

    assert prediction["psi"] == pytest.approx(expected["__prediction__"]["psi"], rel=1e-9)
    assert prediction["kind"] == "prediction"
    wanted = expected["__model_performance__"]
    assert errors["RMSE_DELTA_PCT"] == pytest.approx(wanted["rmse_delta"], rel=1e-9)
    assert errors["MAPE_DELTA_PCT"] == pytest.approx(wanted["mape_delta"], rel=1e-9)


def test_the_golden_drift_is_told_with_status_1_and_the_worst_first(golden):
    rank = ("SEVERE", "SIGNIFICANT", "DRIFT", "MODERATE", "NO_DRIFT")
    places = [rank.index(found["status"]) for found in golden.features.values()]

    assert golden.status == 1
    assert golden.summary["verdict"] == "TRIGGER"
    assert golden.summary["severity"] == "P1"
    assert golden.summary["n_reference"] == 18_000
    assert golden.summary["n_current"] == 1_400
    assert any(reason.startswith("SEVERE_INPUT_DRIFT") for reason in golden.summary["reasons"])
    assert places == sorted(places)
    assert golden.stdout.index("handle_pulls") < golden.stdout.index("floor_zone")


def test_every_feature_has_every_key_and_null_where_a_figure_does_not_apply(golden):
    for found in golden.features.values():
        assert set(found) == KEYS

    numeric, categorical = golden.features["coin_in"], golden.features["floor_zone"]
    assert [numeric[name] for name in ("chi2", "cramers_v", "unseen_share")] == [None] * 3
    only = ("psi", "ks", "ks_bound", "wasserstein")
    assert [categorical[name] for name in only] == [None] * 4


def test_a_file_has_not_drifted_from_itself(folder):
    outcome = folder.compare(REFERENCE, REFERENCE)

    assert outcome.status == 0
    assert outcome.summary["verdict"] == "NO_TRIGGER"
    assert outcome.summary["severity"] == "HEALTHY"
    assert {found["status"] for found in outcome.features.values()} == {"NO_DRIFT"}
    assert outcome.stdout.startswith("No drift")


def test_a_window_too_small_to_tell_has_a_status_of_its_own(folder):
    table = pyarrow.parquet.read_table(GOLDEN / "slot_no_drift_windows.parquet")
    small = folder.path / "small.parquet"
    pyarrow.parquet.write_table(table.drop_columns("window").slice(0, 35), small)

    outcome = folder.compare(REFERENCE, small)

    assert outcome.status == 3
    assert outcome.summary["verdict"] == "INSUFFICIENT_DATA"
    assert "needed" in outcome.features["coin_in"]["note"]
    assert outcome.stdout.startswith("Too little data")


def test_csv_and_parquet_of_the_same_rows_give_the_same_report(folder):
    before = {
        "x": normal(3000),
        "n": np.arange(3000) % 90,
        "c": letters(3000, {"a": 0.7, "b": 0.3}),
    }
    after = {"x": normal(2000, 0.5, 2), "n": np.arange(2000) % 90, "c": ["a", "b"] * 1000}
    csv = folder.csv("before", before), folder.csv("after", after)
    parquet = folder.parquet("before", before), folder.parquet("after", after)

    one, two = folder.compare(*csv), folder.compare(*parquet)

    assert one.document["features"] == two.document["features"]
    assert one.document["summary"] == two.document["summary"]
    assert one.status == two.status == 1


def test_kinds_are_inferred_and_dates_are_skipped_with_a_note(folder):
    columns = {
        "whole": np.arange(1000),
        "yes": np.arange(1000) % 2 == 0,
        "word": ["a", "b"] * 500,
        "code": pa.array(["a", "b"] * 500).dictionary_encode(),
        "day": np.arange(1000).astype("datetime64[D]"),
        "many": pa.array([[1]] * 1000),
    }
    path = folder.parquet("one", columns)

    outcome = folder.compare(path, path)

    kinds = {name: found["kind"] for name, found in outcome.features.items()}
    assert kinds == {
        "whole": "numeric",
        "yes": "categorical",
        "word": "categorical",
        "code": "categorical",
    }
    assert outcome.document["skipped"].keys() == {"day", "many"}
    assert "date32" in outcome.document["skipped"]["day"]
    assert "not compared: day" in outcome.stdout


def test_kinds_can_be_forced(folder):
    path = folder.parquet("one", {"code": np.arange(900) % 3, "text": ["1.5", "2"] * 450})

    outcome = folder.compare(path, path, "--categorical", "code", "--numeric", "text")

    kinds = {name: found["kind"] for name, found in outcome.features.items()}
    assert kinds == {"code": "categorical", "text": "numeric"}
    assert outcome.features["text"]["missing_current"] == 0


def test_columns_are_chosen_as_a_list_or_one_by_one_and_may_hold_commas(folder):
    path = folder.parquet("one", {"a": [1.0] * 500, "b": [1.0] * 500, "c, d": [1.0] * 500})

    listed = folder.compare(path, path, "--columns", "a, b")
    single = folder.compare(path, path, "--columns", "a", "--columns", "c, d")
    without = folder.compare(path, path, "--exclude", "a", "--exclude", "c, d")

    assert set(listed.features) == {"a", "b"}
    assert set(single.features) == {"a", "c, d"}
    assert set(without.features) == {"b"}


def test_the_threshold_moves_the_bands(folder):
    only = ("--columns", "avg_bet")

    usual = folder.compare(REFERENCE, CURRENT, *only, "--ks-floor", "0.2")
    strict = folder.compare(REFERENCE, CURRENT, *only, "--ks-floor", "0.2", "--threshold", "0.08")

    assert usual.features["avg_bet"]["psi"] == pytest.approx(0.0881, abs=1e-4)
    assert (usual.status, usual.features["avg_bet"]["status"]) == (0, "NO_DRIFT")
    assert (strict.status, strict.features["avg_bet"]["status"]) == (1, "SIGNIFICANT")
    assert strict.document["settings"]["psi_moderate"] == pytest.approx(0.04)
    assert strict.document["settings"]["psi_severe"] == pytest.approx(0.10)


def test_a_column_that_vanished_counts_only_if_it_was_asked_for(folder):
    before = folder.parquet("before", {"a": normal(900), "b": normal(900)})
    after = folder.parquet("after", {"a": normal(900), "c": normal(900)})

    unasked = folder.compare(before, after)
    asked = folder.compare(before, after, "--columns", "a,b")

    assert unasked.status == 0
    assert unasked.document["skipped"].keys() == {"b", "c"}
    assert asked.status == 1
    assert any(reason.startswith("COLUMN_VANISHED") for reason in asked.summary["reasons"])
    assert next(iter(asked.features)) == "b"
    assert asked.features["b"]["missing_current"] == 1.0


def test_a_column_that_changed_its_type_in_parquet_is_drift(folder):
    before = folder.parquet("before", {"a": np.arange(900)})
    after = folder.parquet("after", {"a": [str(value) for value in range(900)]})

    outcome = folder.compare(before, after)

    assert outcome.status == 1
    assert any(reason.startswith("TYPE_CHANGED") for reason in outcome.summary["reasons"])


def test_missing_and_unseen_shares_are_told(folder):
    before = folder.parquet("before", {"x": normal(2000), "c": ["a", "b"] * 1000})
    gaps = np.where(np.arange(2000) % 4 == 0, np.nan, normal(2000, seed=2))
    after = folder.parquet("after", {"x": gaps, "c": ["a", "b", "b", "new"] * 500})

    outcome = folder.compare(before, after)

    assert outcome.features["x"]["missing_reference"] == 0.0
    assert outcome.features["x"]["missing_current"] == 0.25
    assert outcome.features["c"]["unseen_share"] == 0.25
    assert "0 % → 25 %" in outcome.stdout


def test_a_classifier_is_told_from_its_actuals_and_can_be_forced(folder):
    truth = (normal(3000) > 0).astype(float)
    before = folder.parquet("before", {"p": np.clip(truth * 0.8 + 0.1, 0, 1), "y": truth})
    after = folder.parquet("after", {"p": np.clip(0.9 - truth * 0.8, 0, 1), "y": truth})
    outcome = ("--prediction", "p", "--actual", "y")

    guessed = folder.compare(before, after, *outcome)
    forced = folder.compare(before, after, *outcome, "--task", "regression")

    assert guessed.document["performance"][0]["metric"] == "AUC_DELTA_PCT"
    assert guessed.document["performance"][0]["value"] == pytest.approx(-1.0)
    assert "PERF_AUC_DEGRADATION" in " ".join(guessed.summary["reasons"])
    assert forced.document["performance"][0]["metric"] == "RMSE_DELTA_PCT"


def test_an_error_without_a_baseline_in_the_reference_is_unknown(folder):
    before = folder.parquet("before", {"p": normal(900), "y": np.full(900, np.nan)})
    after = folder.parquet("after", {"p": normal(900), "y": normal(900)})

    outcome = folder.compare(
        before, after, "--prediction", "p", "--actual", "y", "--task", "regression"
    )

    assert {row["status"] for row in outcome.document["performance"]} == {"UNKNOWN"}
    assert "no baseline" in outcome.document["performance"][0]["note"]


def test_json_on_standard_output_is_nothing_but_json():
    outcome = call(REFERENCE, CURRENT, "--json", "-")

    assert json.loads(outcome.stdout)["summary"]["verdict"] == "TRIGGER"
    assert "handle_pulls" in outcome.stderr


def test_the_table_is_cut_where_there_are_many_columns(folder):
    path = folder.parquet("one", {f"column{place:03d}": normal(300) for place in range(50)})

    usual, whole = call(path, path), call(path, path, "--top", "0")

    assert usual.stdout.count("column") - 1 == 41
    assert "10 more columns" in usual.stdout
    assert "column049" in whole.stdout


def test_help_says_the_exit_statuses_and_every_option():
    outcome = call(REFERENCE, CURRENT, "--help")

    assert outcome.status == 0
    for text in ("0 no drift", "1 drift", "2 a file or an option", "3 nothing could be judged"):
        assert text in outcome.stdout
    for option in ("--json", "--html", "--columns", "--categories", "--threshold", "--actual"):
        assert option in outcome.stdout


def test_the_document_names_every_option_and_every_key():
    text = (GOLDEN.parents[1] / "docs" / "loop-drift.md").read_text("utf-8")
    names = [
        name
        for option in get_command(app).commands["drift"].params
        for name in option.opts
        if name != "--help"
    ]

    assert len(names) >= 18
    assert [name for name in names if f"`{name}" not in text and f"{name} " not in text] == []
    assert [key for key in KEYS if f"`{key}`" not in text] == []


CELLS = st.one_of(
    st.lists(st.floats(), min_size=1, max_size=40),
    st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=40),
    st.lists(st.none() | st.text(max_size=5), min_size=1, max_size=40),
    st.lists(st.none() | st.booleans(), min_size=1, max_size=40),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(before=CELLS, after=CELLS, times=st.sampled_from([1, 30]))
def test_any_two_columns_give_a_status_and_valid_reports(folder, before, after, times):
    reference = folder.parquet("before", {"x": pa.array(before * times)})
    current = folder.parquet("after", {"x": pa.array(after * times)})

    outcome = folder.compare(reference, current)

    assert outcome.status in (0, 1, 3)
    found = outcome.features["x"]
    assert found["status"]
    assert 0 <= found["missing_current"] <= 1
    assert (outcome.status == 1) is (outcome.summary["verdict"] == "TRIGGER")
    assert outcome.page.count("<article") == 1
