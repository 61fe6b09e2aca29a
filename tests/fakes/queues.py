"""Queues in memory."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.adapters.storage.storage_queues import encode, whole_seconds
from shared.ports import Clock
from tests.fakes.clock import FakeClock
from tests.fakes.faults import Faults


@dataclass(frozen=True)
class Sent:
    """One message.

    Attributes:
        delay_seconds: as asked for.
        visible_at: when a receiver may see it.
    """

    queue: str
    message: dict[str, Any]
    delay_seconds: float
    visible_at: datetime


class FakeQueues:
    """Keeps what was sent; ``take`` receives, ``visible`` looks, ``sent`` remembers all.

    ``faults.order(Unavailable("gone"))`` makes the next send fail.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or FakeClock()
        self._waiting: list[Sent] = []
        self.sent: list[Sent] = []
        self.faults = Faults()

    def send(self, queue: str, message: Mapping[str, Any], *, delay_seconds: float = 0) -> None:
        content = json.loads(encode(message))
        visible_at = self._clock.now() + timedelta(seconds=whole_seconds(delay_seconds))
        fault = self.faults.before()
        sent = Sent(queue, content, delay_seconds, visible_at)
        self.sent.append(sent)
        self._waiting.append(sent)
        self.faults.after(fault)

    def visible(self, queue: str, at: datetime | None = None) -> list[dict[str, Any]]:
        """Give the messages a receiver could get at a time, now if not said."""
        return [sent.message for sent in self._ready(queue, at)]

    def take(self, queue: str, at: datetime | None = None) -> list[dict[str, Any]]:
        """Receive and delete them."""
        ready = self._ready(queue, at)
        self._waiting = [sent for sent in self._waiting if sent not in ready]
        return [sent.message for sent in ready]

    def next_at(self) -> datetime | None:
        """Give when the next message of any queue becomes visible; None: nothing waits."""
        return min((sent.visible_at for sent in self._waiting), default=None)

    def _ready(self, queue: str, at: datetime | None) -> list[Sent]:
        moment = self._clock.now() if at is None else at
        return [s for s in self._waiting if s.queue == queue and s.visible_at <= moment]
