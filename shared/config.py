"""Settings: the environment, read once, checked, frozen.

Each setting has its name, type, default and meaning here and nowhere else; ``docs/settings.md`` is
held against this class by a test. The catalogue of models is in ``catalogue.py``.
"""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from shared.errors import ConfigError

Seconds = Annotated[float, Field(ge=0)]
LOCAL_ONLY: Final = frozenset({"LOCAL_TOKEN", "LOCAL_CLOCK_FILE", "AzureWebJobsStorage"})
"""Settings of the local stack alone: a deployment never has them."""
TenantId = Annotated[str, Field(pattern=r"^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?$")]


_FABRIC = "fabric://"
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Settings(BaseModel):
    """What the environment says. Field aliases are the app settings' names."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
        populate_by_name=True,
        allow_inf_nan=False,
    )

    models_file: Path = Field(default=Path("models.yaml"), alias="MODELS_FILE")
    """The catalogue, relative to the app's folder."""
    drift_schedule: str = Field(default="0 0 4 * * *", alias="DRIFT_SCHEDULE")
    """NCRONTAB of the drift check, UTC; the host reads it and knows no default.

    Source: drift notebook, daily 04:00.
    """
    sweep_schedule: str = Field(default="0 */5 * * * *", alias="SWEEP_SCHEDULE")
    """NCRONTAB of the sweeper, UTC; the host reads it and knows no default."""
    audit_schedule: str = Field(default="0 0 2 * * *", alias="AUDIT_SCHEDULE")
    """NCRONTAB of the audit's check, UTC; the host reads it and knows no default."""
    challenge_schedule: str = Field(default="0 30 5 * * *", alias="CHALLENGE_SCHEDULE")
    """NCRONTAB of the champion's comparison, UTC; the host reads it and knows no default."""
    retrain_schedule: str = Field(default="0 */15 * * * *", alias="RETRAIN_SCHEDULE")
    """NCRONTAB of the retrain timer, UTC; the host reads it and knows no default."""
    auth_mode: Literal["entra", "local"] = Field(default="entra", alias="AUTH_MODE")
    """How the app proves who it is; ``local`` only works against loopback addresses."""
    alert_callers: Literal["key", "entra", "both"] = Field(default="key", alias="ALERT_CALLERS")
    """Who may send alerts: holders of the function key, the secure webhook's token, or either."""
    client_principal: Literal["ignore", "trust"] = Field(
        default="ignore", alias="CLIENT_PRINCIPAL_HEADER"
    )
    """Whether X-MS-CLIENT-PRINCIPAL names the operator: only App Service authentication in front of
    the app makes it true; without it anybody can send one."""
    entra_tenant_id: TenantId = Field(default="", alias="ENTRA_TENANT_ID")
    """The only tenant whose tokens are taken."""
    entra_audiences: str = Field(default="", alias="ENTRA_AUDIENCES")
    """Whom a token may be for, by commas: the app registration's client id and App ID URI."""
    entra_authority: str = Field(
        default="https://login.microsoftonline.com", alias="ENTRA_AUTHORITY"
    )
    """The sign-in host; the tenant's signing keys are fetched there and nowhere else."""
    action_group_app_id: str = Field(
        default="461e8683-5575-4561-ac7f-899cc907d62a", alias="ACTION_GROUP_APP_ID"
    )
    """The application whose tokens may send alerts. Source: Azure Monitor, AzNS AAD Webhook."""
    action_group_role: str = Field(default="ActionGroupsSecureWebhook", alias="ACTION_GROUP_ROLE")
    """The app role such a token must carry. Source: Azure Monitor, secure webhook."""
    approver_role: str = Field(default="RetrainLoop.Approver", alias="APPROVER_ROLE")
    """The app role of those who may approve or reject a promotion. House rule."""
    require_approval: bool = Field(default=False, alias="REQUIRE_APPROVAL")
    """Whether every promotion needs a person here, whatever models.yaml says of a model."""
    operator_role: str = Field(default="RetrainLoop.Operator", alias="OPERATOR_ROLE")
    """The app role of those who may roll a champion back or name the first one, wherever callers
    can prove who they are; where they cannot, a function key is enough. House rule."""
    entra_keys_seconds: float = Field(default=43200, gt=0, alias="ENTRA_KEYS_SECONDS")
    """How long fetched keys serve. Source: Microsoft.IdentityModel, 12 h between refreshes."""
    entra_keys_pause_seconds: Seconds = Field(default=60, alias="ENTRA_KEYS_PAUSE_SECONDS")
    """Shortest time between two fetches; below an action group's retries, 75 s in all."""
    entra_leeway_seconds: Seconds = Field(default=300, alias="ENTRA_LEEWAY_SECONDS")
    """By how much the issuer's clock may differ. Source: Microsoft.IdentityModel, ClockSkew."""
    local_token: SecretStr = Field(default=SecretStr(""), alias="LOCAL_TOKEN")
    """The local stack's bearer token; unused in the cloud."""
    clock_file: Path | None = Field(default=None, alias="LOCAL_CLOCK_FILE")
    """The local stack's clock offset; unused in the cloud."""
    client_id: str = Field(default="", alias="AZURE_CLIENT_ID")
    """The user-assigned identity's client id; empty: the default credential chain."""
    storage_connection: SecretStr = Field(default=SecretStr(""), alias="AzureWebJobsStorage")
    """Azurite's connection string in the local stack; the cloud uses the three URIs below."""
    queue_uri: str = Field(default="", alias="AzureWebJobsStorage__queueServiceUri")
    """Queue endpoint of the app's storage account."""
    table_uri: str = Field(default="", alias="AzureWebJobsStorage__tableServiceUri")
    """Table endpoint of the app's storage account."""
    blob_uri: str = Field(default="", alias="AzureWebJobsStorage__blobServiceUri")
    """Blob endpoint of the app's storage account."""
    fabric_url: str = Field(default="https://api.fabric.microsoft.com/v1", alias="FABRIC_API_URL")
    """Fabric's REST API; tokens go to no other host."""
    lakehouse_uri: str = Field(alias="LAKEHOUSE_URI")
    """Root of the lakehouse tables: a folder, or abfss://…/Tables; ``{lakehouse}`` is replaced."""
    mlflow_uri: str = Field(alias="MLFLOW_TRACKING_URI")
    """The MLflow server that holds runs and registry; ``fabric://`` and a workspace's id: Fabric's
    own registry over REST, below FABRIC_API_URL."""
    onelake_url: str = Field(
        default="https://onelake.dfs.fabric.microsoft.com", alias="ONELAKE_DFS_URL"
    )
    """OneLake's DFS endpoint, for the files of Fabric's registry; tokens go to no other host."""
    logs_endpoint: str = Field(alias="LOGS_INGESTION_ENDPOINT")
    """The data collection rule's logs ingestion endpoint."""
    logs_rule_id: str = Field(alias="LOGS_INGESTION_RULE_ID")
    """The data collection rule's immutable id."""
    logs_stream: str = Field(default="Custom-RetrainLoopDrift_CL", alias="LOGS_INGESTION_STREAM")
    """The stream of the drift rows."""
    logs_query_endpoint: str = Field(
        default="https://api.loganalytics.io", alias="LOGS_QUERY_ENDPOINT"
    )
    """Log Analytics' query API; another one in a sovereign cloud."""
    kql_seconds: float = Field(default=240, gt=0, le=600, alias="KQL_SECONDS")
    """How long a KQL query may take. Source: Kusto's own default, 4 minutes; 10 is the most."""
    kql_characters: int = Field(default=200_000, ge=2_000, alias="KQL_CHARACTERS")
    """Length of a KQL text, characters, from which columns are asked for one by one. House rule:
    no limit is documented."""
    management_url: str = Field(
        default="https://management.azure.com", alias="AZURE_MANAGEMENT_URL"
    )
    """Azure Resource Manager, for job target azureml; another one in a sovereign cloud."""
    devops_url: str = Field(default="https://dev.azure.com", alias="DEVOPS_URL")
    """Azure DevOps, for job target devops."""
    github_url: str = Field(default="https://api.github.com", alias="GITHUB_API_URL")
    """GitHub's REST API, for job target github; another one for GitHub Enterprise."""
    github_token: SecretStr = Field(default=SecretStr(""), alias="GITHUB_TOKEN")
    """Token for job target github, Actions read and write, a secret: a Key Vault reference."""
    teams_webhook_url: SecretStr = Field(default=SecretStr(""), alias="TEAMS_WEBHOOK_URL")
    """Workflows webhook for notices, a secret; empty: notices go to the log."""
    poll_min_seconds: Seconds = Field(default=15, alias="POLL_MIN_SECONDS")
    """Shortest time between two looks at a job, whatever Retry-After says."""
    poll_max_seconds: Seconds = Field(default=300, alias="POLL_MAX_SECONDS")
    """Longest time between two looks at a job."""
    stalled_after_seconds: Seconds = Field(default=900, alias="STALLED_AFTER_SECONDS")
    """A run untouched for so long past its next look is sent again by the sweeper."""
    notice_patience_seconds: Seconds = Field(default=86400, alias="NOTICE_PATIENCE_SECONDS")
    """How long a notice is tried before it is on record that nobody could be told. House rule."""
    check_concurrency: int = Field(default=4, ge=1, le=64, alias="CHECK_CONCURRENCY")
    """How many models the drift timer checks at a time."""
    scoring_memory_mb: int = Field(default=3072, ge=768, alias="SCORING_MEMORY_MB")
    """Address space of a scoring process, MiB; Python with MLflow takes 600 before any model."""
    scoring_seconds: float = Field(default=120, gt=0, alias="SCORING_SECONDS")
    """Wall time of a scoring process; a judgement's four must fit into host.json's timeout."""
    scoring_file_mb: int = Field(default=256, ge=16, alias="SCORING_FILE_MB")
    """Size of any file a scoring process writes, MiB. House rule: the answers take 16 a million."""
    scoring_processes: int = Field(default=64, ge=8, alias="SCORING_PROCESSES")
    """Processes and threads a scoring process may start; the system does not hold root to it."""
    artifact_locations: str = Field(default="", alias="ARTIFACT_LOCATIONS")
    """Where a version's files may lie beside the registry's own store: address prefixes, by commas;
    ``*`` alone: anywhere."""
    allow_pickled_models: bool = Field(default=True, alias="ALLOW_PICKLED_MODELS")
    """Whether a version may bring code that runs on loading: pickles, or a model from code. True
    since Fabric's autologging pickles; skops is the format to train for."""
    profile_memory_mb: int = Field(default=256, ge=64, alias="PROFILE_MEMORY_MB")
    """Memory of a database that sorts or compares rows, MiB; it goes on on disk. One a check."""
    insights_connection: SecretStr = Field(
        default=SecretStr(""), alias="APPLICATIONINSIGHTS_CONNECTION_STRING"
    )
    """Where traces and metrics go; empty: nowhere. The host reads it too. The local stack sends
    none."""
    telemetry_ratio: float = Field(default=1.0, ge=0, le=1, alias="TELEMETRY_RATIO")
    """Share of the traces that is kept. House rule: all, a run has about ten spans."""
    git_sha: str = Field(default="", alias="GIT_SHA")
    """The deployed commit, recorded with each promotion."""
    git_branch: str = Field(default="", alias="GIT_BRANCH")
    """The deployed branch, recorded with each promotion."""

    @model_validator(mode="after")
    def _closed(self) -> Self:
        if self.auth_mode == "local":
            for name, url in self._hosts():
                if url and not _loopback(url):
                    raise ValueError(f"{name}: AUTH_MODE=local allows loopback addresses only")
            return self
        for name, url in (*self._hosts(), *self._defaulted_hosts()):
            if url and urlsplit(url).scheme != "https" and not _loopback(url):
                # without the URL: the webhook's is a secret
                raise ValueError(f"{name}: must be an https address: tokens and secrets go there")
        return self

    @model_validator(mode="after")
    def _poll_in_order(self) -> Self:
        if self.poll_min_seconds > self.poll_max_seconds:
            raise ValueError(
                f"POLL_MIN_SECONDS: {self.poll_min_seconds:g} is above POLL_MAX_SECONDS "
                f"{self.poll_max_seconds:g}"
            )
        return self

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        uris = (self.queue_uri, self.table_uri, self.blob_uri)
        if not self.storage_connection.get_secret_value() and not all(uris):
            raise ValueError(
                "AzureWebJobsStorage: neither a connection string nor all three of "
                "__queueServiceUri, __tableServiceUri and __blobServiceUri are set"
            )
        return self

    @model_validator(mode="after")
    def _tokens_checkable(self) -> Self:
        if self.alert_callers != "key" and not (self.entra_tenant_id and self.audiences):
            raise ValueError(
                f"ALERT_CALLERS={self.alert_callers}: ENTRA_TENANT_ID and ENTRA_AUDIENCES must "
                "be set"
            )
        if not self.entra_authority.startswith("https://") and not _loopback(self.entra_authority):
            raise ValueError("ENTRA_AUTHORITY: must be an https address")
        return self

    @property
    def callers_have_names(self) -> bool:
        """Tell whether a caller can prove who it is: by a token, or by App Service in front."""
        by_token = bool(self.entra_tenant_id and self.audiences)
        return by_token or self.client_principal == "trust"

    @model_validator(mode="after")
    def _names_a_workspace(self) -> Self:
        if self.mlflow_uri.startswith(_FABRIC) and not _GUID.fullmatch(self.fabric_registry):
            raise ValueError("MLFLOW_TRACKING_URI: fabric:// must be followed by a workspace's id")
        return self

    @property
    def fabric_registry(self) -> str:
        """Give the workspace whose registry is spoken to over REST; empty: another registry."""
        given = self.mlflow_uri
        return given.removeprefix(_FABRIC).rstrip("/") if given.startswith(_FABRIC) else ""

    @property
    def _onelake(self) -> str:
        """OneLake's address where it is used: a default that nobody calls is no fault."""
        return self.onelake_url if self.fabric_registry else ""

    @property
    def audiences(self) -> tuple[str, ...]:
        """Give the single audiences; none where no token is ever taken."""
        return tuple(each.strip() for each in self.entra_audiences.split(",") if each.strip())

    def forbids(self, url: str) -> bool:
        """Tell whether tokens may not go there: out of the local stack."""
        return self.auth_mode == "local" and not _loopback(url)

    def _defaulted_hosts(self) -> tuple[tuple[str, str], ...]:
        """Give what has an address in the cloud even where nobody uses it."""
        return (
            ("LOGS_QUERY_ENDPOINT", self.logs_query_endpoint),
            ("AZURE_MANAGEMENT_URL", self.management_url),
            ("DEVOPS_URL", self.devops_url),
            ("GITHUB_API_URL", self.github_url),
        )

    def _hosts(self) -> tuple[tuple[str, str], ...]:
        return (
            ("FABRIC_API_URL", self.fabric_url),
            ("ONELAKE_DFS_URL", self._onelake),
            ("LOGS_INGESTION_ENDPOINT", self.logs_endpoint),
            ("TEAMS_WEBHOOK_URL", self.teams_webhook_url.get_secret_value()),
        )


def load_settings(environment: Mapping[str, str]) -> Settings:
    """Read the environment.

    Raises:
        ConfigError: every fault found, one a line, each with the setting's name.
    """
    given = {name: value for name, value in environment.items() if value != ""}
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        lines = [
            f"  {'.'.join(map(str, fault['loc']))}: ".replace("  : ", "  ")
            + fault["msg"].removeprefix("Value error, ")
            for fault in error.errors(include_url=False, include_input=False)
        ]
        raise ConfigError("the app settings are not right:\n" + "\n".join(lines)) from None


def _loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # no URL, or a name
        return False
