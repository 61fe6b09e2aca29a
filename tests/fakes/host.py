"""The Functions host's part of the loop: messages come, come again, and are given up."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.errors import LoopError, Unavailable
from shared.handlers import messages
from shared.handlers.sweep import Sweep, Swept
from tests.fakes.clock import FakeClock
from tests.fakes.fuse import Killed
from tests.fakes.queues import FakeQueues

QUEUES = (
    messages.RETRAIN_RUNS,
    messages.GATE_CHECKS,
    messages.PROMOTIONS,
    messages.NOTICES,
    messages.AUDIT_ROWS,
)
STALLED_AFTER = timedelta(minutes=15)
DEQUEUES = 5
"""How often a message is tried before it is poison. Source: host.json."""
AGAIN = timedelta(seconds=30)
"""When a message whose function raised comes again. Source: host.json."""
TURNS = 500
"""More messages than any run needs; the loop did not come to rest."""


@dataclass
class Delivery:
    """A message on its way to its function.

    Attributes:
        dequeues: how often it was tried.
    """

    queue: str
    message: dict[str, Any]
    visible_at: datetime
    dequeues: int = 0


class FakeHost:
    """Takes messages in the order of their times and moves the clock to them.

    ``poison`` keeps the messages that were given up. With ``redelivers`` False the message of a
    worker that is killed is lost.
    """

    sweep: Sweep

    def __init__(self, queues: FakeQueues, clock: FakeClock) -> None:
        self._queues = queues
        self._clock = clock
        self._inbox: deque[Delivery] = deque()
        self.poison: list[Delivery] = []
        self.redelivers = True

    def handle(self, queue: str, message: dict[str, Any]) -> None:
        """Do what the queue's function does with one message."""
        raise NotImplementedError

    def step(self) -> bool:
        """Handle the next message, at the time it becomes visible; False: there is none."""
        delivery = self._next()
        if delivery is None:
            return False
        if delivery.visible_at > self._clock.now():
            self._clock.set(delivery.visible_at)
        try:
            self.handle(delivery.queue, delivery.message)
        except LoopError:
            self.come_again(delivery)
        except Killed:
            if self.redelivers:
                self.come_again(delivery)
        return True

    def drain(self) -> None:
        """Handle messages until none is left."""
        for _ in range(TURNS):
            if not self.step():
                return
        raise AssertionError(f"not at rest after {TURNS} messages")

    def settle(self) -> Swept:
        """Sweep and drain until the sweeper has found nothing stalled twice; gives the last sweep.

        Twice, because what a quiet sweep sends for the projection may be lost itself.
        """
        quiet = 0
        for _ in range(TURNS):
            self._clock.advance(STALLED_AFTER + timedelta(seconds=1))
            swept = self._swept()
            self.drain()
            quiet = quiet + 1 if swept is not None and not (swept.runs or swept.notices) else 0
            if swept is not None and quiet == 2:
                return swept
        raise AssertionError("still stalled")

    def _swept(self) -> Swept | None:
        try:
            return self.sweep()
        except (Unavailable, Killed):
            return None  # the timer comes again

    def come_again(self, delivery: Delivery) -> None:
        """Put a message back as the host does when its function has raised."""
        delivery.dequeues += 1
        delivery.visible_at = self._clock.now() + AGAIN
        (self.poison if delivery.dequeues >= DEQUEUES else self._inbox).append(delivery)

    def _next(self) -> Delivery | None:
        moment = self._queues.next_at()
        for queue in QUEUES if moment is not None else ():
            for message in self._queues.take(queue, moment):
                self._inbox.append(Delivery(queue, message, moment or self._clock.now()))
        first = min(self._inbox, key=lambda delivery: delivery.visible_at, default=None)
        if first is not None:
            self._inbox.remove(first)
        return first
