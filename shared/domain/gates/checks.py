"""What must hold before any gate may compare predictions with actuals."""

from __future__ import annotations

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
    return error(gate, reason, hint="see the performance gate", n=evidence.n)


def not_finite(values: Floats) -> int:
    return int(np.count_nonzero(~np.isfinite(values)))


def _fault(evidence: Evidence, min_rows: int) -> tuple[str, str]:
    """Give why the evidence cannot be judged and what to do, or two empty texts."""
    if evidence.candidate_fault:
        return f"the candidate could not be scored: {evidence.candidate_fault}", (
            "load the version the way it is served and fix what stops it"
        )
    if evidence.n < min_rows:
        return f"the holdout has {evidence.n} rows, needed are {min_rows}", (
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
    if values.size == 1:
        return f"every actual is {values[0]:.4g}: nothing can be told apart", (
            "set aside days on which the actual varies"
        )
    if evidence.task == "classification" and values.tolist() != [0.0, 1.0]:
        return f"the actuals of a classification are 0 and 1, found {values[:3].tolist()}", (
            "write the actual as 0 and 1, or declare task: regression"
        )
    return "", ""
