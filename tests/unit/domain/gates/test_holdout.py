"""Gate 2: the shift of the mean."""

import numpy as np
import pytest

from shared.domain.gates.holdout import judge
from shared.domain.gates.result import Verdict


def _around(mean: float) -> np.ndarray:
    return mean + np.tile([-50.0, 50.0], 500)


@pytest.mark.parametrize(
    ("factor", "verdict"),
    [
        (1.0, Verdict.PASS),
        (1.049, Verdict.PASS),
        (0.951, Verdict.PASS),
        (1.05, Verdict.FAIL),
        (0.94, Verdict.FAIL),
    ],
)
def test_the_shift_must_stay_under_five_percent_of_the_mean(factor, verdict, a_model, evidence):
    moved = evidence(actual=_around(1000), candidate=_around(1000 * factor))

    result = judge(moved, a_model(holdout={"max_shift": 0.05}))

    assert result.verdict is verdict
    assert result.value == pytest.approx(abs(factor - 1))
    assert (result.operator, result.threshold) == ("<", 0.05)


def test_a_negative_mean_counts_by_its_size(a_model, evidence):
    result = judge(evidence(actual=_around(-1000), candidate=_around(-1100)), a_model())

    assert result.verdict is Verdict.FAIL
    assert result.value == pytest.approx(0.1)


def test_a_mean_of_zero_is_an_error_that_names_the_other_scale(a_model, evidence):
    result = judge(evidence(actual=_around(0), candidate=_around(0)), a_model())

    assert result.verdict is Verdict.ERROR
    assert "standard_deviation" in result.hint


@pytest.mark.parametrize("scale", ["mean", "standard_deviation"])
@pytest.mark.parametrize("mean", [-1000.0, 1000.0])
@pytest.mark.parametrize("moved", [-30.0, 30.0])
def test_the_interval_is_that_of_rows_drawn_one_by_one(scale, mean, moved, a_model, evidence):
    chance = np.random.default_rng(3)
    actual = mean + chance.normal(0, 100, 1000)
    candidate = actual + moved + chance.normal(0, 50, 1000)

    result = judge(evidence(actual=actual, candidate=candidate), a_model(holdout={"scale": scale}))

    drawn = chance.integers(0, 1000, size=(2000, 1000))
    centre, shift = actual[drawn].mean(axis=1), candidate[drawn].mean(axis=1)
    size = abs(centre) if scale == "mean" else actual[drawn].std(axis=1)
    low, high = np.quantile(abs(shift - centre) / size, [0.025, 0.975])
    assert (result.details["low"], result.details["high"]) == pytest.approx((low, high), rel=0.05)


def test_the_deviation_can_be_the_scale(a_model, evidence):
    model = a_model(holdout={"scale": "standard_deviation"})

    result = judge(evidence(actual=_around(0), candidate=_around(1)), model)

    assert result.verdict is Verdict.PASS
    assert result.value == pytest.approx(1 / 50)
