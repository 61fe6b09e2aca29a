"""Measures of input columns and predictions: two profiles in, figures out."""

from dataclasses import replace

import numpy as np

from shared.catalogue import DriftSettings
from shared.domain.drift import significance, statistics
from shared.domain.drift.measures import (
    PREDICTION,
    Comparison,
    Guard,
    Measure,
    Metric,
    compare_rows,
    compare_values,
)
from shared.domain.drift.profile import CategoricalProfile, NumericProfile

MISSING_FLOOR = 0.05
"""Change of the missing rate, in absolute share, that matters. House rule."""
UNSEEN_FLOOR = 0.01
"""Share of rows with an unknown category that matters. House rule."""
INFINITE_FLOOR = 0.001
"""Change of the share of infinite values that matters: there should be none. House rule."""
DISTANCE_FLOOR = 0.10
"""Jensen-Shannon distance, and Wasserstein in deviations, that count as DRIFT. Source: the
defaults of Evidently."""
TWO = 2
"""Cells of a comparison of shares: those that have it and those that do not."""

Profile = NumericProfile | CategoricalProfile


def numeric_measures(
    name: str, reference: NumericProfile, current: NumericProfile, settings: DriftSettings
) -> list[Measure]:
    """Measure a numeric input."""
    pair = _numeric_pair(name, reference, current, settings)
    kinds = (Metric.PSI, Metric.JENSEN_SHANNON, Metric.KS, Metric.WASSERSTEIN)
    if not pair.n or not pair.m:
        shifts = [pair.without(kind, "") for kind in kinds]
    else:
        shifts = [
            _psi(Metric.PSI, pair, reference, current, settings),
            _jensen_shannon(pair, reference, current),
            *_distances(pair, reference, current, settings),
        ]
    return [*shifts, *_numeric_quality(name, reference, current, settings)]


def prediction_measures(
    reference: NumericProfile, current: NumericProfile, settings: DriftSettings
) -> list[Measure]:
    """Measure what the model answered: a NaN is an answer too, and counts as missing."""
    pair = _numeric_pair(PREDICTION, reference, current, settings)
    shift = (
        _psi(Metric.PREDICTION_PSI, pair, reference, current, settings)
        if pair.n and pair.m
        else pair.without(Metric.PREDICTION_PSI, "")
    )
    return [shift, *_numeric_quality(PREDICTION, reference, current, settings)]


def categorical_measures(
    name: str, reference: CategoricalProfile, current: CategoricalProfile, settings: DriftSettings
) -> list[Measure]:
    """Measure a categorical input."""
    cells = len(reference.categories) + bool(current.unseen)
    guard = Guard(cells, settings.psi_significant)
    rows = compare_rows(name, reference.rows, current.rows, guard)
    pair = compare_values(rows, reference.present, current.present, guard, "category")
    if not pair.n or not pair.m:
        kinds = (Metric.CHI_SQUARE, Metric.JENSEN_SHANNON, Metric.UNSEEN_SHARE)
        shifts = [pair.without(kind, "") for kind in kinds]
    else:
        shifts = _category_shifts(pair, reference, current, settings)
    return [*shifts, *_missing(name, reference, current, settings)]


# --- shifts ----------------------------------------------------------------------------------


def _numeric_pair(
    name: str, reference: NumericProfile, current: NumericProfile, settings: DriftSettings
) -> Comparison:
    guard = Guard(len(reference.bins()), settings.psi_significant)
    rows = compare_rows(name, reference.rows, current.rows, guard)
    return compare_values(rows, reference.finite, current.finite, guard, "finite value")


def _psi(
    metric: Metric,
    pair: Comparison,
    reference: NumericProfile,
    current: NumericProfile,
    settings: DriftSettings,
) -> Measure:
    before, after = reference.bins(), current.bins()
    value = statistics.psi(before, after, settings.epsilon)
    p_value = significance.counts_p(before, after)
    found = pair.measure(metric, value, settings.psi_significant, p_value)
    return replace(found, bins=len(before), epsilon=settings.epsilon)


def _jensen_shannon(
    pair: Comparison, reference: NumericProfile, current: NumericProfile
) -> Measure:
    before, after = reference.bins(), current.bins()
    value = statistics.jensen_shannon(before, after)
    p_value = significance.counts_p(before, after)
    found = pair.measure(Metric.JENSEN_SHANNON, value, DISTANCE_FLOOR, p_value)
    return replace(found, bins=len(before))


def _distances(
    pair: Comparison, reference: NumericProfile, current: NumericProfile, settings: DriftSettings
) -> list[Measure]:
    distance = statistics.kolmogorov_smirnov(reference, current)
    p_value = significance.ks_p(distance.value, pair.n, pair.m)
    bound = f"exact D is at most {distance.bound:.2g} larger"
    shift = pair.measure(Metric.KS, distance.value, settings.ks_floor, p_value, bound)
    return [shift, _wasserstein(pair, reference, current, p_value)]


def _wasserstein(
    pair: Comparison, reference: NumericProfile, current: NumericProfile, p_value: float
) -> Measure:
    """Measure in the column's unit; the effect is in deviations of the reference."""
    deviation = reference.deviation
    if not deviation:
        why = "the reference is constant: there is no deviation to measure in"
        return pair.without(Metric.WASSERSTEIN, why)
    value = statistics.wasserstein(reference, current)
    found = pair.measure(Metric.WASSERSTEIN, value, DISTANCE_FLOOR * deviation, p_value)
    if found.value is None:
        return found
    return replace(found, effect=value / deviation, floor=DISTANCE_FLOOR)


def _category_shifts(
    pair: Comparison,
    reference: CategoricalProfile,
    current: CategoricalProfile,
    settings: DriftSettings,
) -> list[Measure]:
    before, after = reference.cells(), current.cells()
    table = statistics.chi_square(before, after)
    p_value = significance.chi_square_tail(table.statistic, table.freedom)
    threshold = settings.cramers_v_floor**2 * table.total
    note = f"Cramer's V {table.cramers_v:.3g}"
    shift = pair.measure(Metric.CHI_SQUARE, table.statistic, threshold, p_value, note)
    size = replace(shift, effect=table.cramers_v, floor=settings.cramers_v_floor)
    distance = statistics.jensen_shannon(before, after)
    advice = pair.measure(Metric.JENSEN_SHANNON, distance, DISTANCE_FLOOR, p_value)
    return [replace(size, bins=table.freedom + 1), advice, _unseen(pair, current)]


# --- quality ---------------------------------------------------------------------------------


def _numeric_quality(
    name: str, reference: NumericProfile, current: NumericProfile, settings: DriftSettings
) -> list[Measure]:
    found = _missing(name, reference, current, settings)
    if reference.infinite or current.infinite:
        found.append(_infinite(name, reference, current, settings))
    if current.constant and reference.finite and not reference.constant:
        found.append(_constant(name, reference, current, settings))
    return found


def _missing(
    name: str, reference: Profile, current: Profile, settings: DriftSettings
) -> list[Measure]:
    """Measure the missing rate; a column that has become all missing is a measure more."""
    guard = Guard(TWO, settings.psi_significant)
    pair = compare_rows(name, reference.rows, current.rows, guard)
    rate = _share_change(
        Metric.MISSING_RATE, pair, (reference.missing, current.missing), MISSING_FLOOR
    )
    lost = 0 < current.rows == current.missing and reference.missing < reference.rows
    if not lost:
        return [rate]
    p_value = significance.share_p(reference.missing, pair.n, current.missing, pair.m)
    return [rate, pair.measure(Metric.ALL_MISSING, 1.0, 0.5, p_value, "no value at all")]


def _infinite(
    name: str, reference: NumericProfile, current: NumericProfile, settings: DriftSettings
) -> Measure:
    guard = Guard(TWO, settings.psi_significant)
    pair = compare_rows(name, reference.rows, current.rows, guard)
    hits = reference.infinite, current.infinite
    return _share_change(Metric.INFINITE_SHARE, pair, hits, INFINITE_FLOOR)


def _unseen(pair: Comparison, current: CategoricalProfile) -> Measure:
    names = ", ".join(repr(name) for name in current.examples)
    note = f"such as {names}" if names else ""
    return _share_change(Metric.UNSEEN_SHARE, pair, (0, current.unseen), UNSEEN_FLOOR, note)


def _share_change(
    metric: Metric, pair: Comparison, hits: tuple[int, int], floor: float, note: str = ""
) -> Measure:
    """Measure how far a share moved, either way; the note says from where to where."""
    if not pair.n or not pair.m:
        return pair.without(metric, "")
    before, after = hits[0] / pair.n, hits[1] / pair.m
    p_value = significance.share_p(hits[0], pair.n, hits[1], pair.m)
    moved = f"from {before:.4f} to {after:.4f}"
    text = "; ".join(filter(None, [moved, note]))
    return pair.measure(metric, abs(after - before), floor, p_value, text)


def _constant(
    name: str, reference: NumericProfile, current: NumericProfile, settings: DriftSettings
) -> Measure:
    """Measure that a column has stopped to vary: the p-value is that of so many equal draws."""
    guard = Guard(TWO, settings.psi_significant)
    pair = compare_rows(name, reference.finite, current.finite, guard)
    share = reference.share_near(current.minimum)
    p_value = float(np.power(share, current.finite - 1.0))
    note = f"always {current.minimum:g}; {share:.4f} of the reference is near"
    return pair.measure(Metric.CONSTANT, 1.0, 0.5, p_value, note)
