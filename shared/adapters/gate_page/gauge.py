"""One gate's value on a line: where it must be, where it is, how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.domain.gates.result import GateResult

WIDTH, HEIGHT = 120, 20
ROOM = 0.18
"""Share of the width that is left free at either end."""


@dataclass(frozen=True)
class Gauge:
    """Pixels: the allowed side, the interval (None: not known), the threshold and the value."""

    allowed: tuple[float, float]
    interval: tuple[float, float] | None
    threshold: float
    value: float
    width: int = WIDTH
    height: int = HEIGHT


def gauge(result: GateResult) -> Gauge | None:
    """Lay out a result; None where it compares nothing."""
    value, threshold = result.value, result.threshold
    if value is None or threshold is None:
        return None
    ends = interval(result)
    marks: list[float] = [value, threshold, *(ends or ())]
    low, high = min(marks), max(marks)
    # halves first: the difference of two huge numbers may be none
    half = high / 2 - low / 2 or max(abs(high), 1.0)

    def at(figure: float) -> float:
        share = (figure / 2 - low / 2) / half
        return float(round(WIDTH * (ROOM + share * (1 - 2 * ROOM)), 1))

    edge = at(threshold)
    return Gauge(
        allowed=(edge, WIDTH) if result.operator.startswith(">") else (0, edge),
        interval=(at(ends[0]), at(ends[1])) if ends else None,
        threshold=edge,
        value=at(value),
    )


def interval(result: GateResult, prefix: str = "") -> tuple[float, float] | None:
    """Give the value's interval, or the difference's to the champion by its prefix."""
    low, high = (result.details.get(f"{prefix}{end}") for end in ("low", "high"))
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        return None
    return (float(low), float(high)) if math.isfinite(low) and math.isfinite(high) else None
