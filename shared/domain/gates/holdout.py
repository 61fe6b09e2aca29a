"""Gate 2, holdout stability: no bias on rows set aside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shared.domain.gates.checks import unfinite, unfit
from shared.domain.gates.resampling import Interval, intervals, ratio
from shared.domain.gates.result import GateResult, Rule, error

if TYPE_CHECKING:
    from shared.catalogue import Model
    from shared.domain.gates.evidence import Evidence, Floats
    from shared.sections.gates import HoldoutGate

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
    value, own = abs(predicted - actual) / scale, _interval(evidence, gate)
    details = {"mean_prediction": predicted, "mean_actual": actual, "scale": scale}
    details |= {"low": own.low, "high": own.high}
    figure = own.high if model.gates.certainty == "interval" else value
    note = f"measured {value:.4g}, 95 % {own}" if figure != value else f"95 % {own}"
    return _rule(gate).result(figure, evidence.n, details, note=note)


def _interval(evidence: Evidence, gate: HoldoutGate) -> Interval:
    centre = evidence.actual.mean()
    parts = [evidence.candidate - centre, evidence.actual - centre]
    sums = np.stack([*parts, parts[1] ** 2], axis=1) / evidence.n

    def measure(weights: Floats) -> Floats:
        predicted, actual, square = (weights @ sums).T
        mean = gate.scale == "mean"
        scale = abs(actual + centre) if mean else np.sqrt(np.maximum(square - actual**2, 0))
        return ratio(abs(predicted - actual), scale)[:, None]

    return intervals(measure, evidence.n, evidence.seed)[0]


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
