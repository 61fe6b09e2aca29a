"""Marks in memory."""

from collections.abc import Mapping
from threading import Lock

from tests.fakes.faults import Faults


class FakeMarks:
    """``faults`` are for ``advance``."""

    def __init__(self) -> None:
        self._marks: dict[tuple[str, str], int] = {}
        self._lock = Lock()
        self.faults = Faults()

    def get(self, group: str, name: str) -> int:
        return self._marks.get((group, name), 0)

    def advance(self, group: str, name: str, value: int) -> bool:
        fault = self.faults.before()
        with self._lock:
            if self.get(group, name) >= value:
                return False
            self._marks[group, name] = value
        self.faults.after(fault)
        return True

    def group(self, group: str) -> Mapping[str, int]:
        return {name: value for (of, name), value in self._marks.items() if of == group}
