"""One notification on its way: the receiver, the calls made to it and what they came to.

Receivers' URLs carry keys, so they are redacted wherever they show.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import aiohttp

from shared.adapters.clock import OffsetClock, SystemClock

RETRIED_STATUSES = frozenset({408, 429, 503, 504})
SECRET_PARAMETERS = frozenset({"code", "sig"})
LONGEST_KEPT_ANSWER = 4096
Payload = Mapping[str, Any]


class DeliveryState(StrEnum):
    """What has become of one notification to one receiver."""

    PENDING = "pending"
    DELIVERED = "delivered"
    REJECTED = "rejected"
    FAILED = "failed"
    MUTED = "muted"


@dataclass(frozen=True)
class Receiver:
    """One webhook or function of the action group."""

    name: str
    url: str

    @property
    def safe_url(self) -> str:
        """The URL without its secrets, for logs and answers."""
        parts = urlsplit(self.url)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        safe = [(k, "REDACTED" if k in SECRET_PARAMETERS else v) for k, v in pairs]
        return urlunsplit(parts._replace(query=urlencode(safe)))


@dataclass(frozen=True)
class Attempt:
    """One call: the status, or the class of the error where there was no answer."""

    at: str
    status: int | None
    error: str | None
    duration_ms: float
    answer: str

    @property
    def state(self) -> DeliveryState:
        if self.status is None or self.status in RETRIED_STATUSES:
            return DeliveryState.PENDING
        is_success = 200 <= self.status < 300  # noqa: PLR2004 - the class of HTTP successes
        return DeliveryState.DELIVERED if is_success else DeliveryState.REJECTED


@dataclass(frozen=True)
class Delivery:
    """One notification to one receiver, with every attempt at it."""

    id: int
    receiver: Receiver
    payload: Payload
    state: DeliveryState = DeliveryState.PENDING
    attempts: tuple[Attempt, ...] = ()

    def shown(self) -> dict[str, Any]:
        essentials = self.payload["data"]["essentials"]
        return {
            "id": self.id,
            "alert_id": essentials["alertId"].rpartition("/")[2],
            "monitor_condition": essentials["monitorCondition"],
            "receiver": self.receiver.name,
            "url": self.receiver.safe_url,
            "state": self.state.value,
            "attempts": [asdict(attempt) for attempt in self.attempts],
            "payload": self.payload,
        }


class Caller:
    """Makes one call to a receiver, the way the service does."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        clock: OffsetClock | SystemClock,
        patience: float,
    ) -> None:
        self._session = session
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=patience)

    async def call(self, delivery: Delivery) -> Attempt:
        at, started = self._clock.now().isoformat(), monotonic()
        status, error, answer = None, None, ""
        try:
            status, answer = await self._post(delivery)
        except (aiohttp.ClientError, TimeoutError, OSError) as trouble:
            # the class only: messages of HTTP clients can hold the URL, and so its key
            error = type(trouble).__name__
        return Attempt(at, status, error, round((monotonic() - started) * 1000, 1), answer)

    async def _post(self, delivery: Delivery) -> tuple[int, str]:
        async with self._session.post(
            delivery.receiver.url,
            data=json.dumps(delivery.payload).encode(),
            headers={"Content-Type": "application/json; charset=utf-8"},
            timeout=self._timeout,
            allow_redirects=False,
        ) as response:
            text = await response.text(errors="replace")
            return response.status, text[:LONGEST_KEPT_ANSWER]
