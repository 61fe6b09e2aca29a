"""Log Analytics: answers KQL about a workspace. What is asked is not known here.

Built on azure-monitor-query. A partial answer is no answer: drift computed from a part of the rows
is not the drift of the rows.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError

from shared.adapters.azure_errors import loop_error
from shared.adapters.profiles.kql_results import Column, checked_rows, not_whole
from shared.errors import ConfigError, LoopError, Refused

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.monitor.query import LogsQueryClient

    from shared.adapters.profiles.kql_source import KqlClient
    from shared.catalogue import Model

SUBJECT = "Log Analytics"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_CONNECT_SECONDS = 5
_SPARE_SECONDS = 30
"""How much longer than the service this side waits, so that the service's own timeout is heard."""
_RETRIES = 3


class LogAnalytics:
    """Opens workspaces."""

    def __init__(
        self,
        endpoint: str,
        credential: "TokenCredential",
        *,
        seconds: float,
        local: bool = False,
        retries: int = _RETRIES,
    ) -> None:
        """Check the endpoint; nothing is sent yet.

        Args:
            endpoint: of the query API; https, or with ``local`` a loopback http URL.
            credential: gives the token.
            seconds: the service's time for one query, 600 at most.
            local: AUTH_MODE is ``local``.
            retries: of the SDK, within one call.

        Raises:
            ConfigError: the token would travel unencrypted, or out of the local stack.
        """
        parts = urlsplit(endpoint)
        loopback = parts.scheme == "http" and parts.hostname in _LOOPBACK
        if not (loopback if local else parts.scheme == "https"):
            wanted = "a loopback http URL" if local else "an https URL"
            message = f"LOGS_QUERY_ENDPOINT: must be {wanted}: {endpoint}"
            raise ConfigError(message, subject="LOGS_QUERY_ENDPOINT")
        self._endpoint = endpoint
        self._credential = credential
        self._seconds = seconds
        # the SDK's bearer policy refuses plain http unless each call says otherwise
        self._options: dict[str, Any] = {"enforce_https": False} if local else {}
        self._retries = retries

    def open(self, model: "Model") -> "tuple[KqlClient, str]":
        section = model.data.log_analytics
        if section is None:
            message = f"{model.name}: data.log_analytics is not given"
            raise ConfigError(message, subject=model.name)
        return self.workspace(section.workspace_id), section.table

    def workspace(self, workspace_id: str) -> "KqlClient":
        return _Workspace(self, workspace_id)

    def ask(self, workspace_id: str, text: str) -> Any:
        """Give the SDK's answer, whole or not."""
        with self._client() as client:
            return client.query_workspace(
                workspace_id,
                text,
                # the text names its times itself, by the model's own column
                timespan=None,
                server_timeout=int(self._seconds),
                **self._options,
            )

    def _client(self) -> "LogsQueryClient":
        from azure.monitor.query import LogsQueryClient

        return LogsQueryClient(
            self._credential,
            endpoint=self._endpoint,
            retry_total=self._retries,
            # a query changes nothing, so any answer that may pass is worth another try
            retry_on_methods=frozenset({"POST"}),
            connection_timeout=_CONNECT_SECONDS,
            read_timeout=self._seconds + _SPARE_SECONDS,
        )


class _Workspace:
    """The KqlClient of one workspace."""

    def __init__(self, service: LogAnalytics, workspace_id: str) -> None:
        self._service = service
        self._id = workspace_id

    def rows(self, text: str, columns: Mapping[str, str]) -> list[Sequence[Any]]:
        from azure.monitor.query import LogsQueryStatus

        try:
            answer = self._service.ask(self._id, text)
        except AzureError as error:
            raise _loop_error(error) from error
        if answer.status != LogsQueryStatus.SUCCESS:
            raise not_whole(SUBJECT, _codes(answer.partial_error))
        if len(answer.tables) != 1:
            raise not_whole(SUBJECT, [f"{len(answer.tables)} tables"])
        table = answer.tables[0]
        found = [Column(*pair) for pair in zip(table.columns, table.columns_types, strict=True)]
        return checked_rows(SUBJECT, found, [list(row) for row in table.rows], columns)


def _codes(error: Any) -> list[str]:
    """Give the codes of a partial error and its details, inner ones too."""
    details = [detail for detail in (error.details or []) if isinstance(detail, Mapping)]
    found = [str(error.code)]
    for detail in details:
        found += _chain(detail)
    return found


def _chain(error: Mapping[str, Any] | None) -> list[str]:
    found = []
    while isinstance(error, Mapping):
        found.append(str(error.get("code", "")))
        error = error.get("innererror")
    return [code for code in found if code]


def _loop_error(error: AzureError) -> LoopError:
    """Keep the innermost code: the outer ones say no more than that the query was bad."""
    found = loop_error(error, SUBJECT)
    if isinstance(error, ServiceRequestError) or not isinstance(error, HttpResponseError):
        return found
    details = getattr(error, "error", None)
    codes = [str(details.code)] if details is not None and details.code else []
    codes += _chain(getattr(details, "innererror", None))
    if isinstance(found, Refused) and codes:
        return Refused(f"{found}: {' > '.join(codes)}", code=codes[-1], subject=SUBJECT)
    return found
