"""Gate 5: the expected calibration error and its regression form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.gates.calibration import bins_of, calibration_error, judge
from shared.domain.gates.result import Verdict

ROWS = st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.floats(0, 1)), min_size=2, max_size=200)


def test_probabilities_that_mean_what_they_say_pass(a_model, evidence):
    result = judge(evidence("classification"), a_model("classification"))

    assert result.verdict is Verdict.PASS
    assert result.value < 0.05
    assert result.details["bins"] == 10
    assert 0 < result.details["low"] < result.details["high"] < 0.1


def test_an_overconfident_classifier_fails(a_model, evidence):
    fair = evidence("classification")
    sharp = np.where(fair.candidate > 0.5, 0.99, 0.01)

    result = judge(evidence("classification", candidate=sharp), a_model("classification"))

    assert result.verdict is Verdict.FAIL
    assert result.value == pytest.approx(0.24, abs=0.03)
    assert "calibrate" in result.hint


def test_an_error_at_the_limit_is_not_below_it(a_model, evidence):
    rows = evidence("classification")
    found = judge(rows, a_model("classification")).value

    at = a_model("classification", calibration={"max_error": found})
    above = a_model("classification", calibration={"max_error": np.nextafter(found, 1)})

    assert judge(rows, at).verdict is Verdict.FAIL
    assert judge(rows, above).verdict is Verdict.PASS


def test_certain_answers_are_probabilities(a_model, evidence):
    actual = evidence("classification").actual

    result = judge(evidence("classification", candidate=actual), a_model("classification"))

    assert (result.verdict, result.value) == (Verdict.PASS, 0.0)


def test_as_many_different_answers_as_bins_keep_a_bin_each():
    answers = np.repeat([0.0, 0.4, 1.0], [1, 98, 1])

    assert bins_of(answers, 3).tolist() == [0, *[1] * 98, 2]


@pytest.mark.parametrize("share", [0.03, 0.5, 0.97])
def test_hard_labels_keep_a_bin_each_however_rare_one_is(share):
    labels = np.repeat([0.0, 1.0], [round(1000 * (1 - share)), round(1000 * share)])

    assert np.array_equal(bins_of(labels, 10), labels)


def test_a_regression_biased_in_its_tails_fails_although_its_mean_is_right(a_model, evidence):
    actual = np.linspace(0, 200, 1000)
    flattened = 100 + (actual - 100) * 0.5

    result = judge(evidence(actual=actual, candidate=flattened), a_model())

    assert flattened.mean() == pytest.approx(actual.mean())
    assert result.verdict is Verdict.FAIL
    assert result.value == pytest.approx(0.25, abs=0.01)


def test_the_regression_form_does_not_depend_on_the_unit(a_model, evidence):
    dollars = evidence()
    cents = evidence(actual=dollars.actual * 100, candidate=dollars.candidate * 100)

    assert judge(cents, a_model()).value == pytest.approx(judge(dollars, a_model()).value)


@pytest.mark.parametrize("bad", [-0.01, 1.01])
def test_a_classification_that_gives_no_probabilities_is_an_error(bad, a_model, evidence):
    candidate = evidence("classification").candidate.copy()
    candidate[0] = bad

    result = judge(evidence("classification", candidate=candidate), a_model("classification"))

    assert result.verdict is Verdict.ERROR
    assert "predict_proba" in result.hint


@given(ROWS, st.integers(2, 20))
def test_the_error_lies_between_the_bias_and_the_mean_absolute_error(rows, bins):
    actual, prediction = (np.array(column) for column in zip(*rows, strict=True))

    value = calibration_error(actual, prediction, bins_of(prediction, bins))

    assert abs((prediction - actual).mean()) - 1e-9 <= value
    assert value <= np.abs(prediction - actual).mean() + 1e-9 <= 1 + 1e-9


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200), st.integers(2, 20))
def test_bins_follow_the_predictions_order_and_equal_ones_share_one(values, bins):
    prediction = np.array(values)

    used = bins_of(prediction, bins)

    order = np.argsort(prediction, kind="stable")
    assert (np.diff(used[order]) >= 0).all()
    assert set(used.tolist()) == set(range(used.max() + 1))
    assert used.max() < bins
    for value in np.unique(prediction):
        assert np.unique(used[prediction == value]).size == 1


@given(ROWS, st.integers(2, 12))
def test_the_error_is_the_textbook_sum_over_bins(rows, bins):
    actual, prediction = (np.array(column) for column in zip(*rows, strict=True))
    used = bins_of(prediction, bins)

    textbook = sum(
        (used == each).mean() * abs(prediction[used == each].mean() - actual[used == each].mean())
        for each in np.unique(used)
    )

    assert calibration_error(actual, prediction, used) == pytest.approx(textbook, abs=1e-9)
