"""How an online endpoint fares: the figures of its requests. What they mean is drift's to say."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class EndpointSignals:
    """How an online endpoint fared in [start, end).

    Attributes:
        requests: how many there were.
        failed: how many of them were not answered well, or do not say.
        p95_ms: 95th percentile of the duration, milliseconds, an estimate; None without requests.
        p99_ms: the same for the 99th.
    """

    start: datetime
    end: datetime
    requests: int
    failed: int
    p95_ms: float | None
    p99_ms: float | None

    @property
    def error_rate(self) -> float | None:
        """Give the share of the requests that failed; None without requests."""
        return self.failed / self.requests if self.requests else None

    @property
    def requests_per_minute(self) -> float:
        return self.requests / ((self.end - self.start).total_seconds() / 60)
