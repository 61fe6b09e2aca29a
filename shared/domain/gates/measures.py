"""The measures of how good predictions are, on rows as they are and on resampled ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shared.domain.gates.resampling import ratio

if TYPE_CHECKING:
    import numpy.typing as npt

    from shared.catalogue import Task

    Floats = npt.NDArray[np.float64]


def metric(task: Task, actual: Floats, prediction: Floats) -> float:
    """Give R2 for a regression, AUC for a classification."""
    return auc(actual, prediction) if task == "classification" else r2(actual, prediction)


def r2(actual: Floats, prediction: Floats) -> float:
    """Give the share of the actual's variance explained; the actual must not be constant."""
    unexplained = np.sum((actual - prediction) ** 2)
    return float(1 - unexplained / np.sum((actual - actual.mean()) ** 2))


def rmse(actual: Floats, prediction: Floats) -> float:
    return float(np.sqrt(np.mean((actual - prediction) ** 2)))


def auc(actual: Floats, score: Floats) -> float:
    """Give the chance that a positive row is ranked above a negative one, ties counting half.

    The Mann-Whitney statistic over average ranks; both classes must be there.
    """
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    positive = actual == 1
    n_positive = int(np.count_nonzero(positive))
    n_negative = actual.size - n_positive
    above = ranks[positive].sum() - n_positive * (n_positive + 1) / 2
    return float(above / (n_positive * n_negative))


def resampled_metric(task: Task, actual: Floats, prediction: Floats, weights: Floats) -> Floats:
    """Give ``metric`` of each resample: ``weights`` is resamples x rows; NaN where it has none."""
    if task == "classification":
        return _resampled_auc(actual, prediction, weights)
    return _resampled_r2(actual, prediction, weights)


def _resampled_r2(actual: Floats, prediction: Floats, weights: Floats) -> Floats:
    # about the mean of all rows, so that the difference of two large sums keeps its digits
    centred = actual - actual.mean()
    sums = weights @ np.stack([(actual - prediction) ** 2, centred, centred**2], axis=1)
    spread = sums[:, 2] - sums[:, 1] ** 2 / actual.size
    # a resample of one value has no spread, up to rounding
    spread[spread <= 1e-12 * sums[:, 2]] = 0
    return 1 - ratio(sums[:, 0], spread)


def _resampled_auc(actual: Floats, score: Floats, weights: Floats) -> Floats:
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.diff(score[order], prepend=-np.inf))
    drawn, labels = weights[:, order], actual[order]
    positive = np.add.reduceat(drawn * labels, starts, axis=1)
    negative = np.add.reduceat(drawn * (1 - labels), starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative / 2
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    return ratio((positive * below).sum(axis=1), pairs)
