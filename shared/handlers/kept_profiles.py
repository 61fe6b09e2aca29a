"""Profiles that are counted once and kept: a version's reference, and its days.

What is kept is what can change no more. A day is counted anew at each check until it is over and
its late rows have had the model's ``windows.lag_days`` to arrive. What is damaged, or was made for
another catalogue, is made again: the rows are still there, and two who make it write the same.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, TypeVar

from shared.errors import DataError, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from shared.catalogue import Model
    from shared.domain.drift.check import Span
    from shared.domain.drift.spec import DayProfile, ProfileSpec, Reference
    from shared.ports import ProfileSource, ProfileStore

log = logging.getLogger(__name__)
DAY = timedelta(days=1)
T = TypeVar("T")


@dataclass(frozen=True)
class KeptProfiles:
    """The profiles of one version, as of one moment."""

    source: ProfileSource
    store: ProfileStore
    model: Model
    version: str
    now: datetime

    def reference(self, span: Span) -> Reference:
        """Give the version's reference: the kept one, else a new one, kept if it has rows.

        Raises:
            NoTable, DataError: there are no rows to read, or they cannot be read.
            Unavailable: store or table did not answer.
        """
        from shared.domain.drift.codec import decode_reference, encode_reference, reference_name

        name = reference_name(self.model.name, self.version)
        content = self._content(name)
        if content is not None:
            found = _undamaged(lambda: decode_reference(content, name))
            if found is not None and found.fits(self.model, span.start, span.end):
                return found
        made = self.source.reference(self.model, self.version, span.start, span.end)
        if made.profile.rows and self._final(span.end):
            self.store.put(name, encode_reference(made))
        return made

    def days(self, spec: ProfileSpec, first: date, end: date) -> Sequence[DayProfile]:
        """Give each day of [first, end) on the spec; only days that are not kept are read."""
        wanted = [first + DAY * step for step in range((end - first).days)]
        kept = {day: self._day(spec, day) for day in wanted if self._over(day)}
        found = {day: profile for day, profile in kept.items() if profile is not None}
        for start, stop in _runs([day for day in wanted if day not in found]):
            made = self.source.days(self.model, self.version, spec, start, stop)
            found |= {profile.day: self._keep(spec, profile) for profile in made}
        return [found[day] for day in wanted]

    def _day(self, spec: ProfileSpec, day: date) -> DayProfile | None:
        from shared.domain.drift.codec import day_name, decode_day

        name = day_name(self.model.name, self.version, day)
        content = self._content(name)
        if content is None:
            return None
        return _undamaged(lambda: decode_day(content, spec, name))

    def _keep(self, spec: ProfileSpec, found: DayProfile) -> DayProfile:
        from shared.domain.drift.codec import day_name, encode_day

        if self._over(found.day):
            name = day_name(self.model.name, self.version, found.day)
            self.store.put(name, encode_day(found, spec))
        return found

    def _content(self, name: str) -> bytes | None:
        try:
            return self.store.get(name)
        except NotFound:
            return None

    def _over(self, day: date) -> bool:
        return self._final(datetime.combine(day + DAY, time(), UTC))

    def _final(self, end: datetime) -> bool:
        """Tell whether no row before ``end`` is waited for any more."""
        return end + timedelta(days=self.model.windows.lag_days) <= self.now


def _undamaged(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except DataError as error:
        log.error("%s; it is made again", error)  # noqa: TRY400 - the message says all there is
        return None


def _runs(days: Sequence[date]) -> Iterator[tuple[date, date]]:
    """Give stretches of days without a gap, each as its first day and the one after its last."""
    start: date | None = None
    for place, day in enumerate(days):
        start = day if start is None else start
        if place + 1 == len(days) or days[place + 1] != day + DAY:
            yield start, day + DAY
            start = None
