"""The report as JSON: every number, null where a figure does not apply. Formats nothing."""

import json
import math
from collections.abc import Sequence
from typing import Any

from local.drift_report.comparison import DARK, Column, Report
from shared.domain.drift.measures import Metric
from shared.domain.drift.verdict import Finding

FIGURES = {
    "psi": (Metric.PSI, Metric.PREDICTION_PSI),
    "js": (Metric.JENSEN_SHANNON,),
    "ks": (Metric.KS,),
    "wasserstein": (Metric.WASSERSTEIN,),
    "chi2": (Metric.CHI_SQUARE,),
    "unseen_share": (Metric.UNSEEN_SHARE,),
}
"""Where a column's figures come from."""
REASONS = 3
"""How many different reasons for not judging are told."""
TESTED = (Metric.KS, Metric.CHI_SQUARE, Metric.PREDICTION_PSI)
"""The metric whose p-value stands for the column; the others' are among its measures."""


def to_json(report: Report) -> str:
    """Write a report; the features in it are the worst first."""
    return json.dumps(document(report), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def document(report: Report) -> dict[str, Any]:
    """Give a report as JSON types."""
    return {
        "features": {column.measured.name: feature(column) for column in report.columns},
        "summary": {
            "verdict": report.verdict.decision,
            "severity": report.verdict.severity,
            "reasons": list(report.verdict.reasons),
            "warnings": list(report.verdict.warnings),
            "note": not_judged(report.verdict.findings),
            "n_reference": report.n_reference,
            "n_current": report.n_current,
        },
        "performance": [_measure(finding) for finding in report.performance],
        "skipped": dict(report.skipped),
        "files": {"reference": report.reference, "current": report.current},
        "settings": report.settings.model_dump(mode="json", exclude={"windows", "sustained"}),
    }


def feature(column: Column) -> dict[str, Any]:
    """Give a column's figures; shares are of its rows, between 0 and 1."""
    values = {name: _value(column, *metrics) for name, metrics in FIGURES.items()}
    chi_square = column.find(Metric.CHI_SQUARE)
    tested = next(filter(None, map(column.find, TESTED)))
    return {
        "kind": column.measured.kind,
        "psi": values["psi"],
        "js": values["js"],
        "ks": values["ks"],
        "ks_bound": column.measured.ks_bound,
        "wasserstein": values["wasserstein"],
        "chi2": values["chi2"],
        "cramers_v": _plain(chi_square.measure.effect) if chi_square else None,
        "p_value": _plain(tested.measure.p_value),
        "p_adjusted": _plain(tested.p_adjusted),
        "missing_reference": column.measured.missing_reference,
        "missing_current": column.measured.missing_current,
        "unseen_share": values["unseen_share"],
        "status": column.status,
        "note": column.note,
        "measures": [_measure(finding) for finding in column.findings],
    }


def not_judged(findings: Sequence[Finding]) -> str:
    """Say how much could not be judged, and why; empty where everything was."""
    dark = [f for f in findings if f.status in DARK]
    notes = sorted({f.measure.note for f in dark if f.measure.note})
    if not dark:
        return ""
    return f"{len(dark)} of {len(findings)} measures not judged: {'; '.join(notes[:REASONS])}"


def _value(column: Column, *metrics: Metric) -> float | None:
    found = next(filter(None, map(column.find, metrics)), None)
    return _plain(found.measure.value) if found else None


def _measure(finding: Finding) -> dict[str, Any]:
    measure = finding.measure
    return {
        "metric": str(measure.metric),
        "value": _plain(measure.value),
        "threshold": _plain(measure.threshold),
        "effect": _plain(measure.effect),
        "floor": _plain(measure.floor),
        "p_value": _plain(measure.p_value),
        "p_adjusted": _plain(finding.p_adjusted),
        "n_reference": measure.n_reference,
        "n_current": measure.n_current,
        "bins": measure.bins,
        "epsilon": measure.epsilon,
        "status": finding.status,
        "finding": finding.stands,
        "note": measure.note,
    }


def _plain(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
