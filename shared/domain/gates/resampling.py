"""Bootstrap intervals of the gates' measures: the same resampled rows for both models.

Efron and Tibshirani, An Introduction to the Bootstrap (1993), percentile method. A resample is a
column of weights, how often each row was drawn, so that every measure is a few sums over rows and
many resamples are taken in one product of matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shared.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Measure = Callable[[Floats], Floats]
    """Weights, resamples x rows -> the measure, resamples x columns; NaN where it has none."""

RESAMPLES = 1000
"""Usual for a 95 % percentile interval."""
LEVEL = 0.95
_CELLS = 2_000_000
"""Weights held at a time, 8 bytes each."""
_LEAST = 0.9
"""Share of resamples that must give the measure: with fewer its interval means little."""


@dataclass(frozen=True)
class Interval:
    """The 95 % percentile interval of one measure."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:.4g} to {self.high:.4g}"


def intervals(measure: Measure, rows: int, seed: int) -> list[Interval]:
    """Give the interval of each column of ``measure``; the same seed gives the same ones.

    Raises:
        DataError: too many resamples have no such measure, such as an AUC of one class.
    """
    taken = np.concatenate([measure(weights) for weights in _weights(rows, seed)])
    return [_interval(column) for column in taken.T]


def ratio(above: Floats, below: Floats) -> Floats:
    """Divide; NaN where the divisor is 0."""
    result = np.full_like(above, np.nan)
    np.divide(above, below, out=result, where=below != 0)
    return result


def _interval(values: Floats) -> Interval:
    known = values[np.isfinite(values)]
    if known.size < _LEAST * values.size:
        raise DataError(f"{values.size - known.size} of {values.size} resamples give no figure")
    outside = (1 - LEVEL) / 2
    low, high = np.quantile(known, (outside, 1 - outside))
    return Interval(float(low), float(high))


def _weights(rows: int, seed: int) -> Iterator[Floats]:
    """Yield the resamples' weights, as many at a time as memory is meant for."""
    chance = np.random.default_rng(seed)
    step = max(1, _CELLS // rows)
    for start in range(0, RESAMPLES, step):
        count = min(step, RESAMPLES - start)
        drawn = chance.integers(0, rows, size=(count, rows))
        places = drawn + np.arange(count)[:, None] * rows
        flat = np.bincount(places.ravel(), minlength=count * rows)
        yield flat.reshape(count, rows).astype(np.float64)
