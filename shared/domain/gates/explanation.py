"""Explanation: the candidate leans on the features that the champion leans on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from shared.domain.gates.checks import champion_fault, unfit
from shared.domain.gates.result import Detail, GateResult, Rule, error, skip

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.catalogue import Model
    from shared.domain.gates.evidence import Evidence

GATE = "explanation"
SOURCE = "gates.explanation.candidate_top"
FEW = "gates.explanation.candidate_top: not below the number of features"


def applies(model: Model) -> bool:
    """Tell whether a feature can be missing among so many: not where they are all there are."""
    return len(model.features) > model.gates.explanation.candidate_top


def judge(evidence: Evidence, model: Model) -> GateResult:
    """Count the champion's top features that are not among the candidate's.

    Importance is what the metric loses when a feature's values are shuffled over the rows (Breiman,
    Random Forests, 2001), measured on the same rows with the same shuffles for both.
    """
    gate = model.gates.explanation
    if not applies(model):
        return skip(GATE, f"{len(model.features)} features are too few to rank", FEW)
    refusal = unfit(GATE, evidence, model)
    if refusal:
        return refusal
    fault = champion_fault(evidence) or _unknown(evidence)
    if fault:
        hint = "see why a version cannot answer for shuffled rows"
        return error(GATE, fault, hint=hint, n=evidence.n, source=SOURCE)
    wanted = top(evidence.champion_importances, gate.champion_top, gate.min_share)
    if not wanted:
        return error(GATE, "no feature matters to the champion", n=evidence.n, source=SOURCE)
    found = top(evidence.importances, gate.candidate_top, 0.0)
    lost = [name for name in wanted if name not in found]
    rule = Rule(
        gate=GATE,
        measure=f"of the champion's top {len(wanted)} features, lost from the candidate's top "
        f"{gate.candidate_top}:",
        operator="<=",
        threshold=0.0,
        source=SOURCE,
        hint="a feature has lost its meaning or a new one stands in for it: look at both before "
        "the candidate serves",
    )
    note = f"lost {', '.join(lost)}" if lost else ""
    return rule.result(float(len(lost)), evidence.n, _details(evidence, wanted, found), note=note)


def top(importances: Mapping[str, float], count: int, min_share: float) -> list[str]:
    """Give the most important features, the first first; the names settle a tie.

    Left out is what has no importance, or less than ``min_share`` of the greatest.
    """
    ranked = sorted(importances.items(), key=lambda pair: (-pair[1], pair[0]))
    least = min_share * ranked[0][1] if ranked else 0.0
    return [name for name, figure in ranked if figure > 0 and figure >= least][:count]


def _unknown(evidence: Evidence) -> str:
    sides = (
        ("candidate", evidence.importances),
        ("champion", evidence.champion_importances),
    )
    for who, importances in sides:
        if not importances:
            return f"nobody knows what matters to the {who}"
        lost = [name for name, figure in importances.items() if not math.isfinite(figure)]
        if lost:
            return f"the {who} has no metric with {', '.join(lost)} shuffled"
    return ""


def _details(evidence: Evidence, wanted: list[str], found: list[str]) -> dict[str, Detail]:
    details: dict[str, Detail] = {
        "champion_top": ", ".join(wanted),
        "candidate_top": ", ".join(found),
    }
    for name, figure in evidence.importances.items():
        details[f"{name} importance"] = figure
        details[f"{name} champion importance"] = evidence.champion_importances.get(name, math.nan)
    return details
