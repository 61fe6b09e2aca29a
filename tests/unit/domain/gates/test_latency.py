"""Gate 4: the 99th percentile of single-row calls."""

import numpy as np
import pytest

from shared.domain.gates.latency import judge, percentile
from shared.domain.gates.result import Verdict


def test_one_slow_call_in_a_hundred_does_not_count_and_two_do(a_model, evidence):
    fast, slow = np.full(990, 4.0), np.full(10, 500.0)

    passed = judge(evidence(latencies_ms=np.concatenate([fast, slow])), a_model())
    failed = judge(evidence(latencies_ms=np.concatenate([fast[:980], slow, slow])), a_model())

    assert (passed.verdict, passed.value) == (Verdict.PASS, 4.0)
    assert (failed.verdict, failed.value) == (Verdict.FAIL, 500.0)
    assert passed.details == {"p50_ms": 4.0, "max_ms": 500.0}


def test_the_limit_itself_is_too_slow(a_model, evidence):
    result = judge(evidence(latencies_ms=np.full(1000, 100.0)), a_model())

    assert result.verdict is Verdict.FAIL
    assert result.hint


def test_a_call_faster_than_the_clock_tells_is_a_duration(a_model, evidence):
    result = judge(evidence(latencies_ms=np.arange(1000.0) / 100), a_model())

    assert result.verdict is Verdict.PASS
    assert result.details["p50_ms"] == 4.99


def test_a_percentile_is_a_value_that_was_measured():
    assert percentile(np.array([1.0, 2.0, 10.0]), 99) == 10.0
    assert percentile(np.array([3.0]), 99) == 3.0


@pytest.mark.parametrize(
    ("calls", "reason"),
    [
        (np.empty(0), "0 calls were timed, needed are 1000"),
        (np.full(999, 1.0), "999 calls"),
        (np.append(np.full(999, 1.0), np.nan), "1 of 1000 times"),
        (np.append(np.full(999, 1.0), -1.0), "1 of 1000 times"),
    ],
)
def test_too_few_or_impossible_times_are_an_error(calls, reason, a_model, evidence):
    result = judge(evidence(latencies_ms=calls), a_model())

    assert result.verdict is Verdict.ERROR
    assert reason in result.reason


def test_a_model_that_is_not_served_online_is_skipped_with_the_rule_named(a_model, evidence):
    result = judge(evidence(latencies_ms=np.empty(0)), a_model(latency={"enabled": False}))

    assert result.verdict is Verdict.SKIP
    assert result.source == "gates.latency.enabled: false"


def test_a_candidate_that_could_not_be_scored_is_an_error(a_model, evidence):
    result = judge(evidence(candidate_fault="hung"), a_model())

    assert result.verdict is Verdict.ERROR
    assert "hung" in result.reason
