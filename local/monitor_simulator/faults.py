"""Misfortunes ordered in advance: each kind happens a number of times, then things go well."""

from collections import Counter
from enum import StrEnum


class FaultKind(StrEnum):
    """What can be made to go wrong."""

    DUPLICATE = "duplicate"
    REORDER = "reorder"
    THROTTLE_INGEST = "throttle_ingest"
    SERVER_ERROR_INGEST = "server_error_ingest"
    REFUSE_CARDS = "refuse_cards"


class Faults:
    """How often each kind is still to happen."""

    def __init__(self) -> None:
        self._left: Counter[FaultKind] = Counter()

    def order(self, kind: FaultKind, times: int) -> None:
        """Set what is left of a kind; 0 takes an order back."""
        self._left[kind] = times

    def take(self, kind: FaultKind) -> bool:
        """Whether it happens this time."""
        if self._left[kind] <= 0:
            return False
        self._left[kind] -= 1
        return True

    def left(self) -> dict[str, int]:
        return {kind.value: self._left[kind] for kind in FaultKind}
