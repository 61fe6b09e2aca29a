"""Slices: no declared part of the rows pays for the average."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shared.domain.gates.checks import answered, champion_fault, unfit
from shared.domain.gates.measures import rmse
from shared.domain.gates.resampling import intervals, ratio
from shared.domain.gates.result import Detail, GateResult, Rule, error, skip
from shared.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.catalogue import Model
    from shared.domain.gates.evidence import Evidence, Flags, Floats
    from shared.sections.gates import SlicesGate

GATE = "slices"
COLUMNS = "gates.slices.columns"
MARGIN, MARGINS = "gates.slices.margin", "gates.slices.margins"
UNDECLARED = "gates.slices.columns: none"
FAILED = "failed slices"
"""Which detail names the slices that lost more than their margin."""


@dataclass(frozen=True)
class _Slice:
    """One slice large enough: both models' root mean squared error, and what the loss is."""

    name: str
    rows: int
    candidate: float
    champion: float
    margin: float
    source: str = MARGIN

    @property
    def loss(self) -> float:
        """Give by what share of the champion's the candidate's error is larger."""
        if self.champion == 0:
            return 0.0 if self.candidate == 0 else math.inf
        return self.candidate / self.champion - 1


def judge(evidence: Evidence, model: Model) -> GateResult:
    """Hold each slice's error against the champion's on the same rows.

    The root mean squared error serves both tasks (of a classification it is the root of the Brier
    score): unlike R2 and AUC it has a value in a slice of one class or without spread. Rows
    without a number are left out, but never so many that their slice is.
    """
    gate = model.gates.slices
    if not gate.columns:
        return skip(GATE, "the model declares no slices", UNDECLARED)
    whole, evidence = evidence, answered(evidence)
    refusal = unfit(GATE, evidence, model)
    if refusal:
        return refusal
    fault = champion_fault(evidence) or _absent(evidence, gate) or _silent(whole, gate)
    if fault or evidence.champion is None:
        return _error(evidence, fault)
    found, small = _found(evidence, evidence.champion, gate)
    if not found:
        return _error(evidence, f"no slice has {gate.min_rows} rows: {', '.join(small)}")
    return _worst(found, small, evidence.n, _ends(evidence, evidence.champion, gate, found))


def _worst(found: list[_Slice], small: list[str], n: int, ends: dict[str, Detail]) -> GateResult:
    """Show the slice with the least room; all are in the details."""
    rules = {each.name: _rule(each) for each in found}
    failed = [each.name for each in found if not rules[each.name].holds(each.loss)]
    details: dict[str, Detail] = {}
    for each in found:
        details[f"{each.name} loss"] = each.loss
        details[f"{each.name} n"] = each.rows
        details[f"{each.name} rmse"] = each.candidate
    details |= ends
    if failed:
        details[FAILED] = ", ".join(sorted(failed))
    if small:
        details["left out"] = ", ".join(small)
    worst = min(found, key=lambda each: rules[each.name].margin(each.loss))
    if not math.isfinite(worst.loss):
        return error(GATE, f"{worst.name}: the champion makes no error, the candidate does", n=n)
    note = f"{worst.rows} rows, RMSE {worst.candidate:.4g} for {worst.champion:.4g}"
    return rules[worst.name].result(worst.loss, n, details, note=note)


def _found(
    evidence: Evidence, champion: Floats, gate: SlicesGate
) -> tuple[list[_Slice], list[str]]:
    found, small = [], []
    for name, margin, rows in _parts(evidence, gate):
        count = int(np.count_nonzero(rows))
        if count < gate.min_rows:
            small.append(f"{name} ({count})")
            continue
        actual = evidence.actual[rows]
        own, beside = rmse(actual, evidence.candidate[rows]), rmse(actual, champion[rows])
        found.append(_Slice(name, count, own, beside, margin, _source(name, gate)))
    return found, small


def _ends(
    evidence: Evidence, champion: Floats, gate: SlicesGate, found: list[_Slice]
) -> dict[str, Detail]:
    """Give the 95 % interval of each slice's loss, both models' errors of the same resamples.

    Nothing where the champion makes too few errors: too many resamples have no loss then.
    """
    names = [each.name for each in found]
    kept = [rows for name, _, rows in _parts(evidence, gate) if name in names]
    own, beside = (evidence.actual - evidence.candidate) ** 2, (evidence.actual - champion) ** 2

    def losses(weights: Floats) -> Floats:
        drawn = ((weights[:, rows], own[rows], beside[rows]) for rows in kept)
        return np.stack([np.sqrt(ratio(w @ above, w @ below)) - 1 for w, above, below in drawn], 1)

    try:
        ends = intervals(losses, evidence.n, evidence.seed)
    except DataError:
        return {}
    pairs = zip(names, ends, strict=True)
    return {f"{name} loss_{at}": getattr(end, at) for name, end in pairs for at in ("low", "high")}


def _parts(evidence: Evidence, gate: SlicesGate) -> Iterator[tuple[str, float, Flags]]:
    for column in gate.columns:
        values = evidence.slices[column]
        for value in np.unique(values):
            name = f"{column}={value or '(no value)'}"
            yield name, gate.margins.get(column, gate.margin), values == value


def _source(name: str, gate: SlicesGate) -> str:
    column = name.partition("=")[0]
    return f"{MARGINS}.{column}" if column in gate.margins else MARGIN


def _rule(each: _Slice) -> Rule:
    return Rule(
        gate=GATE,
        measure=f"{each.name} error above the champion's",
        operator="<=",
        threshold=each.margin,
        source=each.source,
        hint="look at the slice's rows in the training: too few, or a feature that means something "
        "else there",
    )


def _absent(evidence: Evidence, gate: SlicesGate) -> str:
    absent = [name for name in gate.columns if name not in evidence.slices]
    return f"the holdout has no column {', '.join(absent)}" if absent else ""


def _silent(whole: Evidence, gate: SlicesGate) -> str:
    """Name the slices that are large enough, were the candidate not silent on their rows."""
    known = np.isfinite(whole.candidate)
    parts = ((name, rows.sum(), (rows & ~known).sum()) for name, _, rows in _parts(whole, gate))
    lost = [
        f"{name} ({silent} of {n} not)"
        for name, n, silent in parts
        if n - silent < gate.min_rows <= n
    ]
    return f"too few rows were answered in {', '.join(lost)}" if lost else ""


def _error(evidence: Evidence, reason: str) -> GateResult:
    hint = "set aside more rows, or declare slices that the holdout has"
    return error(GATE, reason, hint=hint, n=evidence.n, source=COLUMNS)
