"""Bootstrap intervals: the same rows for both models; resampled measures are the plain ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.gates import calibration, holdout, performance, resampling
from shared.domain.gates.measures import metric, resampled_metric
from shared.domain.gates.resampling import intervals
from shared.domain.gates.result import Verdict
from shared.errors import DataError


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_a_resample_that_draws_each_row_once_gives_the_plain_measure(task, evidence):
    rows = evidence(task)

    found = resampled_metric(task, rows.actual, rows.candidate, np.ones((1, rows.n)))

    assert found == pytest.approx([metric(task, rows.actual, rows.candidate)])


@pytest.mark.parametrize("task", ["regression", "classification"])
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_resample_is_the_plain_measure_of_its_rows(task, data):
    n = data.draw(st.integers(4, 30))
    actual = np.array(data.draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=n, max_size=n)))
    score = np.array(
        data.draw(st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.9]), min_size=n, max_size=n))
    )
    weights = np.array(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    drawn = np.resize(np.repeat(np.arange(n), weights), n) if weights.any() else np.zeros(n, int)
    counts = np.bincount(drawn, minlength=n).astype(float)[None, :]

    (found,) = resampled_metric(task, actual, score, counts)

    if np.unique(actual[drawn]).size < 2:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(metric(task, actual[drawn], score[drawn]))


def test_an_interval_covers_what_it_should():
    chance = np.random.default_rng(5)

    covered = 0
    for seed in range(60):
        rows = chance.normal(0, 1, 200)
        (found,) = intervals(
            lambda weights, rows=rows: (weights @ rows / rows.size)[:, None], rows.size, seed
        )
        covered += found.low <= 0 <= found.high

    assert covered >= 50


def test_the_same_seed_gives_the_same_interval_and_memory_is_bounded(monkeypatch):
    rows = np.random.default_rng(1).normal(0, 1, 500)
    widest = []

    def measure(weights):
        widest.append(weights.size)
        assert (weights.sum(axis=1) == rows.size).all()
        return (weights @ rows)[:, None]

    monkeypatch.setattr(resampling, "_CELLS", 20_000)
    first, again = (intervals(measure, rows.size, 3) for _ in range(2))

    assert first == again
    assert max(widest) <= 20_000
    assert first != intervals(measure, rows.size, 4)


def test_a_measure_that_most_resamples_have_not_is_an_error():
    with pytest.raises(DataError, match="1000 of 1000 resamples give no figure"):
        intervals(lambda weights: np.full((len(weights), 1), np.nan), 10, 0)


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_two_equal_models_do_not_differ(task, a_model, evidence):
    result = performance.judge(evidence(task), a_model(task, performance={"floor": 0.5}))

    details = result.details
    assert (details["difference"], details["difference_low"], details["difference_high"]) == (
        0, 0, 0,
    )  # fmt: skip
    assert details["low"] < result.value < details["high"]


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_models_that_are_as_good_differ_by_an_interval_around_nothing(seed):
    chance = np.random.default_rng(seed)
    actual = chance.normal(0, 1, 400)
    errors = chance.normal(0, 0.3, 400)

    def measure(weights):
        one = resampled_metric("regression", actual, actual + errors, weights)
        two = resampled_metric("regression", actual, actual - errors, weights)
        return (one - two)[:, None]

    (found,) = intervals(measure, 400, seed)

    assert found.low <= 0 <= found.high


class TestCertainty:
    def test_a_value_over_the_floor_with_an_interval_under_it_passes_only_as_a_point(
        self, a_model, evidence
    ):
        rows = evidence()
        value = performance.judge(rows, a_model()).value
        floor = {"performance": {"floor": value - 1e-4}}

        point = performance.judge(rows, a_model(**floor))
        interval = performance.judge(rows, a_model(**floor, certainty="interval"))

        assert point.verdict is Verdict.PASS
        assert interval.verdict is Verdict.FAIL
        assert interval.value == pytest.approx(point.details["low"])
        assert f"the lower end of {value:.4g}" in interval.reason

    @pytest.mark.parametrize(
        ("gate", "limit"), [(holdout, "max_shift"), (calibration, "max_error")]
    )
    def test_a_bias_is_held_by_the_upper_end(self, gate, limit, a_model, evidence):
        rows = evidence()
        measured = gate.judge(rows, a_model())
        tight = {gate.GATE: {limit: measured.value + 1e-4}}

        assert measured.details["low"] <= measured.details["high"]
        assert gate.judge(rows, a_model(**tight)).verdict is Verdict.PASS
        uncertain = gate.judge(rows, a_model(**tight, certainty="interval"))
        assert uncertain.verdict is Verdict.FAIL
        assert f"measured {measured.value:.4g}" in uncertain.reason

    @pytest.mark.parametrize("scale", ["mean", "standard_deviation"])
    def test_the_shift_of_the_mean_lies_in_its_interval(self, scale, a_model, evidence):
        rows = evidence()
        biased = evidence(candidate=rows.actual + 2 + (rows.candidate - rows.actual))

        result = holdout.judge(biased, a_model(holdout={"scale": scale}))

        assert result.details["low"] < result.value < result.details["high"]


def test_what_is_too_good_to_be_true_fails(a_model, evidence):
    rows = evidence()

    result = performance.judge(
        evidence(candidate=rows.actual), a_model(performance={"ceiling": 0.99})
    )

    assert (result.verdict, result.source) == (Verdict.FAIL, "gates.performance.ceiling")
    assert "leak" in result.hint or "made of the target" in result.hint


def test_the_ceiling_itself_can_be_reached(a_model, evidence):
    rows = evidence()
    reached = performance.judge(rows, a_model()).value

    result = performance.judge(rows, a_model(performance={"ceiling": reached}))

    assert result.verdict is Verdict.PASS
