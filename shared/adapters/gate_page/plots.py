"""One plot as coordinates of an SVG: axes, ticks, paths. Knows nothing of gates or of colours."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.adapters.wording import figure

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH, HEIGHT = 400, 250
LEFT, RIGHT, TOP, BASE = 54, 390, 8, 208
TICKS = 4
"""About so many ticks an axis: more would touch each other."""


@dataclass(frozen=True)
class Axis:
    """Maps values from ``low`` to ``high`` onto pixels."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Give round values in range, with their pixel and label; none where no float is round."""
        rough = (self.high - self.low) / TICKS
        unit = 10.0 ** math.floor(math.log10(rough))
        step = unit * next(each for each in (1, 2, 2.5, 5, 10) if each * unit >= rough * 0.99)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        # a product, not a sum: rounding would add up
        values = [round(place * step, 12) + 0.0 for place in range(first, min(last, first + 9) + 1)]
        return [(self.at(value), figure(value)) for value in values]


@dataclass(frozen=True)
class Shape:
    """One path; ``kind`` is its CSS class."""

    kind: str
    path: str


@dataclass(frozen=True)
class Plot:
    """A picture with its axes.

    Attributes:
        x_name, y_name: what the axes are, with the unit.
        key: CSS class and words of what needs telling apart.
        caption: what the picture leaves out or rests on.
        spoken: what it shows, for those who hear it.
    """

    title: str
    x_name: str
    y_name: str
    x: Axis
    y: Axis
    shapes: Sequence[Shape]
    key: Sequence[tuple[str, str]]
    caption: str
    spoken: str
    width: int = field(default=WIDTH, init=False)
    height: int = field(default=HEIGHT, init=False)
    left: int = field(default=LEFT, init=False)
    right: int = field(default=RIGHT, init=False)
    base: int = field(default=BASE, init=False)
    top: int = field(default=TOP, init=False)


def across(low: float, high: float) -> Axis:
    return Axis(*_apart(low, high), LEFT, RIGHT)


def upwards(low: float, high: float) -> Axis:
    return Axis(*_apart(low, high), BASE, TOP)


def _apart(low: float, high: float) -> tuple[float, float]:
    """Widen an axis of one value: there must be something to divide by."""
    if high - low > 8 * math.ulp(max(abs(low), abs(high))):
        return low, high
    room = max(abs(low) / 2, 0.5)
    return low - room, high + room


def line(x: Axis, y: Axis, points: Iterable[tuple[float, float]]) -> str:
    path = "L".join(f"{x.at(one):g} {y.at(other):g}" for one, other in points)
    return f"M{path}"


def dots(x: Axis, y: Axis, points: Iterable[tuple[float, float]]) -> str:
    """Draw points as lines of no length: their round ends are the dots."""
    return "".join(f"M{x.at(one):g} {y.at(other):g}h0" for one, other in points)


def area(
    x: Axis, y: Axis, lower: Sequence[tuple[float, float]], upper: Sequence[tuple[float, float]]
) -> str:
    return f"{line(x, y, [*lower, *reversed(upper)])}Z"


def steps(x: Axis, y: Axis, shares: Sequence[float]) -> str:
    """Walk along the tops of bars that share the axis evenly, from the base and back to it."""
    width = (x.end - x.start) / len(shares)
    path, level = [f"M{x.start:g} {y.start:g}"], y.start
    for place, share in enumerate(shares):
        top = y.at(share)
        if top != level:
            path.append(f"H{x.start + place * width:.5g}V{top:g}")
            level = top
    return f"{''.join(path)}H{x.end:g}V{y.start:g}"


def upright(x: Axis, y: Axis, value: float) -> str:
    return f"M{x.at(value):g} {y.start:g}V{y.end:g}"
