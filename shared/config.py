"""Settings: the environment, read once, checked, frozen.

Each setting has its name, type, default and meaning here and nowhere else; ``docs/settings.md`` is
held against this class by a test. The catalogue of models is in ``catalogue.py``.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from shared.errors import ConfigError

Seconds = Annotated[float, Field(ge=0)]


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
    auth_mode: Literal["entra", "local"] = Field(default="entra", alias="AUTH_MODE")
    """How the app proves who it is; ``local`` only works against loopback addresses."""
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
    """The MLflow server that holds runs and registry."""
    logs_endpoint: str = Field(alias="LOGS_INGESTION_ENDPOINT")
    """The data collection rule's logs ingestion endpoint."""
    logs_rule_id: str = Field(alias="LOGS_INGESTION_RULE_ID")
    """The data collection rule's immutable id."""
    logs_stream: str = Field(default="Custom-RetrainLoopDrift_CL", alias="LOGS_INGESTION_STREAM")
    """The stream of the drift rows."""
    teams_webhook_url: SecretStr = Field(default=SecretStr(""), alias="TEAMS_WEBHOOK_URL")
    """Workflows webhook for notices, a secret; empty: notices go to the log."""
    poll_min_seconds: Seconds = Field(default=15, alias="POLL_MIN_SECONDS")
    """Shortest time between two looks at a job, whatever Retry-After says."""
    poll_max_seconds: Seconds = Field(default=300, alias="POLL_MAX_SECONDS")
    """Longest time between two looks at a job."""
    stalled_after_seconds: Seconds = Field(default=900, alias="STALLED_AFTER_SECONDS")
    """A run untouched for so long past its next look is sent again by the sweeper."""
    check_concurrency: int = Field(default=4, ge=1, le=64, alias="CHECK_CONCURRENCY")
    """How many models the drift timer checks at a time."""
    scoring_memory_mb: int = Field(default=3072, ge=768, alias="SCORING_MEMORY_MB")
    """Address space of a scoring process, MiB; Python with MLflow takes 600 before any model."""
    scoring_seconds: float = Field(default=120, gt=0, alias="SCORING_SECONDS")
    """Wall time of a scoring process; a judgement's four must fit into host.json's timeout."""
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

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        uris = (self.queue_uri, self.table_uri, self.blob_uri)
        if not self.storage_connection.get_secret_value() and not all(uris):
            raise ValueError(
                "AzureWebJobsStorage: neither a connection string nor all three of "
                "__queueServiceUri, __tableServiceUri and __blobServiceUri are set"
            )
        return self

    def _hosts(self) -> tuple[tuple[str, str], ...]:
        return (
            ("FABRIC_API_URL", self.fabric_url),
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
