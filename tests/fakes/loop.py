"""The whole loop on fakes: every handler with its ports, and the host's part of the queues."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from shared.catalogue import Catalogue
from shared.domain.audit import Head, verify
from shared.domain.run import WORKING, Run
from shared.errors import LoopError, Unavailable
from shared.handlers import messages
from shared.handlers.gather_evidence import GatherEvidence
from shared.handlers.journal import Journal
from shared.handlers.judge_candidate import JudgeCandidate
from shared.handlers.project_audit import ProjectAudit, Provenance
from shared.handlers.receive_alert import ReceiveAlert
from shared.handlers.send_notice import SendNotice
from shared.handlers.steps import Steps
from shared.handlers.sweep import Sweep, Swept
from shared.handlers.watch_run import PollLimits, WatchRun
from tests.fakes.clock import FakeClock
from tests.fakes.evidence import FakeEvidence
from tests.fakes.fuse import Killed
from tests.fakes.jobs import ENDED, FakeJobs
from tests.fakes.notifier import FakeNotifier
from tests.fakes.queues import FakeQueues
from tests.fakes.registry import RUN_TAG, FakeRegistry
from tests.fakes.samples import HOLDOUT_TABLE, MODEL, catalogue_of, holdout_rows
from tests.fakes.scoring import Answer, FakeScorer
from tests.fakes.state import FakeRunStore
from tests.fakes.tables import FakeTables
from tests.fakes.windows import FakeWindows

QUEUES = (messages.RETRAIN_RUNS, messages.GATE_CHECKS, messages.NOTICES, messages.AUDIT_ROWS)
STALLED_AFTER = timedelta(minutes=15)
DEQUEUES = 5
"""How often a message is tried before it is poison. Source: host.json."""
AGAIN = timedelta(seconds=30)
"""When a message whose function raised comes again. Source: host.json."""
TURNS = 500
"""More messages than any run needs; the loop did not come to rest."""


def fair(rows: pa.Table) -> list[float]:
    """Answer as the sample's actuals are: passes every gate."""
    return [value + 10 for value in rows["distance"].to_pylist()]


def poor(rows: pa.Table) -> list[float]:
    """Answer the mean whatever is asked: fails the performance gate."""
    answers = fair(rows)
    return [sum(answers) / len(answers)] * len(answers)


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


class Ports:
    """The fakes behind the handlers, for a test to set up and look at."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = FakeRunStore()
        self.queues = FakeQueues(self.clock)
        self.jobs = FakeJobs(self.clock)
        self.registry = FakeRegistry()
        self.windows = FakeWindows(self.clock)
        self.scorer = FakeScorer()
        self.tables = FakeTables()
        self.evidence = FakeEvidence()
        self.notifier = FakeNotifier()


class FakeLoop:
    """Handlers on fakes.

    ``tap`` may put something between the handlers and a port. Jobs end as ``job_status`` when a
    message of their run is handled, and register a version that answers by ``candidate``; with
    ``job_status`` empty they stay as they are. ``poison`` keeps the messages that were given up.
    With ``redelivers`` False the message of a worker that is killed is lost.
    """

    def __init__(
        self,
        catalogue: Catalogue | None = None,
        *,
        tap: Callable[[str, Any], Any] = lambda _, port: port,
    ) -> None:
        self.ports = Ports()
        self.catalogue = catalogue or catalogue_of()
        self.job_status = "Completed"
        self.candidate: Answer = fair
        self.poison: list[Delivery] = []
        self.redelivers = True
        self._inbox: deque[Delivery] = deque()
        self._wire({name: tap(name, port) for name, port in vars(self.ports).items()})
        self.champion = self._champion()

    def _wire(self, port: dict[str, Any]) -> None:
        self.journal = Journal(port["store"], self.ports.clock)
        self.steps = Steps(self.journal, port["queues"])
        gather = GatherEvidence(port["registry"], port["windows"], port["scorer"])
        self.receive = ReceiveAlert(self.catalogue, self.journal, port["queues"])
        self.watch = WatchRun(
            self.catalogue, self.steps, port["jobs"], port["registry"], PollLimits(15, 300)
        )
        self.judge = JudgeCandidate(
            catalogue=self.catalogue,
            steps=self.steps,
            registry=port["registry"],
            gather=gather,
            tables=port["tables"],
            evidence=port["evidence"],
            timer=lambda: 0.0,
        )
        self.notice = SendNotice(self.catalogue, self.journal, port["notifier"])
        self.project = ProjectAudit(port["store"], port["tables"], Provenance("c0ffee", "main"))
        self.sweep = Sweep(self.catalogue, self.steps, STALLED_AFTER)

    def _champion(self) -> str:
        self.ports.windows.write(HOLDOUT_TABLE, holdout_rows(self.ports.clock.now()))
        version = self.add_version(fair)
        self.ports.registry.set_champion(MODEL, version)
        return version

    def add_version(self, answer: Answer | None, run_id: str = "", model: str = MODEL) -> str:
        """Register a version, as a job does; without an answer it cannot be loaded."""
        tags = {RUN_TAG: run_id} if run_id else {}
        version = self.ports.registry.register(model, tags=tags)
        if answer is not None:
            self.ports.scorer.answers(model, version, answer)
        return version

    def runs(self, model: str = MODEL) -> list[Run]:
        return list(self.ports.store.runs(model))

    def run(self) -> Run:
        """Give the only run there is."""
        (run,) = self.runs()
        return run

    def actions(self, model: str = MODEL) -> list[str]:
        """Give what the ledger says, oldest first, such as ``job.start/intent``."""
        return [f"{row['action']}/{row['outcome']}" for row in self.ports.store.chain(model)]

    def breaches(self, model: str = MODEL) -> list[str]:
        """Give what is wrong with the ledger: nothing, if all is well."""
        store = self.ports.store
        head: Head = store.head(model)
        return [breach.reason for breach in verify(store.chain(model), head)]

    # --- the host's part ---------------------------------------------------------------------

    def step(self) -> bool:
        """Handle the next message, at the time it becomes visible; False: there is none."""
        delivery = self._next()
        if delivery is None:
            return False
        if delivery.visible_at > self.ports.clock.now():
            self.ports.clock.set(delivery.visible_at)
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
        raise AssertionError(f"not at rest after {TURNS} messages: {self.runs()}")

    def settle(self) -> Swept:
        """Sweep and drain until the sweeper has found nothing stalled twice; gives the last sweep.

        Twice, because what a quiet sweep sends for the projection may be lost itself.
        """
        quiet = 0
        for _ in range(TURNS):
            self.ports.clock.advance(STALLED_AFTER + timedelta(seconds=1))
            swept = self._swept()
            self.drain()
            quiet = quiet + 1 if swept is not None and not (swept.runs or swept.notices) else 0
            if swept is not None and quiet == 2:
                return swept
        raise AssertionError(f"still stalled: {self.runs()}")

    def _swept(self) -> Swept | None:
        try:
            return self.sweep()
        except (Unavailable, Killed):
            return None  # the timer comes again

    def come_again(self, delivery: Delivery) -> None:
        """Put a message back as the host does when its function has raised."""
        delivery.dequeues += 1
        delivery.visible_at = self.ports.clock.now() + AGAIN
        (self.poison if delivery.dequeues >= DEQUEUES else self._inbox).append(delivery)

    def handle(self, queue: str, message: dict[str, Any]) -> None:
        """Do what the queue's function does with one message."""
        match queue:
            case messages.RETRAIN_RUNS:
                self.work()
                self.watch(message["model"], message["run_id"], message["step"])
            case messages.GATE_CHECKS:
                self.judge(message["model"], message["run_id"])
            case messages.NOTICES:
                self.notice(message["model"], message["run_id"])
            case _:
                self.project(message["chain"])

    def work(self) -> None:
        """Let every job end that has not."""
        jobs = self.ports.jobs
        for job_id, parameters in jobs.parameters.items():
            if not self.job_status or jobs._jobs[job_id][1].status in ENDED:
                continue
            jobs.set_status(job_id, self.job_status, "out of memory")
            if self.job_status == "Completed":
                self.add_version(self.candidate, parameters["run_id"], parameters["model"])

    def _next(self) -> Delivery | None:
        moment = self.ports.queues.next_at()
        for queue in QUEUES if moment is not None else ():
            for message in self.ports.queues.take(queue, moment):
                self._inbox.append(Delivery(queue, message, moment or self.ports.clock.now()))
        first = min(self._inbox, key=lambda delivery: delivery.visible_at, default=None)
        if first is not None:
            self._inbox.remove(first)
        return first


def resting(run: Run) -> bool:
    """Tell whether nothing is left to do for a run until somebody acts."""
    return run.state not in WORKING and run.notified_at is not None
