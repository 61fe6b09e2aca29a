"""Prediction drift against the champion on the same rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.gates.prediction_drift import OFF, judge
from shared.domain.gates.result import Verdict


def textbook(reference, current, epsilon=1e-4):
    cuts = np.unique(np.quantile(reference, np.arange(1, 10) / 10, method="inverted_cdf"))
    p, q = (
        np.maximum(np.bincount(np.searchsorted(cuts, v, "right"), minlength=10) / v.size, epsilon)
        for v in (reference, current)
    )
    return float(((q - p) * np.log(q / p)).sum())


def test_the_same_answers_have_not_drifted(a_model, evidence):
    result = judge(evidence(), a_model())

    assert (result.verdict, result.value, result.n) == (Verdict.PASS, 0.0, 1000)


def test_a_candidate_with_other_answers_fails_with_the_textbook_figure(a_model, evidence):
    rows = evidence()
    shifted = rows.champion + 15

    result = judge(evidence(candidate=shifted), a_model())

    assert result.verdict is Verdict.FAIL
    assert result.value == pytest.approx(textbook(rows.champion, shifted), rel=0.05)
    assert result.threshold == 0.20
    assert result.details["candidate_mean"] == pytest.approx(result.details["champion_mean"] + 15)


def test_the_limit_is_the_model_s_own(a_model, evidence):
    shifted = evidence(candidate=evidence().champion + 15)

    assert judge(shifted, a_model(prediction_drift={"max_psi": 5})).verdict is Verdict.PASS


def test_it_is_left_out_only_where_the_model_says_so(a_model, evidence):
    result = judge(evidence(), a_model(prediction_drift={"enabled": False}))

    assert (result.verdict, result.source) == (Verdict.SKIP, OFF)


def test_a_champion_of_one_answer_is_told_from_a_candidate_of_many(a_model, evidence):
    constant = evidence(champion=np.full(1000, 100.0))

    assert judge(constant, a_model()).verdict is Verdict.FAIL
    assert (
        judge(
            evidence(champion=np.full(1000, 100.0), candidate=np.full(1000, 100.0)), a_model()
        ).verdict
        is Verdict.PASS
    )


@pytest.mark.parametrize(
    ("champion", "said"), [(None, "no champion"), (np.full(1000, np.nan), "1000 of 1000 of the")]
)
def test_without_the_champion_s_answers_it_is_an_error(a_model, evidence, champion, said):
    result = judge(evidence(champion=champion), a_model())

    assert result.verdict is Verdict.ERROR
    assert said in result.reason


@given(st.integers(0, 2**31))
def test_the_order_of_the_rows_means_nothing(seed):
    from shared.domain.drift.columns import Scratch
    from shared.domain.drift.profile import reference_numeric

    values = np.random.default_rng(seed).normal(0, 1, 300)
    one = reference_numeric(values, 10, Scratch())

    assert one.bins().tolist() == one.on(values[::-1].copy(), Scratch()).bins().tolist()
