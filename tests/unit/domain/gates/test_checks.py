"""What makes evidence unfit, the same for every gate that compares with actuals."""

import numpy as np
import pytest

from shared.domain.gates import (
    calibration,
    error_rate,
    explanation,
    fairness,
    holdout,
    performance,
    prediction_drift,
    slices,
)
from shared.domain.gates.evidence import Evidence
from shared.domain.gates.result import Verdict
from shared.errors import DataError

GATES = pytest.mark.parametrize(
    "gate",
    [
        error_rate, performance, holdout, slices, fairness, prediction_drift, calibration,
        explanation,
    ],
    ids=lambda gate: gate.GATE,
)  # fmt: skip
ATTRIBUTE = {
    "fairness": {"attributes": ["zone"]},
    "slices": {"columns": ["zone"]},
    # the model has two features: only so are they ranked
    "explanation": {"champion_top": 1, "candidate_top": 1},
}


def _zones(n):
    return {"zone": np.array(["north", "south"] * (n // 2) + ["north"] * (n % 2))}


@GATES
def test_a_candidate_that_could_not_be_scored_is_an_error(gate, a_model, evidence):
    broken = evidence(candidate=np.empty(0), candidate_fault="version 2 crashed with SIGSEGV")

    result = gate.judge(broken, a_model(**ATTRIBUTE))

    assert result.verdict is Verdict.ERROR
    assert "SIGSEGV" in result.reason
    assert result.hint


@GATES
def test_one_row_too_few_is_an_error_that_shows_n(gate, a_model):
    actual = np.arange(999.0)
    few = Evidence("regression", actual, actual, actual, attributes=_zones(999))

    result = gate.judge(few, a_model(**ATTRIBUTE))

    assert (result.verdict, result.n) == (Verdict.ERROR, 999)
    assert "needed are 1000" in result.reason


@GATES
def test_an_actual_that_is_no_number_is_an_error_and_is_counted(gate, a_model, evidence):
    actual = evidence().actual.copy()
    actual[[2, 5]] = np.nan

    result = gate.judge(evidence(actual=actual), a_model(**ATTRIBUTE))

    assert result.verdict is Verdict.ERROR
    assert "2 of 1000 actuals" in result.reason


@GATES
def test_a_constant_actual_is_an_error(gate, a_model, evidence):
    result = gate.judge(evidence(actual=np.full(1000, 3.0)), a_model(**ATTRIBUTE))

    assert result.verdict is Verdict.ERROR
    assert "every actual is 3" in result.reason


@GATES
def test_a_holdout_with_one_class_is_an_error(gate, a_model, evidence):
    one = evidence("classification", actual=np.ones(1000))

    result = gate.judge(one, a_model("classification", **ATTRIBUTE))

    assert result.verdict is Verdict.ERROR
    assert "every actual is 1" in result.reason


@GATES
def test_a_third_class_is_an_error(gate, a_model, evidence):
    actual = evidence("classification").actual.copy()
    actual[0] = 2

    result = gate.judge(
        evidence("classification", actual=actual), a_model("classification", **ATTRIBUTE)
    )

    assert result.verdict is Verdict.ERROR
    assert "0 and 1" in result.reason


@pytest.mark.parametrize("gate", [holdout, calibration])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_other_gates_cannot_judge_predictions_that_are_no_numbers(gate, bad, a_model, evidence):
    candidate = evidence().candidate.copy()
    candidate[0] = bad

    result = gate.judge(
        evidence(candidate=candidate, attributes=_zones(1000)), a_model(**ATTRIBUTE)
    )

    assert result.verdict is Verdict.ERROR
    assert "1 of 1000 predictions" in result.reason


@pytest.mark.parametrize("part", ["candidate", "champion"])
def test_columns_of_different_lengths_are_refused(part, evidence):
    with pytest.raises(DataError, match=f"{part} has 999 values for 1000 rows"):
        evidence(**{part: np.zeros(999)})


def test_an_attribute_of_another_length_is_refused(evidence):
    with pytest.raises(DataError, match="zone has 4 values for 1000 rows"):
        evidence(attributes=_zones(4))
