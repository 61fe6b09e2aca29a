"""Errors against the baseline: figures against sklearn, and what is said when they are missing."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, brier_score_loss, roc_auc_score

from shared.domain.drift.measures import Metric
from shared.domain.drift.performance import area_under_curve, performance_measures
from shared.domain.drift.verdict import conclude, judge
from shared.sections.drift import DriftSettings

SETTINGS = DriftSettings()
BASELINE = {
    "baseline_rmse": "1.0",
    "baseline_mape": "0.1",
    "baseline_r2": "0.9",
    "baseline_ece": "0.02",
}


def regression(truth, answer, tags=BASELINE):
    measures = performance_measures(
        "regression", np.asarray(truth), np.asarray(answer), tags, SETTINGS
    )
    return {str(f.measure.metric): f for f in judge(measures, SETTINGS)}


def classification(truth, score, tags):
    measures = performance_measures(
        "classification", np.asarray(truth), np.asarray(score), tags, SETTINGS
    )
    return judge(measures, SETTINGS)[0]


@given(
    st.lists(
        st.tuples(st.booleans(), st.sampled_from([0.1, 0.2, 0.5, 0.9])), min_size=2, max_size=80
    )
)
def test_the_area_under_the_curve_is_sklearns_with_ties(pairs):
    truth = np.array([float(yes) for yes, _ in pairs])
    score = np.array([score for _, score in pairs])

    found = area_under_curve(truth, score)

    if len(set(truth)) == 1:
        assert found is None
    else:
        assert found.value == pytest.approx(roc_auc_score(truth, score))


def test_errors_half_as_large_again_are_drift():
    chance = np.random.default_rng(1)
    truth = chance.normal(20, 3, size=2000)

    found = regression(truth, truth + chance.normal(0, 1.5, size=2000))

    assert found["RMSE_DELTA_PCT"].status == "DRIFT"
    assert found["RMSE_DELTA_PCT"].measure.value == pytest.approx(0.5, abs=0.05)
    assert found["R2_DELTA"].measure.value < 0


def test_errors_like_the_baseline_are_stable():
    chance = np.random.default_rng(2)
    truth = chance.normal(20, 3, size=2000)

    found = regression(truth, truth + chance.normal(0, 1.0, size=2000))

    assert {finding.status for finding in found.values()} == {"STABLE"}


def test_a_large_error_on_few_rows_is_insufficient_data():
    found = regression(np.arange(50.0), np.arange(50.0) + 9)

    assert {finding.status for finding in found.values()} == {"INSUFFICIENT_DATA"}
    assert "50 rows" in found["RMSE_DELTA_PCT"].measure.note


def test_no_rows_at_all_are_insufficient_data_without_a_value():
    found = regression(np.empty(0), np.empty(0))

    assert {(f.status, f.measure.value) for f in found.values()} == {("INSUFFICIENT_DATA", None)}


@pytest.mark.parametrize("text", [None, "", "nan", "inf", "x", "-1", "0"])
def test_a_baseline_that_is_no_use_is_unknown_and_named(text):
    tags = {} if text is None else {"baseline_rmse": text}

    found = regression(np.arange(200.0), np.arange(200.0), tags)["RMSE_DELTA_PCT"]

    assert (found.status, found.measure.value) == ("UNKNOWN", None)
    assert "baseline_rmse" in found.measure.note


def test_mape_looks_at_positive_actuals_only():
    truth = np.concatenate([np.full(200, 10.0), np.zeros(50), np.full(50, -4.0)])

    found = regression(truth, truth + 2)["MAPE_DELTA_PCT"]

    assert found.measure.n_current == 200
    assert found.measure.value == pytest.approx(0.2 - 0.1)


def test_actuals_that_are_never_positive_leave_mape_unjudged():
    found = regression(np.full(200, -1.0), np.full(200, -1.0))["MAPE_DELTA_PCT"]

    assert found.status == "INSUFFICIENT_DATA"


def test_rows_without_a_finite_prediction_or_actual_are_not_scored():
    truth = np.array([1.0, np.nan, 3.0, 4.0] * 100)
    answer = np.array([1.0, 2.0, np.inf, np.nan] * 100)

    found = regression(truth, answer)["RMSE_DELTA_PCT"]

    assert found.measure.n_current == 100
    assert found.measure.value == -1


def test_errors_too_large_for_floats_are_unknown():
    found = regression(np.full(200, 1e308), np.full(200, -1e308))["RMSE_DELTA_PCT"]

    assert found.status == "UNKNOWN"
    assert "too large" in found.measure.note


def test_a_classifier_that_lost_its_edge_is_drift_and_lower_is_worse():
    chance = np.random.default_rng(3)
    truth = chance.integers(0, 2, size=3000).astype(float)
    score = np.clip(0.5 + 0.1 * (truth - 0.5) + chance.normal(0, 0.2, size=3000), 0, 1)

    found = classification(truth, score, {"baseline_auc": "0.9"})

    assert found.status == "DRIFT"
    assert found.measure.value < found.measure.threshold < 0
    assert "baseline 0.9" in found.measure.note


def test_a_classifier_as_good_as_its_baseline_is_stable():
    truth = np.array([0.0, 1.0] * 500)

    found = classification(truth, truth * 0.8 + 0.1, {"baseline_auc": "1.0"})

    assert (found.status, found.measure.value) == ("STABLE", 0)


def test_actuals_of_one_class_are_unknown():
    found = classification(np.ones(300), np.linspace(0, 1, 300), {"baseline_auc": "0.8"})

    assert found.status == "UNKNOWN"
    assert "one class" in found.measure.note


def test_a_classifier_without_a_baseline_is_unknown_and_the_tag_is_named():
    found = classification(np.array([0.0, 1.0] * 100), np.full(200, 0.5), {})

    assert found.status == "UNKNOWN"
    assert "baseline_auc" in found.measure.note


# --- accuracy, Brier, calibration -------------------------------------------------------------

CLASSIFIER = {
    "baseline_auc": "0.75",
    "baseline_accuracy": "0.70",
    "baseline_brier": "0.19",
    "baseline_ece": "0.01",
}


def answers(rows, seed=5, twist=0.0):
    """Probabilities that mean what they say, all moved by ``twist``, and what became true."""
    chance = np.random.default_rng(seed)
    score = chance.beta(2, 2, size=rows)
    truth = (chance.random(rows) < score).astype(float)
    return truth, np.clip(score + twist, 0, 1)


def classified(truth, score, tags=CLASSIFIER, settings=SETTINGS):
    measures = performance_measures("classification", truth, score, tags, settings)
    return {str(f.measure.metric): f for f in judge(measures, settings)}


def test_a_classifier_has_a_row_for_each_of_its_four_figures():
    truth, score = answers(4000)

    found = classified(truth, score)

    assert list(found) == ["AUC_DELTA_PCT", "ACCURACY_DELTA", "BRIER_DELTA", "ECE"]
    assert {finding.status for finding in found.values()} == {"STABLE"}


def test_accuracy_and_brier_are_sklearns_over_the_baseline():
    truth, score = answers(500)

    found = classified(truth, score)

    accuracy, brier = accuracy_score(truth, score > 0.5), brier_score_loss(truth, score)
    assert found["ACCURACY_DELTA"].measure.value == pytest.approx(accuracy - 0.70)
    assert found["BRIER_DELTA"].measure.value == pytest.approx(brier - 0.19)


def test_a_classifier_that_says_too_much_is_out_of_calibration_and_no_worse_at_ranking():
    truth, score = answers(4000, twist=0.2)

    found = classified(truth, score)

    assert found["ECE"].status == "DRIFT"
    assert found["ECE"].measure.effect == pytest.approx(found["ECE"].measure.value - 0.01)
    assert found["AUC_DELTA_PCT"].status == "STABLE"


@pytest.mark.parametrize("seed", range(5))
def test_a_calibrated_classifier_on_few_rows_is_not_out_of_calibration(seed):
    # with 120 rows chance alone puts the error over the floor of 0.10 as often as not
    truth, score = answers(120, seed=seed)

    assert classified(truth, score)["ECE"].status == "STABLE"


def test_calibrated_classifiers_seldom_look_significantly_out_of_calibration():
    low = 0
    for seed in range(300):
        truth, score = answers(400, seed=seed)
        low += classified(truth, score)["ECE"].measure.p_value < 0.05

    assert low / 300 <= 0.09  # the nominal 0.05, the small bins' error, and the luck of 300 draws


@pytest.mark.parametrize(
    ("metric", "tag"), [("ACCURACY_DELTA", "baseline_accuracy"), ("BRIER_DELTA", "baseline_brier")]
)
def test_a_figure_without_its_baseline_is_unknown_and_names_the_tag(metric, tag):
    truth, score = answers(400)

    found = classified(truth, score, {"baseline_auc": "0.75"})[metric]

    assert (found.status, found.measure.value) == ("UNKNOWN", None)
    assert tag in found.measure.note


def test_a_classifier_without_a_calibration_baseline_is_held_against_none_at_all():
    truth, score = answers(4000, twist=0.2)

    found = classified(truth, score, {})["ECE"]

    assert found.status == "DRIFT"
    assert found.measure.effect == found.measure.value


def test_a_regression_without_a_calibration_baseline_is_unknown():
    found = regression(np.arange(200.0), np.arange(200.0), {})["ECE"]

    assert (found.status, found.measure.value) == ("UNKNOWN", None)
    assert "baseline_ece" in found.measure.note


def test_a_regression_that_is_off_by_a_fifth_is_out_of_calibration():
    truth = np.random.default_rng(4).uniform(10, 30, size=1000)

    found = regression(truth, truth * 1.2, BASELINE)["ECE"]

    assert found.status == "DRIFT"
    assert found.measure.value == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("fall", "severity"), [(0.01, "HEALTHY"), (0.03, "P3"), (0.07, "P2"), (0.12, "P1")]
)
def test_a_fall_of_auc_is_graded_by_the_severity_matrix(fall, severity):
    measure = performance_measures("classification", *answers(400), CLASSIFIER, SETTINGS)[0]
    shift = replace(measure, effect=fall, p_value=0.0)
    core = replace(measure, metric=Metric.PSI, effect=0.0, p_value=1.0, grades=None)

    verdict = conclude([judge([shift, core], SETTINGS)], SETTINGS)

    assert verdict.severity == severity


def test_rows_needed_for_a_score_are_a_setting():
    truth, score = answers(80)

    few = DriftSettings(scored_rows=50)

    assert classified(truth, score)["BRIER_DELTA"].status == "INSUFFICIENT_DATA"
    assert classified(truth, score, settings=few)["BRIER_DELTA"].status == "STABLE"
