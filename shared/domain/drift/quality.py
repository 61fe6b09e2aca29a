"""Measures of what a column holds beside its shape: missing, infinite, constant, outside, unknown.

Two profiles in, figures out. Each kind of damage is a measure of its own, so that whoever reads it
knows what to mend.
"""

import numpy as np

from shared.domain.drift import significance
from shared.domain.drift.measures import (
    Comparison,
    Guard,
    Measure,
    Metric,
    compare_rows,
    compare_values,
)
from shared.domain.drift.profile import CategoricalProfile, NumericProfile
from shared.sections.drift import DriftSettings

TWO = 2
"""Cells of a comparison of shares: those that have it and those that do not."""
YES = 0.5
"""The floor of a measure that is 1 where something is so."""
NAMED = 5
"""How many vanished categories are named."""
ABSENT = "the column is not there"
"""What a window says of a column that its rows do not have."""


def numeric_quality(
    name: str, reference: NumericProfile, current: NumericProfile, settings: DriftSettings
) -> list[Measure]:
    """Measure a numeric column; infinite and constant values only where there are any."""
    found = missing(name, reference, current, settings)
    if reference.infinite or current.infinite:
        found.append(_infinite(name, reference, current, settings))
    if current.constant and reference.finite and not reference.constant:
        found.append(_constant(name, reference, current, settings))
    return [*found, _outside(name, reference, current, settings)]


def category_quality(
    pair: Comparison,
    reference: CategoricalProfile,
    current: CategoricalProfile,
    settings: DriftSettings,
) -> list[Measure]:
    """Measure categories that came and categories that went."""
    return [_unseen(pair, current, settings), _vanished(pair, reference, current, settings)]


def missing(
    name: str,
    reference: NumericProfile | CategoricalProfile,
    current: NumericProfile | CategoricalProfile,
    settings: DriftSettings,
) -> list[Measure]:
    """Measure the missing rate; a column that has become all missing is a measure more."""
    pair = _rows(name, reference.rows, current.rows, settings)
    hits = reference.missing, current.missing
    rate = _share_change(Metric.MISSING_RATE, pair, hits, settings.missing_change)
    lost = 0 < current.rows == current.missing and reference.missing < reference.rows
    if not lost:
        return [rate]
    p_value = significance.share_p(reference.missing, pair.n, current.missing, pair.m)
    return [rate, pair.measure(Metric.ALL_MISSING, 1.0, YES, p_value, "no value at all")]


def odd_column(
    name: str, rows: tuple[int, int], odd: tuple[str, str], settings: DriftSettings
) -> list[Measure]:
    """Measure that a column went, or is no longer of its kind: a fact, not a sample.

    Args:
        name: of the column.
        rows: of reference and window.
        odd: what is wrong with the column in the reference and in the window; empty: nothing.
        settings: the thresholds.
    """
    before, now = odd
    if not now or now == before:
        return []
    metric = Metric.COLUMN_VANISHED if now == ABSENT else Metric.TYPE_CHANGED
    return [_rows(name, *rows, settings).measure(metric, 1.0, YES, 0.0, now)]


def _rows(name: str, n: int, m: int, settings: DriftSettings) -> Comparison:
    return compare_rows(name, n, m, Guard(TWO, settings.psi_significant))


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


# --- numbers ---------------------------------------------------------------------------------


def _infinite(
    name: str, reference: NumericProfile, current: NumericProfile, settings: DriftSettings
) -> Measure:
    pair = _rows(name, reference.rows, current.rows, settings)
    hits = reference.infinite, current.infinite
    return _share_change(Metric.INFINITE_SHARE, pair, hits, settings.infinite_change)


def _constant(
    name: str, reference: NumericProfile, current: NumericProfile, settings: DriftSettings
) -> Measure:
    """Measure that a column has stopped to vary: the p-value is that of so many equal draws."""
    pair = _rows(name, reference.finite, current.finite, settings)
    share = reference.share_near(current.minimum)
    p_value = float(np.power(share, current.finite - 1.0))
    note = f"always {current.minimum:g}; {share:.4f} of the reference is near"
    return pair.measure(Metric.CONSTANT, 1.0, YES, p_value, note)


def _outside(
    name: str, reference: NumericProfile, current: NumericProfile, settings: DriftSettings
) -> Measure:
    """Measure the share of values that are beyond all the reference had."""
    rows = _rows(name, reference.rows, current.rows, settings)
    guard = Guard(TWO, settings.psi_significant)
    pair = compare_values(rows, reference.finite, current.finite, guard, "finite value")
    if not pair.n or not pair.m:
        return pair.without(Metric.OUTSIDE_SHARE, "")
    hits = _beyond(reference, current)
    note = (
        f"from {current.minimum:g} to {current.maximum:g}, "
        f"the reference from {reference.minimum:g} to {reference.maximum:g}"
    )
    p_value = significance.outside_p(hits, pair.n, pair.m)
    share = hits / pair.m
    return pair.measure(Metric.OUTSIDE_SHARE, share, settings.outside_share, p_value, note)


def _beyond(reference: NumericProfile, current: NumericProfile) -> int:
    """Count values outside the reference's range; its ends are cuts, but for the largest float."""
    cuts = reference.edges.cuts
    below = current.counts[0] if cuts[0] >= reference.minimum else 0
    above = current.counts[-1] if cuts[-1] > reference.maximum else 0
    return int(below + above)


# --- categories ------------------------------------------------------------------------------


def _unseen(pair: Comparison, current: CategoricalProfile, settings: DriftSettings) -> Measure:
    names = ", ".join(repr(name) for name in current.examples)
    note = f"such as {names}" if names else ""
    hits = 0, current.unseen
    return _share_change(Metric.UNSEEN_SHARE, pair, hits, settings.unseen_share, note)


def _vanished(
    pair: Comparison,
    reference: CategoricalProfile,
    current: CategoricalProfile,
    settings: DriftSettings,
) -> Measure:
    """Measure the largest share of the reference that a category had which is gone.

    Rare ones are missed by chance: the p-value is that of the most frequent one that is gone,
    times the number of categories (Bonferroni).
    """
    gone = np.flatnonzero((current.counts == 0) & (reference.counts > 0))
    if not len(gone):
        return pair.measure(Metric.VANISHED_SHARE, 0.0, settings.vanished_share, 1.0)
    first = gone[np.argsort(-reference.counts[gone], kind="stable")]
    most = int(reference.counts[first[0]])
    chance = significance.share_p(most, pair.n, 0, pair.m) * len(reference.categories)
    names = ", ".join(repr(reference.categories[place]) for place in first[:NAMED])
    note = f"{len(gone)} gone, such as {names}"
    share = most / pair.n
    p_value = min(1.0, chance)
    return pair.measure(Metric.VANISHED_SHARE, share, settings.vanished_share, p_value, note)
