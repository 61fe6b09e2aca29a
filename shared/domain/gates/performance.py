"""Gate 1, performance: at or above a floor, and close to the champion on the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shared.domain.gates.checks import not_finite, unfit
from shared.domain.gates.result import Detail, GateResult, Rule, Verdict, error

if TYPE_CHECKING:
    from shared.catalogue import Model, Task
    from shared.domain.gates.evidence import Evidence, Floats

GATE = "performance"
FLOOR = "gates.performance.floor"
SHARE = "gates.performance.champion_share"


def judge(evidence: Evidence, model: Model) -> GateResult:
    """Hold the candidate's metric against the floor, then against the champion's."""
    refusal = unfit(GATE, evidence, model) or _no_numbers(evidence)
    if refusal:
        return refusal
    floor = _rule(evidence.task, model.gates.performance.floor, FLOOR)
    unknown = _champion_fault(evidence)
    if unknown or evidence.champion is None:
        return _alone(evidence, floor, unknown)
    share = model.gates.performance.champion_share
    beside = metric(evidence.task, evidence.actual, evidence.champion)
    relative = _rule(evidence.task, required(beside, share), SHARE, beside)
    details = _figures(evidence, "candidate", evidence.candidate)
    details |= _figures(evidence, "champion", evidence.champion)
    value = metric(evidence.task, evidence.actual, evidence.candidate)
    stricter = max(floor, relative, key=lambda rule: rule.threshold)
    return stricter.result(value, evidence.n, details)


def required(champion: float, share: float) -> float:
    """Give the least metric that keeps ``share`` of the champion's.

    For a champion above zero this is ``share * champion``. R2 can be negative, and a share of a
    negative number would ask for more than the champion has: the loss allowed is therefore a
    share of its size.
    """
    return champion - (1 - share) * abs(champion)


def metric(task: Task, actual: Floats, prediction: Floats) -> float:
    """Give R2 for a regression, AUC for a classification."""
    return auc(actual, prediction) if task == "classification" else r2(actual, prediction)


def r2(actual: Floats, prediction: Floats) -> float:
    """Give the share of the actual's variance explained; the actual must not be constant."""
    unexplained = np.sum((actual - prediction) ** 2)
    return float(1 - unexplained / np.sum((actual - actual.mean()) ** 2))


def rmse(actual: Floats, prediction: Floats) -> float:
    return float(np.sqrt(np.mean((actual - prediction) ** 2)))


def auc(actual: Floats, score: Floats) -> float:
    """Give the chance that a positive row is ranked above a negative one, ties counting half.

    The Mann-Whitney statistic over average ranks; both classes must be there.
    """
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    positive = actual == 1
    n_positive = int(np.count_nonzero(positive))
    n_negative = actual.size - n_positive
    above = ranks[positive].sum() - n_positive * (n_positive + 1) / 2
    return float(above / (n_positive * n_negative))


def _alone(evidence: Evidence, floor: Rule, unknown: str) -> GateResult:
    """Judge without a champion's metric: under the floor is certain, above it nothing is."""
    value = metric(evidence.task, evidence.actual, evidence.candidate)
    details = _figures(evidence, "candidate", evidence.candidate)
    if not floor.holds(value):
        return floor.result(value, evidence.n, details, note=unknown)
    return error(
        GATE,
        unknown,
        hint="name the serving version as champion; the first one is an operator's act",
        n=evidence.n,
        source=SHARE,
        value=value,
        details=details,
    )


def _rule(task: Task, threshold: float, source: str, champion: float | None = None) -> Rule:
    beside = "" if champion is None else f" (champion {champion:.4g})"
    name = "AUC" if task == "classification" else "R2"
    return Rule(
        gate=GATE,
        measure=name + beside,
        operator=">=",
        threshold=threshold,
        source=source,
        hint="train on newer or more rows, or look for a feature that has lost its meaning",
    )


def _no_numbers(evidence: Evidence) -> GateResult | None:
    """Fail predictions that are not numbers: they are counted, never dropped."""
    count = not_finite(evidence.candidate)
    if not count:
        return None
    return GateResult(
        gate=GATE,
        verdict=Verdict.FAIL,
        value=float(count),
        threshold=0.0,
        operator="<=",
        n=evidence.n,
        reason=f"{count} of {evidence.n} predictions are not finite numbers",
        hint="find the rows that give NaN or infinity: a missing value the model cannot take",
        source=FLOOR,
        details={"not_finite": count},
    )


def _champion_fault(evidence: Evidence) -> str:
    if evidence.champion is None:
        return f"no champion to compare with: {evidence.no_champion_reason or 'no reason given'}"
    count = not_finite(evidence.champion)
    if count:
        return f"{count} of {evidence.n} of the champion's predictions are not finite numbers"
    return ""


def _figures(evidence: Evidence, who: str, prediction: Floats) -> dict[str, Detail]:
    name = "auc" if evidence.task == "classification" else "r2"
    return {
        f"{who}_{name}": metric(evidence.task, evidence.actual, prediction),
        f"{who}_rmse": rmse(evidence.actual, prediction),
    }
