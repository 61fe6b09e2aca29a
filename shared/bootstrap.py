"""Wires ports to adapters, once a worker; the only module that knows both.

Everything is made when it is first asked for: the way of an alert touches storage alone, and the
heavy libraries are loaded by the functions that need them.
"""

import os
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from shared.adapters.clock import OffsetClock, SystemClock
from shared.adapters.credentials import credential_for
from shared.adapters.storage_queues import StorageQueues
from shared.adapters.table_store import TableRunStore
from shared.catalogue import Catalogue, load_catalogue
from shared.config import Settings, load_settings
from shared.errors import NotFound
from shared.handlers.journal import Journal
from shared.handlers.receive_alert import ReceiveAlert
from shared.handlers.send_notice import SendNotice
from shared.handlers.steps import Steps
from shared.handlers.sweep import Sweep
from shared.handlers.watch_run import PollLimits, WatchRun

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from shared.adapters.lakehouse import Lakehouse
    from shared.handlers.check_drift import CheckResult, CheckSummary, DriftDeps
    from shared.handlers.judge_candidate import JudgeCandidate
    from shared.handlers.project_audit import ProjectAudit
    from shared.ports import Clock, Jobs, MetricSink, Notifier, Registry, Tables, Windows

APP_FOLDER = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class App:
    """The handlers, each with its ports."""

    settings: Settings
    catalogue: Catalogue

    @cached_property
    def clock(self) -> "Clock":
        file = self.settings.clock_file
        return OffsetClock(file) if file is not None else SystemClock()

    @cached_property
    def credential(self) -> "TokenCredential":
        return credential_for(self.settings)

    @cached_property
    def store(self) -> TableRunStore:
        return TableRunStore.connect(self.settings, self.credential)

    @cached_property
    def queues(self) -> StorageQueues:
        return StorageQueues.connect(self.settings, self.credential)

    @cached_property
    def journal(self) -> Journal:
        return Journal(self.store, self.clock)

    @cached_property
    def steps(self) -> Steps:
        return Steps(self.journal, self.queues)

    @cached_property
    def registry(self) -> "Registry":
        from shared.adapters.mlflow_registry import MlflowRegistry

        return MlflowRegistry(self.settings.mlflow_uri)

    @cached_property
    def jobs(self) -> "Jobs":
        from shared.adapters.fabric_http import FabricHttp
        from shared.adapters.fabric_jobs import FabricJobs

        http = FabricHttp(self.settings.fabric_url, self.credential, self.clock)
        return FabricJobs(http, self.clock)

    @cached_property
    def lakehouse(self) -> "Lakehouse":
        from shared.adapters.lakehouse import Lakehouse

        return Lakehouse(self.settings.lakehouse_uri, self.credential)

    @cached_property
    def tables(self) -> "Tables":
        from shared.adapters.delta_tables import DeltaTables

        return DeltaTables(self.lakehouse)

    @cached_property
    def windows(self) -> "Windows":
        from shared.adapters.delta_windows import DeltaWindows

        return DeltaWindows(self.lakehouse, self.clock)

    @cached_property
    def metric_sink(self) -> "MetricSink":
        from shared.adapters.logs_ingestion import LogsIngestion

        return LogsIngestion(
            self.settings.logs_endpoint,
            self.credential,
            rule_id=self.settings.logs_rule_id,
            stream=self.settings.logs_stream,
            local=self.settings.auth_mode == "local",
        )

    @cached_property
    def notifier(self) -> "Notifier":
        from shared.adapters.teams import LogNotifier, TeamsNotifier

        url = self.settings.teams_webhook_url.get_secret_value()
        return TeamsNotifier(url) if url else LogNotifier()

    @cached_property
    def receive_alert(self) -> ReceiveAlert:
        return ReceiveAlert(self.catalogue, self.journal, self.queues)

    @cached_property
    def watch_run(self) -> WatchRun:
        limits = PollLimits(self.settings.poll_min_seconds, self.settings.poll_max_seconds)
        return WatchRun(self.catalogue, self.steps, self.jobs, self.registry, limits)

    @cached_property
    def judge_candidate(self) -> "JudgeCandidate":
        from shared.adapters.blob_evidence import BlobEvidence
        from shared.adapters.scoring import SubprocessScorer
        from shared.handlers.gather_evidence import GatherEvidence
        from shared.handlers.judge_candidate import JudgeCandidate

        scorer = SubprocessScorer(
            self.settings.mlflow_uri,
            memory_mb=self.settings.scoring_memory_mb,
            seconds=self.settings.scoring_seconds,
        )
        return JudgeCandidate(
            self.catalogue,
            self.steps,
            self.registry,
            GatherEvidence(self.registry, self.windows, scorer),
            self.tables,
            BlobEvidence.connect(self.settings, self.credential),
            time.perf_counter,
        )

    @cached_property
    def drift_deps(self) -> "DriftDeps":
        from shared.handlers.check_drift import DriftDeps

        return DriftDeps(self.registry, self.windows, self.tables, self.metric_sink, self.queues)

    def check_all(self) -> "CheckSummary":
        """Check every model of the catalogue for drift, as of now."""
        from shared.handlers.check_drift import check_all

        now, concurrency = self.clock.now(), self.settings.check_concurrency
        return check_all(self.drift_deps, self.catalogue.models, now, concurrency)

    def check_model(self, name: str, at: datetime) -> "CheckResult":
        """Check one model as of a moment.

        Raises:
            NotFound: it is not in the catalogue.
        """
        from shared.handlers.check_drift import check_model

        model = self.catalogue.find(name)
        if model is None:
            raise NotFound(f"model {name!r} is not in the catalogue", subject=name)
        return check_model(self.drift_deps, model, at)

    @cached_property
    def send_notice(self) -> SendNotice:
        return SendNotice(self.catalogue, self.journal, self.notifier)

    @cached_property
    def project_audit(self) -> "ProjectAudit":
        from shared.handlers.project_audit import ProjectAudit, Provenance

        provenance = Provenance(self.settings.git_sha, self.settings.git_branch)
        return ProjectAudit(self.store, self.tables, provenance)

    @cached_property
    def sweep(self) -> Sweep:
        stalled_after = timedelta(seconds=self.settings.stalled_after_seconds)
        return Sweep(self.catalogue, self.steps, stalled_after)


@cache
def app() -> App:
    """Give this worker's app.

    Raises:
        ConfigError: the environment or models.yaml is wrong; tried again at the next call.
    """
    settings = load_settings(os.environ)
    return App(settings, load_catalogue(APP_FOLDER / settings.models_file, os.environ))
