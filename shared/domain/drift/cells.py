"""Cells: the number line cut so that a value's cell is arithmetic, not a search.

Correct for any column whatever its cells are: all that is used of them is that a larger value is
never in a lower cell. How well they fit the column decides the speed only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared.domain.drift.columns import Counts, Floats, Workspace

SIGN = np.uint32(1 << 31)
LEAST, MOST = 1e-30, 1e30
"""Bounds of a spread: well inside what a float32 holds, times the number of cells."""
SAMPLES, RUN = 32, 128
"""A column is looked at in so many runs of so many values, to place its cells."""


@dataclass(frozen=True)
class Cells:
    """Cells 0 to ``2 * half``, dense around a centre and ever wider towards both ends.

    With d = x - centre, x is in the cell that d / (spread + |d|) says, taken as 1 - spread /
    (spread + |d|) with the sign of d: so every step is monotone in floating point, too.

    Attributes:
        half: a power of two, so that to multiply by it is exact.
    """

    offset: float
    spread: float
    half: int

    @property
    def number(self) -> int:
        return 2 * self.half + 1

    def of(self, values: Floats, work: Workspace) -> Counts:
        """Give the cell of each finite value, at most a piece of them; lives in the workspace."""
        rows, half = len(values), np.float32(self.half)
        signed, size = work.narrow[:rows], work.size[:rows]
        with np.errstate(over="ignore", under="ignore"):
            np.add(values, self.offset, out=signed, casting="same_kind")
            np.add(np.abs(signed, out=size), np.float32(self.spread), out=size)
        np.divide(half * np.float32(self.spread), size, out=size)
        np.subtract(half, size, out=size)
        bits = signed.view(np.uint32)
        np.bitwise_or(size.view(np.uint32), np.bitwise_and(bits, SIGN, out=bits), out=bits)
        cells = work.cells[:rows]
        np.copyto(cells, np.add(signed, half, out=signed), casting="unsafe")
        return cells


def cells_around(distinct: Floats, half: int) -> Cells:
    """Fit cells to some distinct values of a column, in order."""
    count = len(distinct)
    if not count:
        return Cells(0.0, 1.0, half)
    with np.errstate(over="ignore"):
        spread = float(distinct[3 * count // 4] - distinct[count // 4]) / 2
    # 0.0 - x and not -x: the offset of a centre 0.0 must not be -0.0, or -0.0 stays what it is
    spread = min(max(spread, LEAST), MOST) if spread else 1.0
    return Cells(0.0 - float(distinct[count // 2]), spread, half)


def runs(values: Any) -> Iterator[Any]:
    """Give some short runs of a column, evenly spread over it."""
    last = max(0, len(values) - RUN)
    starts = np.unique(np.linspace(0, last, SAMPLES).astype(np.int64))
    return (values[start : start + RUN] for start in starts.tolist())
