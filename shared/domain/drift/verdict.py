"""Judgement: which measures are findings, which findings last, and what follows for the model.

A finding needs data enough, significance among all that was measured in its window, and an effect
above its floor. A trigger needs a finding that stands in k of the last n windows, the latest one
among them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from shared.catalogue import DriftSettings
from shared.domain.drift.measures import (
    ADVICE,
    BANDED,
    PERFORMANCES,
    PREDICTION,
    Measure,
    Metric,
)
from shared.domain.drift.significance import benjamini_hochberg

MULTI_FEATURE = 3
"""Features with a significant shift that make it MULTI_FEATURE_DRIFT. Source: drift notebook; a
severe shift counts here too."""

Status = Literal[
    "NO_DRIFT",
    "MODERATE",
    "SIGNIFICANT",
    "SEVERE",
    "DRIFT",
    "STABLE",
    "INSUFFICIENT_DATA",
    "UNKNOWN",
]
Decision = Literal["TRIGGER", "NO_TRIGGER", "INSUFFICIENT_DATA", "UNKNOWN"]
Severity = Literal["P1", "P2", "P3", "HEALTHY", "UNKNOWN"]

SHIFTED: frozenset[Status] = frozenset({"SIGNIFICANT", "SEVERE", "DRIFT"})
JUDGED: frozenset[Status] = SHIFTED | {"NO_DRIFT", "MODERATE", "STABLE"}
CORE = frozenset({Metric.PSI, Metric.CHI_SQUARE, Metric.PREDICTION_PSI})
"""Metrics of which one at least must have been judged before a model counts as quiet: a missing
rate needs fewer rows than a shift, and says nothing of one."""
CODES = {
    Metric.ALL_MISSING: "ALL_MISSING",
    Metric.MISSING_RATE: "MISSING_RATE",
    Metric.UNSEEN_SHARE: "UNSEEN_CATEGORIES",
    Metric.INFINITE_SHARE: "INFINITE_VALUES",
    Metric.CONSTANT: "CONSTANT_COLUMN",
    Metric.RMSE_DELTA_PCT: "PERF_RMSE_DEGRADATION",
    Metric.MAPE_DELTA_PCT: "PERF_MAPE_DEGRADATION",
    Metric.AUC_DELTA_PCT: "PERF_AUC_DEGRADATION",
    Metric.PREDICTION_PSI: "PREDICTION_DRIFT",
}
"""Reason codes of the findings that need no look at other findings."""


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
    """

    decision: Decision
    severity: Severity
    findings: tuple[Finding, ...]
    sustained: tuple[Finding, ...]
    hits: dict[tuple[str, Metric], int]
    windows: int
    reasons: tuple[str, ...]


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
    return "DRIFT" if significant and measure.effect > measure.floor else "STABLE"


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
        finding for finding in latest if finding.stands and hits[finding.key] >= settings.sustained
    )
    return Verdict(
        decision=_decision(latest, sustained),
        severity=_severity(latest),
        findings=latest,
        sustained=sustained,
        hits=hits,
        windows=len(windows),
        reasons=_reasons(sustained),
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


def _severity(latest: Sequence[Finding]) -> Severity:
    """Grade the latest window, whether it lasts or not. Source: drift notebook."""
    if any(_input_shift(finding) and finding.status == "SEVERE" for finding in latest):
        return "P1"
    if any(_grave(finding) for finding in latest):
        return "P2"
    if any(finding.status in SHIFTED or finding.status == "MODERATE" for finding in latest):
        return "P3"
    return "HEALTHY" if _core_states(latest) & JUDGED else "UNKNOWN"


def _input_shift(finding: Finding) -> bool:
    return finding.measure.metric == Metric.PSI


def _grave(finding: Finding) -> bool:
    grave = finding.measure.metric in PERFORMANCES | BANDED | {Metric.ALL_MISSING}
    return finding.stands and (grave or finding.measure.feature == PREDICTION)


# --- reasons ---------------------------------------------------------------------------------


def _reasons(sustained: Sequence[Finding]) -> tuple[str, ...]:
    return (*_input_reasons(sustained), *_other_reasons(sustained))


def _input_reasons(sustained: Sequence[Finding]) -> list[str]:
    shifted = [f for f in sustained if f.measure.metric not in CODES]
    banded = [f for f in shifted if _input_shift(f)]
    severe = [f for f in banded if f.status == "SEVERE"]
    reasons = [f"SEVERE_INPUT_DRIFT: {_list(severe)}"] if severe else []
    if len(banded) >= MULTI_FEATURE:
        reasons.append(f"MULTI_FEATURE_DRIFT: {_list(banded)}")
    told = {f.measure.feature for f in (banded if len(banded) >= MULTI_FEATURE else severe)}
    rest = [f for f in shifted if f.measure.feature not in told]
    return [*reasons, f"INPUT_DRIFT: {_list(rest)}"] if rest else reasons


def _other_reasons(sustained: Sequence[Finding]) -> list[str]:
    by_code = {
        code: [finding for finding in sustained if finding.measure.metric == metric]
        for metric, code in CODES.items()
    }
    return [f"{code}: {_list(found)}" for code, found in by_code.items() if found]


def _list(findings: Sequence[Finding]) -> str:
    """Name each finding's feature with its metric and effect."""
    return ", ".join(
        f"{f.measure.feature} ({f.measure.metric} effect {f.measure.effect:.4g})" for f in findings
    )
