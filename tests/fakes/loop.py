"""The whole loop on fakes: every handler with its ports, and the host's part of the queues."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyarrow as pa

from shared import telemetry
from shared.catalogue import Catalogue
from shared.domain.audit import Head, verify
from shared.domain.retention import retention_of
from shared.domain.run import DRIVEN, Lock, Run
from shared.handlers import messages
from shared.handlers.approve_run import ApproveRun
from shared.handlers.ask_champion import AskChampion
from shared.handlers.attach_report import AttachReport
from shared.handlers.cancel_run import CancelRun
from shared.handlers.check_backlog import CheckBacklog
from shared.handlers.compare_champion import CompareChampion
from shared.handlers.decisions import Decisions
from shared.handlers.expire_approvals import ExpireApprovals
from shared.handlers.gather_evidence import GatherEvidence
from shared.handlers.journal import Journal
from shared.handlers.judge_candidate import JudgeCandidate
from shared.handlers.project_audit import ProjectAudit, Provenance
from shared.handlers.promotion import Promote
from shared.handlers.read_runs import ReadRuns
from shared.handlers.receive_alert import ReceiveAlert
from shared.handlers.release_run import ReleaseRun
from shared.handlers.request_retrain import RequestRetrain
from shared.handlers.schedule_retrains import ScheduleRetrains
from shared.handlers.send_notice import SendNotice
from shared.handlers.settle_triggers import SettleTriggers
from shared.handlers.steps import Steps
from shared.handlers.suppress import Suppress
from shared.handlers.sweep import Sweep
from shared.handlers.verify_audit import VerifyAudit
from shared.handlers.watch_run import PollLimits, WatchRun
from shared.handlers.write_card import WriteCard
from shared.ports import Commit
from tests.fakes.clock import FakeClock
from tests.fakes.evidence import FakeEvidence
from tests.fakes.gate_page import FakeGatePage
from tests.fakes.host import STALLED_AFTER, FakeHost
from tests.fakes.jobs import ENDED, FakeJobs
from tests.fakes.marks import FakeMarks
from tests.fakes.notifier import FakeNotifier
from tests.fakes.queues import FakeQueues
from tests.fakes.registry import RUN_TAG, FakeRegistry
from tests.fakes.row_counts import FakeRowCounts
from tests.fakes.samples import HOLDOUT_TABLE, MODEL, catalogue_of, holdout_rows
from tests.fakes.scoring import Answer, FakeScorer
from tests.fakes.state import FakeRunStore
from tests.fakes.tables import FakeTables
from tests.fakes.windows import FakeWindows

APPROVER_ROLE = "RetrainLoop.Approver"
OPERATOR_ROLE = "RetrainLoop.Operator"


def fair(rows: pa.Table) -> list[float]:
    """Answer as the sample's actuals are: passes every gate."""
    return [10.0 if value is None else value + 10 for value in rows["distance"].to_pylist()]


def poor(rows: pa.Table) -> list[float]:
    """Answer the mean whatever is asked: fails the performance gate."""
    answers = fair(rows)
    return [sum(answers) / len(answers)] * len(answers)


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
        self.marks = FakeMarks()
        self.counts = FakeRowCounts()
        self.notifier = FakeNotifier()
        self.gate_page = FakeGatePage()


class FakeLoop(FakeHost):
    """Handlers on fakes.

    ``tap`` may put something between the handlers and a port. Jobs end as ``job_status`` when a
    message of their run is handled, and register a version that answers by ``candidate``; with
    ``job_status`` empty they stay as they are.
    """

    def __init__(
        self,
        catalogue: Catalogue | None = None,
        *,
        tap: Callable[[str, Any], Any] = lambda _, port: port,
    ) -> None:
        self.ports = Ports()
        super().__init__(self.ports.queues, self.ports.clock)
        self.catalogue = catalogue or catalogue_of()
        self.job_status = "Completed"
        self.candidate: Answer = fair
        self._wire({name: tap(name, port) for name, port in vars(self.ports).items()})
        self.champion = self._champion()

    def _wire(self, port: dict[str, Any]) -> None:
        self.journal = Journal(
            port["store"],
            self.ports.clock,
            told=telemetry.decided,
            retention=lambda chain: retention_of(self.catalogue, chain).name,
        )
        self.steps = Steps(self.journal, port["queues"])
        gather = GatherEvidence(port["registry"], port["windows"], port["scorer"])
        self.receive = ReceiveAlert(self.catalogue, self.journal, port["queues"])
        self.request = RequestRetrain(self.catalogue, self.journal, port["queues"])
        self.cancel = CancelRun(self.catalogue, self.steps, port["jobs"])
        self.release = ReleaseRun(self.catalogue, self.steps, port["jobs"])
        self.suppress = Suppress(self.catalogue, self.journal)
        self.read_runs = ReadRuns(self.catalogue, port["store"], self.ports.clock)
        self.schedule = ScheduleRetrains(
            self.request, port["registry"], port["tables"], port["counts"], concurrency=1
        )
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
            attach_report=AttachReport(port["registry"], self.ports.gate_page),
        )
        roles = (self.catalogue, self.steps, port["registry"])
        answers = (port["windows"], port["scorer"])
        self.compare = CompareChampion(*roles, *answers, port["tables"], "c0ffee")
        kept = (port["tables"], port["evidence"], port["notifier"])
        self.write_card = WriteCard(
            self.journal, port["registry"], *kept, "0 0 4 * * *", git_sha="c0ffee"
        )
        self.promote = Promote(*roles, *answers, self.write_card)
        self.approval = ApproveRun(*roles, port["evidence"], APPROVER_ROLE)
        decisions = Decisions(self.steps, port["registry"])
        self.expire_approvals = ExpireApprovals(self.catalogue, decisions)
        self.ask_champion = AskChampion(*roles)
        patience = timedelta(days=1)
        self.notice = SendNotice(self.catalogue, self.journal, port["notifier"], patience)
        self.settle_triggers = SettleTriggers(port["store"], port["tables"])
        provenance = Provenance("c0ffee", "main")
        self.project = ProjectAudit(
            port["store"], port["tables"], provenance, self.ports.clock, self.settle_triggers
        )
        self.verify = VerifyAudit(self.journal, port["tables"], port["evidence"], port["notifier"])
        backlog = CheckBacklog(port["marks"], port["queues"])
        self.sweep = Sweep(self.catalogue, self.steps, STALLED_AFTER, backlog)

    def _champion(self) -> str:
        self.ports.windows.write(HOLDOUT_TABLE, holdout_rows(self.ports.clock.now()))
        version = self.add_version(fair)
        self.ports.registry.set_champion(MODEL, version)
        return version

    def add_version(self, answer: Answer | None, run_id: str = "", model: str = MODEL) -> str:
        """Register a version, as a job does; without an answer it cannot be loaded."""
        tags = {RUN_TAG: run_id, **self.lineage()} if run_id else {}
        version = self.ports.registry.register(model, tags=tags, run_id=f"job-{run_id or 'first'}")
        if answer is not None:
            self.ports.scorer.answers(model, version, answer)
        return version

    def lineage(self) -> dict[str, str]:
        """Give the tags by which a training job says what it has made a version of."""
        windows, now = self.ports.windows, self.ports.clock.now()
        return {
            "training_data_table": "lh_gold.flights",
            "training_data_version": "12",
            "training_end": now.isoformat(),
            "git_sha": "c0ffee0",
            "requirements": "scikit-learn==1.7.2\nskops==0.13.0",
            "holdout_table": HOLDOUT_TABLE,
            "holdout_version": str(windows.version(HOLDOUT_TABLE)),
        }

    def runs(self, model: str = MODEL) -> list[Run]:
        return list(self.ports.store.runs(model))

    def run(self) -> Run:
        """Give the only run there is."""
        (run,) = self.runs()
        return run

    def look(self, step: int | None = None) -> Run:
        """Take the next step of the only run, as a message for ``step`` does; gives the run."""
        run = self.run()
        self.watch(run.model, run.run_id, run.polls if step is None else step)
        return self.run()

    def lose_lock(self, holder: str = "run-other", fence: int = 2) -> None:
        """Let another run take the only run's model, as after the lock's expiry."""
        run = self.run()
        snapshot = self.ports.store.snapshot(run.model, run.run_id)
        lock = Lock(holder, fence, self.ports.clock.now() + timedelta(days=1))
        self.ports.store.commit(snapshot, Commit(None, lock, (), snapshot.head))

    def actions(self, model: str = MODEL) -> list[str]:
        """Give what the ledger says, oldest first, such as ``job.start/intent``."""
        return [f"{row['action']}/{row['outcome']}" for row in self.ports.store.chain(model)]

    def breaches(self, model: str = MODEL) -> list[str]:
        """Give what is wrong with the ledger: nothing, if all is well."""
        store = self.ports.store
        head: Head = store.head(model)
        return [breach.reason for breach in verify(store.chain(model), head)]

    def handle(self, queue: str, message: dict[str, Any]) -> None:
        match queue:
            case messages.RETRAIN_RUNS:
                self.work()
                self.watch(message["model"], message["run_id"], message["step"])
            case messages.GATE_CHECKS:
                self.judge(message["model"], message["run_id"])
            case messages.PROMOTIONS:
                self.promote(message["model"], message["run_id"])
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


def resting(run: Run) -> bool:
    """Tell whether nothing is left to do for a run until somebody acts."""
    return run.state not in DRIVEN and run.notified_at is not None
