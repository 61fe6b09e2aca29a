"""Profiles: what is kept of a window, small, mergeable, enough for every statistic.

A numeric profile counts on the reference's own quantile edges, a categorical one by the
reference's categories. Profiles on the same edges are added; nothing else combines them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeVar

import numpy as np

from shared.domain.drift.columns import (
    Counts,
    Floats,
    Scratch,
    SortedColumn,
    count_column,
    sort_column,
)

MAX_CUTS = 4096
"""Most cuts a numeric profile has: 64 KB a column, KS within 1/4096 of the exact figure."""
EXAMPLES = 5
"""How many unseen categories are named."""


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


@dataclass(frozen=True, eq=False)
class NumericProfile:
    """Counts and sums of a numeric column on a reference's edges.

    Attributes:
        counts: finite values a bucket, one more than there are cuts.
        sums: their sums, for the Wasserstein distance.
        square_deviation: sum of squared deviations from the mean.
    """

    edges: Edges
    counts: Counts
    sums: Floats
    missing: int
    above: int
    below: int
    minimum: float
    maximum: float
    square_deviation: float

    @property
    def finite(self) -> int:
        return int(self.counts.sum())

    @property
    def infinite(self) -> int:
        return self.above + self.below

    @property
    def rows(self) -> int:
        return self.finite + self.infinite + self.missing

    @property
    def mean(self) -> float:
        """The mean of the finite values; NaN without one."""
        return float(self.sums.sum()) / self.finite if self.finite else float("nan")

    @property
    def deviation(self) -> float:
        """The standard deviation of the finite values; NaN without one."""
        return float(np.sqrt(self.square_deviation / self.finite)) if self.finite else float("nan")

    @property
    def constant(self) -> bool:
        return self.finite > 0 and self.minimum == self.maximum

    def bins(self) -> Counts:
        """Give the counts of the PSI bins."""
        starts = np.concatenate([[0], self.edges.coarse + 1])
        return np.add.reduceat(self.counts, starts)

    def share_near(self, value: float) -> float:
        """Give the share of the finite values in the bucket that holds ``value``."""
        bucket = int(np.searchsorted(self.edges.cuts, value, side="right"))
        return float(self.counts[bucket]) / self.finite if self.finite else 0.0

    def on(self, values: Any, scratch: Scratch) -> "NumericProfile":
        """Profile another window's column on this profile's edges."""
        return _profile(sort_column(values, scratch), self.edges)

    def __add__(self, other: "NumericProfile") -> "NumericProfile":
        return NumericProfile(
            edges=self.edges,
            counts=self.counts + other.counts,
            sums=self.sums + other.sums,
            missing=self.missing + other.missing,
            above=self.above + other.above,
            below=self.below + other.below,
            minimum=min(self.minimum, other.minimum),
            maximum=max(self.maximum, other.maximum),
            square_deviation=_pooled(self, other),
        )


def _pooled(one: NumericProfile, two: NumericProfile) -> float:
    """Add two sums of squared deviations (Chan, Golub and LeVeque 1979)."""
    if not one.finite or not two.finite:
        return one.square_deviation + two.square_deviation
    weight = one.finite * two.finite / (one.finite + two.finite)
    with np.errstate(over="ignore", invalid="ignore"):
        between = float(np.square(np.float64(one.mean) - two.mean)) * weight
    return one.square_deviation + two.square_deviation + between


def reference_numeric(values: Any, bins: int, scratch: Scratch) -> NumericProfile:
    """Profile a reference on edges of its own."""
    column = sort_column(values, scratch)
    return _profile(column, _edges(column.finite, bins))


def _profile(column: SortedColumn, edges: Edges) -> NumericProfile:
    """Count a sorted column; leaves the scratch it lives in changed."""
    values = column.finite
    borders = np.concatenate([[0], np.searchsorted(values, edges.cuts), [len(values)]])
    counts = np.diff(borders).astype(np.int64)
    empty = not len(values)
    minimum, maximum = (np.inf, -np.inf) if empty else (values[0], values[-1])
    with np.errstate(over="ignore", invalid="ignore"):
        sums = _bucket_sums(values, borders, counts)
        values -= np.float64(0.0) if empty else sums.sum() / len(values)
        values *= values  # in place: a fresh array costs more than the arithmetic
        deviation = float(values.sum())
    return NumericProfile(
        edges=edges,
        counts=counts,
        sums=sums,
        missing=column.missing,
        above=column.above,
        below=column.below,
        minimum=float(minimum),
        maximum=float(maximum),
        square_deviation=deviation,
    )


def _bucket_sums(values: Floats, borders: Counts, counts: Counts) -> Floats:
    sums = np.zeros(len(counts))
    filled = counts > 0
    if filled.any():
        sums[filled] = np.add.reduceat(values, borders[:-1][filled])
    return sums


# --- edges -----------------------------------------------------------------------------------


def _edges(values: Floats, bins: int) -> Edges:
    if not len(values):
        return Edges(np.empty(0), np.empty(0, dtype=np.int64))
    coarse = _bin_edges(values, bins)
    cuts = np.unique(np.concatenate([_fine_cuts(values, MAX_CUTS - len(coarse)), coarse]))
    return Edges(cuts, np.searchsorted(cuts, coarse).astype(np.int64))


def _bin_edges(values: Floats, bins: int) -> Floats:
    """Give the inner edges of the reference's quantile bins, as the textbook PSI has them.

    A reference with one or two distinct quantiles would be left with a single bin and no change
    could ever show; there each of them has a bin of its own.
    """
    distinct = np.unique(_quantiles(values, np.linspace(0, 1, bins + 1)))
    return distinct[1:-1] if len(distinct) > 2 else _atoms(distinct)  # noqa: PLR2004 - two ends make one bin


def _quantiles(values: Floats, shares: Floats) -> Floats:
    """Interpolate as ``numpy.quantile`` does, to the last bit, on values that are sorted."""
    place = (len(values) - 1) * shares
    lower = np.floor(place).astype(np.int64)
    upper = np.minimum(lower + 1, len(values) - 1)
    weight = place - lower
    low, high = values[lower], values[upper]
    with np.errstate(over="ignore", invalid="ignore"):
        step = high - low
        inner = np.where(weight < 0.5, low + step * weight, high - step * (1 - weight))  # noqa: PLR2004 - numpy takes the nearer end, for monotony
    return np.where(np.isfinite(step), inner, low * (1 - weight) + high * weight)


def _fine_cuts(values: Floats, most: int) -> Floats:
    """Give cuts at every value if they are few, else at evenly spaced ranks; ties apart."""
    first = np.concatenate([[True], values[1:] != values[:-1]])
    distinct = int(np.count_nonzero(first))
    if 2 * distinct <= most:
        return _atoms(values[first])
    ranks = np.linspace(0, len(values) - 1, most - 2).astype(np.int64)
    grid = values[ranks]
    tied = np.unique(grid[1:][grid[1:] == grid[:-1]])
    return np.unique(np.concatenate([grid, _after(tied), _after(values[-1:])]))


def _atoms(values: Floats) -> Floats:
    return np.unique(np.concatenate([values, _after(values)]))


def _after(values: Floats) -> Floats:
    """Give the next float of each; the largest float has none."""
    with np.errstate(over="ignore"):
        following = np.nextafter(values, np.inf)
    return following[np.isfinite(following)]


# --- categories ------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class CategoricalProfile:
    """Counts of a categorical column by the reference's categories.

    Attributes:
        categories: the reference's, sorted.
        counts: one a category.
        unseen: rows with a category the reference does not have.
        examples: a few of these, sorted.
    """

    categories: tuple[str, ...]
    counts: Counts
    unseen: int
    missing: int
    examples: tuple[str, ...] = ()

    @property
    def present(self) -> int:
        return int(self.counts.sum()) + self.unseen

    @property
    def rows(self) -> int:
        return self.present + self.missing

    def cells(self) -> Counts:
        """Give the counts with the unseen ones as a last cell."""
        return np.append(self.counts, self.unseen)

    def on(self, values: Any) -> "CategoricalProfile":
        """Profile another window's column on this profile's categories."""
        column = count_column(values)
        places = {name: place for place, name in enumerate(self.categories)}
        counts = np.zeros(len(places), dtype=np.int64)
        strange: dict[str, int] = {}
        for name, count in zip(column.names, column.counts.tolist(), strict=True):
            if name in places:
                counts[places[name]] = count
            else:
                strange[name] = count
        examples = tuple(sorted(strange)[:EXAMPLES])
        unseen = sum(strange.values())
        return CategoricalProfile(self.categories, counts, unseen, column.missing, examples)

    def __add__(self, other: "CategoricalProfile") -> "CategoricalProfile":
        return CategoricalProfile(
            categories=self.categories,
            counts=self.counts + other.counts,
            unseen=self.unseen + other.unseen,
            missing=self.missing + other.missing,
            examples=tuple(sorted({*self.examples, *other.examples})[:EXAMPLES]),
        )


def reference_categorical(values: Any) -> CategoricalProfile:
    """Profile a reference on categories of its own."""
    column = count_column(values)
    order = sorted(range(len(column.names)), key=column.names.__getitem__)
    names = tuple(column.names[place] for place in order)
    return CategoricalProfile(names, column.counts[order], 0, column.missing)


P = TypeVar("P", NumericProfile, CategoricalProfile)


def merged(profiles: Iterable[P]) -> P:
    """Add profiles on the same edges; at least one."""
    return reduce(lambda one, two: one + two, profiles)
