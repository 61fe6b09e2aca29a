"""Profiles: what is kept of a window, small, mergeable, enough for every statistic.

A numeric profile counts on the reference's own quantile edges, a categorical one by the
reference's categories. Profiles on the same edges are added; nothing else combines them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, reduce
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
from shared.domain.drift.counting import Counted, Tally, between, count_many
from shared.domain.drift.edges import Edges, SortedValues, edges_by_rank
from shared.domain.drift.selection import select_many

EXAMPLES = 5
"""How many unseen categories are named."""


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

    @cached_property
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

    @cached_property
    def heights(self) -> Floats:
        """Give the share of the finite values below each cut, with 0 and 1 at the ends."""
        return np.concatenate([[0.0], np.add.accumulate(self.counts) / self.finite])

    def bins(self) -> Counts:
        """Give the counts of the PSI bins."""
        return self._bins

    @cached_property
    def _bins(self) -> Counts:
        starts = np.concatenate([[0], self.edges.coarse + 1])
        return np.add.reduceat(self.counts, starts)

    def share_near(self, value: float) -> float:
        """Give the share of the finite values in the bucket that holds ``value``."""
        bucket = int(np.searchsorted(self.edges.cuts, value, side="right"))
        return float(self.counts[bucket]) / self.finite if self.finite else 0.0

    def on(self, values: Any, scratch: Scratch) -> "NumericProfile":
        """Profile another window's column on this profile's edges."""
        counted = count_many(values, self.edges.cuts, scratch.work)
        if counted is None:
            counted = _count_sorted(sort_column(values, scratch), self.edges)
        return _profile(counted, self.edges)

    def __add__(self, other: "NumericProfile") -> "NumericProfile":
        with np.errstate(over="ignore", invalid="ignore"):  # as when they are counted together
            sums = self.sums + other.sums
        return NumericProfile(
            edges=self.edges,
            counts=self.counts + other.counts,
            sums=sums,
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
    selection = select_many(values, bins, scratch)
    if selection is not None:
        edges = edges_by_rank(selection, bins)
        return _profile(selection.count_on(edges.cuts), edges)
    column = sort_column(values, scratch)
    edges = edges_by_rank(SortedValues(column.finite), bins)
    return _profile(_count_sorted(column, edges), edges)


def _profile(counted: Counted, edges: Edges) -> NumericProfile:
    tally = counted.tally
    return NumericProfile(
        edges=edges,
        counts=counted.counts,
        sums=counted.sums,
        missing=tally.missing,
        above=tally.above,
        below=tally.below,
        minimum=tally.minimum,
        maximum=tally.maximum,
        square_deviation=tally.squares,
    )


def _count_sorted(column: SortedColumn, edges: Edges) -> Counted:
    """Count a sorted column; leaves the scratch it lives in changed."""
    values, rows = column.finite, len(column.finite)
    borders = np.full(len(edges.cuts) + 2, rows, dtype=np.int64)
    borders[0], borders[1:-1] = 0, values.searchsorted(edges.cuts)
    counts = borders[1:] - borders[:-1]
    empty = not rows
    minimum, maximum = (np.inf, -np.inf) if empty else (values[0], values[-1])
    with np.errstate(over="ignore", invalid="ignore"):
        sums = between(values, borders)
        values -= np.float64(0.0) if empty else sums.sum() / rows
        values *= values  # in place: a fresh array costs more than the arithmetic
        deviation = float(values.sum())
    tally = Tally(
        finite=rows,
        missing=column.missing,
        above=column.above,
        below=column.below,
        minimum=float(minimum),
        maximum=float(maximum),
        squares=deviation,
    )
    return Counted(counts, sums, tally)


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
