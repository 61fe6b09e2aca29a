"""Wires the ports to their adapters; everything is made, and imported, when first asked for.

The way of an alert touches storage alone: the heavy libraries are loaded by the functions that
need them.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from shared.adapters.delta.lakehouse import Lakehouse
    from shared.adapters.profiles.eventhouse import Eventhouse
    from shared.adapters.profiles.kql_source import KqlClient
    from shared.adapters.profiles.log_analytics import LogAnalytics
    from shared.adapters.registry.fabric_registry import FabricRegistry
    from shared.adapters.storage.storage_queues import StorageQueues
    from shared.adapters.storage.table_store import TableRunStore
    from shared.catalogue import Catalogue
    from shared.config import Settings
    from shared.ports import (
        Clock,
        EndpointMonitor,
        EvidenceStore,
        GatePage,
        Jobs,
        JobService,
        Marks,
        MetricSink,
        Notifier,
        ProfileSource,
        ProfileStore,
        Registry,
        Scorer,
        Signatures,
        Tables,
        Tokens,
        Windows,
    )


@dataclass(frozen=True)
class Outside:
    """The adapters, as the settings say."""

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
        from shared.adapters.storage.table_store import TableRunStore

        return TableRunStore.connect(self.settings, self.credential)

    @cached_property
    def queues(self) -> "StorageQueues":
        from shared.adapters.storage.storage_queues import StorageQueues

        return StorageQueues.connect(self.settings, self.credential)

    @cached_property
    def registry(self) -> "Registry":
        if self.settings.fabric_registry:
            return self.fabric_registry
        from shared.adapters.registry.mlflow_registry import MlflowRegistry

        return MlflowRegistry(self.settings.mlflow_uri)

    @cached_property
    def fabric_registry(self) -> "FabricRegistry":
        from shared.adapters.registry.fabric_registry import FabricRegistry

        return FabricRegistry.connect(self.settings, self.credential, self.clock)

    @cached_property
    def signatures(self) -> "Signatures":
        from shared.adapters.registry.mlflow_signature import FetchedSignatures, MlflowSignatures

        if self.settings.fabric_registry:
            return FetchedSignatures(self.fabric_registry.fetch)
        return MlflowSignatures(self.settings.mlflow_uri)

    @cached_property
    def jobs(self) -> "Jobs":
        from shared.adapters.jobs.job_targets import JobTargets

        return JobTargets(
            {
                "fabric": self._fabric_jobs,
                "azureml": self._azureml_jobs,
                "devops": self._devops_jobs,
                "github": self._github_jobs,
                "databricks": self._databricks_jobs,
            }
        )

    def _fabric_jobs(self) -> "JobService[Any]":
        from shared.adapters.fabric_http import FabricHttp
        from shared.adapters.jobs.fabric_jobs import FabricJobs

        http = FabricHttp(self.settings.fabric_url, self.credential, self.clock)
        return FabricJobs(http, self.clock)

    def _azureml_jobs(self) -> "JobService[Any]":
        from shared.adapters.jobs.azureml_jobs import AzureMLJobs
        from shared.adapters.jobs.job_http import MANAGEMENT_SCOPE, AzureMLHttp
        from shared.adapters.rest_http import entra_tokens

        tokens = entra_tokens(self.credential, MANAGEMENT_SCOPE, AzureMLHttp.service)
        http = AzureMLHttp(self.settings.management_url, tokens, self.clock)
        return AzureMLJobs(http, self.clock)

    def _devops_jobs(self) -> "JobService[Any]":
        from shared.adapters.jobs.devops_jobs import DevOpsJobs
        from shared.adapters.jobs.job_http import DEVOPS_SCOPE, DevOpsHttp
        from shared.adapters.rest_http import entra_tokens

        tokens = entra_tokens(self.credential, DEVOPS_SCOPE, DevOpsHttp.service)
        http = DevOpsHttp(self.settings.devops_url, tokens, self.clock)
        return DevOpsJobs(http, self.clock)

    def _github_jobs(self) -> "JobService[Any]":
        from shared.adapters.jobs.github_jobs import GitHubJobs
        from shared.adapters.jobs.job_http import GitHubHttp

        secret = self.settings.github_token
        http = GitHubHttp(self.settings.github_url, lambda _: secret.get_secret_value(), self.clock)
        return GitHubJobs(http, self.clock)

    def _databricks_jobs(self) -> "JobService[Any]":
        from shared.adapters.jobs.databricks_jobs import DatabricksJobs
        from shared.adapters.jobs.job_http import DATABRICKS_SCOPE, DatabricksHttp
        from shared.adapters.rest_http import entra_tokens

        tokens = entra_tokens(self.credential, DATABRICKS_SCOPE, DatabricksHttp.service)
        return DatabricksJobs(lambda url: DatabricksHttp(url, tokens, self.clock), self.clock)

    @cached_property
    def lakehouse(self) -> "Lakehouse":
        from shared.adapters.delta.lakehouse import Lakehouse

        return Lakehouse(self.settings.lakehouse_uri, self.credential)

    @cached_property
    def tables(self) -> "Tables":
        from shared.adapters.delta.delta_tables import DeltaTables

        return DeltaTables(self.lakehouse)

    @cached_property
    def windows(self) -> "Windows":
        from shared.adapters.delta.delta_windows import DeltaWindows

        return DeltaWindows(self.lakehouse, self.clock)

    @cached_property
    def profile_source(self) -> "ProfileSource":
        from shared.adapters.profiles.profile_sources import ProfileSources

        return ProfileSources(
            {
                "delta": self._delta_profiles,
                "log_analytics": self._log_analytics_profiles,
                "eventhouse": self._eventhouse_profiles,
                "spark": self._spark_profiles,
            }
        )

    def _delta_profiles(self) -> "ProfileSource":
        from shared.adapters.profiles.delta_profiles import DeltaProfiles

        return DeltaProfiles(self.lakehouse, memory_mb=self.settings.profile_memory_mb)

    def _log_analytics_profiles(self) -> "ProfileSource":
        from shared.adapters.profiles.kql_source import KqlProfiles

        return KqlProfiles(self.log_analytics, limit=self.settings.kql_characters)

    def _eventhouse_profiles(self) -> "ProfileSource":
        from shared.adapters.profiles.kql_source import KqlProfiles

        return KqlProfiles(self.eventhouse, limit=self.settings.kql_characters)

    def _spark_profiles(self) -> "ProfileSource":
        from shared.adapters.profiles.spark_profiles import SparkProfiles

        return SparkProfiles(self.tables, self.jobs, self.clock)

    @cached_property
    def eventhouse(self) -> "Eventhouse":
        from shared.adapters.profiles.eventhouse import Eventhouse

        return Eventhouse(
            self.credential,
            seconds=self.settings.kql_seconds,
            local=self.settings.auth_mode == "local",
        )

    @cached_property
    def log_analytics(self) -> "LogAnalytics":
        from shared.adapters.profiles.log_analytics import LogAnalytics

        return LogAnalytics(
            self.settings.logs_query_endpoint,
            self.credential,
            seconds=self.settings.kql_seconds,
            local=self.settings.auth_mode == "local",
        )

    @cached_property
    def endpoint_monitor(self) -> "EndpointMonitor":
        from shared.adapters.profiles.endpoint_log import EndpointLogs

        return EndpointLogs(self._workspace)

    def _workspace(self, workspace_id: str) -> "KqlClient":
        # not self.log_analytics.workspace: it is not set up before a model asks for it
        return self.log_analytics.workspace(workspace_id)

    @cached_property
    def profile_store(self) -> "ProfileStore":
        from shared.adapters.profiles.blob_profiles import BlobProfiles

        return BlobProfiles.connect(self.settings, self.credential)

    @cached_property
    def marks(self) -> "Marks":
        from shared.adapters.storage.table_marks import TableMarks

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
    def scorer(self) -> "Scorer":
        from shared.adapters.scoring.scorer import SubprocessScorer
        from shared.adapters.scoring.scoring_sources import locations

        return SubprocessScorer(
            self.settings.mlflow_uri,
            memory_mb=self.settings.scoring_memory_mb,
            seconds=self.settings.scoring_seconds,
            file_mb=self.settings.scoring_file_mb,
            processes=self.settings.scoring_processes,
            locations=locations(self.settings.mlflow_uri, self.settings.artifact_locations),
            allow_pickled=self.settings.allow_pickled_models,
            fetch=self.fabric_registry.fetch if self.settings.fabric_registry else None,
        )

    @cached_property
    def gate_page(self) -> "GatePage":
        from shared.adapters.gate_page import HtmlGatePage

        return HtmlGatePage()

    @cached_property
    def evidence(self) -> "EvidenceStore":
        from shared.adapters.storage.blob_evidence import BlobEvidence

        return BlobEvidence.connect(self.settings, self.credential)
