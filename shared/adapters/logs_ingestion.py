"""The custom log table that alert rules read: the MetricSink port on the Logs Ingestion API."""

import math
from collections.abc import Mapping, MutableMapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError

from shared.adapters.azure_errors import loop_error
from shared.errors import ConfigError, Refused

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.monitor.ingestion import LogsIngestionClient, LogsUploadError

SUBJECT = "logs ingestion"
_CONNECT_SECONDS = 5
_READ_SECONDS = 30
_RETRIES = 3
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class LogsIngestion:
    """The MetricSink port.

    An upload that was tried again may have arrived twice: the log is at-least-once, and the alert
    rules only look at the newest row of a model.
    """

    def __init__(  # noqa: PLR0913 - one keyword a setting
        self,
        endpoint: str,
        credential: "TokenCredential",
        *,
        rule_id: str,
        stream: str,
        local: bool = False,
        retries: int = _RETRIES,
    ) -> None:
        """Check the endpoint; nothing is sent yet.

        Args:
            endpoint: of the data collection rule; https, or with ``local`` a loopback http URL.
            credential: gives the token.
            rule_id: the data collection rule's immutable id.
            stream: such as ``Custom-RetrainLoopDrift_CL``.
            local: AUTH_MODE is ``local``.
            retries: of the SDK, within one call.

        Raises:
            ConfigError: the token would travel unencrypted.
        """
        parts = urlsplit(endpoint)
        self._plain = local and parts.scheme == "http" and parts.hostname in _LOOPBACK
        if parts.scheme != "https" and not self._plain:
            message = f"LOGS_INGESTION_ENDPOINT: must be an https URL: {endpoint}"
            raise ConfigError(message, subject="LOGS_INGESTION_ENDPOINT")
        self._endpoint = endpoint
        self._credential = credential
        self._rule_id = rule_id
        self._stream = stream
        self._retries = retries

    def upload(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Send all rows; where chunks fail the others are sent all the same.

        Raises:
            Refused: a value that is not JSON, or a stream the service does not know.
            LoopError: the first failed chunk's error.
        """
        documents: list[MutableMapping[str, Any]] = [json_row(row) for row in rows]
        failures: list[LogsUploadError] = []
        # the SDK's bearer policy refuses plain http unless each call says otherwise
        options = {"enforce_https": False} if self._plain else {}
        with self._client() as client:
            client.upload(
                self._rule_id, self._stream, documents, on_error=failures.append, **options
            )
        for failure in failures:
            if isinstance(failure.error, AzureError):
                raise loop_error(failure.error, SUBJECT) from failure.error
            raise failure.error

    def _client(self) -> "LogsIngestionClient":
        from azure.monitor.ingestion import LogsIngestionClient

        return LogsIngestionClient(
            self._endpoint,
            self._credential,
            retry_total=self._retries,
            connection_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
        )


def json_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Make one row fit for JSON: times as UTC text; NaN and infinity are no JSON and refused."""
    return {name: _json_value(name, value) for name, value in row.items()}


def _json_value(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, float) and not math.isfinite(value):
        raise Refused(f"{name}: {value} cannot be sent", code="InvalidRow", subject=name)
    return value
