"""Edges: where a reference's buckets begin, from its values in order or from a few of them by rank.

A source that keeps its values elsewhere need not send them: the number of finite values, those at
some ranks, and the distinct ones where these are few, make the same edges to the last bit.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from shared.domain.drift.columns import Counts, Floats

MAX_CUTS = 4096
"""Most cuts a numeric profile has: 64 KB a column, KS within 1/4096 of the exact figure."""
MAX_ATOMS = 4
"""Most inner edges of a reference with two distinct quantiles: each, and the float after it."""


@dataclass(frozen=True, eq=False)
class Edges:
    """Where a reference's buckets begin: bucket i holds cuts[i-1] <= x < cuts[i], ends open.

    Attributes:
        cuts: strictly growing. A value the reference is tied at has a bucket of its own, from the
            value to the next float: there the counts say all there is to know.
        coarse: which of the cuts bound the PSI bins.
    """

    cuts: Floats
    coarse: Counts


class Ranked(Protocol):
    """The finite values of a column in ascending order, wherever they are."""

    @property
    def finite(self) -> int:
        """How many there are."""

    def at(self, ranks: Counts) -> Floats:
        """Give the values at some ranks, which count from 0 and may come in any order, or twice."""

    def distinct(self, most: int) -> Floats | None:
        """Give the distinct values in order; None where there are more than ``most``."""


@dataclass(frozen=True, eq=False)
class SortedValues:
    """Values in memory; finite and in ascending order."""

    values: Floats

    @property
    def finite(self) -> int:
        return len(self.values)

    def at(self, ranks: Counts) -> Floats:
        return self.values[ranks]

    def distinct(self, most: int) -> Floats | None:
        first = np.full(len(self.values), fill_value=True)
        np.not_equal(self.values[1:], self.values[:-1], out=first[1:])
        return self.values[first] if np.count_nonzero(first) <= most else None


class Picked:
    """What edges need of a column, picked out of its finite values as they come by in order."""

    def __init__(self, pieces: Iterable[Floats], finite: int, bins: int) -> None:
        self._finite = finite
        self._ranks = ranks_wanted(finite, bins)
        self._values = np.empty(len(self._ranks))
        self._distinct: Floats | None = np.empty(0)
        start = 0
        for piece in pieces:
            self._pick(piece, start)
            start += len(piece)

    def _pick(self, piece: Floats, start: int) -> None:
        low, high = np.searchsorted(self._ranks, [start, start + len(piece)])
        self._values[low:high] = piece[self._ranks[low:high] - start]
        if self._distinct is not None:
            distinct = np.unique(np.concatenate([self._distinct, piece]))
            self._distinct = distinct if len(distinct) <= MAX_CUTS else None

    @property
    def finite(self) -> int:
        return self._finite

    def at(self, ranks: Counts) -> Floats:
        return self._values[np.searchsorted(self._ranks, ranks)]

    def distinct(self, most: int) -> Floats | None:
        few = self._distinct is not None and len(self._distinct) <= most
        return self._distinct if few else None


def ranks_wanted(finite: int, bins: int) -> Counts:
    """Give every rank that ``edges_by_rank`` may ask for, in order."""
    if not finite:
        return np.empty(0, dtype=np.int64)
    lower = np.floor((finite - 1) * np.linspace(0, 1, bins + 1)).astype(np.int64)
    grids = [_grid(finite, MAX_CUTS - coarse) for coarse in range(1, max(bins, MAX_ATOMS) + 1)]
    return np.unique(np.concatenate([lower, np.minimum(lower + 1, finite - 1), *grids]))


def likely_ranks(finite: int, bins: int) -> Counts:
    """Give the ranks that ``edges_by_rank`` asks for where no quantiles are tied: most columns."""
    lower = np.floor((finite - 1) * np.linspace(0, 1, bins + 1)).astype(np.int64)
    grid = _grid(finite, MAX_CUTS - bins + 1)
    return np.concatenate([lower, np.minimum(lower + 1, finite - 1), grid])


def edges_by_rank(values: Ranked, bins: int) -> Edges:
    """Make a reference's edges; asks for some ranks, for the distinct values, and for ranks again.

    Args:
        values: the reference's.
        bins: PSI bins.
    """
    if not values.finite:
        return Edges(np.empty(0), np.empty(0, dtype=np.int64))
    coarse = _bin_edges(values, bins)
    most = MAX_CUTS - len(coarse)
    few = values.distinct(most // 2)
    fine = _atoms(few) if few is not None else _grid_cuts(values, most)
    # + 0.0 makes of -0.0 the 0.0 it equals, so that equal edges are equal bytes
    cuts = _distinct(np.concatenate([fine, coarse])) + 0.0
    return Edges(cuts, np.searchsorted(cuts, coarse).astype(np.int64))


def _bin_edges(values: Ranked, bins: int) -> Floats:
    """Give the inner edges of the reference's quantile bins, as the textbook PSI has them.

    A reference with one or two distinct quantiles would be left with a single bin and no change
    could ever show; there each of them has a bin of its own.
    """
    distinct = _distinct(quantiles(values, np.linspace(0, 1, bins + 1)))
    return distinct[1:-1] if len(distinct) > 2 else _atoms(distinct)  # noqa: PLR2004 - two ends make one bin


def quantiles(values: Ranked, shares: Floats) -> Floats:
    """Interpolate as ``numpy.quantile`` does, to the last bit."""
    last = values.finite - 1
    place = last * shares
    lower = np.floor(place).astype(np.int64)
    weight = place - lower
    found = values.at(np.concatenate([lower, np.minimum(lower + 1, last)]))
    low, high = found[: len(lower)], found[len(lower) :]
    with np.errstate(over="ignore", invalid="ignore"):
        step = high - low
        inner = np.where(weight < 0.5, low + step * weight, high - step * (1 - weight))  # noqa: PLR2004 - numpy takes the nearer end, for monotony
    return np.where(np.isfinite(step), inner, low * (1 - weight) + high * weight)


def _grid_cuts(values: Ranked, most: int) -> Floats:
    """Give cuts at evenly spaced ranks, with a value the grid is tied at in a bucket apart."""
    grid = values.at(_grid(values.finite, most))
    tied = np.unique(grid[1:][grid[1:] == grid[:-1]])
    return _distinct(np.concatenate([grid, _after(tied), _after(grid[-1:])]))


def _grid(finite: int, most: int) -> Counts:
    return np.linspace(0, finite - 1, most - 2).astype(np.int64)


def _atoms(values: Floats) -> Floats:
    return _distinct(np.concatenate([values, _after(values)]))


def _distinct(values: Floats) -> Floats:
    """Do what ``numpy.unique`` does to at least one value: with few, its overhead counts."""
    ordered = np.sort(values)
    first = np.full(len(ordered), fill_value=True)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    kept: Floats = ordered[first]
    return kept


def _after(values: Floats) -> Floats:
    """Give the next float of each; the largest float has none."""
    with np.errstate(over="ignore"):
        following = np.nextafter(values, np.inf)
    return following[np.isfinite(following)]
