"""The action group: who is told of an alert, and the service's retry rule for telling them.

A first call and up to five retries, only after an answer that the service takes for a passing
trouble or none at all; when all have failed nobody calls the receiver for fifteen minutes and
what falls into that time is lost.
"""

import asyncio
import json
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from local.monitor_simulator.delivery import Caller, Delivery, DeliveryState, Payload, Receiver
from local.monitor_simulator.faults import FaultKind, Faults


class Spawner(Protocol):
    """Where background work is started: a task group, so that a crash in it is seen."""

    def create_task(self, coro: Coroutine[Any, Any, None]) -> asyncio.Task[None]: ...


@dataclass(frozen=True)
class RetryRule:
    """Seconds before each retry, seconds to wait for an answer, seconds of silence after giving up.

    The gaps and the silence are the documented ones; the patience is undocumented today and was
    ten seconds when the page last named it.
    """

    gaps: tuple[float, ...] = (5.0, 20.0, 5.0, 40.0, 5.0)
    patience: float = 10.0
    mute: float = 900.0


def load_receivers(path: Path) -> tuple[Receiver, ...]:
    """Read an action group's properties, named as in its template."""
    group = json.loads(path.read_text(encoding="utf-8"))
    webhooks = [Receiver(r["name"], r["serviceUri"]) for r in group.get("webhookReceivers", ())]
    functions = [
        Receiver(r["name"], r["httpTriggerUrl"]) for r in group.get("azureFunctionReceivers", ())
    ]
    if not webhooks and not functions:
        raise ValueError(f"{path.name} names no receiver")
    return (*webhooks, *functions)


class ActionGroup:
    """Tells every receiver, each on its own: nobody waits for another's retries.

    A notification that is made to arrive out of order is held until the next one has arrived,
    and ``longest_hold`` seconds at most.
    """

    longest_hold = 5.0

    def __init__(
        self,
        receivers: Sequence[Receiver],
        rule: RetryRule,
        caller: Caller,
        faults: Faults,
        tasks: Spawner,
    ) -> None:
        self._receivers = receivers
        self._rule = rule
        self._caller = caller
        self._faults = faults
        self._tasks = tasks
        self._deliveries: dict[int, Delivery] = {}
        self._held: dict[int, Payload] = {}
        self._muted_until: dict[str, float] = {}
        self._ids = count(1)

    def notify(self, payload: Payload) -> None:
        if self._faults.take(FaultKind.REORDER):
            ticket = next(self._ids)
            self._held[ticket] = payload
            self._tasks.create_task(self._release_late(ticket))
        else:
            self._tasks.create_task(self._overtake(self._send(payload)))

    def deliveries(self) -> list[dict[str, Any]]:
        return [delivery.shown() for delivery in self._deliveries.values()]

    def muted(self) -> dict[str, float]:
        """Receivers that nobody calls, with the seconds that are left of it."""
        left = {name: until - monotonic() for name, until in self._muted_until.items()}
        return {name: round(seconds, 3) for name, seconds in left.items() if seconds > 0}

    def _send(self, payload: Payload) -> list[asyncio.Task[None]]:
        copies = 2 if self._faults.take(FaultKind.DUPLICATE) else 1
        return [
            self._tasks.create_task(self._deliver(self._register(receiver, payload)))
            for receiver in self._receivers
            for _ in range(copies)
        ]

    def _register(self, receiver: Receiver, payload: Payload) -> Delivery:
        delivery = Delivery(next(self._ids), receiver, payload)
        self._deliveries[delivery.id] = delivery
        return delivery

    async def _overtake(self, sent: Sequence[asyncio.Task[None]]) -> None:
        await asyncio.wait(sent)
        for ticket in tuple(self._held):
            self._release(ticket)

    async def _release_late(self, ticket: int) -> None:
        await asyncio.sleep(self.longest_hold)
        self._release(ticket)

    def _release(self, ticket: int) -> None:
        payload = self._held.pop(ticket, None)
        if payload is not None:
            self._send(payload)

    async def _deliver(self, delivery: Delivery) -> None:
        if delivery.receiver.name in self.muted():
            self._keep(replace(delivery, state=DeliveryState.MUTED))
            return
        for gap in (0.0, *self._rule.gaps):
            await asyncio.sleep(gap)
            attempt = await self._caller.call(delivery)
            attempts = (*delivery.attempts, attempt)
            delivery = self._keep(replace(delivery, state=attempt.state, attempts=attempts))
            if delivery.state is not DeliveryState.PENDING:
                return
        self._keep(replace(delivery, state=DeliveryState.FAILED))
        self._muted_until[delivery.receiver.name] = monotonic() + self._rule.mute

    def _keep(self, delivery: Delivery) -> Delivery:
        self._deliveries[delivery.id] = delivery
        return delivery
