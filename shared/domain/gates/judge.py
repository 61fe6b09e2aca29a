"""Runs the gates in their order and decides on their results. Fails closed.

A gate that cannot compute (a LoopError, a ValueError, an arithmetic fault; numpy is told to raise
instead of giving NaN) is an ERROR of that gate, and the others still run. Anything else it raises
is a defect and passes through: the message is tried again, and a run that keeps failing ends in
``gate_error``. Neither way promotes.
"""

from __future__ import annotations

import math
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from shared.domain.gates import (
    calibration,
    error_rate,
    explanation,
    fairness,
    holdout,
    latency,
    lineage,
    origin,
    performance,
    prediction_drift,
    robustness,
    slices,
)
from shared.domain.gates.checks import answered
from shared.domain.gates.result import GateResult, Verdict, error
from shared.errors import LoopError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from shared.catalogue import Model
    from shared.domain.gates.evidence import Evidence

    Gate = Callable[[Evidence, Model], GateResult]
    Timer = Callable[[], float]

GATES: Mapping[str, Gate] = MappingProxyType(
    {
        origin.GATE: origin.judge,
        lineage.GATE: lineage.judge,
        error_rate.GATE: error_rate.judge,
        performance.GATE: performance.judge,
        holdout.GATE: holdout.judge,
        slices.GATE: slices.judge,
        fairness.GATE: fairness.judge,
        prediction_drift.GATE: prediction_drift.judge,
        calibration.GATE: calibration.judge,
        explanation.GATE: explanation.judge,
        robustness.GATE: robustness.judge,
        latency.GATE: latency.judge,
    }
)
"""Every gate, in the order in which they run and are shown."""

SKIPS: Mapping[str, str] = MappingProxyType(
    {
        origin.GATE: origin.NO_RUN,
        slices.GATE: slices.UNDECLARED,
        fairness.GATE: fairness.NOT_REGULATED,
        prediction_drift.GATE: prediction_drift.OFF,
        explanation.GATE: explanation.FEW,
        robustness.GATE: robustness.OFF,
        latency.GATE: latency.OFF,
    }
)
"""Which gate may be skipped, and by which rule alone."""

_WHOLE = frozenset({error_rate.GATE, slices.GATE, fairness.GATE})
"""Gates that see the rows without a usable answer, too: a group must not vanish by silence."""


def run_gates(evidence: Evidence, model: Model, timer: Timer) -> tuple[GateResult, ...]:
    """Run every gate; ``timer`` is a monotonic clock in seconds (``time.perf_counter``).

    Rows without a usable answer are counted by the error_rate gate; most others judge the rest.
    """
    rest = answered(evidence)
    return tuple(
        _run(name, gate, evidence if name in _WHOLE else rest, model, timer)
        for name, gate in GATES.items()
    )


def decide(results: Sequence[GateResult]) -> Verdict:
    """Give PASS, FAIL or ERROR for all gates together.

    ERROR goes before FAIL: while one gate does not know, nothing is known about the version. A
    gate that is missing, came twice, is unknown, or was skipped without leave is an ERROR.
    """
    verdicts = {result.gate: _counted(result) for result in results}
    if len(results) != len(GATES) or set(verdicts) != set(GATES):
        return Verdict.ERROR
    for verdict in (Verdict.ERROR, Verdict.FAIL):
        if verdict in verdicts.values():
            return verdict
    return Verdict.PASS


def _run(name: str, gate: Gate, evidence: Evidence, model: Model, timer: Timer) -> GateResult:
    started = timer()
    try:
        with np.errstate(divide="raise", over="raise", invalid="raise"):
            result = _finite(gate(evidence, model))
    except (LoopError, ValueError, ArithmeticError) as fault:
        reason = f"the gate could not compute: {type(fault).__name__}: {fault}"
        result = error(name, reason, hint="look at the evidence kept with the run", n=evidence.n)
    return replace(result, duration_ms=(timer() - started) * 1000)


def _finite(result: GateResult) -> GateResult:
    """Turn a value or threshold that is no number into an ERROR: NaN compares as anything."""
    for figure in (result.value, result.threshold):
        if figure is not None and not math.isfinite(figure):
            return error(result.gate, f"the gate measured {figure}", n=result.n)
    return result


def _counted(result: GateResult) -> Verdict:
    if result.verdict is Verdict.SKIP and SKIPS.get(result.gate) == result.source:
        return Verdict.PASS
    return Verdict.ERROR if result.verdict is Verdict.SKIP else result.verdict
