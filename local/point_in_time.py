"""Joins features to labels as they were known at the label's time; pandas alone, no files.

The one place where training rows get their features from, so that no row learns from its own
future. Free of this repository's other modules: a copy of this file is a library of the Fabric
environment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

_KNOWN_AT, _PLACE = "__known_at", "__place"


class LeakError(ValueError):
    """The join cannot be made without guessing what was known when."""


@dataclass(frozen=True)
class FeatureClock:
    """When a feature's values are known, and how long they count.

    Attributes:
        column: the feature table's time, as the value's own time (of observation, not of arrival).
        delay: how long after that time the value can be read; at least 0.
        max_age: how old a value may be at the label's time, counted from its own time; None: any.
        before: only values known strictly before the label's time count, not those known at it.
    """

    column: str
    delay: timedelta = timedelta(0)
    max_age: timedelta | None = None
    before: bool = False

    def __post_init__(self) -> None:
        if self.delay < timedelta(0):
            raise LeakError(f"a value is not known before its time: delay {self.delay}")
        if self.max_age is not None and self.max_age < self.delay:
            raise LeakError(f"no value is ever known: max_age {self.max_age} < delay {self.delay}")


def join_as_of(  # noqa: PLR0913 - two tables, their keys and the rule between them
    labels: pd.DataFrame,
    features: pd.DataFrame,
    *,
    by: Sequence[str],
    at: str,
    clock: FeatureClock,
    age: str | None = None,
) -> pd.DataFrame:
    """Give the labels, in their order, with the latest feature values known at each one's time.

    Where none is known, or only one too old, the features are missing. Of two values of one key and
    time the later row counts. Feature rows without a time or a key can be nobody's and are left
    out.

    Args:
        labels: rows with the columns ``by`` and ``at``.
        features: rows with the columns ``by`` and ``clock.column``; all others are features.
        by: whose feature it is; columns of both.
        at: the labels' time, none missing. Times of different zones are compared as moments.
        clock: when a value is known and how long it counts.
        age: name of a column to add, with the value's age at the label's time.

    Raises:
        LeakError: a label has no time, a column is missing or holds no times, only one side's times
            have a zone, or a feature would take another column's place.
    """
    import pandas as pd

    values = [name for name in features.columns if name not in {*by, clock.column}]
    added = [*values, age] if age else values
    _require_sound(labels, features, [*by, at], [*by, clock.column], added)
    times, seen = _moments(labels[at]), _moments(features[clock.column])
    if (times.dt.tz is None) != (seen.dt.tz is None):
        raise LeakError(f"only one of {at} and {clock.column} has a zone: which came first?")
    left = labels[[*by]].assign(**{at: times}).assign(**{_PLACE: range(len(labels))})
    right = features.assign(**{_KNOWN_AT: seen + clock.delay}).dropna(subset=[*by, _KNOWN_AT])
    keep = [*by, _KNOWN_AT, *values]
    joined = pd.merge_asof(
        left.sort_values(at, kind="stable"),
        right[keep].sort_values(_KNOWN_AT, kind="stable"),
        left_on=at,
        right_on=_KNOWN_AT,
        by=list(by),
        tolerance=None if clock.max_age is None else pd.Timedelta(clock.max_age - clock.delay),
        allow_exact_matches=not clock.before,
    ).sort_values(_PLACE)
    if age:
        joined[age] = joined[at] - (joined[_KNOWN_AT] - clock.delay)
    found = joined[added].set_axis(labels.index)
    return pd.concat([labels, found], axis=1)


def _moments(times: pd.Series) -> pd.Series:
    """Give times that can be compared: pandas joins neither two units nor two zones."""
    import pandas as pd

    if not pd.api.types.is_datetime64_any_dtype(times):
        raise LeakError(f"{times.name} holds {times.dtype}, not times")
    if times.dt.tz is not None:
        times = times.dt.tz_convert("UTC")
    # a coarser unit would round into the past
    moments: pd.Series = times.dt.as_unit("ns")
    return moments


def _require_sound(
    labels: pd.DataFrame,
    features: pd.DataFrame,
    of_labels: Sequence[str],
    of_features: Sequence[str],
    added: Sequence[str],
) -> None:
    for whose, rows, names in (
        ("labels", labels, of_labels),
        ("features", features, of_features),
    ):
        missing = [name for name in names if name not in rows.columns]
        if missing:
            raise LeakError(f"the {whose} have no column {', '.join(missing)}")
    taken = sorted(set(added) & set(labels.columns))
    if taken:
        raise LeakError(f"the labels have columns of these names already: {', '.join(taken)}")
    twice = sorted({name for name in added if added.count(name) > 1})
    if twice:
        raise LeakError(f"there would be two columns of these names: {', '.join(twice)}")
    if bool(labels[of_labels[-1]].isna().any()):
        raise LeakError(f"labels without a time in {of_labels[-1]}: what was known then?")
