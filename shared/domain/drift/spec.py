"""What rows are counted on, and what comes of counting: the forms a profile travels in.

Only the forms live here; how they are written down is in ``codec.py``.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

import numpy as np

from shared.catalogue import Model
from shared.domain.drift.edges import Edges
from shared.domain.drift.features import Profile
from shared.domain.drift.profile import CategoricalProfile, NumericProfile
from shared.domain.drift.window import WindowProfile

Buckets = Edges | tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ProfileSpec:
    """On what a version's rows are counted: its reference's own edges and categories.

    Attributes:
        features: by name, in the catalogue's order. ``Edges`` make it numeric: bucket i of
            ``len(cuts) + 1`` holds cuts[i-1] <= x < cuts[i], both ends open. Texts make it
            categorical: the reference's categories, sorted by code point.
        prediction: the edges of what the version answered.
    """

    features: Mapping[str, Buckets]
    prediction: Edges

    @cached_property
    def digest(self) -> str:
        """SHA-256 over names, kinds, edges and categories: equal for profiles that may be added."""
        parts = [*self.features.items(), (None, self.prediction)]
        running = hashlib.sha256()
        for name, buckets in parts:
            if isinstance(buckets, Edges):
                cuts, coarse = buckets.cuts.astype("<f8"), buckets.coarse.astype("<i8")
                shape = ["numeric", name, len(cuts), len(coarse)]
                running.update(json.dumps(shape).encode() + cuts.tobytes() + coarse.tobytes())
            else:
                running.update(json.dumps(["categorical", name, list(buckets)]).encode())
        return running.hexdigest()

    def blank(self) -> WindowProfile:
        """Give the profile of no rows; ``profile_window`` counts rows on its buckets."""
        features = {name: _blank(buckets) for name, buckets in self.features.items()}
        return WindowProfile(
            rows=0, features=features, prediction=blank_numeric(self.prediction), odd={}
        )


def _blank(buckets: Buckets) -> Profile:
    if isinstance(buckets, Edges):
        return blank_numeric(buckets)
    return CategoricalProfile(buckets, np.zeros(len(buckets), dtype=np.int64), 0, 0)


def blank_numeric(edges: Edges) -> NumericProfile:
    """Give a numeric profile that has counted nothing."""
    buckets = len(edges.cuts) + 1
    return NumericProfile(
        edges=edges,
        counts=np.zeros(buckets, dtype=np.int64),
        sums=np.zeros(buckets),
        missing=0,
        above=0,
        below=0,
        minimum=np.inf,
        maximum=-np.inf,
        square_deviation=0.0,
    )


@dataclass(frozen=True, eq=False)
class Reference:
    """The profile of the rows in [start, end) on edges of their own: what drift is measured from.

    Attributes:
        bins: PSI bins the edges were made for.
    """

    start: datetime
    end: datetime
    bins: int
    profile: WindowProfile

    @cached_property
    def spec(self) -> ProfileSpec:
        features = {name: _buckets(found) for name, found in self.profile.features.items()}
        return ProfileSpec(features, self.profile.prediction.edges)

    def fits(self, model: Model, start: datetime, end: datetime) -> bool:
        """Tell whether it is of these rows and made for the features and bins of the catalogue."""
        found = [
            (name, "numeric" if isinstance(buckets, Edges) else "categorical")
            for name, buckets in self.spec.features.items()
        ]
        wanted = [(feature.name, feature.kind) for feature in model.features]
        return (self.start, self.end, self.bins, found) == (start, end, model.drift.bins, wanted)


def _buckets(profile: Profile) -> Buckets:
    return profile.edges if isinstance(profile, NumericProfile) else profile.categories


@dataclass(frozen=True, eq=False)
class DayProfile:
    """The profile of one UTC day on a reference's edges; a day without rows has a blank one."""

    day: date
    profile: WindowProfile
