"""Volume and freshness: whether the version is asked as often, and as lately, as it used to be.

Both are read off the daily profiles and ask for no retrain: where rows stay away, training on what
is left mends nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

from shared.domain.drift.measures import Comparison, Measure, Metric
from shared.domain.drift.spec import DayProfile, Reference
from shared.sections.drift import DriftSettings

VOLUME = "__volume__"
FRESHNESS = "__freshness__"
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def volume_measure(
    reference: Reference, days: Sequence[DayProfile], settings: DriftSettings
) -> Measure:
    """Measure the fall of the rows a day; ``days`` are those of one window.

    The p-value is that of two Poisson rates being equal, one-sided. Real traffic varies more than
    that, so the floor decides; the test keeps a handful of rows from being a fall.
    """
    n, m = reference.profile.rows, sum(found.profile.rows for found in days)
    if not n or not days:
        note = "the reference has no rows" if days else "the window has no days"
        return Comparison(VOLUME, n, m, "insufficient", note).without(Metric.VOLUME_DROP, "")
    length = (reference.end - reference.start) / DAY
    before, after = n / length, m / len(days)
    drop, steps = 1 - after / before, settings.volume_drop.steps
    note = f"{after:.6g} rows a day, {before:.6g} in the reference"
    p_value = _fewer_p(n, m, len(days) / (len(days) + length))
    pair = Comparison(VOLUME, n, m, "ready")
    measure = pair.measure(Metric.VOLUME_DROP, drop, steps[1], p_value, note)
    return replace(measure, grades=steps)


def _fewer_p(n: int, m: int, share: float) -> float:
    """P-value of m or fewer of n + m rows falling into this share of the time (normal)."""
    expected, spread = (n + m) * share, math.sqrt((n + m) * share * (1 - share))
    return 0.5 * math.erfc((expected - m - 0.5) / spread / math.sqrt(2))


def stale_measure(
    end: datetime, days: Sequence[DayProfile], rows: int, settings: DriftSettings
) -> Measure:
    """Measure the hours without a row before ``end``, in whole days: at least so many.

    Args:
        end: of the latest window.
        days: all that were looked at.
        rows: of the reference: a version that was never asked is not stale.
        settings: the thresholds.
    """
    m = sum(found.profile.rows for found in days)
    if not rows or not days:
        pair = Comparison(FRESHNESS, rows, m, "insufficient", "the reference has no rows")
        return pair.without(Metric.STALE_HOURS, "")
    served = [found.day for found in days if found.profile.rows]
    newest = max(served) + DAY if served else min(found.day for found in days)
    hours = (end - datetime.combine(newest, time(), UTC)) / HOUR
    note = f"the newest row is of {max(served)}" if served else f"no row since {newest}"
    pair = Comparison(FRESHNESS, rows, m, "ready")
    return pair.measure(Metric.STALE_HOURS, hours, settings.freshness_hours, 0.0, note)
