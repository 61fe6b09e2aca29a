"""Selection: a large column's values by rank, and its profile, without sorting it.

The column is counted into fine cells. A rank then lies in a known cell, and only the values of the
cells that were asked for are fetched and sorted: a few in a hundred of all. Cells that hold one
value many times are told apart first, so ties cost no more.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.domain.drift.cells import cells_around, runs
from shared.domain.drift.columns import UNREADABLE, Counts, Floats, Scratch, numbers
from shared.domain.drift.counting import Counted, Tally, between
from shared.domain.drift.edges import likely_ranks

HALF = 1 << 16
"""Cells on each side: 4,096 ranks of a million values fetch about 2 % of them."""
FETCHED = 1 / 8
"""Share of the values from which ties are looked for before any is fetched."""
CROWDED = 1 / 4
"""Share of the values from which to sort them all is the shorter way."""

MANY = 100_000
"""Values from which cells are counted: for fewer, sorting takes less time than the cells."""

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Points:
    """Values that are known, in order: each with its first rank, and how often it occurs."""

    starts: Counts
    values: Floats
    times: Counts

    def places(self, ranks: Counts) -> Counts:
        """Give the last point at or before each rank; -1 without one."""
        return np.searchsorted(self.starts, ranks, side="right") - 1

    def hold(self, ranks: Counts, places: Counts) -> bool:
        """Tell whether the points at these places are those of the ranks."""
        if not len(self.starts) or places.min(initial=0) < 0:
            return False
        return bool((ranks < self.starts[places] + self.times[places]).all())

    def and_these(self, other: "Points") -> "Points":
        if not len(self.starts):
            return other
        starts = np.concatenate([self.starts, other.starts])
        order = np.argsort(starts, kind="stable")
        values = np.concatenate([self.values, other.values])
        times = np.concatenate([self.times, other.times])
        return Points(starts[order], values[order], times[order])


NO_POINTS = Points(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0, dtype=np.int64))


class Selection:
    """A column's finite values by rank; what is asked of it must be of one column.

    Reading the column again gives the same values: it is read once to be counted, and again for
    the cells that are asked for.
    """

    def __init__(self, values: Any, scratch: Scratch) -> None:
        """Count a column; the scratch is the selection's own while it is in use.

        Raises:
            ArrowInvalid: and the other kinds of ``UNREADABLE``: the column holds no numbers.
        """
        self._values, self._work = values, scratch.work
        half_as_wide = scratch.take((len(values) + 1) // 2)
        self._where = half_as_wide.view(np.int32)
        self._cells = cells_around(_distinct_sample(values), HALF)
        self._counts = np.zeros(self._cells.number, dtype=np.int64)
        self._sums = np.zeros(self._cells.number)
        self.tally = Tally()
        self._count()
        self._before: Counts = np.cumsum(self._counts) - self._counts
        self._known: Flags = self._counts == 0
        self._points = NO_POINTS

    def _count(self) -> None:
        for piece in numbers(self._values):
            finite = self.tally.take(piece, self._work)
            done = self.tally.finite
            cells = self._cells.of(finite, self._work)
            self._where[done - len(finite) : done] = cells
            np.add.at(self._counts, cells, 1)
            with np.errstate(over="ignore", invalid="ignore"):
                np.add.at(self._sums, cells, finite)

    # --- by rank -----------------------------------------------------------------------------

    @property
    def finite(self) -> int:
        return self.tally.finite

    def at(self, ranks: Counts) -> Floats:
        places = self._points.places(ranks)
        if not self._points.hold(ranks, places):
            self._know(self._cells_of_ranks(ranks))
            places = self._points.places(ranks)
        return self._points.values[places]

    def distinct(self, most: int) -> Floats | None:
        used = np.flatnonzero(self._counts)
        if len(used) > most:
            return None
        self._know(used)
        values: Floats = np.unique(self._points.values)
        return values if len(values) <= most else None

    def prepare(self, ranks: Counts) -> bool:
        """Fetch what ranks need at one reading; False where that is no gain over sorting."""
        used = np.flatnonzero(self._counts)
        wanted = self._cells_of_ranks(ranks)
        wanted = used if len(used) <= len(wanted) else wanted
        if self._rows(wanted) > FETCHED * self.finite:
            self._know_ties(wanted)
            if self._rows(wanted[~self._known[wanted]]) > CROWDED * self.finite:
                return False
        self._know(wanted)
        return True

    def _cells_of_ranks(self, ranks: Counts) -> Counts:
        # of cells that begin at the same rank the last one is not empty
        return self._ordered(np.searchsorted(self._before, ranks, side="right") - 1)

    def _ordered(self, cells: Counts) -> Counts:
        asked = np.zeros(self._cells.number, dtype=np.bool_)
        asked[cells] = True
        return np.flatnonzero(asked)

    def _rows(self, cells: Counts) -> int:
        return int(self._counts[cells].sum())

    # --- what is known -----------------------------------------------------------------------

    def _know(self, cells: Counts) -> None:
        """Fetch the values of the cells that are not known yet, by reading the column again."""
        cells = cells[~self._known[cells]]
        if not len(cells):
            return
        asked = np.zeros(self._cells.number, dtype=np.bool_)
        asked[cells] = True
        found = np.concatenate([piece[asked.take(where)] for piece, where in self._read()])
        found.sort()
        sizes = self._counts[cells]
        within = np.arange(len(found)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        starts = np.repeat(self._before[cells], sizes) + within
        self._learn(cells, Points(starts, found, np.ones(len(found), dtype=np.int64)))

    def _know_ties(self, cells: Counts) -> None:
        """Find those of the cells that hold one value only, by reading the column again."""
        value = np.full(self._cells.number, np.nan)
        mixed = np.zeros(self._cells.number, dtype=np.bool_)
        for piece, where in self._read():
            first = np.isnan(value.take(where))
            if first.any():
                value[where[first]] = piece[first]
            mixed[where[value.take(where) != piece]] = True
        pure = cells[~mixed[cells]]
        self._learn(pure, Points(self._before[pure], value[pure], self._counts[pure]))

    def _learn(self, cells: Counts, points: Points) -> None:
        self._known[cells] = True
        self._points = self._points.and_these(points)

    def _read(self) -> Iterator[tuple[Floats, npt.NDArray[np.int32]]]:
        """Give the finite values again, with the cell of each."""
        done = 0
        for piece in numbers(self._values):
            finite = piece if self.finite == len(self._values) else piece[np.isfinite(piece)]
            yield finite, self._where[done : done + len(finite)]
            done += len(finite)

    # --- the profile -------------------------------------------------------------------------

    def count_on(self, cuts: Floats) -> Counted:
        """Count on growing cuts: cells as a whole, and the values of those that a cut divides."""
        divided = self._cells.of(cuts, self._work).copy()
        self._know(self._ordered(divided))
        points, unknown = self._points, ~self._known
        # what shares its cell with a cut is known, so a whole cell lies behind its own cuts
        cells = np.concatenate([[0], divided, [self._cells.number]])
        places = np.searchsorted(points.values, cuts)
        inside = np.concatenate([[0], places, [len(points.values)]])
        counts = between(self._counts * unknown, cells) + between(points.times, inside)
        with np.errstate(over="ignore", invalid="ignore"):
            whole = between(np.where(unknown, self._sums, 0.0), cells)
            sums = whole + between(points.values * points.times, inside)
        return Counted(counts, sums, self.tally)


def select_many(values: Any, bins: int, scratch: Scratch) -> Selection | None:
    """Make a selection that has at hand what edges need.

    None if the column is better sorted: too short, without numbers, or such that most of its
    values share a few cells and differ within them.
    """
    try:
        selection = Selection(values, scratch) if len(values) >= MANY else None
    except UNREADABLE:
        return None
    if not selection or not selection.finite:
        return None
    return selection if selection.prepare(likely_ranks(selection.finite, bins)) else None


def _distinct_sample(values: Any) -> Floats:
    pieces = [piece for run in runs(values) for piece in numbers(run)]
    sample = np.concatenate([*pieces, np.empty(0)])
    return np.unique(sample[np.isfinite(sample)])
