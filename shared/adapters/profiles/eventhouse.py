"""Eventhouse: answers KQL about a database of Fabric Real-Time Intelligence, or of Data Explorer.

Built on azure-kusto-data. What is asked is not known here.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shared.adapters.profiles.kql_results import TRUNCATED, Column, checked_rows, not_whole
from shared.adapters.profiles.kql_source import UNRESOLVED, KqlClient
from shared.errors import ConfigError, LoopError, Refused, Unavailable

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential
    from azure.kusto.data.exceptions import KustoError
    from azure.kusto.data.response import KustoResponseDataSet

    from shared.catalogue import Model

SUBJECT = "Eventhouse"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_APPLICATION = "retrain-loop"
_SERVER_ERROR = HTTPStatus.INTERNAL_SERVER_ERROR


class Eventhouse:
    """Opens KQL databases."""

    def __init__(
        self, credential: "TokenCredential", *, seconds: float, local: bool = False
    ) -> None:
        """Keep what is needed; nothing is sent yet.

        Args:
            credential: gives the token.
            seconds: the service's time for one query.
            local: AUTH_MODE is ``local``: only loopback clusters are spoken to.
        """
        self._credential = credential
        self._seconds = seconds
        self._local = local

    def open(self, model: "Model") -> tuple[KqlClient, str]:
        section = model.data.eventhouse
        if section is None:
            message = f"{model.name}: data.eventhouse is not given"
            raise ConfigError(message, subject=model.name)
        return self.database(section.cluster_uri, section.database), section.table

    def database(self, cluster_uri: str, database: str) -> KqlClient:
        """Give a database's client.

        Raises:
            ConfigError: the token would travel unencrypted, or out of the local stack. That the
                host is one of Kusto's is checked by the SDK before it asks for a token.
        """
        parts = urlsplit(cluster_uri)
        loopback = parts.scheme == "http" and parts.hostname in _LOOPBACK
        if not (loopback if self._local else parts.scheme == "https"):
            wanted = "a loopback http URL" if self._local else "an https URL"
            raise ConfigError(
                f"cluster_uri: must be {wanted}: {cluster_uri}", subject="data.eventhouse"
            )
        return _Database(cluster_uri.rstrip("/"), database, self._credential, self._seconds)


class _Database:
    """The KqlClient of one database."""

    def __init__(
        self, cluster: str, database: str, credential: "TokenCredential", seconds: float
    ) -> None:
        self._cluster = cluster
        self._database = database
        self._credential = credential
        self._seconds = seconds

    def rows(self, text: str, columns: Mapping[str, str]) -> list[Sequence[Any]]:
        with _kusto_errors():
            answer = self._ask(text)
            if answer.errors_count:
                raise not_whole(SUBJECT, [f"{answer.errors_count} errors"])
            tables = answer.primary_results
            if len(tables) != 1:
                raise not_whole(SUBJECT, [f"{len(tables)} results"])
            found = [Column(each.column_name, each.column_type) for each in tables[0].columns]
            return checked_rows(SUBJECT, found, [list(row) for row in tables[0]], columns)

    def _ask(self, text: str) -> "KustoResponseDataSet":
        from azure.kusto.data import (
            ClientRequestProperties,
            KustoClient,
            KustoConnectionStringBuilder,
        )

        connection = KustoConnectionStringBuilder.with_azure_token_credential(
            self._cluster, _Lent(self._credential)
        )
        properties = ClientRequestProperties()  # type: ignore[no-untyped-call] # has no types
        properties.application = _APPLICATION
        limit = timedelta(seconds=self._seconds)
        properties.set_option(ClientRequestProperties.request_timeout_option_name, limit)
        with KustoClient(connection) as client:
            answer: KustoResponseDataSet = client.execute_query(self._database, text, properties)
            return answer


class _Lent:
    """A credential that others use too: the SDK's client closes the one it is given."""

    def __init__(self, credential: "TokenCredential") -> None:
        self._credential = credential

    def get_token(self, *scopes: str, **options: Any) -> "AccessToken":
        return self._credential.get_token(*scopes, **options)

    def close(self) -> None:
        """Do nothing."""


# --- errors ----------------------------------------------------------------------------------


@contextmanager
def _kusto_errors() -> Iterator[None]:
    """Raise the app's error for whatever the SDK raises inside the block."""
    from azure.kusto.data.exceptions import KustoError

    try:
        yield
    except KustoError as error:
        raise _loop_error(error) from error
    except (KeyError, TypeError, ValueError) as error:
        # the SDK reads what is no answer of Kusto's as if it were one
        message = f"{SUBJECT}: the answer cannot be read ({type(error).__name__})"
        raise Unavailable(message, subject=SUBJECT) from error


def _loop_error(error: "KustoError") -> LoopError:
    from azure.kusto.data import exceptions as kusto

    name = type(error).__name__
    if isinstance(error, kusto.KustoClientInvalidConnectionStringException):
        message = "cluster_uri: this host is not one of Kusto's"
        return ConfigError(message, subject="data.eventhouse")
    if isinstance(error, kusto.KustoMultiApiError):
        return _in_band(error.get_api_errors())
    if isinstance(error, kusto.KustoApiError):
        return _answered(error)
    if isinstance(error, kusto.KustoServiceError) and error.http_response is not None:
        # the other kind of response is the asynchronous client's
        return _by_status(getattr(error.http_response, "status_code", 0), name)
    return Unavailable(f"{SUBJECT}: no answer ({name})", subject=SUBJECT)


def _in_band(errors: Sequence[Any]) -> LoopError:
    """Tell errors that came after the status 200 was sent, among the rows."""
    codes = [str(each.code) for each in errors]
    # the code says LimitsExceeded for every limit; which one is only in the text
    cut = any(sign in str(each.description) for each in errors for sign in TRUNCATED)
    if not cut and errors and all(each.permanent for each in errors):
        return Refused(f"{SUBJECT}: {', '.join(codes)}", code=codes[0], subject=SUBJECT)
    return not_whole(SUBJECT, [*codes, "E_QUERY_RESULT_SET_TOO_LARGE"] if cut else codes)


def _answered(error: Any) -> LoopError:
    told = error.get_api_error()
    code = UNRESOLVED if error.is_semantic_error() else str(told.code)
    if not told.permanent:
        return Unavailable(f"{SUBJECT}: {code}", subject=SUBJECT)
    return Refused(f"{SUBJECT}: {code}", code=code, subject=SUBJECT)


def _by_status(status: int, name: str) -> LoopError:
    passing = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
    # below 400: an answer that could not be read
    if status in passing or not HTTPStatus.BAD_REQUEST <= status < _SERVER_ERROR:
        return Unavailable(f"{SUBJECT}: {status} {name}", subject=SUBJECT)
    return Refused(f"{SUBJECT}: {status} {name}", code=f"HTTP{status}", subject=SUBJECT)
