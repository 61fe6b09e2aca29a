"""Profiles without Azure: a store in memory, and a source on any Windows."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from shared.catalogue import Model
from shared.domain.drift.columns import Scratch
from shared.domain.drift.spec import DayProfile, ProfileSpec, Reference
from shared.domain.drift.window import profile_reference, profile_window
from shared.errors import NotFound
from shared.ports import Window, Windows
from tests.fakes.faults import Faults

DAY = timedelta(days=1)


class FakeProfiles:
    """A ProfileStore that keeps what was put, in ``contents``; ``faults`` are for every call."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.faults = Faults()

    def put(self, name: str, content: bytes) -> None:
        fault = self.faults.before()
        self.contents[name] = content
        self.faults.after(fault)

    def get(self, name: str) -> bytes:
        self.faults.before()
        if name not in self.contents:
            raise NotFound(f"no profile has the name {name}", subject=name)
        return self.contents[name]


class FakeSource:
    """A ProfileSource that counts what a Windows gives.

    ``reads`` has the version, the first and the end of everything that was asked for, and
    ``rows`` how many rows that were.
    """

    def __init__(self, windows: Windows) -> None:
        self._windows = windows
        self.reads: list[tuple[str, datetime, datetime]] = []
        self.rows = 0

    def reference(self, model: Model, version: str, start: datetime, end: datetime) -> Reference:
        self.reads.append((version, start, end))
        profile = profile_reference(model, self._window(model, version, start, end), Scratch())
        return Reference(start, end, model.drift.bins, profile)

    def days(
        self, model: Model, version: str, spec: ProfileSpec, start: date, end: date
    ) -> Iterator[DayProfile]:
        midnight, last = (datetime.combine(day, time(), UTC) for day in (start, end))
        self.reads.append((version, midnight, last))
        while midnight < last:
            window = self._window(model, version, midnight, midnight + DAY)
            profile = profile_window(model, window, spec.blank(), Scratch())
            yield DayProfile(midnight.date(), profile)
            midnight += DAY

    def _window(self, model: Model, version: str, start: datetime, end: datetime) -> Window:
        window = self._windows.served(model, version, start, end)
        self.rows += window.rows
        return window
