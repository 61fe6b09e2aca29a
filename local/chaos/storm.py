"""Sends the deliveries while workers are killed, clocks jump, and storage and Fabric fail.

What may go in here: what happens when. Nothing is checked here, only recorded.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random
from threading import Event, Lock, Thread
from typing import Any

import requests

from local.chaos.plan import Delivery
from local.chaos.rig import Rig, Worker
from local.processes import ProcessError
from shared.domain.run import State
from shared.errors import LoopError

SENDERS = 12
ATTEMPTS = 60
"""How often a delivery is tried; an action group would come back with the same alert."""
GAP_SECONDS = 0.3
STORAGE_FAULT_RATE = 0.02
MOST_PENDING = 4
"""Faults that wait for a request at Fabric."""
FABRIC_FAULTS: tuple[tuple[str, str, int], ...] = (
    ("start", "lost_response", 6),
    ("start", "throttle", 3),
    ("start", "server_error", 3),
    ("start", "reset", 3),
    ("start", "timeout", 2),
    ("start", "slow", 3),
    ("start", "location_without_id", 3),
    ("start", "deduped", 1),
    ("start", "unauthorized", 1),
    ("get", "throttle", 2),
    ("get", "server_error", 2),
    ("get", "unknown_status", 2),
    ("get", "reset", 1),
    ("list", "duplicate_listing", 4),
    ("list", "server_error", 2),
    ("list", "throttle", 1),
    ("list", "unknown_status", 1),
    ("cancel", "lost_response", 1),
    ("cancel", "server_error", 1),
    ("activity_runs", "server_error", 1),
)
"""Operation, kind, and how often beside the others."""
SLOW_SECONDS = 1.0
JUMPS: tuple[tuple[float, int], ...] = (
    *((0.0, 6), (5.0, 2), (-5.0, 2), (-45.0, 2), (40.0, 1), (-600.0, 1), (600.0, 1)),
    *((-3600.0, 1), (8 * 3600.0, 1)),
)
"""Offsets of the app's clock, seconds, and how often each; the last is past every lock's end."""


@dataclass(frozen=True)
class Sent:
    """What became of one delivery: the last answer's status, 0 for none, and its body."""

    delivery: Delivery
    status: int
    receipt: dict[str, Any]

    @property
    def accepted(self) -> bool:
        return self.status == HTTPStatus.ACCEPTED


@dataclass
class Storm:
    """One storm over one rig."""

    rig: Rig
    seed: int
    kills: int
    sent: list[Sent] = field(default_factory=list)
    killed: int = 0
    jumps: int = 0
    ordered: int = 0
    _over: Event = field(default_factory=Event)
    _mutex: Lock = field(default_factory=Lock)
    _broken: list[BaseException] = field(default_factory=list)

    def rage(self, deliveries: list[Delivery], tell: Callable[[str], None]) -> None:
        """Send everything, with all faults on, and kill as often as is asked for.

        Raises:
            ProcessError: a worker never came up again.
        """
        self.rig.set_weather(STORAGE_FAULT_RATE)
        killer = Thread(target=self._guarded, args=(self._kill, len(deliveries)), name="killer")
        killer.start()
        with self._beside(self._jump, self._trouble_fabric, self._operate):
            self._deliver(deliveries, tell)
            self._over.set()
            killer.join()
        if self._broken:
            raise self._broken[0]

    @contextmanager
    def _beside(self, *works: Callable[[Event], None]) -> Iterator[None]:
        stop = Event()
        threads = [Thread(target=self._guarded, args=(work, stop)) for work in works]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def _guarded(self, work: Callable[..., None], argument: object) -> None:
        try:
            work(argument)
        except (OSError, LoopError, ProcessError) as error:
            self._broken.append(error)

    def _deliver(self, deliveries: list[Delivery], tell: Callable[[str], None]) -> None:
        with ThreadPoolExecutor(SENDERS) as pool:
            for sent in pool.map(self._send, range(len(deliveries)), deliveries):
                self.sent.append(sent)
                if len(self.sent) % 500 == 0:
                    tell(f"{len(self.sent)} of {len(deliveries)} deliveries, {self.killed} kills")

    def _send(self, number: int, delivery: Delivery) -> Sent:
        dice = Random(f"{self.seed}/{number}")  # noqa: S311 - a rehearsal that can be repeated
        sent = Sent(delivery, 0, {})
        for _ in range(ATTEMPTS):
            sent = self._post(dice.choice(self.rig.workers), delivery)
            if HTTPStatus.OK <= sent.status < HTTPStatus.INTERNAL_SERVER_ERROR and (
                sent.status != HTTPStatus.TOO_MANY_REQUESTS
            ):
                break
            time.sleep(GAP_SECONDS)
        return sent

    def _post(self, worker: Worker, delivery: Delivery) -> Sent:
        try:
            answer = requests.post(
                f"{worker.url}/api/alerts",
                data=delivery.at(self.rig.app.clock.now()),
                headers={"Content-Type": "application/json", "x-functions-key": self.rig.key},
                timeout=30,
            )
            receipt = answer.json() if answer.content else {}
        except (requests.RequestException, ValueError):
            return Sent(delivery, 0, {})
        return Sent(delivery, answer.status_code, receipt)

    def _kill(self, deliveries: int) -> None:
        """Kill a worker at random moments, spread over the deliveries, and start it again."""
        dice = Random(f"{self.seed}/kill")  # noqa: S311 - a rehearsal that can be repeated
        for number in range(self.kills):
            due = deliveries * (number + dice.random()) / self.kills
            while len(self.sent) < due and not self._over.wait(0.05):
                pass
            time.sleep(dice.uniform(0, 0.5))
            worker = dice.choice(self.rig.workers)
            self.rig.kill(worker)
            self.killed += 1
            self.rig.start(worker)

    def _jump(self, stop: Event) -> None:
        dice = Random(f"{self.seed}/clock")  # noqa: S311 - a rehearsal that can be repeated
        offsets, weights = zip(*JUMPS, strict=True)
        while not stop.wait(dice.uniform(1, 5)):
            self.rig.set_clock(dice.choices(offsets, weights)[0])
            self.jumps += 1

    def _operate(self, stop: Event) -> None:
        """Cancel what is held for a person, as one who never sleeps: a held run keeps its model."""
        dice = Random(f"{self.seed}/operator")  # noqa: S311 - a rehearsal that can be repeated
        while not stop.wait(3):
            held = [
                run
                for model in self.rig.models
                for run in self.rig.app.store.unsettled(model)
                if run.state is State.HELD
            ]
            for run in held:
                url = f"{dice.choice(self.rig.workers).url}/api/runs/{run.run_id}/cancel"
                with suppress(requests.RequestException):
                    requests.post(
                        url,
                        json={"reason": "chaos"},
                        headers={"x-functions-key": self.rig.key},
                        timeout=30,
                    )

    def _trouble_fabric(self, stop: Event) -> None:
        dice = Random(f"{self.seed}/fabric")  # noqa: S311 - a rehearsal that can be repeated
        weights = [weight for _, _, weight in FABRIC_FAULTS]
        while not stop.wait(0.25):
            with suppress(requests.RequestException):
                if len(self.rig.fabric("faults")["faults"]) >= MOST_PENDING:
                    continue
                operation, kind, _ = dice.choices(FABRIC_FAULTS, weights)[0]
                self.rig.order_fabric_fault(operation=operation, kind=kind, seconds=SLOW_SECONDS)
                self.ordered += 1
