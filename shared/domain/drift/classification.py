"""Performance of classifiers: AUC, accuracy and Brier score against the version's baseline.

Actuals are 0 and 1, predictions are probabilities of 1. The fall or growth is tested one-sided.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from shared.domain.drift.calibration_drift import calibration_measure
from shared.domain.drift.columns import Floats
from shared.domain.drift.estimates import (
    Estimate,
    baseline_of,
    mean_of,
    no_baseline,
    scored_pair,
)
from shared.domain.drift.measures import Measure, Metric
from shared.sections.drift import DriftSettings

EVEN = 0.5
"""Between the classes 0 and 1."""


def classification_measures(
    truth: Floats, score: Floats, tags: Mapping[str, str], settings: DriftSettings
) -> list[Measure]:
    """Measure a classifier on rows that are finite on both sides."""
    return [
        _auc(truth, score, tags, settings),
        _accuracy(truth, score, tags, settings),
        _brier(truth, score, tags, settings),
        calibration_measure("classification", truth, score, tags, settings),
    ]


def _auc(truth: Floats, score: Floats, tags: Mapping[str, str], settings: DriftSettings) -> Measure:
    """Measure the relative change of AUC; the fall is the effect."""
    pair, baseline = scored_pair(len(truth), settings), baseline_of(tags, "baseline_auc")
    if not baseline or baseline < 0:
        return pair.without(Metric.AUC_DELTA_PCT, no_baseline("baseline_auc"))
    found = area_under_curve(truth, score)
    if found is None:
        return pair.without(Metric.AUC_DELTA_PCT, "the actuals are all of one class")
    change = found.value / baseline - 1
    p_value = Estimate(-found.value, found.error).p_above(-baseline)
    note = f"AUC {found.value:.6g}, baseline {baseline:.6g}"
    measure = pair.measure(Metric.AUC_DELTA_PCT, change, -settings.auc_decrease, p_value, note)
    grades = settings.auc_moderate, settings.auc_decrease, settings.auc_severe
    return replace(measure, effect=-change, floor=settings.auc_decrease, grades=grades)


def area_under_curve(truth: Floats, score: Floats) -> Estimate | None:
    """Estimate the area under the ROC curve; ties count half. Error: Hanley and McNeil 1982."""
    positive = truth > EVEN
    n, m = int(positive.sum()), int((~positive).sum())
    if not n or not m:
        return None
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    area = float((middle[place][positive].sum() - n * (n + 1) / 2) / (n * m))
    above, below = area / (2 - area), 2 * area**2 / (1 + area)
    spread = (n - 1) * (above - area**2) + (m - 1) * (below - area**2)
    return Estimate(area, math.sqrt(max(0.0, area * (1 - area) + spread) / (n * m)))


def _accuracy(
    truth: Floats, score: Floats, tags: Mapping[str, str], settings: DriftSettings
) -> Measure:
    """Measure the fall of the share of right answers, in absolute points."""
    pair, baseline = scored_pair(len(truth), settings), baseline_of(tags, "baseline_accuracy")
    if baseline is None:
        return pair.without(Metric.ACCURACY_DELTA, no_baseline("baseline_accuracy"))
    if not len(truth):
        return pair.without(Metric.ACCURACY_DELTA, "")
    wrong = mean_of(((score > settings.positive_above) != (truth > EVEN)).astype(np.float64))
    change = 1 - wrong.value - baseline
    p_value = wrong.p_above(1 - baseline)
    note = f"accuracy {1 - wrong.value:.6g}, baseline {baseline:.6g}"
    floor = settings.accuracy_decrease
    measure = pair.measure(Metric.ACCURACY_DELTA, change, -floor, p_value, note)
    return replace(measure, effect=-change, floor=floor)


def _brier(
    truth: Floats, score: Floats, tags: Mapping[str, str], settings: DriftSettings
) -> Measure:
    """Measure the growth of the mean squared error of the probabilities (Brier 1950)."""
    pair, baseline = scored_pair(len(truth), settings), baseline_of(tags, "baseline_brier")
    if baseline is None:
        return pair.without(Metric.BRIER_DELTA, no_baseline("baseline_brier"))
    if not len(truth):
        return pair.without(Metric.BRIER_DELTA, "")
    found = mean_of((score - truth) ** 2)
    change, p_value = found.value - baseline, found.p_above(baseline)
    note = f"Brier {found.value:.6g}, baseline {baseline:.6g}"
    return pair.measure(Metric.BRIER_DELTA, change, settings.brier_increase, p_value, note)
