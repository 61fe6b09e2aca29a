"""Fairness drift: whether groups are answered less alike than when the version was trained.

Looks at answers alone, so it needs no actual and sees today's rows. Groups are the values of the
declared columns; what counts as the favourable answer is ``drift.positive_above``.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from shared.domain.drift.columns import Floats
from shared.domain.drift.measures import Comparison, Measure, Metric
from shared.sections.drift import DriftSettings

TWO = 2
"""Groups that a difference needs."""


class Grouped(Protocol):
    """Rows with what was answered and, by attribute, the group of each."""

    @property
    def prediction(self) -> Floats: ...
    @property
    def attributes(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Rate:
    """How often a group was answered favourably."""

    favoured: int
    rows: int

    @property
    def share(self) -> float:
        return self.favoured / self.rows

    @property
    def variance(self) -> float:
        """Of the share, with one answer added to each side: a share of 0 is not certain either."""
        smooth = (self.favoured + 1) / (self.rows + TWO)
        return smooth * (1 - smooth) / self.rows


Rates = Mapping[str, Rate]


def group_rates(rows: Grouped, attribute: str, settings: DriftSettings) -> dict[str, Rate]:
    """Count favourable answers by group; a row without an answer is in no group."""
    given = np.isfinite(rows.prediction)
    names, codes = np.unique(
        np.asarray(rows.attributes[attribute])[given].astype(str), return_inverse=True
    )
    favoured = rows.prediction[given] > settings.positive_above
    counts = np.bincount(codes, minlength=len(names)).tolist()
    hits = np.bincount(codes[favoured], minlength=len(names)).tolist()
    return {
        str(name): Rate(hit, count) for name, hit, count in zip(names, hits, counts, strict=True)
    }


def added(parts: Sequence[Rates]) -> dict[str, Rate]:
    """Add the counts of pieces of a window."""
    names = sorted({name for part in parts for name in part})
    none = Rate(0, 0)
    return {
        name: Rate(
            sum(part.get(name, none).favoured for part in parts),
            sum(part.get(name, none).rows for part in parts),
        )
        for name in names
    }


def parity_measure(
    attribute: str, reference: Rates, current: Rates, settings: DriftSettings
) -> Measure:
    """Measure the growth of the parity difference: the highest group's share less the lowest's.

    Of the groups that are large enough on both sides. The p-value is one-sided, of the change
    between the two groups that are furthest apart now, times the pairs there are (Bonferroni).
    """
    names = _large(reference, current, settings.parity_group)
    n, m = (sum(rate.rows for rate in rates.values()) for rates in (reference, current))
    if len(names) < TWO:
        note = f"fewer than two groups have {settings.parity_group} rows on both sides"
        pair = Comparison(attribute, n, m, "insufficient", note)
        return pair.without(Metric.PARITY_DIFFERENCE, "")
    low, high = _ends(names, current)
    before = _difference(names, reference)
    after = current[high].share - current[low].share
    pairs = len(names) * (len(names) - 1)
    p_value = min(1.0, pairs * _grown_p((low, high), reference, current))
    note = f"from {before:.4f} to {after:.4f}, {high!r} over {low!r}{_left_out(names, current)}"
    pair = Comparison(attribute, n, m, "ready")
    floor = settings.parity_increase
    return pair.measure(Metric.PARITY_DIFFERENCE, after - before, floor, p_value, note)


def _large(reference: Rates, current: Rates, least: int) -> list[str]:
    both = sorted(reference.keys() & current.keys())
    return [name for name in both if min(reference[name].rows, current[name].rows) >= least]


def _ends(names: list[str], rates: Rates) -> tuple[str, str]:
    ordered = sorted(names, key=lambda name: rates[name].share)
    return ordered[0], ordered[-1]


def _difference(names: list[str], rates: Rates) -> float:
    low, high = _ends(names, rates)
    return rates[high].share - rates[low].share


def _grown_p(ends: tuple[str, str], reference: Rates, current: Rates) -> float:
    low, high = ends
    rates = (current[high], current[low], reference[high], reference[low])
    change = rates[0].share - rates[1].share - (rates[2].share - rates[3].share)
    error = math.sqrt(sum(rate.variance for rate in rates))
    return 0.5 * math.erfc(change / error / math.sqrt(2))


def _left_out(names: list[str], current: Rates) -> str:
    small = sorted(current.keys() - set(names))
    return f"; left out: {', '.join(map(repr, small[:5]))}" if small else ""
