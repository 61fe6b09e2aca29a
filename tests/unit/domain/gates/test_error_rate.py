"""Error rate: rows without a finite number, or with one that cannot be."""

import numpy as np
import pytest

from shared.domain.gates.error_rate import judge
from shared.domain.gates.judge import run_gates
from shared.domain.gates.result import Verdict


def spoiled(evidence, count, value):
    candidate = evidence().candidate.copy()
    candidate[:count] = value
    return evidence(candidate=candidate)


def test_a_candidate_that_answers_every_row_passes(a_model, evidence):
    result = judge(evidence(), a_model())

    assert (result.verdict, result.value, result.n) == (Verdict.PASS, 0.0, 1000)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_row_without_a_number_fails_by_default_and_is_counted(a_model, evidence, bad):
    result = judge(spoiled(evidence, 1, bad), a_model())

    assert (result.verdict, result.value) == (Verdict.FAIL, 0.001)
    assert "1 of 1000 predictions are not finite numbers" in result.reason
    assert result.hint


@pytest.mark.parametrize(
    ("limits", "value", "said"),
    [
        ({"low": 0}, -1.0, "2 are not in 0 or more"),
        ({"high": 500}, 501.0, "2 are not in 500 or less"),
        ({"low": 0, "high": 500}, 501.0, "2 are not in 0 to 500"),
    ],
)
def test_a_prediction_that_cannot_be_is_an_error_too(a_model, evidence, limits, value, said):
    result = judge(spoiled(evidence, 2, value), a_model(error_rate=limits))

    assert result.verdict is Verdict.FAIL
    assert said in result.reason
    assert result.details == {"not_finite": 0, "out_of_range": 2}


def test_the_bounds_themselves_are_in_range(a_model, evidence):
    candidate = np.clip(evidence().candidate, 50, 150)

    result = judge(evidence(candidate=candidate), a_model(error_rate={"low": 50, "high": 150}))

    assert result.verdict is Verdict.PASS


def test_within_the_rate_allowed_the_other_gates_judge_the_rows_that_were_answered(
    a_model, evidence
):
    model = a_model(error_rate={"max_rate": 0.01}, min_rows=900)

    results = {each.gate: each for each in run_gates(spoiled(evidence, 10, np.nan), model, float)}

    assert results["error_rate"].verdict is Verdict.PASS
    assert (results["performance"].verdict, results["performance"].n) == (Verdict.PASS, 990)


def test_a_row_without_an_answer_fails_the_candidate_and_is_no_error_of_the_others(
    a_model, evidence
):
    found = run_gates(spoiled(evidence, 1, np.nan), a_model(), float)

    results = {each.gate: each for each in found}
    assert results["error_rate"].verdict is Verdict.FAIL
    assert (results["performance"].verdict, results["performance"].n) == (Verdict.PASS, 999)


def test_where_no_row_is_answered_the_others_cannot_judge(a_model, evidence):
    found = run_gates(spoiled(evidence, 1000, np.nan), a_model(), float)

    results = {each.gate: each for each in found}
    assert results["error_rate"].verdict is Verdict.FAIL
    assert results["performance"].verdict is Verdict.ERROR
    assert "no row is left" in results["performance"].reason
