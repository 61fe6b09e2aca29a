"""Windows: all columns of some rows as profiles, and all measures between two of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from shared.catalogue import Feature, Model
from shared.domain.drift.columns import Floats, Scratch, holds_numbers
from shared.domain.drift.features import (
    Profile,
    categorical_measures,
    numeric_measures,
    prediction_measures,
)
from shared.domain.drift.measures import Measure, Metric
from shared.domain.drift.performance import performance_measures
from shared.domain.drift.profile import (
    CategoricalProfile,
    NumericProfile,
    merged,
    reference_categorical,
    reference_numeric,
)
from shared.domain.drift.quality import ABSENT, odd_column


class Rows(Protocol):
    """Rows as they are read: Arrow features, predictions and actuals (NaN where there is none)."""

    @property
    def features(self) -> Any: ...
    @property
    def prediction(self) -> Floats: ...
    @property
    def actual(self) -> Floats: ...


@dataclass(frozen=True, eq=False)
class Unlabelled:
    """Rows whose actuals nobody asked for."""

    features: Any
    prediction: Floats

    @property
    def actual(self) -> Floats:
        return np.full(len(self.prediction), np.nan)


@dataclass(frozen=True, eq=False)
class WindowProfile:
    """What is kept of a window.

    Attributes:
        odd: columns that are not there, or not of their kind, with what is wrong.
        scored: prediction and actual of the rows that count for performance, two columns.
    """

    rows: int
    features: Mapping[str, Profile]
    prediction: NumericProfile
    odd: Mapping[str, str]
    scored: Floats = field(default_factory=lambda: np.empty((0, 2)))


def profile_reference(model: Model, rows: Rows, scratch: Scratch) -> WindowProfile:
    """Profile a reference on edges and categories of its own."""
    bins = model.drift.bins
    return WindowProfile(
        rows=rows.features.num_rows,
        features={
            feature.name: reference_numeric(_column(rows, feature), bins, scratch)
            if feature.kind == "numeric"
            else reference_categorical(_column(rows, feature))
            for feature in model.features
        },
        prediction=reference_numeric(rows.prediction, bins, scratch),
        odd=_odd(model, rows),
    )


def profile_window(
    model: Model, rows: Rows, reference: WindowProfile, scratch: Scratch, *, scored: bool = False
) -> WindowProfile:
    """Profile rows on a reference's edges; ``scored`` keeps those whose actual is known."""
    profile = WindowProfile(
        rows=rows.features.num_rows,
        features={
            feature.name: _on(reference.features[feature.name], _column(rows, feature), scratch)
            for feature in model.features
        },
        prediction=reference.prediction.on(rows.prediction, scratch),
        odd=_odd(model, rows),
    )
    return replace(profile, scored=known_pairs(rows.prediction, rows.actual)) if scored else profile


def known_pairs(prediction: Floats, actual: Floats) -> Floats:
    """Give prediction and actual of the rows whose actual is known, two columns."""
    known = ~np.isnan(actual)
    return np.column_stack([prediction[known], actual[known]])


def _on(reference: Profile, column: Any, scratch: Scratch) -> Profile:
    if isinstance(reference, NumericProfile):
        return reference.on(column, scratch)
    return reference.on(column)


def _column(rows: Rows, feature: Feature) -> Any:
    """Give a column; one that has vanished reads as all missing."""
    table = rows.features
    if feature.name in table.column_names:
        return table.column(feature.name)
    return pa.nulls(table.num_rows)


def _odd(model: Model, rows: Rows) -> dict[str, str]:
    return odd_columns(model, rows.features.schema) if rows.features.num_rows else {}


def odd_columns(model: Model, schema: Any) -> dict[str, str]:
    """Name the features whose columns in an Arrow schema are missing, or not of their kind."""
    found = {}
    for feature in model.features:
        there = feature.name in schema.names
        kind = schema.field(feature.name).type if there else pa.null()
        if pa.types.is_null(kind):
            found[feature.name] = ABSENT
        elif feature.kind == "numeric" and not holds_numbers(kind):
            found[feature.name] = f"the column holds {kind}, not numbers"
    return found


def merge_windows(parts: Sequence[WindowProfile]) -> WindowProfile:
    """Add windows profiled on the same reference; at least one."""
    first = parts[0]
    return WindowProfile(
        rows=sum(part.rows for part in parts),
        features={
            name: _merged([part.features[name] for part in parts]) for name in first.features
        },
        prediction=merged([part.prediction for part in parts]),
        odd={name: what for part in parts for name, what in part.odd.items() if part.rows},
        scored=np.concatenate([part.scored for part in parts]),
    )


def _merged(profiles: Sequence[Profile]) -> Profile:
    numeric = [profile for profile in profiles if isinstance(profile, NumericProfile)]
    if numeric:
        return merged(numeric)
    return merged([profile for profile in profiles if isinstance(profile, CategoricalProfile)])


def measure_window(
    model: Model, reference: WindowProfile, current: WindowProfile, tags: Mapping[str, str]
) -> list[Measure]:
    """Measure all there is between a reference and a window; ``tags`` hold the baseline."""
    settings = model.drift
    found = [
        measure
        for name in reference.features
        for measure in _feature_measures(model, name, reference, current)
    ]
    answer, truth = current.scored[:, 0], current.scored[:, 1]
    return [
        *found,
        *prediction_measures(reference.prediction, current.prediction, settings),
        *performance_measures(model.task, truth, answer, tags, settings),
    ]


def _feature_measures(
    model: Model, name: str, reference: WindowProfile, current: WindowProfile
) -> list[Measure]:
    before, after = reference.features[name], current.features[name]
    if isinstance(before, NumericProfile) and isinstance(after, NumericProfile):
        found = numeric_measures(name, before, after, model.drift)
    elif isinstance(before, CategoricalProfile) and isinstance(after, CategoricalProfile):
        found = categorical_measures(name, before, after, model.drift)
    else:
        raise TypeError(f"{name}: profiles of two kinds")
    odd = reference.odd.get(name, ""), current.odd.get(name, "")
    explained = [_explained(measure, odd[1] or odd[0]) for measure in found]
    return [*explained, *odd_column(name, (before.rows, after.rows), odd, model.drift)]


def _explained(measure: Measure, what: str) -> Measure:
    if not what or measure.metric not in (Metric.MISSING_RATE, Metric.ALL_MISSING):
        return measure
    return replace(measure, note=f"{measure.note}; {what}".removeprefix("; "))
