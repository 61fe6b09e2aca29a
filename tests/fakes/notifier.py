"""Notices kept instead of shown."""

from shared.ports import Notice
from tests.fakes.faults import Faults


class FakeNotifier:
    """Remembers what people were told; ``faults`` order failures."""

    def __init__(self) -> None:
        self.sent: list[Notice] = []
        self.faults = Faults()

    def send(self, notice: Notice) -> None:
        fault = self.faults.before()
        self.sent.append(notice)
        self.faults.after(fault)
