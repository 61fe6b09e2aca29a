"""What must hold before any gate may compare predictions with actuals."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from shared.domain.gates.result import GateResult, error

if TYPE_CHECKING:
    from shared.catalogue import Model
    from shared.domain.gates.evidence import Evidence, Floats


def unfit(gate: str, evidence: Evidence, model: Model) -> GateResult | None:
    """Give the ERROR of evidence that cannot be judged, or None where it can."""
    reason, hint = _fault(evidence, model.gates.min_rows)
    if not reason:
        return None
    return error(gate, reason, hint=hint, n=evidence.n, source="gates.min_rows")


def unfinite(gate: str, evidence: Evidence) -> GateResult | None:
    """Give the ERROR of predictions that are not all numbers, or None where they are."""
    count = not_finite(evidence.candidate)
    if not count:
        return None
    reason = f"{count} of {evidence.n} predictions are not finite numbers"
    return error(gate, reason, hint="see the error_rate gate", n=evidence.n)


def champion_fault(evidence: Evidence) -> str:
    """Say why nothing can be compared with the champion, or nothing."""
    if evidence.champion is None:
        return f"no champion to compare with: {evidence.no_champion_reason or 'no reason given'}"
    count = not_finite(evidence.champion)
    if count:
        return f"{count} of {evidence.n} of the champion's predictions are not finite numbers"
    return ""


def answered(evidence: Evidence) -> Evidence:
    """Give the evidence of the rows that the candidate answered with a number.

    The other rows are counted by the error_rate gate.
    """
    missing = 0 if evidence.candidate_fault else not_finite(evidence.candidate)
    if not missing:
        return evidence
    rest = evidence.only(np.isfinite(evidence.candidate))
    return replace(rest, unanswered=missing)


def not_finite(values: Floats) -> int:
    return int(np.count_nonzero(~np.isfinite(values)))


def _fault(evidence: Evidence, min_rows: int) -> tuple[str, str]:
    """Give why the evidence cannot be judged and what to do, or two empty texts."""
    if evidence.candidate_fault:
        return f"the candidate could not be scored: {evidence.candidate_fault}", (
            "load the version the way it is served and fix what stops it"
        )
    rows = evidence.n + evidence.unanswered
    if rows < min_rows:
        return f"the holdout has {rows} rows, needed are {min_rows}", (
            "set aside more days, or look further back with gates.holdout_days"
        )
    return _actual_fault(evidence)


def _actual_fault(evidence: Evidence) -> tuple[str, str]:
    missing = not_finite(evidence.actual)
    if missing:
        return f"{missing} of {evidence.n} actuals are not finite numbers", (
            "leave rows whose actual has not arrived out of the holdout table"
        )
    values = np.unique(evidence.actual)
    if values.size == 0:
        return "no row is left to judge on", "see the error_rate and lineage gates"
    if values.size == 1:
        return f"every actual is {values[0]:.4g}: nothing can be told apart", (
            "set aside days on which the actual varies"
        )
    if evidence.task == "classification" and values.tolist() != [0.0, 1.0]:
        return f"the actuals of a classification are 0 and 1, found {values[:3].tolist()}", (
            "write the actual as 0 and 1, or declare task: regression"
        )
    return "", ""
