"""Error rate: every row is answered, with a number that can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shared.domain.gates.checks import not_finite, unfit
from shared.domain.gates.result import Detail, GateResult, Rule

if TYPE_CHECKING:
    from shared.catalogue import Model
    from shared.domain.gates.evidence import Evidence, Floats
    from shared.sections.gates import ErrorRateGate

GATE = "error_rate"
SOURCE = "gates.error_rate.max_rate"


def judge(evidence: Evidence, model: Model) -> GateResult:
    """Hold the share of rows without a usable answer against the largest allowed."""
    refusal = unfit(GATE, evidence, model)
    if refusal:
        return refusal
    gate = model.gates.error_rate
    missing = not_finite(evidence.candidate)
    outside = _outside(evidence.candidate, gate)
    details: dict[str, Detail] = {"not_finite": missing, "out_of_range": outside}
    note = f"{missing} of {evidence.n} predictions are not finite numbers"
    if outside:
        note += f", {outside} are not in {_range(gate)}"
    rule = Rule(
        gate=GATE,
        measure="share of rows without a usable prediction",
        operator="<=",
        threshold=gate.max_rate,
        source=SOURCE,
        hint="find the rows that give NaN, infinity or the impossible: a missing value, or an "
        "input that training has not seen",
    )
    return rule.result((missing + outside) / evidence.n, evidence.n, details, note=note)


def _outside(prediction: Floats, gate: ErrorRateGate) -> int:
    """Count finite predictions that cannot be."""
    low = -np.inf if gate.low is None else gate.low
    high = np.inf if gate.high is None else gate.high
    finite = prediction[np.isfinite(prediction)]
    return int(np.count_nonzero((finite < low) | (finite > high)))


def _range(gate: ErrorRateGate) -> str:
    if gate.low is not None and gate.high is not None:
        return f"{gate.low:g} to {gate.high:g}"
    return f"{gate.low:g} or more" if gate.low is not None else f"{gate.high:g} or less"
