"""What makes a finding, what makes a trigger, and what is said of it."""

from dataclasses import replace

import pytest

from shared.domain.drift.measures import Measure, Metric
from shared.domain.drift.verdict import conclude, judge
from shared.sections.drift import DriftSettings

SETTINGS = DriftSettings()


def psi(value, name="f", p_value=1e-9, readiness="ready"):
    return Measure(
        name,
        Metric.PSI,
        5000,
        1000,
        readiness,
        value=value,
        threshold=0.2,
        effect=value,
        floor=0.2,
        p_value=p_value,
    )


def other(metric, effect, floor=0.1, name="f"):
    return replace(psi(effect, name), metric=metric, floor=floor)


def statuses(measures):
    return [finding.status for finding in judge(measures, SETTINGS)]


def verdict(*windows, settings=SETTINGS):
    return conclude([judge(window, settings) for window in windows], settings)


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (0.0999, "NO_DRIFT"),
        (0.1, "MODERATE"),
        (0.1999, "MODERATE"),
        (0.2, "SIGNIFICANT"),
        (0.25, "SEVERE"),
        (9.0, "SEVERE"),
    ],
)
def test_a_significant_psi_has_the_status_of_its_band(value, status):
    assert statuses([psi(value)]) == [status]


def test_a_large_psi_that_chance_explains_is_no_drift():
    assert statuses([psi(0.3, p_value=0.02)]) == ["NO_DRIFT"]


def test_a_large_psi_of_too_few_rows_is_neither_drift_nor_quiet():
    assert statuses([psi(0.9, readiness="insufficient")]) == ["INSUFFICIENT_DATA"]


def test_what_cannot_be_computed_is_unknown():
    nothing = Measure("f", Metric.PSI, 100, 0, "unknown", note="no finite value")

    assert statuses([nothing]) == ["UNKNOWN"]


def test_one_low_p_value_among_fifty_features_is_not_enough():
    quiet = [psi(0.01, f"q{number}", p_value=0.5) for number in range(49)]

    alone = judge([psi(0.3, p_value=0.005)], SETTINGS)
    among = judge([psi(0.3, p_value=0.005), *quiet], SETTINGS)

    assert (alone[0].status, among[0].status) == ("SEVERE", "NO_DRIFT")
    assert among[0].p_adjusted == pytest.approx(0.25)


def test_columns_without_data_enough_do_not_dilute_the_others():
    dark = [psi(0.5, f"d{number}", readiness="insufficient") for number in range(49)]

    found = judge([psi(0.3, p_value=0.005), *dark], SETTINGS)

    assert found[0].status == "SEVERE"
    assert found[1].p_adjusted is None


def test_advice_has_a_status_and_is_never_a_finding():
    (found,) = judge([other(Metric.WASSERSTEIN, 3.0)], SETTINGS)

    assert (found.status, found.stands) == ("DRIFT", False)


def test_a_small_effect_is_stable_however_significant():
    assert statuses([other(Metric.KS, 0.1)]) == ["STABLE"]


@pytest.mark.parametrize(
    ("latest_first", "decision"),
    [
        ((1, 1, 0), "TRIGGER"),
        ((1, 0, 1), "TRIGGER"),
        ((1, 0, 0), "NO_TRIGGER"),
        ((0, 1, 1), "NO_TRIGGER"),
        ((1, 1, 1), "TRIGGER"),
    ],
)
def test_a_trigger_needs_two_of_three_windows_and_the_latest(latest_first, decision):
    windows = [[psi(0.4 if drifted else 0.01)] for drifted in latest_first]

    assert verdict(*windows).decision == decision


def test_two_features_taking_turns_are_not_one_lasting_finding():
    one = [psi(0.4, "a"), psi(0.01, "b")]
    two = [psi(0.01, "a"), psi(0.4, "b")]

    assert verdict(one, two, two).decision == "NO_TRIGGER"


def test_windows_without_data_cannot_make_a_finding_last():
    dark = [psi(0.4, readiness="insufficient")]

    assert verdict([psi(0.4)], dark, dark).decision == "NO_TRIGGER"
    assert verdict(dark, [psi(0.4)], [psi(0.4)]).decision == "INSUFFICIENT_DATA"


def test_a_missing_rate_alone_does_not_make_a_model_quiet():
    measures = [psi(0.9, readiness="insufficient"), other(Metric.MISSING_RATE, 0.0)]

    found = verdict(measures, measures, measures)

    assert (found.decision, found.severity) == ("INSUFFICIENT_DATA", "UNKNOWN")


@pytest.mark.parametrize(
    ("measures", "severity"),
    [
        ([psi(0.3)], "P1"),
        ([psi(0.22)], "P2"),
        ([other(Metric.PREDICTION_PSI, 0.3), psi(0.0)], "P2"),
        ([other(Metric.RMSE_DELTA_PCT, 0.3), psi(0.0)], "P2"),
        ([other(Metric.ALL_MISSING, 1.0, 0.5), psi(0.0)], "P2"),
        ([psi(0.15)], "P3"),
        ([other(Metric.KS, 0.2), psi(0.0)], "P3"),
        ([psi(0.05)], "HEALTHY"),
    ],
)
def test_the_severity_follows_the_gravest_status(measures, severity):
    assert verdict(measures).severity == severity


def codes(found):
    return [reason.split(":")[0] for reason in found.reasons]


def test_three_significant_or_severe_features_are_multi_feature_drift():
    window = [psi(0.22, "a"), psi(0.3, "b"), psi(0.21, "c")]

    assert codes(verdict(window, window)) == ["SEVERE_INPUT_DRIFT", "MULTI_FEATURE_DRIFT"]


def test_two_significant_features_are_input_drift():
    window = [psi(0.22, "a"), psi(0.22, "b")]

    found = verdict(window, window)

    assert codes(found) == ["INPUT_DRIFT"]
    assert found.reasons[0] == "INPUT_DRIFT: a (PSI effect 0.22), b (PSI effect 0.22)"


@pytest.mark.parametrize(
    ("metric", "code"),
    [
        (Metric.MISSING_RATE, "MISSING_RATE"),
        (Metric.ALL_MISSING, "ALL_MISSING"),
        (Metric.UNSEEN_SHARE, "UNSEEN_CATEGORIES"),
        (Metric.INFINITE_SHARE, "INFINITE_VALUES"),
        (Metric.CONSTANT, "CONSTANT_COLUMN"),
        (Metric.PREDICTION_PSI, "PREDICTION_DRIFT"),
        (Metric.RMSE_DELTA_PCT, "PERF_RMSE_DEGRADATION"),
        (Metric.MAPE_DELTA_PCT, "PERF_MAPE_DEGRADATION"),
        (Metric.AUC_DELTA_PCT, "PERF_AUC_DEGRADATION"),
        (Metric.KS, "INPUT_DRIFT"),
        (Metric.CHI_SQUARE, "INPUT_DRIFT"),
    ],
)
def test_each_signal_has_its_code(metric, code):
    window = [other(metric, 0.9)]

    assert codes(verdict(window, window)) == [code]
