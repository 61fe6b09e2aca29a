"""What the pictures of a judgement show: counts, rates and quantiles. Decides and draws nothing.

Every function gives None, or no series, where there is nothing that can be shown; rows whose actual
or prediction is no finite number are left out, and the gates have counted them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from shared.domain.gates.calibration import bins_of
from shared.domain.gates.latency import percentile
from shared.domain.gates.measures import auc

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shared.catalogue import Model
    from shared.domain.gates.evidence import Evidence, Floats

Who = Literal["candidate", "champion"]

BARS = 40
"""Bars of a histogram: narrower ones cannot be told apart at a picture's width."""
TAIL = 0.005
"""Share at either end that may lie outside a histogram, so that outliers do not flatten it."""
STRETCH = 2.0
"""How much wider than without its tails a histogram may be before they are left out."""
BANDS = 12
"""Bins of the prediction that the errors are spread over."""
POINTS = 200
"""Points of a ROC curve: more cannot be told apart."""
DRAWABLE = 1e300
"""Beyond this size differences are no longer numbers."""


@dataclass(frozen=True)
class Histogram:
    """Shares by evenly wide bars from ``low`` to ``high``; what lies outside is not drawn."""

    low: float
    high: float
    shares: Mapping[Who, tuple[float, ...]]
    outside: Mapping[Who, float]


@dataclass(frozen=True)
class Band:
    """The errors of one bin of predictions: their 5, 25, 50, 75 and 95 % quantiles."""

    prediction: float
    quantiles: tuple[float, float, float, float, float]
    n: int


@dataclass(frozen=True)
class Curve:
    """Points of one version, x ascending; ``figure`` is the number that sums it up."""

    who: Who
    x: tuple[float, ...]
    y: tuple[float, ...]
    figure: float | None = None


@dataclass(frozen=True)
class Latencies:
    """How long single rows took, milliseconds."""

    histogram: Histogram
    p50: float
    p99: float
    limit: float


def answers(evidence: Evidence) -> Iterator[tuple[Who, Floats, Floats]]:
    """Give each version's actuals and predictions, of the rows where both can be drawn."""
    if evidence.candidate.size != evidence.n:
        return
    sides: tuple[tuple[Who, Floats | None], ...] = (
        ("candidate", evidence.candidate),
        ("champion", evidence.champion),
    )
    for who, prediction in sides:
        if prediction is None:
            continue
        # NaN is smaller than nothing, so it is left out as well
        kept = (np.abs(evidence.actual) < DRAWABLE) & (np.abs(prediction) < DRAWABLE)
        if kept.any():
            yield who, evidence.actual[kept], prediction[kept]


def errors(evidence: Evidence) -> Histogram | None:
    """Count prediction less actual."""
    return _histogram({who: answer - actual for who, actual, answer in answers(evidence)})


def error_bands(evidence: Evidence) -> tuple[Band, ...]:
    """Spread the candidate's errors over what it predicted: a trend or a fan is a fault."""
    for who, actual, answer in answers(evidence):
        if who == "candidate":
            places = bins_of(answer, BANDS)
            return tuple(
                _band(actual[places == bin_], answer[places == bin_])
                for bin_ in range(int(places.max()) + 1)
            )
    return ()


def _band(actual: Floats, answer: Floats) -> Band:
    low, lower, middle, upper, high = np.quantile(answer - actual, (0.05, 0.25, 0.5, 0.75, 0.95))
    quantiles = (float(low), float(lower), float(middle), float(upper), float(high))
    return Band(float(answer.mean()), quantiles, int(answer.size))


def reliability(evidence: Evidence, bins: int) -> tuple[Curve, ...]:
    """Set the mean prediction of each of the gate's bins beside the mean actual."""
    return tuple(_reliability(*one, bins) for one in answers(evidence))


def _reliability(who: Who, actual: Floats, answer: Floats, bins: int) -> Curve:
    places = bins_of(answer, bins)
    counts = np.bincount(places)
    x, y = (np.bincount(places, weights=values) / counts for values in (answer, actual))
    return Curve(who, tuple(x.tolist()), tuple(y.tolist()))


def roc(evidence: Evidence) -> tuple[Curve, ...]:
    """Give the false and the true positive rate at every threshold, and the AUC."""
    return tuple(
        _roc(who, actual == 1, answer)
        for who, actual, answer in answers(evidence)
        if np.unique(actual).tolist() == [0.0, 1.0]
    )


def _roc(who: Who, positive: np.ndarray[tuple[int], np.dtype[np.bool_]], answer: Floats) -> Curve:
    values, place = np.unique(-answer, return_inverse=True)
    true, false = (
        np.append(0.0, np.cumsum(np.bincount(place[kind], minlength=values.size)) / kind.sum())
        for kind in (positive, ~positive)
    )
    kept = np.arange(true.size)
    if kept.size > POINTS:
        # evenly along the curve, which has steep and flat stretches
        along = true + false
        kept = np.unique(np.searchsorted(along, np.linspace(0, 2, POINTS)).clip(0, kept.size - 1))
    x, y = tuple(false[kept].tolist()), tuple(true[kept].tolist())
    return Curve(who, x, y, auc(positive.astype(float), answer))


def latencies(evidence: Evidence, model: Model) -> Latencies | None:
    """Count the single-row calls' times."""
    times = evidence.latencies_ms
    if not times.size or not (np.abs(times) < DRAWABLE).all():
        return None
    found = _histogram({"candidate": times})
    if found is None:
        return None
    p50, p99 = percentile(times, 50), percentile(times, 99)
    return Latencies(found, p50, p99, model.gates.latency.p99_ms)


def _histogram(sides: Mapping[Who, Floats]) -> Histogram | None:
    if not sides:
        return None
    low, high = _range(list(sides.values()))
    counts = {who: np.histogram(side, BARS, (low, high))[0] for who, side in sides.items()}
    shares = {who: tuple((counts[who] / side.size).tolist()) for who, side in sides.items()}
    outside = {who: 1 - int(counts[who].sum()) / side.size for who, side in sides.items()}
    return Histogram(low, high, shares, outside)


def _range(sides: list[Floats]) -> tuple[float, float]:
    """Give the range of all values, or without the tails where they would squeeze the rest."""
    low, high = (float(f([f(side) for side in sides])) for f in (np.min, np.max))
    tails = np.array([np.quantile(side, (TAIL, 1 - TAIL)) for side in sides])
    inner_low, inner_high = float(tails[:, 0].min()), float(tails[:, 1].max())
    if inner_low < inner_high and high - low > STRETCH * (inner_high - inner_low):
        low, high = inner_low, inner_high
    if high - low < 2 * BARS * np.spacing(max(abs(low), abs(high))):
        # one value, or so few floats between that bars would be empty by their place alone
        room = max(abs(low) / 2, 0.5)
        return low - room, high + room
    return low, high
