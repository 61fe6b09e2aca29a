"""Gate 1: R2 or AUC against a floor and against the champion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import r2_score, roc_auc_score

from shared.domain.gates.measures import auc, r2
from shared.domain.gates.performance import judge, required
from shared.domain.gates.result import Verdict


def test_a_candidate_as_good_as_the_champion_passes_and_shows_what_it_rests_on(a_model, evidence):
    result = judge(evidence(), a_model())

    assert result.verdict is Verdict.PASS
    assert result.value == pytest.approx(result.details["champion_r2"])
    assert result.threshold == pytest.approx(0.95 * result.value)
    assert result.source == "gates.performance.champion_share"
    assert (result.operator, result.n, result.hint) == (">=", 1000, "")
    assert {"candidate_rmse", "champion_rmse"} <= set(result.details)


def test_the_floor_binds_where_it_is_above_the_champions_share(a_model, evidence):
    model = a_model(performance={"floor": 0.99})

    result = judge(evidence(), model)

    assert result.verdict is Verdict.FAIL
    assert (result.threshold, result.source) == (0.99, "gates.performance.floor")
    assert result.hint


def test_a_candidate_above_the_floor_and_far_below_the_champion_fails(a_model, evidence):
    good = evidence()
    worse = good.actual + np.random.default_rng(1).normal(0, 9, good.n)

    result = judge(evidence(candidate=worse), a_model())

    assert result.verdict is Verdict.FAIL
    assert result.value > 0.75
    assert "champion 0.9" in result.reason


@pytest.mark.parametrize(
    ("champion", "share", "expected"), [(0.8, 0.95, 0.76), (-0.4, 0.95, -0.42), (0.0, 0.95, 0.0)]
)
def test_a_share_of_a_champion_never_asks_for_more_than_the_champion(champion, share, expected):
    assert required(champion, share) == pytest.approx(expected)
    assert required(champion, share) <= champion


def test_a_missing_champion_is_an_error_even_above_the_floor(a_model, evidence):
    result = judge(evidence(champion=None, no_champion_reason="never set"), a_model())

    assert result.verdict is Verdict.ERROR
    assert "never set" in result.reason
    assert result.value > 0.9
    assert result.threshold is None


def test_below_the_floor_is_a_failure_whatever_the_champion_would_have_said(a_model, evidence):
    model = a_model(performance={"floor": 0.99})

    result = judge(evidence(champion=None), model)

    assert result.verdict is Verdict.FAIL
    assert "no champion" in result.reason


def test_a_champion_that_answers_nan_is_an_error_and_not_a_pass(a_model, evidence):
    champion = evidence().candidate.copy()
    champion[3] = np.nan

    result = judge(evidence(champion=champion), a_model())

    assert result.verdict is Verdict.ERROR
    assert "1 of 1000 of the champion's" in result.reason


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_predictions_that_are_no_numbers_are_never_left_out_in_silence(a_model, evidence, bad):
    candidate = evidence().candidate.copy()
    candidate[:7] = bad

    result = judge(evidence(candidate=candidate), a_model())

    assert result.verdict is Verdict.ERROR
    assert "7 of 1000 predictions" in result.reason


def test_a_classification_is_judged_by_auc(a_model, evidence):
    given_evidence = evidence("classification")

    result = judge(given_evidence, a_model("classification", performance={"floor": 0.7}))

    assert result.verdict is Verdict.PASS
    assert result.value == pytest.approx(
        roc_auc_score(given_evidence.actual, given_evidence.candidate)
    )


@given(
    st.lists(
        st.tuples(st.booleans(), st.sampled_from([-1.0, 0.0, 0.25, 0.5, 0.7, 1e9])),
        min_size=2,
        max_size=60,
    ).filter(lambda rows: len({positive for positive, _ in rows}) == 2)
)
def test_auc_is_sklearns_with_any_ties(rows):
    actual = np.array([float(positive) for positive, _ in rows])
    score = np.array([value for _, value in rows])

    assert auc(actual, score) == pytest.approx(roc_auc_score(actual, score))
    assert auc(actual, -score) == pytest.approx(1 - auc(actual, score))


@given(
    st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=2, max_size=50).filter(
        lambda rows: np.ptp([actual for actual, _ in rows]) > 1e-3
    )
)
def test_r2_is_sklearns(rows):
    actual, prediction = (np.array(column) for column in zip(*rows, strict=True))

    assert r2(actual, prediction) == pytest.approx(r2_score(actual, prediction), abs=1e-9)


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_what_the_candidate_has_over_the_champion_is_told_with_its_sign(task, a_model, evidence):
    rows = evidence(task)
    noisy = np.clip(rows.candidate + np.sin(np.arange(rows.n)) / 5, 0, None)
    model = a_model(task, performance={"floor": 0.5, "champion_share": 0.5})

    better = judge(evidence(task, champion=noisy), model)

    name = "auc" if task == "classification" else "r2"
    ahead, behind = better.details, judge(evidence(task, candidate=noisy), model).details
    assert better.reason.startswith(name.upper())
    assert f"; +{ahead['difference']:.4g} to the champion" in better.reason
    for found in (ahead, behind):
        gap = found[f"candidate_{name}"] - found[f"champion_{name}"]
        assert found["difference"] == pytest.approx(gap)
        assert found["difference_low"] < gap < found["difference_high"]
    assert behind["difference"] == pytest.approx(-ahead["difference"])
