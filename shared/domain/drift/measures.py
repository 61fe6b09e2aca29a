"""Measures: what one window says about one column, before anything is judged.

A measure knows its figure, its floor, its p-value and whether there was data enough for it. It
does not know the other columns, so it cannot know whether it is significant among them.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from shared.domain.drift.significance import effective_rows, rows_needed

PREDICTION = "__prediction__"
PERFORMANCE = "__model_performance__"
SUMMARY = "__summary__"

Readiness = Literal["ready", "insufficient", "unknown"]
Grades = tuple[float, float, float]


class Metric(StrEnum):
    """The values of ``metric_type``."""

    PSI = "PSI"
    PREDICTION_PSI = "PREDICTION_PSI"
    JENSEN_SHANNON = "JENSEN_SHANNON"
    KS = "KS"
    WASSERSTEIN = "WASSERSTEIN"
    CHI_SQUARE = "CHI_SQUARE"
    MISSING_RATE = "MISSING_RATE"
    UNSEEN_SHARE = "UNSEEN_SHARE"
    VANISHED_SHARE = "VANISHED_SHARE"
    OUTSIDE_SHARE = "OUTSIDE_SHARE"
    INFINITE_SHARE = "INFINITE_SHARE"
    CONSTANT = "CONSTANT"
    ALL_MISSING = "ALL_MISSING"
    COLUMN_VANISHED = "COLUMN_VANISHED"
    TYPE_CHANGED = "TYPE_CHANGED"
    RMSE_DELTA_PCT = "RMSE_DELTA_PCT"
    MAPE_DELTA_PCT = "MAPE_DELTA_PCT"
    R2_DELTA = "R2_DELTA"
    AUC_DELTA_PCT = "AUC_DELTA_PCT"
    ACCURACY_DELTA = "ACCURACY_DELTA"
    BRIER_DELTA = "BRIER_DELTA"
    ECE = "ECE"
    PARITY_DIFFERENCE = "PARITY_DIFFERENCE"
    IMPORTANCE_SPEARMAN = "IMPORTANCE_SPEARMAN"
    VOLUME_DROP = "VOLUME_DROP"
    STALE_HOURS = "STALE_HOURS"
    PACKAGES_DIFFER = "PACKAGES_DIFFER"
    ENDPOINT_P95_MS = "ENDPOINT_P95_MS"
    ENDPOINT_P99_MS = "ENDPOINT_P99_MS"
    ENDPOINT_ERROR_RATE = "ENDPOINT_ERROR_RATE"
    ENDPOINT_REQUEST_DROP = "ENDPOINT_REQUEST_DROP"
    DRIFT_VERDICT = "DRIFT_VERDICT"
    DRIFT_VERDICT_CHAMPION = "DRIFT_VERDICT_CHAMPION"


BANDED = frozenset({Metric.PSI, Metric.PREDICTION_PSI})
"""Metrics whose status is a band; the others are DRIFT or STABLE."""
ADVICE = frozenset({Metric.JENSEN_SHANNON, Metric.WASSERSTEIN, Metric.R2_DELTA})
"""Metrics that say the same as another one: judged and shown, never a finding."""
WATCHED = frozenset(
    {
        Metric.OUTSIDE_SHARE,
        Metric.VANISHED_SHARE,
        Metric.IMPORTANCE_SPEARMAN,
        Metric.VOLUME_DROP,
        Metric.STALE_HOURS,
        Metric.PACKAGES_DIFFER,
        Metric.ENDPOINT_P95_MS,
        Metric.ENDPOINT_P99_MS,
        Metric.ENDPOINT_ERROR_RATE,
        Metric.ENDPOINT_REQUEST_DROP,
    }
)
"""Metrics that are told and graded, and never ask for a retrain: it is not what would mend them,
or they are too uncertain to decide alone."""
LOWER_IS_WORSE = frozenset(
    {Metric.R2_DELTA, Metric.AUC_DELTA_PCT, Metric.ACCURACY_DELTA, Metric.IMPORTANCE_SPEARMAN}
)
"""Metrics whose small values are the bad ones."""
PERFORMANCES = frozenset(
    {
        Metric.RMSE_DELTA_PCT,
        Metric.MAPE_DELTA_PCT,
        Metric.AUC_DELTA_PCT,
        Metric.ACCURACY_DELTA,
        Metric.BRIER_DELTA,
        Metric.ECE,
    }
)
"""Metrics that compare predictions with what became true."""


@dataclass(frozen=True)
class Measure:
    """One figure.

    Attributes:
        value: in the metric's own unit; None where there is none.
        threshold: what ``value`` is compared with, in the same unit.
        effect: how large the change is, on a scale that does not grow with the rows.
        floor: the effect above which the change matters.
        readiness: ready to be judged; or too little data; or not computable, the note says why.
        grades: effects from which a significant one is P3, P2 and P1; None: by its metric alone.
    """

    feature: str
    metric: Metric
    n_reference: int
    n_current: int
    readiness: Readiness
    value: float | None = None
    threshold: float | None = None
    effect: float | None = None
    floor: float = math.inf
    p_value: float | None = None
    bins: int | None = None
    epsilon: float | None = None
    note: str = ""
    grades: Grades | None = None


@dataclass(frozen=True)
class Comparison:
    """One column on both sides: how many values there are, and whether they suffice."""

    feature: str
    n: int
    m: int
    readiness: Readiness
    note: str = ""

    def measure(
        self, metric: Metric, value: float, threshold: float, p_value: float, note: str = ""
    ) -> Measure:
        """Make a measure whose effect and floor are its value and threshold."""
        if not (math.isfinite(value) and math.isfinite(threshold)):
            return self.without(metric, "the values are too large to compute with")
        return Measure(
            self.feature,
            metric,
            self.n,
            self.m,
            self.readiness,
            value=value,
            threshold=threshold,
            effect=value,
            floor=threshold,
            p_value=p_value,
            note="; ".join(filter(None, [self.note, note])),
        )

    def without(self, metric: Metric, why: str) -> Measure:
        """Make a measure that has no value; lacking data goes before any other reason."""
        readiness: Readiness = "unknown" if self.readiness == "ready" else self.readiness
        note = self.note or why
        return Measure(self.feature, metric, self.n, self.m, readiness, note=note)


@dataclass(frozen=True)
class Guard:
    """How many rows a comparison of so many bins needs before PSI can be trusted to a threshold."""

    bins: int
    threshold: float

    @property
    def needed(self) -> float:
        return rows_needed(self.bins, self.threshold)


def compare_rows(feature: str, n: int, m: int, guard: Guard) -> Comparison:
    """Apply the data guard to n and m rows."""
    if not n or not m:
        side = "window" if n else "reference"
        return Comparison(feature, n, m, "insufficient", f"the {side} has no rows")
    have = effective_rows(n, m)
    if have < guard.needed:
        note = f"effective size {have:.0f}, needed {guard.needed:.0f}"
        return Comparison(feature, n, m, "insufficient", note)
    return Comparison(feature, n, m, "ready")


def compare_values(rows: Comparison, n: int, m: int, guard: Guard, what: str) -> Comparison:
    """Apply the guard to the usable values of rows that passed it; none at all is unknown."""
    if rows.readiness != "ready":
        return Comparison(rows.feature, n, m, rows.readiness, rows.note)
    if not n or not m:
        side = "window" if n else "reference"
        return Comparison(rows.feature, n, m, "unknown", f"the {side} has no {what}")
    return compare_rows(rows.feature, n, m, guard)
