"""What a picture of a column shows: shares by bar, of both sides. Decides nothing, draws nothing.

The statistics have bins of their own; these are evenly wide, as an eye expects.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from shared.domain.drift.columns import Floats, as_numbers
from shared.domain.drift.profile import CategoricalProfile

BARS = 40
"""Bars of a numeric picture: narrower ones cannot be told apart at its width."""
TAIL = 0.005
"""Share at either end that may lie outside a picture, so that a few outliers do not flatten it."""
STRETCH = 2.0
"""How much wider than without its tails a picture may be before they are left out."""
SAMPLE = 20_000
"""Values, evenly spaced, that the tails are read off."""
DRAWABLE = 1e300
"""Beyond this size a step to the next bar is no longer a number."""
CATEGORIES = 8
"""Categories that have bars of their own; the others share one."""


@dataclass(frozen=True)
class NumericPicture:
    """Shares of the finite values by evenly wide bars.

    Attributes:
        edges: where the first bar begins and the last one ends.
        ends: the values that stand there; whole numbers lie in the middle of their bar.
        outside: the share that lies left or right of all bars, of either side.
    """

    edges: tuple[float, float]
    ends: tuple[float, float]
    reference: Sequence[float]
    current: Sequence[float]
    outside: tuple[float, float]
    means: tuple[float | None, float | None]


@dataclass(frozen=True)
class Bar:
    """One category, or what is left of them.

    Attributes:
        rest: it is no category of the reference.
        drawn: its shares are drawn, not only told.
    """

    label: str
    reference: float
    current: float
    rest: bool = False
    drawn: bool = True


@dataclass(frozen=True)
class CategoryPicture:
    """Shares of the present values by category."""

    bars: Sequence[Bar]


Picture = NumericPicture | CategoryPicture


def numeric_picture(reference: Any, current: Any) -> NumericPicture | None:
    """Count the columns' finite values; None where there are none, or none that can be drawn."""
    sides = _finite(reference), _finite(current)
    present = [side for side in sides if len(side)]
    if not present:
        return None
    low, high = _range(present)
    if max(abs(low), abs(high)) > DRAWABLE:
        return None
    whole = pa.types.is_integer(reference.type) and pa.types.is_integer(current.type)
    frame = _whole_frame(low, high) if whole else _frame(low, high)
    before, after = (_shares(side, frame) for side in sides)
    return NumericPicture(
        edges=(frame.low, frame.high),
        ends=(low, high),
        reference=before,
        current=after,
        outside=(_left_out(sides[0], before), _left_out(sides[1], after)),
        means=(_mean(sides[0]), _mean(sides[1])),
    )


def _finite(values: Any) -> Floats:
    found = as_numbers(values)
    return found[np.isfinite(found)]


def _range(sides: Sequence[Floats]) -> tuple[float, float]:
    """Give the range of all values, or without the tails where they would squeeze the rest.

    Where the tails begin is read off a sample: it only frames the picture.
    """
    full = min(side.min() for side in sides), max(side.max() for side in sides)
    tails = np.array([np.quantile(_sample(side), (TAIL, 1 - TAIL)) for side in sides])
    low, high = tails[:, 0].min(), tails[:, 1].max()
    with np.errstate(over="ignore"):
        narrow = low < high and full[1] - full[0] > STRETCH * (high - low)
    return (float(low), float(high)) if narrow else (float(full[0]), float(full[1]))


def _sample(values: Floats) -> Floats:
    return values[:: max(1, len(values) // SAMPLE)]


@dataclass(frozen=True)
class Frame:
    """Evenly wide bars between two ends, both within."""

    low: float
    high: float
    bars: int


def _frame(low: float, high: float) -> Frame:
    if high - low < 2 * BARS * np.spacing(max(abs(low), abs(high))):
        # one value, or so few floats that bars would be empty by their place alone
        room = max(abs(low) / 2, 0.5)
        return Frame(low - room, high + room, BARS)
    return Frame(low, high, BARS)


def _whole_frame(low: float, high: float) -> Frame:
    """Give bars that hold equally many whole numbers each: others would look like a comb."""
    if np.spacing(max(abs(low), abs(high))) >= 1:
        # so large that not every whole number is a float
        return _frame(low, high)
    low, high = np.floor(low), np.ceil(high)
    width = float(np.ceil((high - low + 1) / BARS))
    bars = int(np.ceil((high - low + 1) / width))
    first = float(low) - 0.5
    return Frame(first, first + width * bars, bars)


def _shares(values: Floats, frame: Frame) -> list[float]:
    counts, _ = np.histogram(values, frame.bars, (frame.low, frame.high))
    return [int(count) / max(1, len(values)) for count in counts]


def _left_out(values: Floats, shares: Sequence[float]) -> float:
    # sums of shares are exact to a few bits only
    return max(0.0, round(1.0 - math.fsum(shares), 9)) if len(values) else 0.0


def _mean(values: Floats) -> float | None:
    if not len(values):
        return None
    with np.errstate(over="ignore"):
        mean = float(values.mean())
    return mean if math.isfinite(mean) else None


def category_picture(
    reference: CategoricalProfile, current: CategoricalProfile
) -> CategoryPicture | None:
    """Choose the categories that are large on either side; None where there are no values."""
    n, m = max(1, reference.present), max(1, current.present)
    if not reference.present and not current.present:
        return None
    before, after = reference.counts / n, current.counts / m
    places = np.argsort(-np.maximum(before, after), kind="stable")
    kept = places[:CATEGORIES] if len(places) > CATEGORIES + 1 else places
    bars = [
        Bar(reference.categories[place], float(before[place]), float(after[place]))
        for place in kept
    ]
    rest = places[len(kept) :]
    if len(rest):
        label = f"{len(rest):,} others"
        bars.append(
            Bar(label, float(before[rest].sum()), float(after[rest].sum()), rest=True, drawn=False)
        )
    if current.unseen:
        bars.append(Bar("not seen before", 0.0, current.unseen / m, rest=True))
    return CategoryPicture(bars)
