"""Faults that a test orders in advance."""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One failing call.

    Attributes:
        error: what is raised.
        done: whether the call took effect all the same: the answer was lost.
    """

    error: Exception
    done: bool = False


class Faults:
    """Orders for the next calls, first come first served; none left: the calls work."""

    def __init__(self) -> None:
        self._orders: deque[Fault] = deque()

    def order(self, error: Exception, *, times: int = 1, done: bool = False) -> None:
        self._orders.extend([Fault(error, done)] * times)

    def before(self) -> Fault | None:
        """Raise the ordered error, or give the one to raise once the work is done."""
        fault = self._orders.popleft() if self._orders else None
        if fault is not None and not fault.done:
            raise fault.error
        return fault

    @staticmethod
    def after(fault: Fault | None) -> None:
        if fault is not None:
            raise fault.error
