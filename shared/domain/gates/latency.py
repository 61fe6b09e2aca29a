"""Gate 4, latency: single rows are answered in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shared.domain.gates.result import GateResult, Rule, error, skip

if TYPE_CHECKING:
    from shared.catalogue import Model
    from shared.domain.gates.evidence import Evidence, Floats

GATE = "latency"
SOURCE = "gates.latency.p99_ms"
CALLS = "gates.latency.calls"
OFF = "gates.latency.enabled: false"


def judge(evidence: Evidence, model: Model) -> GateResult:
    """Hold the 99th percentile of the single-row calls against the limit."""
    gate, calls = model.gates.latency, evidence.latencies_ms
    if not gate.enabled:
        return skip(GATE, "the model is not served online", OFF)
    fault = _fault(evidence, gate.calls)
    if fault:
        hint = "score the candidate again; see why it gave no usable times"
        return error(GATE, fault, hint=hint, n=int(calls.size), source=CALLS)
    details = {"p50_ms": percentile(calls, 50), "max_ms": float(calls.max())}
    rule = Rule(
        gate=GATE,
        measure="p99 in ms",
        operator="<",
        threshold=gate.p99_ms,
        source=SOURCE,
        hint="make the model smaller, or move work out of predict that can be done beforehand",
    )
    return rule.result(percentile(calls, 99), int(calls.size), details)


def percentile(values: Floats, share: float) -> float:
    """Give the least measured value that ``share`` percent of all do not exceed (nearest rank)."""
    return float(np.percentile(values, share, method="inverted_cdf"))


def _fault(evidence: Evidence, needed: int) -> str:
    calls = evidence.latencies_ms
    if evidence.candidate_fault:
        return f"the candidate could not be scored: {evidence.candidate_fault}"
    if calls.size < needed:
        return f"{calls.size} calls were timed, needed are {needed}"
    wrong = int(np.count_nonzero(~np.isfinite(calls) | (calls < 0)))
    return f"{wrong} of {calls.size} times are not durations" if wrong else ""
