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
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from shared import telemetry
from shared.errors import NotFound
from shared.outside import Outside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.config import Settings
    from shared.handlers.approve_run import ApproveRun
    from shared.handlers.ask_champion import AskChampion
    from shared.handlers.cancel_run import CancelRun
    from shared.handlers.check_drift import CheckResult, CheckSummary, DriftDeps
    from shared.handlers.check_readiness import CheckReadiness
    from shared.handlers.compare_champion import CompareChampion
    from shared.handlers.expire_approvals import ExpireApprovals
    from shared.handlers.journal import Journal
    from shared.handlers.judge_candidate import JudgeCandidate
    from shared.handlers.judge_version import JudgeVersion
    from shared.handlers.make_reference import MakeReference
    from shared.handlers.project_audit import ProjectAudit
    from shared.handlers.promotion import Promote
    from shared.handlers.read_runs import ReadRuns
    from shared.handlers.receive_alert import ReceiveAlert
    from shared.handlers.release_run import ReleaseRun
    from shared.handlers.request_retrain import RequestRetrain
    from shared.handlers.schedule_retrains import ScheduleRetrains
    from shared.handlers.send_notice import SendNotice
    from shared.handlers.steps import Steps
    from shared.handlers.suppress import Suppress
    from shared.handlers.sweep import Sweep
    from shared.handlers.verify_audit import VerifyAudit
    from shared.handlers.watch_run import WatchRun
    from shared.handlers.write_card import WriteCard
    from shared.telemetry.recorder import Recorder

APP_FOLDER = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class App(Outside):
    """The handlers, each with its ports."""

    @cached_property
    def journal(self) -> "Journal":
        from shared.handlers.journal import Journal

        return Journal(
            self.store, self.clock, told=telemetry.decided, retention=self._retention_class
        )

    def _retention_class(self, chain: str) -> str:
        from shared.domain.retention import retention_of

        return retention_of(self.catalogue, chain).name

    @cached_property
    def steps(self) -> "Steps":
        from shared.handlers.steps import Steps

        return Steps(self.journal, self.queues)

    @cached_property
    def make_reference(self) -> "MakeReference":
        from shared.handlers.make_reference import MakeReference

        return MakeReference(self.registry, self.profile_source, self.profile_store, self.clock)

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
        from shared.adapters.delta.row_counts import DeltaRowCounts
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
    def compare_champion(self) -> "CompareChampion":
        from shared.handlers.compare_champion import CompareChampion

        return CompareChampion(
            self.catalogue,
            self.steps,
            self.registry,
            self.windows,
            self.scorer,
            self.tables,
            self.settings.git_sha,
        )

    @cached_property
    def promote(self) -> "Promote":
        from shared.handlers.promotion import Promote

        answers = self.windows, self.scorer
        return Promote(self.catalogue, self.steps, self.registry, *answers, self.write_card)

    @cached_property
    def check_readiness(self) -> "CheckReadiness":
        from shared.handlers.check_readiness import CheckReadiness

        return CheckReadiness(
            self.catalogue,
            self.registry,
            self.signatures,
            self.tables,
            self.windows,
            self.scorer,
            self.verify_audit,
            self.endpoint_monitor,
        )

    @cached_property
    def write_card(self) -> "WriteCard":
        from shared.handlers.write_card import WriteCard

        return WriteCard(
            self.journal,
            self.registry,
            self.tables,
            self.evidence,
            self.notifier,
            self.settings.drift_schedule,
            self.settings.git_sha,
        )

    @cached_property
    def approve_run(self) -> "ApproveRun":
        from shared.handlers.approve_run import ApproveRun

        return ApproveRun(
            self.catalogue, self.steps, self.registry, self.evidence, self.settings.approver_role
        )

    @cached_property
    def expire_approvals(self) -> "ExpireApprovals":
        from shared.handlers.decisions import Decisions
        from shared.handlers.expire_approvals import ExpireApprovals

        return ExpireApprovals(self.catalogue, Decisions(self.steps, self.registry))

    @cached_property
    def ask_champion(self) -> "AskChampion":
        from shared.handlers.ask_champion import AskChampion

        role = self.settings.operator_role if self.settings.callers_have_names else ""
        return AskChampion(self.catalogue, self.steps, self.registry, role)

    @cached_property
    def judge_candidate(self) -> "JudgeCandidate":
        from shared.handlers.attach_report import AttachReport
        from shared.handlers.gather_evidence import GatherEvidence
        from shared.handlers.judge_candidate import JudgeCandidate

        return JudgeCandidate(
            self.catalogue,
            self.steps,
            self.registry,
            GatherEvidence(self.registry, self.windows, self.scorer),
            self.tables,
            self.evidence,
            time.perf_counter,
            self.make_reference,
            AttachReport(self.registry, self.gate_page),
        )

    @cached_property
    def judge_version(self) -> "JudgeVersion":
        from shared.handlers.gather_evidence import GatherEvidence
        from shared.handlers.judge_version import JudgeVersion

        gather = GatherEvidence(self.registry, self.windows, self.scorer)
        return JudgeVersion(self.catalogue, self.registry, gather, self.clock, time.perf_counter)

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
        return ProjectAudit(self.store, self.tables, provenance, self.clock, triggers)

    @cached_property
    def verify_audit(self) -> "VerifyAudit":
        from shared.handlers.verify_audit import VerifyAudit

        return VerifyAudit(self.journal, self.tables, self.evidence, self.notifier)

    @cached_property
    def sweep(self) -> "Sweep":
        from shared.handlers.check_backlog import CheckBacklog
        from shared.handlers.sweep import Sweep

        stalled_after = timedelta(seconds=self.settings.stalled_after_seconds)
        backlog = CheckBacklog(self.marks, self.queues)
        return Sweep(self.catalogue, self.steps, stalled_after, backlog)


def _recorder(settings: "Settings") -> "Recorder":
    from shared.telemetry.azure_monitor import recorder

    return recorder(settings.insights_connection.get_secret_value(), settings.telemetry_ratio)


def app_of(settings: "Settings", environment: "Mapping[str, str]") -> App:
    """Give the app on some settings, its catalogue as the deployment wants it.

    Raises:
        ConfigError: models.yaml is not right.
    """
    from shared.catalogue import load_catalogue

    catalogue = load_catalogue(APP_FOLDER / settings.models_file, environment)
    return App(settings, catalogue.with_approval() if settings.require_approval else catalogue)


@cache
def app() -> App:
    """Give this worker's app.

    Raises:
        ConfigError: the environment or models.yaml is wrong; tried again at the next call.
    """
    from shared.adapters.jobs.job_targets import check_targets
    from shared.adapters.registry.mlflow_environment import PATIENCE, QUIET
    from shared.config import load_settings

    os.environ.update({**PATIENCE, **QUIET, **os.environ})
    settings = load_settings(os.environ)
    if settings.auth_mode == "entra" and settings.insights_connection.get_secret_value():
        telemetry.start(partial(_recorder, settings))
    made = app_of(settings, os.environ)
    check_targets(settings, made.catalogue)
    return made
