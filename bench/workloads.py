"""The data that is measured on: seeded, numpy only, the same in every environment.

Columns take turns in shape (normal, lognormal, tied) and in what has happened to them (nothing,
nothing, the mean moved by 0.3 deviations, the deviation grew by half, missing went 5 to 10 %).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[np.float64]
LEVELS = 20
"""Categories of a text column."""


@dataclass(frozen=True)
class Size:
    """Rows of reference and current window, and columns."""

    reference: int
    current: int
    columns: int


LARGE = Size(1_000_000, 200_000, 50)
SMALL = Size(270, 35, 5)
TEXTS = Size(1_000_000, 200_000, 10)


def numeric(size: Size) -> tuple[dict[str, Column], dict[str, Column]]:
    """Give the numeric columns of reference and current window."""
    chance = np.random.default_rng(2013)
    reference = {
        f"f{place:03}": _shape(chance, place, size.reference, changed=False)
        for place in range(size.columns)
    }
    current = {
        name: _shape(chance, place, size.current, changed=True)
        for place, name in enumerate(reference)
    }
    return reference, current


def _shape(chance: np.random.Generator, place: int, rows: int, *, changed: bool) -> Column:
    case = place % 5
    values = chance.normal(size=rows)
    if changed and case == 3:
        values *= 1.5
    if changed and case == 2:
        values += 0.3
    if place % 3 == 1:
        np.exp(values, out=values)
    elif place % 3 == 2:
        np.round(values, 1, out=values)
    if case == 4:
        values[chance.random(rows) < (0.10 if changed else 0.05)] = np.nan
    return values


def codes(size: Size) -> tuple[dict[str, npt.NDArray[np.int8]], dict[str, npt.NDArray[np.int8]]]:
    """Give the categorical columns of both windows, as numbers below ``LEVELS``."""
    chance = np.random.default_rng(1973)
    weights = np.linspace(2, 1, LEVELS)
    both = (
        {
            f"c{place:02}": chance.choice(LEVELS, rows, p=share / share.sum()).astype(np.int8)
            for place in range(size.columns)
        }
        for rows, share in ((size.reference, weights), (size.current, weights[::-1]))
    )
    reference, current = both
    return reference, current


def level_names() -> list[str]:
    return [f"level-{number:02}" for number in range(LEVELS)]
