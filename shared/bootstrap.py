"""Wires ports to adapters, once a worker; the only module that knows both.

Everything is made, and imported, when it is first asked for: the host indexes the app without the
storage SDKs, the way of an alert touches storage alone, and the heavy libraries are loaded by the
functions that need them.
"""

import os
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import NotFound

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from shared.adapters.kql_source import KqlClient
    from shared.adapters.lakehouse import Lakehouse
    from shared.adapters.log_analytics import LogAnalytics
    from shared.adapters.storage_queues import StorageQueues
    from shared.adapters.table_store import TableRunStore
    from shared.catalogue import Catalogue
    from shared.config import Settings
    from shared.handlers.cancel_run import CancelRun
    from shared.handlers.check_drift import CheckResult, CheckSummary, DriftDeps
    from shared.handlers.journal import Journal
    from shared.handlers.judge_candidate import JudgeCandidate
    from shared.handlers.make_reference import MakeReference
    from shared.handlers.project_audit import ProjectAudit
    from shared.handlers.read_runs import ReadRuns
    from shared.handlers.receive_alert import ReceiveAlert
    from shared.handlers.release_run import ReleaseRun
    from shared.handlers.request_retrain import RequestRetrain
    from shared.handlers.schedule_retrains import ScheduleRetrains
    from shared.handlers.send_notice import SendNotice
    from shared.handlers.steps import Steps
    from shared.handlers.suppress import Suppress
    from shared.handlers.sweep import Sweep
    from shared.handlers.watch_run import WatchRun
    from shared.ports import (
        Clock,
        EndpointMonitor,
        Jobs,
        Marks,
        MetricSink,
        Notifier,
        ProfileSource,
        ProfileStore,
        Registry,
        Tables,
        Tokens,
        Windows,
    )

APP_FOLDER = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class App:
    """The handlers, each with its ports."""

    settings: "Settings"
    catalogue: "Catalogue"

    @cached_property
    def clock(self) -> "Clock":
        from shared.adapters.clock import OffsetClock, SystemClock

        file = self.settings.clock_file
        return OffsetClock(file) if file is not None else SystemClock()

    @cached_property
    def credential(self) -> "TokenCredential":
        from shared.adapters.credentials import credential_for

        return credential_for(self.settings)

    @cached_property
    def tokens(self) -> "Tokens":
        from shared.adapters.entra_tokens import EntraTokens

        return EntraTokens.connect(self.settings)

    @cached_property
    def store(self) -> "TableRunStore":
        from shared.adapters.table_store import TableRunStore

        return TableRunStore.connect(self.settings, self.credential)

    @cached_property
    def queues(self) -> "StorageQueues":
        from shared.adapters.storage_queues import StorageQueues

        return StorageQueues.connect(self.settings, self.credential)

    @cached_property
    def journal(self) -> "Journal":
        from shared.handlers.journal import Journal

        return Journal(self.store, self.clock)

    @cached_property
    def steps(self) -> "Steps":
        from shared.handlers.steps import Steps

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
    def profile_source(self) -> "ProfileSource":
        from shared.adapters.profile_sources import ProfileSources

        return ProfileSources(
            {
                "delta": self._delta_profiles,
                "log_analytics": self._log_analytics_profiles,
                "eventhouse": self._eventhouse_profiles,
                "spark": self._spark_profiles,
            }
        )

    def _delta_profiles(self) -> "ProfileSource":
        from shared.adapters.delta_profiles import DeltaProfiles

        return DeltaProfiles(self.lakehouse, memory_mb=self.settings.profile_memory_mb)

    def _log_analytics_profiles(self) -> "ProfileSource":
        from shared.adapters.kql_source import KqlProfiles

        return KqlProfiles(self.log_analytics, limit=self.settings.kql_characters)

    def _eventhouse_profiles(self) -> "ProfileSource":
        from shared.adapters.eventhouse import Eventhouse
        from shared.adapters.kql_source import KqlProfiles

        place = Eventhouse(
            self.credential,
            seconds=self.settings.kql_seconds,
            local=self.settings.auth_mode == "local",
        )
        return KqlProfiles(place, limit=self.settings.kql_characters)

    def _spark_profiles(self) -> "ProfileSource":
        from shared.adapters.spark_profiles import SparkProfiles

        return SparkProfiles(self.tables, self.jobs, self.clock)

    @cached_property
    def log_analytics(self) -> "LogAnalytics":
        from shared.adapters.log_analytics import LogAnalytics

        return LogAnalytics(
            self.settings.logs_query_endpoint,
            self.credential,
            seconds=self.settings.kql_seconds,
            local=self.settings.auth_mode == "local",
        )

    @cached_property
    def endpoint_monitor(self) -> "EndpointMonitor":
        from shared.adapters.endpoint_log import EndpointLogs

        return EndpointLogs(self._workspace)

    def _workspace(self, workspace_id: str) -> "KqlClient":
        # not self.log_analytics.workspace: it is not set up before a model asks for it
        return self.log_analytics.workspace(workspace_id)

    @cached_property
    def profile_store(self) -> "ProfileStore":
        from shared.adapters.blob_profiles import BlobProfiles

        return BlobProfiles.connect(self.settings, self.credential)

    @cached_property
    def make_reference(self) -> "MakeReference":
        from shared.handlers.make_reference import MakeReference

        return MakeReference(self.registry, self.profile_source, self.profile_store, self.clock)

    @cached_property
    def marks(self) -> "Marks":
        from shared.adapters.table_marks import TableMarks

        return TableMarks.connect(self.settings, self.credential)

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
    def request_retrain(self) -> "RequestRetrain":
        from shared.handlers.request_retrain import RequestRetrain

        return RequestRetrain(self.catalogue, self.journal, self.queues)

    @cached_property
    def suppress(self) -> "Suppress":
        from shared.handlers.suppress import Suppress

        return Suppress(self.catalogue, self.journal)

    @cached_property
    def read_runs(self) -> "ReadRuns":
        from shared.handlers.read_runs import ReadRuns

        return ReadRuns(self.catalogue, self.store, self.clock)

    @cached_property
    def cancel_run(self) -> "CancelRun":
        from shared.handlers.cancel_run import CancelRun

        return CancelRun(self.catalogue, self.steps, self.jobs)

    @cached_property
    def release_run(self) -> "ReleaseRun":
        from shared.handlers.release_run import ReleaseRun

        return ReleaseRun(self.catalogue, self.steps, self.jobs)

    @cached_property
    def schedule_retrains(self) -> "ScheduleRetrains":
        from shared.adapters.row_counts import DeltaRowCounts
        from shared.handlers.schedule_retrains import ScheduleRetrains

        return ScheduleRetrains(
            self.request_retrain,
            self.registry,
            self.tables,
            DeltaRowCounts(self.lakehouse),
            self.settings.check_concurrency,
        )

    def new_id(self) -> str:
        """Give an id for what a person asks for once."""
        return str(uuid.uuid4())

    @cached_property
    def receive_alert(self) -> "ReceiveAlert":
        from shared.handlers.receive_alert import ReceiveAlert

        return ReceiveAlert(self.catalogue, self.journal, self.queues)

    @cached_property
    def watch_run(self) -> "WatchRun":
        from shared.handlers.watch_run import PollLimits, WatchRun

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
            self.make_reference,
        )

    @cached_property
    def drift_deps(self) -> "DriftDeps":
        from shared.adapters.packages import installed_packages
        from shared.handlers.check_drift import DriftDeps

        return DriftDeps(
            self.registry,
            self.windows,
            self.tables,
            self.metric_sink,
            self.queues,
            self.profile_source,
            self.profile_store,
            self.marks,
            installed_packages,
            self.endpoint_monitor,
        )

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
    def send_notice(self) -> "SendNotice":
        from shared.handlers.send_notice import SendNotice

        patience = timedelta(seconds=self.settings.notice_patience_seconds)
        return SendNotice(self.catalogue, self.journal, self.notifier, patience)

    @cached_property
    def project_audit(self) -> "ProjectAudit":
        from shared.handlers.project_audit import ProjectAudit, Provenance
        from shared.handlers.settle_triggers import SettleTriggers

        provenance = Provenance(self.settings.git_sha, self.settings.git_branch)
        triggers = SettleTriggers(self.store, self.tables)
        return ProjectAudit(self.store, self.tables, provenance, triggers)

    @cached_property
    def sweep(self) -> "Sweep":
        from shared.handlers.check_backlog import CheckBacklog
        from shared.handlers.sweep import Sweep

        stalled_after = timedelta(seconds=self.settings.stalled_after_seconds)
        backlog = CheckBacklog(self.marks, self.queues)
        return Sweep(self.catalogue, self.steps, stalled_after, backlog)


@cache
def app() -> App:
    """Give this worker's app.

    Raises:
        ConfigError: the environment or models.yaml is wrong; tried again at the next call.
    """
    from shared.catalogue import load_catalogue
    from shared.config import load_settings

    settings = load_settings(os.environ)
    return App(settings, load_catalogue(APP_FOLDER / settings.models_file, os.environ))
