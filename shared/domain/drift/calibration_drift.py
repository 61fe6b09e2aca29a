"""Calibration: whether predicted means what it says, on rows whose truth has arrived.

The error is that of the calibration gate, so that gate and drift cannot disagree on a figure.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from shared.catalogue import Task
from shared.domain.drift.columns import Floats
from shared.domain.drift.estimates import Estimate, baseline_of, no_baseline, scored_pair
from shared.domain.drift.measures import Measure, Metric
from shared.domain.drift.significance import chi_square_tail
from shared.domain.gates.calibration import bins_of, calibration_error
from shared.sections.drift import DriftSettings

BIN_ROWS = 30
"""Rows a bin needs for the normal approximation of its mean; else fewer bins are used."""

Bins = npt.NDArray[np.intp]


def calibration_measure(
    task: Task, truth: Floats, answer: Floats, tags: Mapping[str, str], settings: DriftSettings
) -> Measure:
    """Measure the expected calibration error; its growth over the baseline is the effect.

    A classifier without the tag is held against 0: a probability says itself what it should be.
    """
    pair, baseline = scored_pair(len(truth), settings), baseline_of(tags, "baseline_ece")
    before = 0.0 if baseline is None and task == "classification" else baseline
    if before is None or before < 0:
        return pair.without(Metric.ECE, no_baseline("baseline_ece"))
    scale = 1.0 if task == "classification" else _mean_size(truth)
    if not len(truth) or not scale or not math.isfinite(scale):
        return pair.without(Metric.ECE, "there is no mean actual to measure against")
    bins = bins_of(answer, min(settings.calibration_bins, max(2, len(answer) // BIN_ROWS)))
    found, bands = calibration_error(truth, answer, bins) / scale, settings.calibration
    note = f"ECE {found:.6g}, baseline {before:.6g}"
    spread = _spread(task, truth, answer, bins)
    grown = Estimate(found * scale, _error_of(spread, bins)).p_above(before * scale)
    # worse than the baseline, and not an error that perfect predictions would show by chance
    p_value = max(grown, _p_value(truth - answer, spread, bins))
    measure = pair.measure(Metric.ECE, found, before + bands.significant, p_value, note)
    if measure.value is None:
        return measure
    size = replace(measure, effect=max(0.0, found - before), floor=bands.significant)
    return replace(size, bins=int(bins.max()) + 1, grades=bands.steps)


def _mean_size(truth: Floats) -> float:
    return float(np.abs(truth).mean()) if len(truth) else 0.0


def _spread(task: Task, truth: Floats, answer: Floats, bins: Bins) -> Floats:
    """Give each bin's variance of the gap: a probability says its own, a quantity shows it."""
    rows = np.bincount(bins)
    if task == "classification":
        said = np.clip(answer, 0.0, 1.0)
        return np.bincount(bins, weights=said * (1 - said)) / rows
    gaps = truth - answer
    mean = np.bincount(bins, weights=gaps) / rows
    return np.bincount(bins, weights=(gaps - mean[bins]) ** 2) / np.maximum(1, rows - 1)


def _error_of(spread: Floats, bins: Bins) -> float:
    """Give the standard error of the weighted sum of the bins' mean gaps."""
    return math.sqrt(float((spread * np.bincount(bins)).sum())) / len(bins)


def _p_value(gaps: Floats, spread: Floats, bins: Bins) -> float:
    """Test well calibrated predictions (Hosmer and Lemeshow 1980).

    As many degrees of freedom as bins: nothing was fitted on these rows. A gap in a bin that could
    not vary leaves no doubt.
    """
    rows = np.bincount(bins)
    mean = np.bincount(bins, weights=gaps) / rows
    sure = spread <= np.finfo(float).eps * mean**2
    if np.any(sure & (mean != 0)):
        return 0.0
    statistic = float((mean[~sure] ** 2 * rows[~sure] / spread[~sure]).sum())
    return chi_square_tail(statistic, len(rows)) if math.isfinite(statistic) else 1.0
