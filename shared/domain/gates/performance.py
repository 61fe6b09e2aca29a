"""Gate 1, performance: at or above a floor, and close to the champion on the same rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from shared.domain.gates.checks import champion_fault, unfinite, unfit
from shared.domain.gates.measures import metric, resampled_metric, rmse
from shared.domain.gates.resampling import Interval, intervals
from shared.domain.gates.result import Detail, GateResult, Rule, error

if TYPE_CHECKING:
    from shared.catalogue import Model, Task
    from shared.domain.gates.evidence import Evidence, Floats

GATE = "performance"
FLOOR = "gates.performance.floor"
SHARE = "gates.performance.champion_share"
CEILING = "gates.performance.ceiling"


def judge(evidence: Evidence, model: Model) -> GateResult:
    """Hold the candidate's metric against the floor, then against the champion's."""
    refusal = unfit(GATE, evidence, model) or unfinite(GATE, evidence)
    if refusal:
        return refusal
    gate, value = model.gates.performance, metric(evidence.task, *evidence.answers)
    if gate.ceiling is not None and value > gate.ceiling:
        return _too_good(evidence, gate.ceiling, value)
    unknown = champion_fault(evidence)
    if unknown or evidence.champion is None:
        return _alone(evidence, _rule(evidence.task, gate.floor, FLOOR), unknown)
    return _compared(evidence, evidence.champion, model, value)


def _compared(evidence: Evidence, champion: Floats, model: Model, value: float) -> GateResult:
    """Hold the value, or its interval's lower end, against the rule with the least room."""
    gate, task = model.gates.performance, evidence.task
    beside = metric(task, evidence.actual, champion)
    own, difference = _intervals(evidence, champion)
    whole = model.gates.certainty == "interval"
    held = [
        (_rule(task, gate.floor, FLOOR), own.low if whole else value),
        (
            _rule(task, required(beside, gate.champion_share), SHARE, beside),
            beside + difference.low if whole else value,
        ),
    ]
    rule, figure = min(held, key=lambda pair: pair[0].margin(pair[1]))
    note = f"95 % {own}; {value - beside:+.4g} to the champion (95 % {difference})"
    if whole:
        note = f"the lower end of {value:.4g}, {note}"
    details = _figures(evidence, champion) | {
        "low": own.low,
        "high": own.high,
        "difference": value - beside,
        "difference_low": difference.low,
        "difference_high": difference.high,
    }
    return rule.result(figure, evidence.n, details, note=note)


def _intervals(evidence: Evidence, champion: Floats) -> tuple[Interval, Interval]:
    """Give the interval of the candidate's metric, and of what it has over the champion's."""

    def measure(weights: Floats) -> Floats:
        own = resampled_metric(evidence.task, *evidence.answers, weights)
        beside = resampled_metric(evidence.task, evidence.actual, champion, weights)
        return np.stack([own, own - beside], axis=1)

    own, difference = intervals(measure, evidence.n, evidence.seed)
    return own, difference


def required(champion: float, share: float) -> float:
    """Give the least metric that keeps ``share`` of the champion's.

    For a champion above zero this is ``share * champion``. R2 can be negative, and a share of a
    negative number would ask for more than the champion has: the loss allowed is therefore a
    share of its size.
    """
    return champion - (1 - share) * abs(champion)


def _alone(evidence: Evidence, floor: Rule, unknown: str) -> GateResult:
    """Judge without a champion's metric: under the floor is certain, above it nothing is."""
    value = metric(evidence.task, *evidence.answers)
    details = _figures(evidence, None)
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


def _too_good(evidence: Evidence, ceiling: float, value: float) -> GateResult:
    rule = replace(
        _rule(evidence.task, ceiling, CEILING),
        operator="<=",
        hint="too good to be true: look for a feature that is made of the target, and for holdout "
        "rows in the training",
    )
    return rule.result(value, evidence.n, _figures(evidence, None))


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


def _figures(evidence: Evidence, champion: Floats | None) -> dict[str, Detail]:
    name = "auc" if evidence.task == "classification" else "r2"
    figures: dict[str, Detail] = {}
    for who, prediction in (("candidate", evidence.candidate), ("champion", champion)):
        if prediction is not None:
            figures[f"{who}_{name}"] = metric(evidence.task, evidence.actual, prediction)
            figures[f"{who}_rmse"] = rmse(evidence.actual, prediction)
    return figures
