"""The fairness gate's figures as rows of ``lh_gold.ml_fairness_audit``. Measures nothing itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from shared.domain.gates import fairness
from shared.domain.gates.report import evidence_name
from shared.domain.gates.result import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.catalogue import Model
    from shared.domain.gates.result import GateResult, Rule
    from shared.domain.gates.rows import Judged

TABLE = "lh_gold.ml_fairness_audit"


def fairness_rows(
    judged: Judged, results: Sequence[GateResult], model: Model
) -> list[dict[str, Any]]:
    """Give one row an attribute and measure; none where the model declares no attributes.

    What could not be measured is a row of its own, with ERROR: a gap in the table would look as if
    nobody had asked.
    """
    gate = model.gates.fairness
    return [
        _row(judged, result, attribute, rule)
        for result in results
        if result.gate == fairness.GATE
        for attribute in gate.attributes
        for rule in fairness.rules(attribute, gate)
    ]


def _row(judged: Judged, result: GateResult, attribute: str, rule: Rule) -> dict[str, Any]:
    value, n = (_number(result, name) for name in (rule.measure, f"{attribute} rows"))
    verdict = Verdict.ERROR
    if value is not None:
        verdict = Verdict.PASS if rule.holds(value) else Verdict.FAIL
    return {
        "audit_id": evidence_name(judged),
        "model_name": judged.model_name,
        "model_version": judged.model_version,
        "audit_ts": judged.judged_at,
        "attribute": attribute,
        "metric_name": rule.measure.removeprefix(f"{attribute} "),
        "metric_value": value,
        "threshold": rule.threshold,
        "operator": rule.operator,
        "pass_fail": verdict.value,
        "run_id": judged.run_id,
        "n": None if n is None else int(n),
    }


def _number(result: GateResult, name: str) -> float | None:
    found = result.details.get(name)
    if not isinstance(found, int | float) or not math.isfinite(found):
        return None
    return float(found)
