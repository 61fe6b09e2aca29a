"""Performance on rows whose truth has arrived, held against the version's own baseline.

The baseline is what the training job measured and tagged; it is never guessed. Predictions or
actuals that are not finite are not scored here: the missing rate of ``__prediction__`` tells them.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from shared.catalogue import Task
from shared.domain.drift.calibration_drift import calibration_measure
from shared.domain.drift.classification import area_under_curve, classification_measures
from shared.domain.drift.columns import Floats
from shared.domain.drift.estimates import baseline_of, mean_of, no_baseline, scored_pair
from shared.domain.drift.measures import Measure, Metric
from shared.sections.drift import DriftSettings

__all__ = ["area_under_curve", "mean_of", "performance_measures"]


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
            return classification_measures(truth, answer, tags, settings)
        return [
            _rmse(truth, answer, tags, settings),
            _mape(truth, answer, tags, settings),
            _r2(truth, answer, tags, settings),
            calibration_measure("regression", truth, answer, tags, settings),
        ]


def _rmse(
    truth: Floats, answer: Floats, tags: Mapping[str, str], settings: DriftSettings
) -> Measure:
    pair, baseline = scored_pair(len(truth), settings), baseline_of(tags, "baseline_rmse")
    if not baseline or baseline < 0:
        return pair.without(Metric.RMSE_DELTA_PCT, no_baseline("baseline_rmse"))
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
    pair, baseline = scored_pair(int(positive.sum()), settings), baseline_of(tags, "baseline_mape")
    if baseline is None:
        return pair.without(Metric.MAPE_DELTA_PCT, no_baseline("baseline_mape"))
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
    pair, baseline = scored_pair(len(truth), settings), baseline_of(tags, "baseline_r2")
    if baseline is None:
        return pair.without(Metric.R2_DELTA, no_baseline("baseline_r2"))
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
