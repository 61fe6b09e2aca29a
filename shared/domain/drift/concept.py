"""Concept drift: whether the features that explain the actual are still the same.

A feature's importance is the share of the actual's variance that its bins explain, so no model has
to be trained. The figure is uncertain with few features and is advice alone.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shared.catalogue import Feature, Model
from shared.domain.drift.columns import UNREADABLE, Floats
from shared.domain.drift.measures import Comparison, Measure, Metric

IMPORTANCE = "__feature_importance__"
LEAST_FEATURES = 4
"""Fewer features have too few orders for a rank correlation to say anything."""
DRAWS = 100
"""Windows drawn from the reference: enough for the spread of rho."""
SURE = 1 - 1e-6
"""Rho is kept within this before Fisher's transformation, which is infinite at 1."""
SEED = 0

Codes = npt.NDArray[np.int64]


class Explained(Protocol):
    """Rows with their features as Arrow columns and what became true: NaN where not known."""

    @property
    def features(self) -> Any: ...
    @property
    def actual(self) -> Floats: ...


def importance_measure(model: Model, reference: Explained, current: Explained) -> Measure:
    """Measure Spearman's rho between the features' importance then and now.

    The p-value is that of so low a rho in windows of this size drawn from the reference itself
    (bootstrap, normal on Fisher's scale): it knows how far rho strays by chance.
    """
    settings, features = model.drift, model.features
    before = _sample(features, reference, settings.importance_rows)
    after = _sample(features, current, settings.importance_rows)
    pair = _pair(len(before[1]), len(after[1]), len(features), settings.scored_rows)
    if pair.readiness != "ready":
        return pair.without(Metric.IMPORTANCE_SPEARMAN, "")
    bins = _Bins(features, before[0], settings.bins)
    codes = bins.codes(before[0])
    then, now = explained(codes, before[1]), explained(bins.codes(after[0]), after[1])
    rho = spearman(then, now)
    if not math.isfinite(rho):
        why = "the importance does not vary: the actual is constant, or no feature explains it"
        return pair.without(Metric.IMPORTANCE_SPEARMAN, why)
    floor = settings.importance_floor
    p_value = _chance(rho, codes, before[1], len(after[1]))
    measure = pair.measure(Metric.IMPORTANCE_SPEARMAN, rho, floor, p_value, _note(features, now))
    return replace(measure, effect=1 - rho, floor=1 - floor)


def _pair(n: int, m: int, features: int, needed: int) -> Comparison:
    if features < LEAST_FEATURES:
        note = f"{features} features, needed {LEAST_FEATURES}"
        return Comparison(IMPORTANCE, n, m, "unknown", note)
    if min(n, m) < needed:
        note = f"{n} and {m} rows with an actual, needed {needed}"
        return Comparison(IMPORTANCE, n, m, "insufficient", note)
    return Comparison(IMPORTANCE, n, m, "ready")


def _note(features: Sequence[Feature], now: Floats) -> str:
    order = np.argsort(-now, kind="stable")[:3]
    return "now led by " + ", ".join(features[place].name for place in order)


def _sample(features: Sequence[Feature], rows: Explained, most: int) -> tuple[Any, Floats]:
    known = np.flatnonzero(np.isfinite(rows.actual))
    if len(known) > most:
        known = np.sort(np.random.default_rng(SEED).choice(known, most, replace=False))
    names = [feature.name for feature in features]
    return rows.features.select(names).take(pa.array(known)), rows.actual[known]


# --- importance ------------------------------------------------------------------------------


class _Bins:
    """Numbers the rows of each feature by the reference's quantiles or categories."""

    def __init__(self, features: Sequence[Feature], table: Any, bins: int) -> None:
        self._features = features
        shares = np.arange(1, bins) / bins
        self._edges = {
            f.name: _quantiles(_numbers(table[f.name]), shares)
            for f in features
            if f.kind == "numeric"
        }
        self._names = {
            f.name: pc.unique(_texts(table[f.name])) for f in features if f.kind == "categorical"
        }

    def codes(self, table: Any) -> list[Codes]:
        return [self._of(feature, table[feature.name]) for feature in self._features]

    def _of(self, feature: Feature, column: Any) -> Codes:
        if feature.kind == "numeric":
            values, edges = _numbers(column), self._edges[feature.name]
            found = np.searchsorted(edges, values, side="right")
            return np.where(np.isnan(values), len(edges) + 1, found).astype(np.int64)
        names = self._names[feature.name]
        places = pc.index_in(_texts(column), value_set=names)
        return np.asarray(pc.fill_null(places, len(names)), dtype=np.int64)


def _quantiles(values: Floats, shares: Floats) -> Floats:
    known = values[np.isfinite(values)]
    return np.unique(np.quantile(known, shares)) if len(known) else np.empty(0)


def _numbers(column: Any) -> Floats:
    try:
        return np.asarray(pc.cast(column, pa.float64()), dtype=np.float64)
    except UNREADABLE:
        return np.full(len(column), np.nan)


def _texts(column: Any) -> Any:
    try:
        return pc.cast(column, pa.large_string()).combine_chunks()
    except UNREADABLE:
        return pa.nulls(len(column), pa.large_string())


def explained(codes: Sequence[Codes], actual: Floats) -> Floats:
    """Give the share of the actual's variance that each feature's bins explain.

    Less what bins without meaning would explain by chance: epsilon squared (Kelley 1935).
    """
    spread, rows = float(actual.var()), len(actual)
    return np.array([_share(found, actual, spread, rows) for found in codes])


def _share(codes: Codes, actual: Floats, spread: float, rows: int) -> float:
    counts = np.bincount(codes)
    used = counts > 0
    means = np.bincount(codes, weights=actual)[used] / counts[used]
    between = float((counts[used] * (means - actual.mean()) ** 2).sum()) / rows
    freedom = int(used.sum()) - 1
    if not spread or freedom >= rows - 1:
        return 0.0
    raw = between / spread
    return raw - (1 - raw) * freedom / (rows - 1 - freedom)


def spearman(one: Floats, two: Floats) -> float:
    """Rank correlation, ties at their mean rank (Spearman 1904); NaN where one side is all tied."""
    ranks = [_ranks(values) - (len(values) + 1) / 2 for values in (one, two)]
    size = math.sqrt(float((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum()))
    return float((ranks[0] * ranks[1]).sum()) / size if size else math.nan


def _ranks(values: Floats) -> Floats:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks


def _chance(rho: float, codes: Sequence[Codes], actual: Floats, rows: int) -> float:
    """P-value of a rho this low between the reference and a window drawn from it."""
    whole, random = explained(codes, actual), np.random.default_rng(SEED)
    drawn = []
    for _ in range(DRAWS):
        rows_of = random.integers(0, len(actual), rows)
        drawn.append(spearman(whole, explained([c[rows_of] for c in codes], actual[rows_of])))
    scaled = np.arctanh(np.clip([r for r in drawn if math.isfinite(r)] or [1.0], -SURE, SURE))
    spread = max(float(scaled.std()), 1 / math.sqrt(max(1, len(codes))))
    z = (float(scaled.mean()) - math.atanh(min(SURE, max(-SURE, rho)))) / spread
    return 0.5 * math.erfc(z / math.sqrt(2))
