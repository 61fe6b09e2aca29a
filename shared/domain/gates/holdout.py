"""Gate 2, holdout stability: no bias on rows set aside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.domain.gates.checks import unfinite, unfit
from shared.domain.gates.result import GateResult, Rule, error

if TYPE_CHECKING:
    from shared.catalogue import HoldoutGate, Model
    from shared.domain.gates.evidence import Evidence

GATE = "holdout"
SOURCE = "gates.holdout.max_shift"


def judge(evidence: Evidence, model: Model) -> GateResult:
    """Hold ``|mean prediction - mean actual| / scale`` against the largest shift allowed."""
    refusal = unfit(GATE, evidence, model) or unfinite(GATE, evidence)
    if refusal:
        return refusal
    gate = model.gates.holdout
    actual, predicted = float(evidence.actual.mean()), float(evidence.candidate.mean())
    scale = abs(actual) if gate.scale == "mean" else float(evidence.actual.std())
    if scale == 0:
        reason = f"the actual's {gate.scale.replace('_', ' ')} is 0: no shift relative to it"
        hint = "set gates.holdout.scale: standard_deviation"
        return error(GATE, reason, hint=hint, n=evidence.n, source="gates.holdout.scale")
    details = {"mean_prediction": predicted, "mean_actual": actual, "scale": scale}
    return _rule(gate).result(abs(predicted - actual) / scale, evidence.n, details)


def _rule(gate: HoldoutGate) -> Rule:
    return Rule(
        gate=GATE,
        measure=f"shift of the mean over the {gate.scale.replace('_', ' ')}",
        operator="<",
        threshold=gate.max_shift,
        source=SOURCE,
        hint="the candidate is biased on rows it has not seen: look for a leak or a changed "
        "target; a target with a mean near zero needs gates.holdout.scale: standard_deviation",
    )
