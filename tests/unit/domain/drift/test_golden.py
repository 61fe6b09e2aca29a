"""The drift notebook's own windows: every figure that was measured on them."""

import pytest

from shared.domain.drift.columns import Scratch
from shared.domain.drift.verdict import conclude, judge
from shared.domain.drift.window import measure_window, profile_reference, profile_window


@pytest.fixture(scope="module")
def judged(slot_model, slot_reference, slot_current, slot_baseline):
    return _judge(slot_model, slot_reference, slot_current, slot_baseline)


def _judge(model, reference, current, tags):
    scratch = Scratch()
    before = profile_reference(model, reference, scratch)
    after = profile_window(model, current, before, scratch, scored=True)
    return judge(measure_window(model, before, after, tags), model.drift)


def _by_key(findings):
    return {(f.measure.feature, str(f.measure.metric)): f for f in findings}


def test_psi_equals_the_notebooks_to_nine_digits_and_has_its_status(judged, expected):
    found = _by_key(judged)

    for name, figures in expected.items():
        if "psi_status" in figures:
            assert found[name, "PSI"].measure.value == pytest.approx(figures["psi"], abs=1e-9)
            assert found[name, "PSI"].status == figures["psi_status"]


def test_ks_is_within_its_own_bound_and_has_the_notebooks_status(judged, expected):
    found = _by_key(judged)

    for name, figures in expected.items():
        if "ks_d" in figures:
            finding = found[name, "KS"]
            bound = float(finding.measure.note.split("at most ")[1].split(" ")[0])
            assert -1e-12 <= figures["ks_d"] - finding.measure.value <= bound * 1.05 + 1e-12
            assert bound <= 1 / 2048
            assert (finding.status == "DRIFT") == figures["ks_drift"]


def test_wasserstein_is_the_exact_distance_to_one_percent(judged, expected):
    found = _by_key(judged)

    for name, figures in expected.items():
        if "wasserstein" in figures:
            value = found[name, "WASSERSTEIN"].measure.value
            assert value == pytest.approx(figures["wasserstein"], rel=0.01)


def test_chi_square_and_cramers_v_equal_the_notebooks_to_nine_digits(judged, expected):
    found = _by_key(judged)

    for name, figures in expected.items():
        if "chi2" in figures:
            measure = found[name, "CHI_SQUARE"].measure
            assert measure.value == pytest.approx(figures["chi2"], abs=1e-9)
            assert measure.effect == pytest.approx(figures["cramers_v"], abs=1e-9)
            assert measure.p_value == pytest.approx(figures["p"], rel=1e-9)
            assert (found[name, "CHI_SQUARE"].status == "DRIFT") == figures["drift"]


def test_prediction_and_performance_equal_the_notebooks(judged, expected):
    found = _by_key(judged)
    performance = expected["__model_performance__"]

    prediction = found["__prediction__", "PREDICTION_PSI"]
    rmse = found["__model_performance__", "RMSE_DELTA_PCT"]
    mape = found["__model_performance__", "MAPE_DELTA_PCT"]

    assert prediction.measure.value == pytest.approx(expected["__prediction__"]["psi"], abs=1e-9)
    assert prediction.status == "SIGNIFICANT"
    assert rmse.measure.value == pytest.approx(performance["rmse_delta"], abs=1e-9)
    assert mape.measure.value == pytest.approx(performance["mape_delta"], abs=1e-9)
    assert (rmse.status, mape.status) == ("DRIFT", "DRIFT")


def test_value_against_threshold_agrees_with_the_status_of_every_metric(judged):
    for finding in judged:
        measure = finding.measure
        bad = finding.status in ("SIGNIFICANT", "SEVERE", "DRIFT")
        lower = measure.metric in ("R2_DELTA", "AUC_DELTA_PCT")
        beyond = measure.value < measure.threshold if lower else measure.value > measure.threshold
        assert bad == beyond, (measure.feature, measure.metric)


def test_the_drifted_window_is_p1_for_the_notebooks_reasons_and_many_features(judged, slot_model):
    verdict = conclude([judged, judged, judged], slot_model.drift)

    assert verdict.decision == "TRIGGER"
    assert verdict.severity == "P1"
    assert [reason.split(":")[0] for reason in verdict.reasons] == [
        "SEVERE_INPUT_DRIFT",
        "MULTI_FEATURE_DRIFT",
        "INPUT_DRIFT",
        "PERF_RMSE_DEGRADATION",
        "PERF_MAPE_DEGRADATION",
        "CALIBRATION_DRIFT",
        "PREDICTION_DRIFT",
    ]


def test_no_window_without_drift_has_a_finding(
    slot_model, slot_reference, quiet_windows, slot_baseline
):
    judged = [_judge(slot_model, slot_reference, rows, slot_baseline) for rows in quiet_windows]

    assert not [
        (f.measure.feature, f.measure.metric, f.measure.value)
        for window in judged
        for f in window
        if f.stands
    ]
    for window in judged:
        verdict = conclude([window] * 3, slot_model.drift)
        assert (verdict.decision, verdict.severity) == ("NO_TRIGGER", "HEALTHY")
