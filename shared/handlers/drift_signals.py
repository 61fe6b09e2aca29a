"""Signals beside those of the profiles: volume, freshness, packages, and what is asked for.

Rows are only read for what the catalogue declares: groups for parity, features for importance.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from shared.errors import DataError, NotFound, Refused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from shared.catalogue import Model
    from shared.domain.drift.check import Plan, Span
    from shared.domain.drift.fairness_drift import Rate
    from shared.domain.drift.measures import Measure
    from shared.domain.drift.spec import DayProfile, Reference
    from shared.ports import EndpointMonitor, ModelVersion, Windows


@dataclass(frozen=True)
class Signals:
    """Measures one version's signals.

    Attributes:
        packages: gives the deployed packages, name and version.
        serves: whether the version is the champion: only that one is asked every day.
        endpoint: says how the online endpoint fares, for models that declare its log.
    """

    windows: Windows
    packages: Callable[[], Mapping[str, str]]
    model: Model
    version: ModelVersion
    plan: Plan
    serves: bool
    endpoint: EndpointMonitor | None = None

    def measures(
        self, reference: Reference, days: Sequence[DayProfile]
    ) -> tuple[list[Measure], ...]:
        """Give the measures of each window, the latest first."""
        found: tuple[list[Measure], ...] = tuple([] for _ in self.plan.windows)
        for group in (self._serving(reference, days), self._parity()):
            for window, measures in zip(found, group, strict=True):
                window.extend(measures)
        found[0].extend(self._environment())
        found[0].extend(self._importance())
        found[0].extend(self._endpoint())
        return found

    def _serving(
        self, reference: Reference, days: Sequence[DayProfile]
    ) -> tuple[list[Measure], ...]:
        from shared.domain.drift.volume import stale_measure, volume_measure

        if not self.serves:
            return tuple([] for _ in self.plan.windows)
        settings = self.model.drift
        found = tuple(
            [volume_measure(reference, _within(window, days), settings)]
            for window in self.plan.windows
        )
        rows, end = reference.profile.rows, self.plan.windows[0].end
        found[0].append(stale_measure(end, days, rows, settings))
        return found

    def _endpoint(self) -> list[Measure]:
        """Ask how the endpoint fares; that nobody can say must not stop the check."""
        from shared.domain.drift.endpoint import endpoint_measures, endpoint_unknown

        if self.endpoint is None or self.model.endpoint_log is None or not self.serves:
            return []
        span = self.plan.windows[0]
        earlier = span.start - (span.end - span.start)
        try:
            now = self.endpoint.signals(self.model, span.start, span.end)
            before = self.endpoint.signals(self.model, earlier, span.start)
        except (DataError, NotFound, Refused, Unavailable) as error:
            return endpoint_unknown(f"the endpoint's log could not be read: {error}")
        return endpoint_measures(now, before, self.model.drift)

    def _environment(self) -> list[Measure]:
        from shared.domain.drift.environment import environment_measure

        return [environment_measure(self.version.tags, self.packages())]

    def _importance(self) -> list[Measure]:
        from shared.domain.drift.concept import importance_measure

        if not self.model.drift.importance:
            return []
        span, latest = self.plan.reference, self.plan.answered[0]
        served, number = self.windows.served, self.version.version
        before = served(self.model, number, span.start, span.end)
        now = served(self.model, number, latest.start, latest.end)
        return [importance_measure(self.model, before, now)]

    def _parity(self) -> tuple[list[Measure], ...]:
        from shared.domain.drift.fairness_drift import added, parity_measure

        attributes, settings = self.model.drift.parity_attributes, self.model.drift
        if not attributes:
            return tuple([] for _ in self.plan.windows)
        before = self._rates(self.plan.reference)
        pieces = [(piece, self._rates(piece)) for piece in _pieces(self.plan.windows)]
        return tuple(
            [
                parity_measure(
                    name,
                    before[name],
                    added([rates[name] for piece, rates in pieces if window.holds(piece)]),
                    settings,
                )
                for name in attributes
            ]
            for window in self.plan.windows
        )

    def _rates(self, span: Span) -> dict[str, dict[str, Rate]]:
        from shared.domain.drift.fairness_drift import group_rates

        rows = self.windows.groups(self.model, self.version.version, span.start, span.end)
        settings = self.model.drift
        return {name: group_rates(rows, name, settings) for name in settings.parity_attributes}


def _within(window: Span, days: Sequence[DayProfile]) -> list[DayProfile]:
    first, end = window.start.date(), window.end.date()
    return [found for found in days if first <= found.day < end]


def _pieces(windows: Sequence[Span]) -> list[Span]:
    """Cut overlapping windows where any begins or ends, so that each row is read once."""
    borders = sorted({moment for window in windows for moment in (window.start, window.end)})
    kind = type(windows[0])
    return [kind(start, end) for start, end in pairwise(borders)]
