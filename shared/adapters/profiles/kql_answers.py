"""What a KQL profile query answers, made into profiles: arithmetic only, nothing is asked here."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared.adapters.profiles.kql_profile import (
    ABOVE,
    BELOW,
    EXAMPLE,
    EXAMPLES,
    MISSING,
    UNSEEN,
)
from shared.domain.drift.edges import Edges
from shared.domain.drift.profile import CategoricalProfile, NumericProfile
from shared.errors import DataError, Unavailable


@dataclass(frozen=True)
class Cell:
    """One row of an answer; its fields are those of ``PROFILE_COLUMNS``."""

    feature: str
    bucket: int
    category: str
    n: int
    s: float
    q: float
    lo: float
    hi: float


def cells_by_feature(rows: Iterable[Sequence[Any]]) -> dict[str, list[Cell]]:
    """Sort an answer's rows by what they count."""
    found: dict[str, list[Cell]] = {}
    for feature, bucket, category, n, *figures in rows:
        cell = Cell(str(feature), int(bucket), str(category), int(n), *map(_number, figures))
        found.setdefault(cell.feature, []).append(cell)
    return found


def _number(value: Any) -> float:
    """Read a real: infinities and NaN come as texts, as JSON has no numbers for them."""
    return math.nan if value is None else float(value)


def rows_counted(cells: Mapping[str, Sequence[Cell]], features: Sequence[str]) -> int:
    """Give how many rows there are, which every feature must have counted alike.

    Raises:
        Unavailable: they did not: rows arrived in between, or a part of the answer is lost.
    """
    totals = {name: sum(cell.n for cell in cells.get(name, ())) for name in features}
    if len(set(totals.values())) > 1:
        raise Unavailable(f"features of the same rows differ in their number: {totals}")
    return next(iter(totals.values()), 0)


def numeric_profile(cells: Sequence[Cell], edges: Edges, centre: float) -> NumericProfile:
    """Make a numeric profile.

    Raises:
        DataError: a bucket is none of the edges'.
    """
    # an empty bucket has no least and no largest value
    finite = [cell for cell in cells if cell.bucket >= 0 and cell.n]
    counts, sums = np.zeros(len(edges.cuts) + 1, dtype=np.int64), np.zeros(len(edges.cuts) + 1)
    for cell in finite:
        if cell.bucket >= len(counts):
            raise DataError(f"{cell.feature}: no bucket {cell.bucket}", subject=cell.feature)
        counts[cell.bucket], sums[cell.bucket] = cell.n, cell.s
    return NumericProfile(
        edges=edges,
        counts=counts,
        sums=sums,
        missing=_count(cells, MISSING),
        above=_count(cells, ABOVE),
        below=_count(cells, BELOW),
        minimum=min((cell.lo for cell in finite), default=math.inf),
        maximum=max((cell.hi for cell in finite), default=-math.inf),
        square_deviation=_square_deviation(finite, centre),
    )


def _count(cells: Iterable[Cell], bucket: int) -> int:
    return sum(cell.n for cell in cells if cell.bucket == bucket)


def _square_deviation(cells: Sequence[Cell], centre: float) -> float:
    """Move the sum of squared distances from the centre to the mean: S_mean = S_c - n(m - c)^2."""
    n = sum(cell.n for cell in cells)
    if not n or min(cell.lo for cell in cells) == max(cell.hi for cell in cells):
        return 0.0
    squares = math.fsum(cell.q for cell in cells)
    away = math.fsum(cell.s for cell in cells) / n - centre
    # a product, for ** raises where * gives inf
    return max(0.0, squares - n * (away * away)) if math.isfinite(squares) else squares


def mean(cells: Sequence[Cell]) -> float:
    """Give the mean of the finite values; 0 without one, and where their sum is too large."""
    finite = [cell for cell in cells if cell.bucket >= 0]
    n = sum(cell.n for cell in finite)
    found = sum(cell.s for cell in finite) / n if n else 0.0
    return found if math.isfinite(found) else 0.0


def finite_rows(cells: Sequence[Cell]) -> int:
    """Give how many values are finite numbers."""
    return sum(cell.n for cell in cells if cell.bucket >= 0)


def categories(cells: Iterable[Cell]) -> tuple[str, ...]:
    """Give the categories there are, by code point."""
    return tuple(sorted(cell.category for cell in cells if cell.bucket >= 0))


def categorical_profile(cells: Sequence[Cell], names: tuple[str, ...]) -> CategoricalProfile:
    """Make a categorical profile.

    Raises:
        DataError: a category is none of the reference's.
    """
    known = {cell.category: cell.n for cell in cells if cell.bucket >= 0}
    strange = known.keys() - set(names)
    if strange:
        raise DataError(f"{cells[0].feature}: counted apart: {sorted(strange)[:EXAMPLES]}")
    examples = sorted(cell.category for cell in cells if cell.bucket == EXAMPLE)
    return CategoricalProfile(
        categories=names,
        counts=np.array([known.get(name, 0) for name in names], dtype=np.int64),
        unseen=_count(cells, UNSEEN),
        missing=_count(cells, MISSING),
        examples=tuple(examples[:EXAMPLES]),
    )
