"""How an online endpoint does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from shared.catalogue import Model


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


class EndpointMonitor(Protocol):
    """Says how a model's online endpoint fares, from what is logged of its requests."""

    def signals(self, model: Model, start: datetime, end: datetime) -> EndpointSignals:
        """Look at the requests in [start, end); those of the last minutes may not have arrived.

        Raises:
            NotFound: the model's ``endpoint_log`` is not given.
            DataError: the answer was cut or has another form.
        """
