"""Counting: a numeric column read once, in pieces, onto buckets that are given.

The counts are those of a binary search, found without one: a table gives the buckets that begin
below a value's cell, and the few cuts inside the cell are compared with.
"""

import math
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from shared.domain.drift.cells import Cells, cells_around
from shared.domain.drift.columns import UNREADABLE, Counts, Floats, Workspace, numbers

HALF = 1 << 14
"""Cells on each side: with 4,096 cuts most have none or one, and the table stays in the cache."""
MANY = 1 << 13
"""Values from which a table is made: for fewer, sorting takes less time than the table."""


@dataclass
class Tally:
    """What a numeric profile keeps beside its buckets; grows piece by piece.

    Attributes:
        squares: sum of squared deviations from the mean.
    """

    finite: int = 0
    missing: int = 0
    above: int = 0
    below: int = 0
    minimum: float = math.inf
    maximum: float = -math.inf
    mean: float = 0.0
    squares: float = 0.0

    def take(self, piece: Floats, work: Workspace) -> Floats:
        """Take a piece in and give its finite values."""
        with np.errstate(over="ignore", invalid="ignore"):
            total = float(piece.sum())
            if not math.isfinite(total):
                piece = self._cleaned(piece)
                total = float(piece.sum())
            if len(piece):
                self._add(piece, total, work)
        return piece

    def _cleaned(self, piece: Floats) -> Floats:
        finite = piece[np.isfinite(piece)]
        above, below = (int(np.count_nonzero(piece == end)) for end in (np.inf, -np.inf))
        self.above += above
        self.below += below
        self.missing += len(piece) - len(finite) - above - below
        return finite

    def _add(self, piece: Floats, total: float, work: Workspace) -> None:
        """Pool the moments (Chan, Golub and LeVeque 1979)."""
        rows, before = len(piece), self.finite
        gap = np.float64(total / rows - self.mean)
        deviations = np.subtract(piece, total / rows, out=work.wide[:rows])
        within = float(np.einsum("i,i->", deviations, deviations))
        self.finite += rows
        self.squares += within + float(np.square(gap)) * before * rows / self.finite
        self.mean += float(gap) * rows / self.finite
        self.minimum = min(self.minimum, float(piece.min()))
        self.maximum = max(self.maximum, float(piece.max()))


@dataclass(frozen=True, eq=False)
class Counted:
    """A column on buckets: values a bucket, their sums, and the rest of a profile."""

    counts: Counts
    sums: Floats
    tally: Tally


@dataclass(frozen=True, eq=False)
class Table:
    """Cuts laid out for counting.

    Attributes:
        first: by cell, how many cuts are in lower cells; the last cut is in none.
        steps: of the search among the cuts of one cell; they halve.
        cuts: with an infinity in place of the last.
        last: the last cut, right behind the reference's largest value: few values reach it.
    """

    cells: Cells
    first: Counts
    steps: tuple[int, ...]
    cuts: Floats
    last: float

    def buckets(self, values: Floats, work: Workspace, largest: float = math.inf) -> Counts:
        """Give the number of cuts at or below each finite value; none is above the largest."""
        rows = len(values)
        cells, buckets = self.cells.of(values, work), work.buckets[:rows]
        cut, beyond, jump = work.wide[:rows], work.beyond[:rows], work.jumps[:rows]
        # mode: without it, take keeps a copy in case an index is bad
        self.first.take(cells, out=buckets, mode="clip")
        for step in self.steps:
            # a cut of a higher cell is larger than the value: to overshoot changes nothing
            self.cuts[step - 1 :].take(buckets, out=cut, mode="clip")
            np.multiply(np.less_equal(cut, values, out=beyond), step, out=jump)
            np.add(buckets, jump, out=buckets)
        if largest >= self.last:
            np.add(buckets, np.greater_equal(values, self.last, out=beyond), out=buckets)
        return buckets


N = TypeVar("N", np.int64, np.float64)


def between(parts: npt.NDArray[N], borders: Counts) -> npt.NDArray[N]:
    """Add up the parts from each border to the next; between equal borders there is nothing."""
    found = np.zeros(len(borders) - 1, dtype=parts.dtype)
    filled = borders[1:] > borders[:-1]
    if filled.any():
        found[filled] = np.add.reduceat(parts, borders[:-1][filled])
    return found


def table_of(cuts: Floats, work: Workspace) -> Table:
    """Lay out cuts, which grow; at most a piece of them."""
    cells, lower = cells_around(cuts, HALF), cuts[:-1]
    load = np.bincount(cells.of(lower, work), minlength=cells.number)
    first = np.cumsum(load) - load
    bits = int(load.max()).bit_length()
    steps = tuple(1 << bit for bit in reversed(range(bits)))
    last = float(cuts[-1]) if len(cuts) else np.inf
    return Table(cells, first, steps, np.append(lower, np.inf), last)


def count_many(values: Any, cuts: Floats, work: Workspace) -> Counted | None:
    """Count an Arrow column or a numpy array on the buckets between growing cuts.

    None if it is too short for this to be of use, or holds no numbers.
    """
    try:
        return _count(values, cuts, work) if len(values) >= MANY else None
    except UNREADABLE:
        return None


def _count(values: Any, cuts: Floats, work: Workspace) -> Counted:
    table, tally, size = table_of(cuts, work), Tally(), len(cuts) + 1
    counts, sums = np.zeros(size, dtype=np.int64), np.zeros(size)
    for piece in numbers(values):
        finite = tally.take(piece, work)
        buckets = table.buckets(finite, work, tally.maximum)
        counts += np.bincount(buckets, minlength=size)
        with np.errstate(over="ignore", invalid="ignore"):
            sums += np.bincount(buckets, weights=finite, minlength=size)
    return Counted(counts, sums, tally)
