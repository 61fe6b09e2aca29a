"""A clock that a test sets."""

from datetime import UTC, datetime, timedelta

START = datetime(2013, 7, 1, 4, 0, tzinfo=UTC)


class FakeClock:
    """Stands still until told."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def set(self, now: datetime) -> None:
        self._now = now

    def advance(self, by: timedelta | None = None, **parts: float) -> datetime:
        """Move on: ``advance(minutes=5)`` or ``advance(timedelta(minutes=5))``."""
        self._now += timedelta(**parts) if by is None else by
        return self._now
