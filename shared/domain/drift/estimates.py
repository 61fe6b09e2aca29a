"""Figures with their standard errors, and the baselines they are held against.

What the measures of performance share; no metric is defined here.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from shared.domain.drift.columns import Floats
from shared.domain.drift.measures import PERFORMANCE, Comparison
from shared.sections.drift import DriftSettings


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


def mean_of(values: Floats) -> Estimate:
    """Estimate a mean; at least one value."""
    return Estimate(float(values.mean()), float(values.std() / math.sqrt(len(values))))


def scored_pair(rows: int, settings: DriftSettings) -> Comparison:
    """Say whether so many rows with a prediction and an actual are enough."""
    if rows < settings.scored_rows:
        note = f"{rows} rows with a prediction and an actual, needed {settings.scored_rows}"
        return Comparison(PERFORMANCE, 0, rows, "insufficient", note)
    return Comparison(PERFORMANCE, 0, rows, "ready")


def baseline_of(tags: Mapping[str, str], name: str) -> float | None:
    """Read a baseline off a version's tags; None: there is none, or it is no usable number."""
    try:
        value = float(tags[name])
    except (KeyError, ValueError):
        return None
    return value if math.isfinite(value) else None


def no_baseline(name: str) -> str:
    return f"the version's tag {name} is missing or no usable number"
