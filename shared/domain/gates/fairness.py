"""Gate 3, fairness: the groups of each declared attribute are treated alike."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from shared.domain.gates.checks import unfit
from shared.domain.gates.result import Detail, GateResult, Rule, error, skip

if TYPE_CHECKING:
    import numpy.typing as npt

    from shared.catalogue import Model
    from shared.domain.gates.evidence import Evidence, Floats, Texts
    from shared.sections.gates import FairnessGate

    Flags = npt.NDArray[np.bool_]

GATE = "fairness"
ATTRIBUTES = "gates.fairness.attributes"
NOT_REGULATED = "regulated: false"
FAILED = "failed attributes"
"""Which detail names the attributes that broke a limit."""


@dataclass(frozen=True, eq=False)
class _Groups:
    """The rows of one attribute's large enough groups, as favourable or not."""

    attribute: str
    group: Texts
    actual: Flags
    predicted: Flags
    left_out: str


def judge(evidence: Evidence, model: Model) -> GateResult:
    """Hold parity, opportunity and odds of every attribute against their limits.

    The result shows the measure with the least room; all are in the details. A row without a usable
    answer is not given the favourable outcome.
    """
    gate = model.gates.fairness
    if not gate.attributes:
        return _undeclared(model)
    refusal = unfit(GATE, evidence, model)
    if refusal:
        return refusal
    absent = [name for name in gate.attributes if name not in evidence.attributes]
    if absent:
        return _error(evidence, f"the holdout has no column {', '.join(absent)}")
    parts = [_groups(evidence, attribute, gate) for attribute in gate.attributes]
    faults = [fault for fault in map(_fault, parts) if fault]
    if faults:
        return _error(evidence, "; ".join(faults))
    return _tightest(parts, gate, evidence.n)


def _tightest(parts: list[_Groups], gate: FairnessGate, n: int) -> GateResult:
    found = [pair for groups in parts for pair in _measures(groups, gate)]
    rule, value = min(found, key=lambda pair: pair[0].margin(pair[1]))
    details: dict[str, Detail] = {each.measure: figure for each, figure in found}
    failed = sorted({each.measure.split()[0] for each, figure in found if not each.holds(figure)})
    if failed:
        details[FAILED] = ", ".join(failed)
    for groups in parts:
        details |= _figures(groups)
    return rule.result(value, n, details)


def _undeclared(model: Model) -> GateResult:
    if model.regulated:
        return error(
            GATE,
            "the model is regulated and declares no attributes",
            hint="declare gates.fairness.attributes: a regulated model cannot do without",
            source=ATTRIBUTES,
        )
    return skip(GATE, "the model is not regulated and declares no attributes", NOT_REGULATED)


def _error(evidence: Evidence, reason: str) -> GateResult:
    return error(
        GATE,
        reason,
        hint="set aside more rows of the groups named, or correct the attribute's column",
        n=evidence.n,
        source=ATTRIBUTES,
    )


def _groups(evidence: Evidence, attribute: str, gate: FairnessGate) -> _Groups:
    group = evidence.attributes[attribute]
    names, counts = np.unique(group, return_counts=True)
    small = counts < gate.min_group
    kept = ~np.isin(group, names[small])
    left_out = zip(names[small], counts[small], strict=True)
    above = 0.5 if evidence.task == "classification" else gate.positive_above
    return _Groups(
        attribute=attribute,
        group=group[kept],
        actual=evidence.actual[kept] > above,
        predicted=favoured(evidence.candidate[kept], gate),
        left_out=", ".join(f"{name or '(no value)'} ({count})" for name, count in left_out),
    )


def favoured(prediction: Floats, gate: FairnessGate) -> Flags:
    """Tell which rows are predicted the favourable outcome; no finite number is none."""
    return np.isfinite(prediction) & (prediction > gate.positive_above)


def _fault(groups: _Groups) -> str:
    """Say why the groups cannot be compared, or nothing.

    A rate over no rows is undefined; fairlearn gives 0 or NaN for it without a word.
    """
    names = np.unique(groups.group)
    if names.size < 2:  # noqa: PLR2004 - a comparison takes two
        left_out = f"; left out as too small: {groups.left_out}" if groups.left_out else ""
        return f"{groups.attribute}: fewer than two groups are large enough{left_out}"
    if not groups.predicted.any():
        return f"{groups.attribute}: nobody is predicted the favourable outcome"
    for name in names:
        actual = groups.actual[groups.group == name]
        if actual.all() or not actual.any():
            outcome = "unfavourable" if actual.all() else "favourable"
            return f"{groups.attribute}: no actual of group {name} is {outcome}"
    return ""


def _measures(groups: _Groups, gate: FairnessGate) -> list[tuple[Rule, float]]:
    # fairlearn brings pandas and scikit-learn: only a model with attributes pays for them
    from fairlearn import metrics

    rows = (groups.actual.astype(int), groups.predicted.astype(int))
    by = {"sensitive_features": groups.group}
    parity, opportunity, odds = rules(groups.attribute, gate)
    return [
        (parity, float(metrics.demographic_parity_ratio(*rows, **by))),
        (opportunity, float(metrics.equal_opportunity_difference(*rows, **by))),
        (odds, float(metrics.equalized_odds_difference(*rows, **by))),
    ]


def rules(attribute: str, gate: FairnessGate) -> tuple[Rule, Rule, Rule]:
    """Give what the groups of an attribute are held to."""
    parity = Rule(
        gate=GATE,
        measure=f"{attribute} demographic parity ratio",
        operator=">=",
        threshold=gate.min_parity_ratio,
        source="gates.fairness.min_parity_ratio",
        hint=f"compare the groups of {attribute} in the training rows: reweigh, or drop a proxy",
    )
    opportunity = replace(
        parity,
        measure=f"{attribute} equal opportunity difference",
        operator="<=",
        threshold=gate.max_opportunity_difference,
        source="gates.fairness.max_opportunity_difference",
    )
    odds = replace(
        opportunity,
        measure=f"{attribute} equalized odds difference",
        threshold=gate.max_odds_difference,
        source="gates.fairness.max_odds_difference",
    )
    return parity, opportunity, odds


def _figures(groups: _Groups) -> dict[str, Detail]:
    figures: dict[str, Detail] = {
        f"{groups.attribute} groups": int(np.unique(groups.group).size),
        f"{groups.attribute} rows": int(groups.group.size),
    }
    if groups.left_out:
        figures[f"{groups.attribute} left out"] = groups.left_out
    figures[f"{groups.attribute} parity p-value"] = _parity_p_value(groups)
    return figures


def _parity_p_value(groups: _Groups) -> float:
    """Give the chance of so different favourable rates if the two extreme groups had the same one.

    Two-proportion z-test with the pooled rate, two-sided; not corrected for choosing the extremes,
    so it is told beside the measures and decides nothing.
    """
    rates = {str(name): groups.predicted[groups.group == name] for name in np.unique(groups.group)}
    least = min(rates.values(), key=lambda rows: float(rows.mean()))
    most = max(rates.values(), key=lambda rows: float(rows.mean()))
    pooled = (least.sum() + most.sum()) / (least.size + most.size)
    error = math.sqrt(pooled * (1 - pooled) * (1 / least.size + 1 / most.size))
    if error == 0:
        return 1.0
    return math.erfc(float(most.mean() - least.mean()) / error / math.sqrt(2))
