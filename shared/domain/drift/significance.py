"""How likely a difference is by chance: tail probabilities, their correction, and the data guard.

Own numerics, so that a check does not pay for importing scipy; the tests hold them against it.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from shared.domain.drift.columns import Counts

SMOOTHING = 0.5
"""Added to each cell: keeps the test's size at small counts, where a floor of shares does not."""
GUARD_LEVEL = 0.01
"""The guard's tail: chance alone may put PSI over the threshold in so many checks."""
EXACT_ROWS = 1000
"""Up to so many rows in both samples together the KS p-value is exact: C(1000, 500) is a float."""
EXACT_FROM = 1e-10
"""Below, 1 - P of the exact count is rounding; the asymptotic tail is used."""
SERIES_TERMS = 100
TINY = 1e-300
PRECISION = 1e-16


def chi_square_tail(statistic: float, freedom: int) -> float:
    """P(X >= statistic) of a chi-square variable: the regularised upper incomplete gamma."""
    a, x = freedom / 2, statistic / 2
    if x <= 0:
        return 1.0
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    return 1 - front * _series(a, x) if x < a + 1 else front * _fraction(a, x)


def _series(a: float, x: float) -> float:
    """Lower incomplete gamma over its front factor: DLMF 8.7.1."""
    term = total = 1 / a
    step = a
    while term > total * PRECISION:
        step += 1
        term *= x / step
        total += term
    return total


def _fraction(a: float, x: float) -> float:
    """Upper incomplete gamma over its front factor: DLMF 8.9.2, by Lentz's method."""
    b = x + 1 - a
    c, d = 1 / TINY, 1 / b
    result, change, step = d, 0.0, 0
    while abs(change - 1) > PRECISION * 10:
        step += 1
        numerator = -step * (step - a)
        b += 2
        d = 1 / ((numerator * d + b) or TINY)
        c = (b + numerator / c) or TINY
        change = d * c
        result *= change
    return result


@lru_cache(maxsize=4096)
def chi_square_quantile(tail: float, freedom: int) -> float:
    """Give the value that a chi-square variable exceeds with probability ``tail``."""
    low, high = 0.0, freedom + 10.0
    while chi_square_tail(high, freedom) > tail:
        low, high = high, 2 * high
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if chi_square_tail(middle, freedom) > tail else (low, middle)
    return (low + high) / 2


def counts_p(reference: Counts, current: Counts) -> float:
    """P-value of two rows of counts being the same: PSI * n*m/(n+m) ~ chi2(cells - 1).

    The cells are smoothed by +0.5, those empty on both sides left out. Source: Yurdakul 2018.
    """
    used = (reference + current) > 0
    before, after = reference[used] + SMOOTHING, current[used] + SMOOTHING
    cells = len(before)
    if cells < 2:  # noqa: PLR2004 - one cell cannot differ
        return 1.0
    n, m = float(np.add.reduce(before)), float(np.add.reduce(after))
    p, q = before / n, after / m
    divergence = float(np.add.reduce((q - p) * np.log(q / p)))
    n, m = n - SMOOTHING * cells, m - SMOOTHING * cells
    return chi_square_tail(divergence * n * m / (n + m), cells - 1)


def share_p(hits_n: int, n: int, hits_m: int, m: int) -> float:
    """P-value of two shares being the same: ``counts_p`` of two cells, without arrays."""
    if not 0 < hits_n + hits_m < n + m:
        return 1.0
    p, q = (
        (hits + SMOOTHING) / (rows + 2 * SMOOTHING) for hits, rows in ((hits_n, n), (hits_m, m))
    )
    divergence = (q - p) * (math.log(q / p) - math.log((1 - q) / (1 - p)))
    return chi_square_tail(divergence * n * m / (n + m), 1)


def outside_p(hits: int, n: int, m: int) -> float:
    """P-value of so many of m values lying beyond the least and the largest of n others.

    Exact for a continuous column, and conservative for one with ties: the number beyond is
    negative hypergeometric, so P(K >= hits) is that of at most one of the n among the first
    hits + 1 drawn of all. Source: Wilks 1941, tolerance limits.
    """
    if not hits:
        return 1.0
    drawn = hits + 1
    alone = _log_choose(m, drawn) if drawn <= m else -math.inf
    with_one = math.log(n) + _log_choose(m, hits)
    return min(1.0, sum(math.exp(x - _log_choose(n + m, drawn)) for x in (alone, with_one)))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


# --- Kolmogorov-Smirnov ----------------------------------------------------------------------


def ks_p(distance: float, n: int, m: int) -> float:
    """P-value of a two-sample KS distance: exact for small samples, else asymptotic."""
    if distance <= 0:
        return 1.0
    if n + m <= EXACT_ROWS:
        exact = _ks_exact(distance, min(n, m), max(n, m))
        if exact > EXACT_FROM:
            return exact
    root = math.sqrt(n * m / (n + m))
    return _kolmogorov_tail((root + 0.12 + 0.11 / root) * distance)  # Stephens 1970


def _ks_exact(distance: float, n: int, m: int) -> float:
    """Count the lattice paths from (0, 0) to (n, m) that stay closer than ``distance``."""
    reach = math.ceil(distance * n * m - 1e-6)
    across = np.arange(n + 1) * m
    firsts = np.maximum(0, (across - reach) // n + 1).tolist()
    ends = np.minimum(m + 1, -((-across - reach) // n)).tolist()
    paths = np.zeros(m + 1)
    paths[0] = 1.0
    for first, end in zip(firsts, ends, strict=True):
        paths[:first] = 0.0
        inside = paths[first:end]
        np.add.accumulate(inside, out=inside)
    return 1 - float(paths[m]) / math.comb(n + m, n)


def _kolmogorov_tail(scaled: float) -> float:
    """P(K >= scaled) of the Kolmogorov distribution; the second series converges near zero."""
    if scaled < 1:
        inner = sum(
            math.exp(-((2 * k - 1) ** 2) * math.pi**2 / (8 * scaled**2))
            for k in range(1, SERIES_TERMS)
        )
        return 1 - math.sqrt(2 * math.pi) / scaled * inner
    total = sum(
        math.copysign(math.exp(-2 * (k * scaled) ** 2), 1 if k % 2 else -1)
        for k in range(1, SERIES_TERMS)
    )
    return min(1.0, max(0.0, 2 * total))


# --- many tests, and too little data ---------------------------------------------------------


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that a level bounds the share of false findings among all findings."""
    count = len(p_values)
    order = sorted(range(count), key=p_values.__getitem__, reverse=True)
    adjusted = [1.0] * count
    least = 1.0
    for place, index in enumerate(order):
        least = min(least, p_values[index] * count / (count - place))
        adjusted[index] = least
    return adjusted


def effective_rows(n: int, m: int) -> float:
    """Give n*m/(n+m), the size a comparison of n with m rows is worth."""
    return n * m / (n + m) if n + m else 0.0


def rows_needed(bins: int, threshold: float) -> float:
    """Give the effective rows from which chance alone rarely lifts PSI over the threshold."""
    return chi_square_quantile(GUARD_LEVEL, max(1, bins - 1)) / threshold
