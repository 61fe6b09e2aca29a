"""Judgement: which measures are findings, which findings last, and what follows for the model.

A finding needs data enough, significance among all that was measured in its window, and an effect
above its floor. A trigger needs a finding that stands in k of the last n windows, the latest one
among them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from shared.domain.drift.measures import (
    ADVICE,
    BANDED,
    PERFORMANCES,
    PREDICTION,
    WATCHED,
    Measure,
    Metric,
)
from shared.domain.drift.significance import benjamini_hochberg
from shared.sections.drift import DriftSettings

Status = Literal[
    "NO_DRIFT",
    "MODERATE",
    "SIGNIFICANT",
    "SEVERE",
    "DRIFT",
    "CONCEPT_DRIFT",
    "STABLE",
    "INSUFFICIENT_DATA",
    "UNKNOWN",
]
Decision = Literal["TRIGGER", "NO_TRIGGER", "INSUFFICIENT_DATA", "UNKNOWN"]
Severity = Literal["P1", "P2", "P3", "HEALTHY", "UNKNOWN"]

STEPS: tuple[Severity, ...] = ("HEALTHY", "P3", "P2", "P1")
SHIFTED: frozenset[Status] = frozenset({"SIGNIFICANT", "SEVERE", "DRIFT", "CONCEPT_DRIFT"})
JUDGED: frozenset[Status] = SHIFTED | {"NO_DRIFT", "MODERATE", "STABLE"}
CORE = frozenset({Metric.PSI, Metric.CHI_SQUARE, Metric.PREDICTION_PSI})
"""Metrics of which one at least must have been judged before a model counts as quiet: a missing
rate needs fewer rows than a shift, and says nothing of one."""
CODES = {
    Metric.COLUMN_VANISHED: "COLUMN_VANISHED",
    Metric.TYPE_CHANGED: "TYPE_CHANGED",
    Metric.ALL_MISSING: "ALL_MISSING",
    Metric.MISSING_RATE: "MISSING_RATE",
    Metric.UNSEEN_SHARE: "UNSEEN_CATEGORIES",
    Metric.INFINITE_SHARE: "INFINITE_VALUES",
    Metric.CONSTANT: "CONSTANT_COLUMN",
    Metric.RMSE_DELTA_PCT: "PERF_RMSE_DEGRADATION",
    Metric.MAPE_DELTA_PCT: "PERF_MAPE_DEGRADATION",
    Metric.AUC_DELTA_PCT: "PERF_AUC_DEGRADATION",
    Metric.ACCURACY_DELTA: "PERF_ACCURACY_DEGRADATION",
    Metric.BRIER_DELTA: "PERF_BRIER_DEGRADATION",
    Metric.ECE: "CALIBRATION_DRIFT",
    Metric.PARITY_DIFFERENCE: "FAIRNESS_DRIFT",
    Metric.PREDICTION_PSI: "PREDICTION_DRIFT",
}
"""Reason codes of the findings that need no look at other findings."""
WARNINGS = {
    Metric.IMPORTANCE_SPEARMAN: "CONCEPT_DRIFT",
    Metric.OUTSIDE_SHARE: "OUT_OF_RANGE",
    Metric.VANISHED_SHARE: "VANISHED_CATEGORIES",
    Metric.VOLUME_DROP: "VOLUME_DROP",
    Metric.STALE_HOURS: "STALE_DATA",
    Metric.PACKAGES_DIFFER: "PACKAGES_DIFFER",
    Metric.ENDPOINT_P95_MS: "ENDPOINT_SLOW",
    Metric.ENDPOINT_P99_MS: "ENDPOINT_SLOW",
    Metric.ENDPOINT_ERROR_RATE: "ENDPOINT_ERRORS",
    Metric.ENDPOINT_REQUEST_DROP: "ENDPOINT_REQUEST_DROP",
}
"""Codes of what is told and never asks for a retrain."""
GRAVE = (
    PERFORMANCES
    | BANDED
    | {
        Metric.ALL_MISSING,
        Metric.COLUMN_VANISHED,
        Metric.TYPE_CHANGED,
        Metric.PARITY_DIFFERENCE,
    }
)
"""Findings that are P2 at least."""
TOLD_BY = {
    Metric.ALL_MISSING: {Metric.COLUMN_VANISHED, Metric.TYPE_CHANGED},
    Metric.MISSING_RATE: {Metric.COLUMN_VANISHED, Metric.TYPE_CHANGED, Metric.ALL_MISSING},
}
"""Metrics that need no reason of their own where another one of the same column has it."""


@dataclass(frozen=True)
class Finding:
    """A measure and what is thought of it in its window.

    Attributes:
        stands: it is a finding: enough data, significant, large, and not mere advice.
        p_adjusted: after Benjamini-Hochberg; None where it was not judged.
    """

    measure: Measure
    status: Status
    p_adjusted: float | None
    stands: bool

    @property
    def key(self) -> tuple[str, Metric]:
        return self.measure.feature, self.measure.metric


@dataclass(frozen=True)
class Verdict:
    """What is thought of a model version.

    Attributes:
        findings: the latest window's, one a measure.
        sustained: those that lasted; any of them is a trigger.
        hits: in how many of the windows each key's finding stood.
        reasons: a code and its text each, the gravest first.
        warnings: the same of the latest window's findings that ask for nothing.
    """

    decision: Decision
    severity: Severity
    findings: tuple[Finding, ...]
    sustained: tuple[Finding, ...]
    hits: dict[tuple[str, Metric], int]
    windows: int
    reasons: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def judge(measures: Sequence[Measure], settings: DriftSettings) -> tuple[Finding, ...]:
    """Judge one window's measures together: their p-values are one family."""
    family = [
        place
        for place, measure in enumerate(measures)
        if measure.readiness == "ready" and measure.p_value is not None
    ]
    adjusted = benjamini_hochberg([measures[place].p_value or 0.0 for place in family])
    by_place = dict(zip(family, adjusted, strict=True))
    return tuple(
        _finding(measure, by_place.get(place), settings) for place, measure in enumerate(measures)
    )


def _finding(measure: Measure, adjusted: float | None, settings: DriftSettings) -> Finding:
    status = _status(measure, adjusted, settings)
    stands = status in SHIFTED and measure.metric not in ADVICE
    return Finding(measure, status, adjusted, stands)


def _status(measure: Measure, adjusted: float | None, settings: DriftSettings) -> Status:
    if measure.readiness == "insufficient":
        return "INSUFFICIENT_DATA"
    if adjusted is None or measure.effect is None:
        return "UNKNOWN"
    significant = adjusted < settings.alpha
    if measure.metric in BANDED:
        return _band(measure.effect, settings) if significant else "NO_DRIFT"
    if not (significant and measure.effect > measure.floor):
        return "STABLE"
    return "CONCEPT_DRIFT" if measure.metric == Metric.IMPORTANCE_SPEARMAN else "DRIFT"


def _band(value: float, settings: DriftSettings) -> Status:
    if value >= settings.psi_severe:
        return "SEVERE"
    if value >= settings.psi_significant:
        return "SIGNIFICANT"
    return "MODERATE" if value >= settings.psi_moderate else "NO_DRIFT"


def conclude(windows: Sequence[tuple[Finding, ...]], settings: DriftSettings) -> Verdict:
    """Draw the conclusion from the windows' findings, the latest window first; at least one."""
    latest = windows[0]
    hits = {finding.key: 0 for finding in latest}
    for window in windows:
        for finding in window:
            if finding.stands and finding.key in hits:
                hits[finding.key] += 1
    sustained = tuple(
        finding
        for finding in latest
        if finding.stands
        and finding.measure.metric not in WATCHED
        and hits[finding.key] >= settings.sustained
    )
    return Verdict(
        decision=_decision(latest, sustained),
        severity=_severity(latest, settings),
        findings=latest,
        sustained=sustained,
        hits=hits,
        windows=len(windows),
        reasons=_reasons(sustained, settings),
        warnings=_coded(WARNINGS, [finding for finding in latest if finding.stands]),
    )


def _decision(latest: Sequence[Finding], sustained: Sequence[Finding]) -> Decision:
    if sustained:
        return "TRIGGER"
    states = _core_states(latest)
    if states & JUDGED:
        return "NO_TRIGGER"
    return "INSUFFICIENT_DATA" if "INSUFFICIENT_DATA" in states else "UNKNOWN"


def _core_states(latest: Sequence[Finding]) -> set[Status]:
    return {finding.status for finding in latest if finding.measure.metric in CORE}


def _severity(latest: Sequence[Finding], settings: DriftSettings) -> Severity:
    """Grade the latest window, whether it lasts or not.

    Source: drift notebook for the shifts, the severity matrix for what has grades of its own.
    """
    grades = {_grade(finding, settings) for finding in latest}
    standing = {finding.measure.metric for finding in latest if finding.stands}
    if standing & PERFORMANCES and Metric.IMPORTANCE_SPEARMAN in standing:
        return "P1"
    worst = next((step for step in reversed(STEPS[1:]) if step in grades), None)
    if worst is not None:
        return worst
    return "HEALTHY" if _core_states(latest) & JUDGED else "UNKNOWN"


def _grade(finding: Finding, settings: DriftSettings) -> Severity:
    if finding.measure.grades is not None:
        return _matrix(finding, finding.measure.grades, settings)
    if _input_shift(finding) and finding.status == "SEVERE":
        return "P1"
    if _grave(finding):
        return "P2"
    return "P3" if finding.status in SHIFTED or finding.status == "MODERATE" else "HEALTHY"


def _matrix(
    finding: Finding, grades: tuple[float, float, float], settings: DriftSettings
) -> Severity:
    """Grade a significant effect by its own steps; a small one is P3 without being a finding."""
    effect, adjusted = finding.measure.effect, finding.p_adjusted
    if effect is None or adjusted is None or adjusted >= settings.alpha:
        return "HEALTHY"
    reached = sum(effect >= step for step in grades)
    return STEPS[reached]


def _input_shift(finding: Finding) -> bool:
    return finding.measure.metric == Metric.PSI


def _grave(finding: Finding) -> bool:
    grave = finding.measure.metric in GRAVE
    return finding.stands and (grave or finding.measure.feature == PREDICTION)


# --- reasons ---------------------------------------------------------------------------------


def _reasons(sustained: Sequence[Finding], settings: DriftSettings) -> tuple[str, ...]:
    untold = [finding for finding in sustained if not _told(finding, sustained)]
    return (*_input_reasons(sustained, settings), *_coded(CODES, untold))


def _told(finding: Finding, sustained: Sequence[Finding]) -> bool:
    by = TOLD_BY.get(finding.measure.metric, set())
    feature = finding.measure.feature
    return any(f.measure.feature == feature and f.measure.metric in by for f in sustained)


def _input_reasons(sustained: Sequence[Finding], settings: DriftSettings) -> list[str]:
    shifted = [f for f in sustained if f.measure.metric not in CODES]
    banded = [f for f in shifted if _input_shift(f)]
    severe = [f for f in banded if f.status == "SEVERE"]
    reasons = [f"SEVERE_INPUT_DRIFT: {_list(severe)}"] if severe else []
    many = len(banded) >= settings.multi_feature
    if many:
        reasons.append(f"MULTI_FEATURE_DRIFT: {_list(banded)}")
    told = {f.measure.feature for f in (banded if many else severe)}
    rest = [f for f in shifted if f.measure.feature not in told]
    return [*reasons, f"INPUT_DRIFT: {_list(rest)}"] if rest else reasons


def _coded(codes: Mapping[Metric, str], findings: Sequence[Finding]) -> tuple[str, ...]:
    by_code = {
        code: [finding for finding in findings if finding.measure.metric == metric]
        for metric, code in codes.items()
    }
    return tuple(f"{code}: {_list(found)}" for code, found in by_code.items() if found)


def _list(findings: Sequence[Finding]) -> str:
    """Name each finding's feature with its metric and effect."""
    return ", ".join(
        f"{f.measure.feature} ({f.measure.metric} effect {f.measure.effect:.4g})" for f in findings
    )
