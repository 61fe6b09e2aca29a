"""The time, as the rest of the app is told it: always UTC, always aware."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class OffsetClock:
    """The machine's clock moved by an offset that a file holds: the local stack's scenarios.

    The file is read at every call, so that all processes of the stack move together when it is
    replaced. Its content is ``{"offset_seconds": float}``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> datetime:
        offset = json.loads(self._path.read_text(encoding="utf-8"))["offset_seconds"]
        return datetime.now(UTC) + timedelta(seconds=float(offset))


def write_offset(path: Path, now: datetime) -> None:
    """Make every ``OffsetClock`` on this file read ``now`` at this moment."""
    offset = (now - datetime.now(UTC)).total_seconds()
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps({"offset_seconds": offset}), encoding="utf-8")
    draft.replace(path)
