"""Performance on rows whose truth has arrived, held against the version's own baseline.

The baseline is what the training job measured and tagged; it is never guessed. Predictions or
actuals that are not finite are not scored here: the missing rate of ``__prediction__`` tells them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from shared.catalogue import DriftSettings, Task
from shared.domain.drift.columns import Floats
from shared.domain.drift.measures import PERFORMANCE, Comparison, Measure, Metric

MIN_ROWS = 100
"""Scored rows below which a mean error is not judged: the normal approximation of its mean."""


@dataclass(frozen=True)
class Estimate:
    """A figure and its standard error."""

    value: float
    error: float

    def p_above(self, baseline: float) -> float:
        """One-sided p-value of the true figure being above the baseline."""
        if not self.error:
            return 0.0 if self.value > baseline else 1.0
        return 0.5 * math.erfc((self.value - baseline) / self.error / math.sqrt(2))


def performance_measures(
    task: Task,
    actual: Floats,
    prediction: Floats,
    tags: Mapping[str, str],
    settings: DriftSettings,
) -> list[Measure]:
    """Measure a version's errors against its baseline tags."""
    scored = np.isfinite(actual) & np.isfinite(prediction)
    truth, answer = actual[scored], prediction[scored]
    with np.errstate(over="ignore", invalid="ignore"):
        if task == "classification":
            return [_auc(truth, answer, tags, settings)]
        return [
            _rmse(truth, answer, tags, settings),
            _mape(truth, answer, tags, settings),
            _r2(truth, answer, tags, settings),
        ]


def _pair(rows: int) -> Comparison:
    if rows < MIN_ROWS:
        note = f"{rows} rows with a prediction and an actual, needed {MIN_ROWS}"
        return Comparison(PERFORMANCE, 0, rows, "insufficient", note)
    return Comparison(PERFORMANCE, 0, rows, "ready")


def _baseline(tags: Mapping[str, str], name: str) -> float | None:
    try:
        value = float(tags[name])
    except (KeyError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _no_baseline(name: str) -> str:
    return f"the version's tag {name} is missing or no usable number"


# --- regression ------------------------------------------------------------------------------


def _rmse(
    truth: Floats, answer: Floats, tags: Mapping[str, str], settings: DriftSettings
) -> Measure:
    pair, baseline = _pair(len(truth)), _baseline(tags, "baseline_rmse")
    if not baseline or baseline < 0:
        return pair.without(Metric.RMSE_DELTA_PCT, _no_baseline("baseline_rmse"))
    if not len(truth):
        return pair.without(Metric.RMSE_DELTA_PCT, "")
    squares = mean_of((truth - answer) ** 2)
    found = math.sqrt(squares.value)
    return pair.measure(
        Metric.RMSE_DELTA_PCT,
        found / baseline - 1,
        settings.rmse_increase,
        squares.p_above(baseline**2),
        f"RMSE {found:.6g}, baseline {baseline:.6g}",
    )


def _mape(
    truth: Floats, answer: Floats, tags: Mapping[str, str], settings: DriftSettings
) -> Measure:
    """Measure in absolute points, over the rows whose actual is above 0."""
    positive = truth > 0
    pair, baseline = _pair(int(positive.sum())), _baseline(tags, "baseline_mape")
    if baseline is None:
        return pair.without(Metric.MAPE_DELTA_PCT, _no_baseline("baseline_mape"))
    if not positive.any():
        return pair.without(Metric.MAPE_DELTA_PCT, "no actual is above 0")
    found = mean_of(np.abs(truth[positive] - answer[positive]) / truth[positive])
    return pair.measure(
        Metric.MAPE_DELTA_PCT,
        found.value - baseline,
        settings.mape_increase,
        found.p_above(baseline),
        f"MAPE {found.value:.6g}, baseline {baseline:.6g}",
    )


def _r2(truth: Floats, answer: Floats, tags: Mapping[str, str], settings: DriftSettings) -> Measure:
    """Measure the fall of R2; its floor is the fall that RMSE's own threshold comes to."""
    pair, baseline = _pair(len(truth)), _baseline(tags, "baseline_r2")
    if baseline is None:
        return pair.without(Metric.R2_DELTA, _no_baseline("baseline_r2"))
    spread = mean_of((truth - truth.mean()) ** 2).value if len(truth) else 0.0
    if not spread:
        return pair.without(Metric.R2_DELTA, "the actuals do not vary")
    squares = mean_of((truth - answer) ** 2)
    found = 1 - squares.value / spread
    floor = ((1 + settings.rmse_increase) ** 2 - 1) * max(0.0, 1 - baseline)
    p_value = squares.p_above((1 - baseline) * spread)
    note = f"R2 {found:.6g}, baseline {baseline:.6g}"
    measure = pair.measure(Metric.R2_DELTA, found - baseline, -floor, p_value, note)
    return replace(measure, effect=baseline - found, floor=floor)


def mean_of(values: Floats) -> Estimate:
    """Estimate a mean; at least one value."""
    return Estimate(float(values.mean()), float(values.std() / math.sqrt(len(values))))


# --- classification --------------------------------------------------------------------------


def _auc(truth: Floats, score: Floats, tags: Mapping[str, str], settings: DriftSettings) -> Measure:
    """Measure the relative change of AUC; the fall is the effect."""
    pair, baseline = _pair(len(truth)), _baseline(tags, "baseline_auc")
    if not baseline or baseline < 0:
        return pair.without(Metric.AUC_DELTA_PCT, _no_baseline("baseline_auc"))
    found = area_under_curve(truth, score)
    if found is None:
        return pair.without(Metric.AUC_DELTA_PCT, "the actuals are all of one class")
    change = found.value / baseline - 1
    p_value = Estimate(-found.value, found.error).p_above(-baseline)
    note = f"AUC {found.value:.6g}, baseline {baseline:.6g}; {_scores(truth, score)}"
    measure = pair.measure(Metric.AUC_DELTA_PCT, change, -settings.auc_decrease, p_value, note)
    return replace(measure, effect=-change, floor=settings.auc_decrease)


def area_under_curve(truth: Floats, score: Floats) -> Estimate | None:
    """Estimate the area under the ROC curve; ties count half. Error: Hanley and McNeil 1982."""
    positive = truth > 0.5  # noqa: PLR2004 - the classes are 0 and 1
    n, m = int(positive.sum()), int((~positive).sum())
    if not n or not m:
        return None
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    area = float((middle[place][positive].sum() - n * (n + 1) / 2) / (n * m))
    above, below = area / (2 - area), 2 * area**2 / (1 + area)
    spread = (n - 1) * (above - area**2) + (m - 1) * (below - area**2)
    return Estimate(area, math.sqrt(max(0.0, area * (1 - area) + spread) / (n * m)))


def _scores(truth: Floats, score: Floats) -> str:
    correct = float(((score > 0.5) == (truth > 0.5)).mean())  # noqa: PLR2004 - the even odds
    brier = float(((score - truth) ** 2).mean())
    error = calibration_error(truth, score)
    return f"accuracy {correct:.4f}, Brier {brier:.4f}, ECE {error:.4f}"


def calibration_error(truth: Floats, score: Floats, bins: int = 10) -> float:
    """Expected calibration error on equally filled bins of the score."""
    order = np.argsort(score, kind="stable")
    gaps = [
        abs(float(truth[part].mean() - score[part].mean())) * len(part)
        for part in np.array_split(order, bins)
        if len(part)
    ]
    return sum(gaps) / len(truth)
