"""How long to wait before Fabric is asked again; pure arithmetic, no clock."""

import hashlib
from dataclasses import dataclass

from shared.errors import LoopError, Throttled

BACKOFF = 1.5
"""Growth of the time between two looks where Fabric does not say when to come back."""

LONGEST_ASKED = 24 * 3600.0
"""Seconds of a Retry-After that are believed; a queue cannot hide a message for a week."""

LONGEST_OVERLOADED = 1800.0
"""Seconds to which the wait for an overloaded or paused capacity grows."""

SPREAD = 0.25
"""Share by which such a wait is prolonged at most, so that runs do not all come back at once."""


@dataclass(frozen=True)
class PollLimits:
    """Bounds of the time between two looks at a job, seconds.

    Attributes:
        longest: where Fabric does not ask for more: coming back too early is throttled again.
    """

    shortest: float
    longest: float

    def after(self, polls: int, asked: float | None) -> float:
        """Give the time to the next look: what Fabric asks for, or growing."""
        if asked is not None:
            return max(min(asked, LONGEST_ASKED), self.shortest)
        return min(self.shortest * BACKOFF ** min(polls, 20), self.longest)

    def after_error(self, run_id: str, polls: int, error: LoopError | None) -> float:
        """Give the time to the next look after an error.

        A request that is blocked waits what the answer says, to the second; where the capacity is
        the matter, it says little, and the wait grows and is spread.
        """
        if not isinstance(error, Throttled):
            return self.after(polls, None)
        if not error.overloaded:
            return self.after(polls, error.retry_after)
        grown = min(error.retry_after * BACKOFF ** min(polls, 20), LONGEST_OVERLOADED)
        spread = 1 + SPREAD * _fraction(f"{run_id}/{polls}")
        return self.after(polls, max(grown, error.retry_after) * spread)


def _fraction(text: str) -> float:
    """Give a number in [0, 1) that is the same for the same text: nothing random to inject."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32
