"""All gates together: order, time, and the one verdict. Unknown is never a pass."""

from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.gates import judge
from shared.domain.gates.judge import GATES, SKIPS, decide, run_gates
from shared.domain.gates.result import GateResult, Verdict
from shared.errors import DataError
from shared.sections.challenge import Challenge
from shared.sections.gates import Gates

NAMES = (
    "origin", "lineage", "error_rate", "performance", "holdout", "slices", "fairness",
    "prediction_drift", "calibration", "explanation", "robustness", "latency",
)  # fmt: skip
PERFORMANCE, HOLDOUT, LATENCY = (
    NAMES.index(name) for name in ("performance", "holdout", "latency")
)
OPTIONAL = {
    "origin", "slices", "fairness", "prediction_drift", "explanation", "robustness", "latency",
}  # fmt: skip


def _result(gate: str, verdict: Verdict, source: str = "") -> GateResult:
    return GateResult(gate, verdict, 1.0, 1.0, ">=", 1000, "", "", source)


def _all(verdict: Verdict = Verdict.PASS) -> list[GateResult]:
    return [_result(gate, verdict) for gate in NAMES]


def _timer():
    return iter(count(step=0.25)).__next__


def test_a_good_candidate_passes_every_gate_in_the_fixed_order(a_model, evidence):
    results = run_gates(evidence(), a_model(), _timer())

    assert tuple(result.gate for result in results) == NAMES
    skipped = {result.gate for result in results if result.verdict is Verdict.SKIP}
    assert skipped == {"slices", "fairness", "explanation"}
    assert {result.verdict for result in results} == {Verdict.PASS, Verdict.SKIP}
    assert decide(results) is Verdict.PASS


def test_each_gate_is_timed(a_model, evidence):
    results = run_gates(evidence(), a_model(), _timer())

    assert [result.duration_ms for result in results] == [250.0] * len(NAMES)


@pytest.mark.parametrize(
    "fault", [DataError("no rows"), ValueError("bad"), ZeroDivisionError("0"), FloatingPointError()]
)
def test_a_gate_that_cannot_compute_is_an_error_and_the_others_still_run(
    fault, a_model, evidence, monkeypatch
):
    def broken(*_):
        raise fault

    monkeypatch.setattr(judge, "GATES", {**GATES, "holdout": broken})

    results = run_gates(evidence(), a_model(), _timer())

    assert results[HOLDOUT].verdict is Verdict.ERROR
    assert type(fault).__name__ in results[HOLDOUT].reason
    assert results[LATENCY].verdict is Verdict.PASS
    assert decide(results) is Verdict.ERROR


def test_a_defect_in_a_gate_is_not_taken_for_a_verdict(a_model, evidence, monkeypatch):
    def broken(*_):
        raise AttributeError("a defect")

    monkeypatch.setattr(judge, "GATES", {**GATES, "holdout": broken})

    with pytest.raises(AttributeError, match="a defect"):
        run_gates(evidence(), a_model(), _timer())


@pytest.mark.parametrize("field", ["value", "threshold"])
@pytest.mark.parametrize("figure", [float("nan"), float("inf")])
def test_a_pass_over_no_number_is_an_error(field, figure, a_model, evidence, monkeypatch):
    passed = replace(_result("holdout", Verdict.PASS), **{field: figure})
    monkeypatch.setattr(judge, "GATES", {**GATES, "holdout": lambda *_: passed})

    results = run_gates(evidence(), a_model(), _timer())

    assert results[HOLDOUT].verdict is Verdict.ERROR


def test_predictions_too_large_to_compute_with_are_an_error_and_not_infinity(a_model, evidence):
    huge = np.full(1000, 1e300)

    results = run_gates(evidence(candidate=huge), a_model(), _timer())

    assert results[PERFORMANCE].verdict is Verdict.ERROR
    assert "FloatingPointError" in results[PERFORMANCE].reason
    assert decide(results) is Verdict.ERROR


def test_a_failure_rejects_and_an_error_goes_before_it():
    failed = [_result(NAMES[0], Verdict.FAIL), *_all()[1:]]
    both = [*failed[:-1], _result(NAMES[-1], Verdict.ERROR)]

    assert decide(failed) is Verdict.FAIL
    assert decide(both) is Verdict.ERROR


@pytest.mark.parametrize(("gate", "rule"), SKIPS.items())
def test_a_skip_with_leave_promotes_and_the_same_one_without_does_not(gate, rule):
    others = [result for result in _all() if result.gate != gate]

    assert decide([*others, _result(gate, Verdict.SKIP, rule)]) is Verdict.PASS
    assert decide([*others, _result(gate, Verdict.SKIP, "because")]) is Verdict.ERROR


@pytest.mark.parametrize("gate", sorted(set(NAMES) - OPTIONAL))
def test_no_other_gate_may_be_skipped(gate):
    others = [result for result in _all() if result.gate != gate]

    for rule in (*SKIPS.values(), ""):
        assert decide([*others, _result(gate, Verdict.SKIP, rule)]) is Verdict.ERROR


def test_a_gate_that_is_missing_doubled_or_unknown_is_an_error():
    assert decide([]) is Verdict.ERROR
    assert decide(_all()[1:]) is Verdict.ERROR
    assert decide([*_all(), _result("holdout", Verdict.PASS)]) is Verdict.ERROR
    assert decide([*_all()[1:], _result("holdout", Verdict.PASS)]) is Verdict.ERROR
    assert decide([*_all(), _result("charm", Verdict.PASS)]) is Verdict.ERROR


@given(st.lists(st.sampled_from(list(Verdict)), min_size=len(NAMES), max_size=len(NAMES)))
def test_only_passes_and_allowed_skips_promote(verdicts):
    results = [
        _result(gate, verdict, SKIPS.get(gate, "no rule"))
        for gate, verdict in zip(NAMES, verdicts, strict=True)
    ]

    allowed = all(
        result.verdict is Verdict.PASS
        or (result.verdict is Verdict.SKIP and result.gate in OPTIONAL)
        for result in results
    )

    assert (decide(results) is Verdict.PASS) == allowed


def test_the_defaults_are_those_of_the_documents_that_they_come_from():
    found = Gates.model_validate({"performance": {"floor": 0.5}})

    fairness = found.fairness
    assert found.performance.champion_share == 0.95
    assert found.holdout.max_shift == 0.05
    assert (fairness.min_parity_ratio, fairness.min_group) == (0.80, 30)
    assert (fairness.max_opportunity_difference, fairness.max_odds_difference) == (0.10, 0.10)
    assert (found.latency.p99_ms, found.latency.calls) == (100.0, 1000)
    assert (found.calibration.max_error, found.calibration.bins) == (0.10, 10)
    assert (found.prediction_drift.max_psi, found.prediction_drift.bins) == (0.20, 10)
    assert (found.error_rate.max_rate, found.lineage.max_unproven) == (0.0, 0.05)
    assert (found.slices.margin, found.slices.min_rows, found.min_rows) == (0.10, 100, 1000)
    assert (Challenge().wins, Challenge().min_rows, Challenge().max_days) == (7, 100, 60)
