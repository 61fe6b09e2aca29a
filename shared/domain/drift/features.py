"""Measures of input columns and predictions: two profiles in, figures out."""

from dataclasses import replace

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
from shared.domain.drift.quality import category_quality, missing, numeric_quality
from shared.sections.drift import DriftSettings

Profile = NumericProfile | CategoricalProfile

OF_CATEGORIES = (
    Metric.CHI_SQUARE,
    Metric.JENSEN_SHANNON,
    Metric.UNSEEN_SHARE,
    Metric.VANISHED_SHARE,
)


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
            _jensen_shannon(pair, reference, current, settings),
            *_distances(pair, reference, current, settings),
        ]
    return [*shifts, *numeric_quality(name, reference, current, settings)]


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
    return [shift, *numeric_quality(PREDICTION, reference, current, settings)]


def categorical_measures(
    name: str, reference: CategoricalProfile, current: CategoricalProfile, settings: DriftSettings
) -> list[Measure]:
    """Measure a categorical input."""
    cells = len(reference.categories) + bool(current.unseen)
    guard = Guard(cells, settings.psi_significant)
    rows = compare_rows(name, reference.rows, current.rows, guard)
    pair = compare_values(rows, reference.present, current.present, guard, "category")
    if not pair.n or not pair.m:
        shifts = [pair.without(kind, "") for kind in OF_CATEGORIES]
    else:
        shifts = _category_shifts(pair, reference, current, settings)
    return [*shifts, *missing(name, reference, current, settings)]


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
    pair: Comparison, reference: NumericProfile, current: NumericProfile, settings: DriftSettings
) -> Measure:
    before, after = reference.bins(), current.bins()
    value = statistics.jensen_shannon(before, after)
    p_value = significance.counts_p(before, after)
    found = pair.measure(Metric.JENSEN_SHANNON, value, settings.distance_floor, p_value)
    return replace(found, bins=len(before))


def _distances(
    pair: Comparison, reference: NumericProfile, current: NumericProfile, settings: DriftSettings
) -> list[Measure]:
    distance = statistics.kolmogorov_smirnov(reference, current)
    p_value = significance.ks_p(distance.value, pair.n, pair.m)
    bound = f"exact D is at most {distance.bound:.2g} larger"
    shift = pair.measure(Metric.KS, distance.value, settings.ks_floor, p_value, bound)
    return [shift, _wasserstein(pair, reference, current, settings, p_value)]


def _wasserstein(
    pair: Comparison,
    reference: NumericProfile,
    current: NumericProfile,
    settings: DriftSettings,
    p_value: float,
) -> Measure:
    """Measure in the column's unit; the effect is in deviations of the reference."""
    deviation = reference.deviation
    if not deviation:
        why = "the reference is constant: there is no deviation to measure in"
        return pair.without(Metric.WASSERSTEIN, why)
    value, floor = statistics.wasserstein(reference, current), settings.distance_floor
    found = pair.measure(Metric.WASSERSTEIN, value, floor * deviation, p_value)
    if found.value is None:
        return found
    return replace(found, effect=value / deviation, floor=floor)


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
    advice = pair.measure(Metric.JENSEN_SHANNON, distance, settings.distance_floor, p_value)
    quality = category_quality(pair, reference, current, settings)
    return [replace(size, bins=table.freedom + 1), advice, *quality]
