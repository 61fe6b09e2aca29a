"""The custom log table that alert rules read: the MetricSink port on the Logs Ingestion API."""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError

from shared.adapters.azure_errors import loop_error
from shared.errors import ConfigError, LoopError, Refused, Throttled, Unavailable

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.monitor.ingestion import LogsIngestionClient

SUBJECT = "logs ingestion"
_CONNECT_SECONDS = 5
_READ_SECONDS = 30
_RETRIES = 3
_LONGEST_WAIT = 60.0
"""Seconds of a Retry-After that are waited for here; after a longer one the caller comes again."""
_MAX_BYTES = 1_000_000
"""Bytes of JSON in one call: under 1 MB however the service counts it, compressed or not."""
_SEPARATOR = 2
"""Bytes of ``", "`` between two rows, which the SDK's own splitting leaves out of its sum."""
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
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Check the endpoint; nothing is sent yet.

        Args:
            endpoint: of the data collection rule; https, or with ``local`` a loopback http URL.
            credential: gives the token.
            rule_id: the data collection rule's immutable id.
            stream: such as ``Custom-RetrainLoopDrift_CL``.
            local: AUTH_MODE is ``local``.
            retries: of each part of an upload.
            sleep: waits so many seconds between them.

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
        self._sleep = sleep

    def upload(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Send all rows; where parts fail the others are sent all the same.

        Raises:
            Refused: a value that is not JSON, a row too large for one call, or a stream the
                service does not know.
            LoopError: the first failed part's error.
        """
        chunks = list(split_rows([json_row(row) for row in rows]))
        first: LoopError | None = None
        with self._client() as client:
            for chunk in chunks:
                try:
                    self._send(client, chunk)
                except LoopError as error:
                    first = first or error
        if first is not None:
            raise first

    def _send(self, client: "LogsIngestionClient", rows: list[MutableMapping[str, Any]]) -> None:
        """Send one part, again where the service is busy, when it says or a little later."""
        for attempt in range(self._retries + 1):
            try:
                self._try(client, rows)
            except Unavailable as error:
                asked = error.retry_after if isinstance(error, Throttled) else 2.0**attempt
                if attempt == self._retries or asked > _LONGEST_WAIT:
                    raise
                self._sleep(asked)
            else:
                return

    def _try(self, client: "LogsIngestionClient", rows: list[MutableMapping[str, Any]]) -> None:
        # the SDK's bearer policy refuses plain http unless each call says otherwise
        options: dict[str, Any] = {"enforce_https": False} if self._plain else {}
        try:
            client.upload(self._rule_id, self._stream, rows, **options)
        except AzureError as error:
            raise loop_error(error, SUBJECT) from error

    def _client(self) -> "LogsIngestionClient":
        from azure.monitor.ingestion import LogsIngestionClient

        return LogsIngestionClient(
            self._endpoint,
            self._credential,
            retry_total=0,  # the SDK would sleep through a Retry-After of any length
            connection_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
        )


def split_rows(
    rows: Sequence[MutableMapping[str, Any]], most: int = _MAX_BYTES
) -> Iterator[list[MutableMapping[str, Any]]]:
    """Cut rows into parts that are ``most`` bytes at most as the JSON array they travel in.

    Raises:
        Refused: one row alone is larger.
    """
    part: list[MutableMapping[str, Any]] = []
    size = _SEPARATOR  # the brackets
    for row in rows:
        length = len(json.dumps(row))
        if length + _SEPARATOR > most:
            message = f"a row of {length} bytes, one call takes {most}"
            raise Refused(message, code="RowTooLarge", subject=SUBJECT)
        if part and size + _SEPARATOR + length > most:
            yield part
            part, size = [], _SEPARATOR
        size += length + (_SEPARATOR if part else 0)
        part.append(row)
    if part:
        yield part


def json_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Make one row fit for JSON: times as UTC text; NaN and infinity are no JSON and refused."""
    return {name: _json_value(name, value) for name, value in row.items()}


def _json_value(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, float) and not math.isfinite(value):
        raise Refused(f"{name}: {value} cannot be sent", code="InvalidRow", subject=name)
    return value
