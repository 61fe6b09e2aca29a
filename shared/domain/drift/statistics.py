"""Distances between two profiles. Pure figures: whether they matter is decided elsewhere.

Every function needs at least one value on both sides.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.domain.drift.columns import Counts, Floats
from shared.domain.drift.profile import NumericProfile


def psi(reference: Counts, current: Counts, epsilon: float) -> float:
    """Population stability index: sum (q - p) ln(q / p), shares floored, not renormalised."""
    p = np.maximum(reference / reference.sum(), epsilon)
    q = np.maximum(current / current.sum(), epsilon)
    return float(((q - p) * np.log(q / p)).sum())


def jensen_shannon(reference: Counts, current: Counts) -> float:
    """Jensen-Shannon distance to base 2, in [0, 1]: the root of the divergence (Lin 1991)."""
    p, q = reference / reference.sum(), current / current.sum()
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    return math.sqrt(min(1.0, max(0.0, divergence)))


def _relative_entropy(p: Floats, q: Floats) -> float:
    used = p > 0
    return float((p[used] * np.log2(p[used] / q[used])).sum())


@dataclass(frozen=True)
class Distance:
    """A distance read off a profile.

    Attributes:
        value: never above the exact figure.
        bound: the exact figure is at most so much larger.
    """

    value: float
    bound: float


def kolmogorov_smirnov(reference: NumericProfile, current: NumericProfile) -> Distance:
    """Largest gap between the two distribution functions, looked for at the cuts.

    Between two cuts the gap is at most max(F2 - G1, G2 - F1). A bucket one float wide hides
    nothing, and one that either side has no values in bounds itself by its ends.
    """
    f, g = reference.heights, current.heights
    found = float(np.abs(f - g).max(initial=0.0))
    inside = np.maximum(f[1:] - g[:-1], g[1:] - f[:-1])
    wide = np.concatenate([[True], np.logical_not(_points(reference.edges.cuts)), [True]])
    most = float(inside[wide].max(initial=0.0))
    return Distance(found, max(0.0, most - found))


def _points(cuts: Floats) -> npt.NDArray[np.bool_]:
    with np.errstate(over="ignore"):
        following = np.nextafter(cuts[:-1], np.inf)
    return np.equal(following, cuts[1:])


def wasserstein(reference: NumericProfile, current: NumericProfile) -> float:
    """Area between the two distribution functions, in the column's unit; NaN on overflow.

    Exact wherever the functions do not cross inside a bucket, since the buckets keep their sums;
    straight lines are assumed in those where they do.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        below, inner, above = _areas(reference)
        below_too, inner_too, above_too = _areas(current)
        gap = (reference.heights - current.heights)[1:-1]
        area = np.maximum(np.abs(inner - inner_too), _crossed(gap, reference.edges.cuts))
        ends = abs(below - below_too) + abs(above - above_too)
        total = float(area.sum() + ends)
    return total if math.isfinite(total) else math.nan


def _areas(profile: NumericProfile) -> tuple[float, Floats, float]:
    """Integrate F below the first cut, F between the cuts, and 1 - F above the last."""
    cuts, n = profile.edges.cuts, profile.finite
    counts, sums = profile.counts, profile.sums
    rising = (counts[1:-1] * cuts[1:] - sums[1:-1]) / n
    inner = profile.heights[1:-2] * (cuts[1:] - cuts[:-1]) + rising
    below = (counts[0] * cuts[0] - sums[0]) / n
    above = (sums[-1] - counts[-1] * cuts[-1]) / n
    return float(below), inner, float(above)


def _crossed(gap: Floats, cuts: Floats) -> Floats:
    """Give the area of two triangles where the gap changes its sign between cuts, else 0."""
    left, right = np.abs(gap[:-1]), np.abs(gap[1:])
    crossing = gap[:-1] * gap[1:] < 0
    height = np.where(crossing, left + right, 1.0)
    return np.where(crossing, (cuts[1:] - cuts[:-1]) * (left**2 + right**2) / (2 * height), 0.0)


@dataclass(frozen=True)
class Association:
    """Chi-square of a two-row table, and its size as Cramer's V.

    Attributes:
        total: rows of the table with the one added to each cell.
    """

    statistic: float
    cramers_v: float
    freedom: int
    total: int


def chi_square(reference: Counts, current: Counts) -> Association:
    """Pearson's chi-square without Yates' correction, one added to each cell (Laplace).

    Cells that are empty on both sides are left out: they would only add freedom.
    """
    used = (reference + current) > 0
    observed = np.stack([reference[used], current[used]]) + 1
    total = int(observed.sum())
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0)) / total
    statistic = float(((observed - expected) ** 2 / expected).sum())
    freedom = max(1, int(used.sum()) - 1)
    return Association(statistic, math.sqrt(statistic / total), freedom, total)
