"""Rows: a check as ``lh_gold.ml_drift_metrics``, ``ml_retrain_triggers`` and the log know it.

The first twelve columns of a metric row are the drift notebook's, names and types unchanged. A
reader that goes by ``status`` is right for every metric; ``direction`` is for those who compare
``value`` with ``threshold`` themselves.
"""

import math
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.domain.audit import timestamp
from shared.domain.drift.check import Check
from shared.domain.drift.measures import LOWER_IS_WORSE, SUMMARY, WATCHED, Metric
from shared.domain.drift.verdict import Finding, Verdict

Row = dict[str, Any]

TRIGGERS = uuid.UUID("7b1f3c1e-2f6d-5b0a-9d55-0f6f6d1c8a41")
"""The namespace of trigger ids."""


def metric_rows(check: Check) -> list[Row]:
    """Give one row a measure of the latest window."""
    return [_metric_row(check, finding) for finding in check.verdict.findings]


def _metric_row(check: Check, finding: Finding) -> Row:
    measure = finding.measure
    return _row(
        check,
        measure.feature,
        measure.metric,
        value=_plain(measure.value),
        threshold=_plain(measure.threshold),
        status=finding.status,
        n_reference=measure.n_reference,
        n_current=measure.n_current,
        p_value=_plain(measure.p_value),
        p_adjusted=_plain(finding.p_adjusted),
        effect=_plain(measure.effect),
        bins=measure.bins,
        epsilon=measure.epsilon,
        note=_note(check.verdict, finding),
    )


def _note(verdict: Verdict, finding: Finding) -> str:
    lasting = f"in {verdict.hits[finding.key]} of {verdict.windows} windows"
    parts = [finding.measure.note, lasting if finding.stands else ""]
    return "; ".join(filter(None, parts))


def summary_row(check: Check, *, decides: bool) -> Row:
    """Give the row of the check as a whole; without a judgement it has no value."""
    verdict = check.verdict
    judged = verdict.decision in ("TRIGGER", "NO_TRIGGER")
    return _row(
        check,
        SUMMARY,
        Metric.DRIFT_VERDICT if decides else Metric.DRIFT_VERDICT_CHAMPION,
        value=float(len(verdict.sustained)) if judged else None,
        threshold=1.0,
        status=verdict.decision,
        n_reference=check.n_reference,
        n_current=check.n_current,
        note=summary_note(verdict),
    )


def summary_note(verdict: Verdict) -> str:
    """Say why a check decided as it did."""
    warnings = [f"WATCH {warning}" for warning in verdict.warnings]
    if verdict.reasons:
        return " | ".join([*verdict.reasons, *warnings])
    asking = [f for f in verdict.findings if f.measure.metric not in WATCHED]
    passing = sum(finding.stands for finding in asking)
    dark = [f for f in verdict.findings if f.status in ("UNKNOWN", "INSUFFICIENT_DATA")]
    reasons = [f"{passing} findings in the latest window, none of them lasting"] if passing else []
    if dark:
        notes = sorted({f.measure.note for f in dark if f.measure.note})
        reasons.append(f"{len(dark)} of {len(verdict.findings)} not judged: {'; '.join(notes[:3])}")
    return " | ".join([*reasons, *warnings])


def _row(check: Check, feature: str, metric: Metric, **rest: Any) -> Row:
    model, latest = check.subject.model, check.plan.windows[0]
    own = {"status": rest.pop("status"), "severity": check.verdict.severity}
    figures = {name: rest.pop(name) for name in ("value", "threshold")}
    blank = dict.fromkeys(("p_value", "p_adjusted", "effect", "bins", "epsilon"))
    return {
        "run_id": check.run_id,
        "run_timestamp": check.now,
        "model_name": model.name,
        "model_version": check.subject.version,
        "feature_name": feature,
        "metric_type": str(metric),
        **figures,
        **own,
        "reference_days": model.windows.reference_days,
        "current_days": model.windows.current_days,
        **blank,
        "direction": "lower_is_worse" if metric in LOWER_IS_WORSE else "higher_is_worse",
        "window_start": latest.start,
        "window_end": latest.end,
        **rest,
    }


def _plain(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def trigger_row(check: Check) -> Row:
    """Give the row that asks for a retrain."""
    return {
        "trigger_id": str(uuid.uuid5(TRIGGERS, check.run_id)),
        "triggered_at": check.now,
        "model_name": check.subject.model.name,
        "model_version": check.subject.version,
        "severity": check.verdict.severity,
        "reasons": " | ".join(check.verdict.reasons),
        "drift_run_id": check.run_id,
        "status": "PENDING",
    }


def log_rows(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Write rows for the log: JSON types, and the column that Azure Monitor orders by."""
    return [
        {name: _json(value) for name, value in row.items()}
        | {"TimeGenerated": timestamp(row["run_timestamp"])}
        for row in rows
    ]


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return timestamp(value)
    return _plain(value) if isinstance(value, float) else value
