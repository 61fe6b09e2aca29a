"""Prediction drift: the candidate's answers are spread much as the champion's are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.domain.drift.columns import Scratch
from shared.domain.drift.profile import reference_numeric
from shared.domain.drift.statistics import psi
from shared.domain.gates.checks import champion_fault, unfinite, unfit
from shared.domain.gates.result import GateResult, Rule, error, skip

if TYPE_CHECKING:
    from shared.catalogue import Model
    from shared.domain.gates.evidence import Evidence

GATE = "prediction_drift"
SOURCE = "gates.prediction_drift.max_psi"
OFF = "gates.prediction_drift.enabled: false"


def judge(evidence: Evidence, model: Model) -> GateResult:
    """Hold the PSI of the candidate's predictions against the champion's on the same rows."""
    gate = model.gates.prediction_drift
    if not gate.enabled:
        return skip(GATE, "a retrain of the model is meant to change its answers", OFF)
    refusal = unfit(GATE, evidence, model) or unfinite(GATE, evidence)
    if refusal:
        return refusal
    fault = champion_fault(evidence)
    if fault or evidence.champion is None:
        hint = "name the serving version as champion; see why it does not answer"
        return error(GATE, fault, hint=hint, n=evidence.n, source=SOURCE)
    scratch = Scratch()
    before = reference_numeric(evidence.champion, gate.bins, scratch)
    after = before.on(evidence.candidate, scratch)
    value = psi(before.bins(), after.bins(), model.drift.epsilon)
    rule = Rule(
        gate=GATE,
        measure="PSI of the predictions against the champion's",
        operator="<",
        threshold=gate.max_psi,
        source=SOURCE,
        hint="the candidate answers another way than what serves: see whether the target has "
        "changed; if it is meant to, say so with gates.prediction_drift",
    )
    details = {"bins": len(before.bins()), "champion_mean": before.mean}
    return rule.result(value, evidence.n, details | {"candidate_mean": after.mean})
