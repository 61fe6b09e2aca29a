"""The figures behind a judgement's pictures."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.gates import report_curves as curves
from shared.domain.gates.calibration import bins_of, calibration_error
from shared.domain.gates.evidence import Evidence
from shared.domain.gates.measures import auc
from shared.domain.gates.report_groups import groups, slices

ANY = st.floats(allow_nan=True, allow_infinity=True)


def test_errors_are_counted_for_both_versions_on_one_scale(evidence):
    found = evidence(champion=evidence().candidate + 3)

    drawn = curves.errors(found)

    assert set(drawn.shares) == {"candidate", "champion"}
    assert drawn.low < 0 < drawn.high
    for who, shares in drawn.shares.items():
        assert math.fsum(shares) + drawn.outside[who] == pytest.approx(1)


def test_an_outlier_does_not_flatten_the_errors_and_is_owned_up_to(evidence):
    plain = evidence()
    candidate = plain.candidate.copy()
    candidate[0] += 1e6

    drawn = curves.errors(replace(plain, candidate=candidate, champion=None))

    assert drawn.high < 100
    assert drawn.outside["candidate"] >= 1 / plain.n


def test_the_bands_are_the_errors_quantiles_of_bins_of_the_prediction(evidence):
    found = evidence()

    bands = curves.error_bands(found)

    places = bins_of(found.candidate, curves.BANDS)
    errors = (found.candidate - found.actual)[places == 3]
    assert len(bands) == curves.BANDS
    assert sum(band.n for band in bands) == found.n
    assert bands[3].quantiles == pytest.approx(np.quantile(errors, (0.05, 0.25, 0.5, 0.75, 0.95)))


def test_the_reliability_s_gaps_make_the_gate_s_calibration_error(evidence):
    found = evidence("classification")

    candidate, champion = curves.reliability(found, 10)

    counts = np.bincount(bins_of(found.candidate, 10))
    gaps = np.abs(np.subtract(candidate.x, candidate.y)) * counts
    error = calibration_error(found.actual, found.candidate, bins_of(found.candidate, 10))
    assert gaps.sum() / found.n == pytest.approx(error)
    assert (candidate.who, champion.who) == ("candidate", "champion")


def test_the_area_under_the_roc_is_the_gate_s_auc(evidence):
    found = evidence("classification")

    candidate, _ = curves.roc(found)

    drawn = np.trapezoid(candidate.y, candidate.x)
    assert candidate.figure == auc(found.actual, found.candidate)
    assert drawn == pytest.approx(candidate.figure, abs=0.005)
    assert len(candidate.x) <= curves.POINTS
    assert (candidate.x[0], candidate.y[0]) == (0, 0)
    assert (candidate.x[-1], candidate.y[-1]) == (1, 1)


def test_of_one_class_there_is_no_roc(evidence):
    found = evidence("classification")

    assert curves.roc(replace(found, actual=np.ones(found.n))) == ()


def test_latencies_come_with_the_gate_s_percentiles_and_limit(evidence, a_model):
    times = np.arange(1.0, 1001.0)

    drawn = curves.latencies(evidence(latencies_ms=times), a_model())

    assert (drawn.p50, drawn.p99, drawn.limit) == (500, 990, 100)


def test_a_candidate_without_answers_has_no_pictures(evidence):
    found = evidence(candidate=np.empty(0), candidate_fault="it crashed", latencies_ms=np.empty(0))

    assert curves.errors(found) is None
    assert curves.error_bands(found) == ()
    assert curves.reliability(found, 10) == ()


@given(
    st.lists(st.tuples(ANY, ANY, ANY), min_size=1, max_size=40),
    st.sampled_from(["regression", "classification"]),
)
def test_whatever_the_answers_are_the_pictures_are_numbers(rows, task):
    actual, candidate, champion = (np.array(column) for column in zip(*rows, strict=True))
    found = Evidence(task=task, actual=actual, candidate=candidate, champion=champion)

    drawn = curves.errors(found)
    lines = [*curves.reliability(found, 10), *curves.roc(found)]
    bands = curves.error_bands(found)

    if drawn is not None:
        assert drawn.low < drawn.high
        assert all(0 <= share <= 1 for shares in drawn.shares.values() for share in shares)
    assert all(math.isfinite(value) for line in lines for value in (*line.x, *line.y))
    assert all(math.isfinite(value) for band in bands for value in band.quantiles)


def test_groups_are_told_with_their_rates_and_whether_they_are_compared(a_model):
    found = Evidence(
        task="classification",
        actual=np.array([1.0, 1, 0, 0, 1]),
        candidate=np.array([0.9, 0.1, 0.8, 0.2, 0.9]),
        attributes={"zone": np.array(["a", "a", "a", "a", "b"])},
    )
    model = a_model("classification", fairness={"attributes": ["zone"], "min_group": 2})

    large, small = groups(found, model, "zone")

    assert (large.name, large.n, large.compared) == ("a", 4, True)
    assert (large.predicted, large.actual) == (0.5, 0.5)
    assert (large.true_positive, large.false_positive) == (0.5, 0.5)
    assert (small.name, small.compared, small.false_positive) == ("b", False, None)


def test_slices_are_told_with_both_versions_errors():
    found = Evidence(
        task="regression",
        actual=np.array([0.0, 0.0, 0.0]),
        candidate=np.array([3.0, 4.0, 1.0]),
        champion=np.array([1.0, 1.0, 2.0]),
        slices={"origin": np.array(["JFK", "JFK", "EWR"])},
    )

    first, second = slices(found, "origin")

    assert (first.name, first.n, first.champion) == ("JFK", 2, 1.0)
    assert first.candidate == pytest.approx(math.sqrt(12.5))
    assert (second.candidate, second.champion) == (1.0, 2.0)


def test_columns_that_nobody_gave_have_no_groups_and_no_slices(a_model, evidence):
    assert groups(evidence(), a_model(), "zone") == ()
    assert slices(evidence(), "origin") == ()
