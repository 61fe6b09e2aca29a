"""Fabric's REST conventions: token, time limits, errors, throttling. Knows no job and no model.

A token goes to the configured base URL and nowhere else: URLs are built from ids, redirects are not
followed, and no host that an answer names is ever called.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

import requests
from requests.auth import AuthBase
from urllib3.exceptions import MaxRetryError, NewConnectionError

from shared.adapters.azure_errors import azure_errors
from shared.errors import LoopError, NotFound, Refused, Throttled, Unavailable
from shared.ports import Clock

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

FABRIC_SCOPE = "https://api.fabric.microsoft.com/.default"
USER_AGENT = "retrain-loop/0.1.0"
CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
DEFAULT_WAIT_SECONDS = 60.0
"""Where a 429 or 202 says nothing: what Fabric's recorded answers say most."""
CAPACITY_WAIT_SECONDS = 300.0
"""At least, where the capacity is overloaded or paused: a minute changes nothing there."""

_NO_CAPACITY = frozenset(
    {"CapacityLimitExceeded", "CapacityNotActive", "WorkspaceHasNoCapacityAssigned"}
)
"""The capacity is overloaded, paused, or gone for now; none of these is an answer for good."""
_THROTTLED = frozenset({"RequestBlocked", "TooManyRequestsForJobs"}) | _NO_CAPACITY
_TOO_MANY_FOR_CAPACITY = 430  # Spark's own status, outside the registered ones
_CLAIMS = re.compile(r'claims="([A-Za-z0-9_\-+/]+)=*"')
_SECONDS = re.compile(r"\d{1,9}(\.\d+)?")

Method = Literal["GET", "POST"]


class NotSent(Unavailable):
    """No connection came about: the request never left."""


class NoAnswer(Unavailable):
    """The request left, and what became of it is not known."""


@dataclass(frozen=True)
class Answer:
    """A 2xx answer.

    Attributes:
        body: parsed JSON; None where there was none.
        retry_after: seconds, or None where the answer did not say.
    """

    headers: Mapping[str, str]
    body: Any
    retry_after: float | None


class _Bearer(AuthBase):
    """Sets the token after ``requests`` has had the chance to take one from a .netrc file."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class FabricHttp:
    """One request at a time, each on a connection of its own.

    A kept connection that the other side has closed cannot be told from a request that was lost
    half-way, and for the start of a job that is the difference between one job and two.
    """

    def __init__(
        self,
        base_url: str,
        credential: "TokenCredential",
        clock: Clock,
        *,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._base = base_url.rstrip("/")
        self._credential = credential
        self._clock = clock
        self._timeouts = (CONNECT_SECONDS, read_seconds)

    def call(
        self,
        method: Method,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Answer:
        """Send one request, once more with a fresh token where the first was not accepted.

        Raises:
            NotSent, NoAnswer, Throttled, NotFound, Refused, Unavailable: as their names say.
        """
        response = self._send(method, path, params, body)
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            # without the answer's claims the credential may give the same token from its cache
            response = self._send(method, path, params, body, claims=_claims(response))
        if not HTTPStatus.OK <= response.status_code < HTTPStatus.MULTIPLE_CHOICES:
            raise self._error(response, path)
        content = response.content
        return Answer(
            headers=response.headers,
            body=_json(response, path) if content else None,
            retry_after=self._retry_after(response),
        )

    def _send(
        self,
        method: Method,
        path: str,
        params: Mapping[str, str] | None,
        body: Any,
        *,
        claims: str = "",
    ) -> requests.Response:
        options: dict[str, Any] = {"claims": claims} if claims else {}
        with azure_errors("token for Fabric"):
            token = self._credential.get_token(FABRIC_SCOPE, **options).token
        try:
            return requests.request(
                method,
                f"{self._base}/{path}",
                params=params,
                json=body,
                headers={"User-Agent": USER_AGENT},
                auth=_Bearer(token),
                timeout=self._timeouts,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            kind = NotSent if _never_left(error) else NoAnswer
            raise kind(f"Fabric: no answer ({type(error).__name__})", subject=path) from error

    def _error(self, response: requests.Response, path: str) -> LoopError:
        document = _error_document(response)
        status, code = response.status_code, _code(response, document)
        message = f"Fabric: {status} {code}: {str(document.get('message', ''))[:300]}"
        if code in _THROTTLED or status in (HTTPStatus.TOO_MANY_REQUESTS, _TOO_MANY_FOR_CAPACITY):
            wait = self._wait(response, code)
            overloaded = code in _NO_CAPACITY
            return Throttled(message, retry_after=wait, overloaded=overloaded, subject=path)
        if status == HTTPStatus.NOT_FOUND:
            return NotFound(message, subject=path)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
            return NoAnswer(message, subject=path)
        if document.get("isRetriable") is True:
            return Unavailable(message, subject=path)
        return Refused(message, code=code, subject=path)

    def _wait(self, response: requests.Response, code: str) -> float:
        asked = self._retry_after(response)
        wait = DEFAULT_WAIT_SECONDS if asked is None else asked
        return max(wait, CAPACITY_WAIT_SECONDS) if code in _NO_CAPACITY else wait

    def _retry_after(self, response: requests.Response) -> float | None:
        """Read Retry-After in both forms of RFC 9110, 10.2.3; None for anything else."""
        text = response.headers.get("Retry-After", "").strip()
        if _SECONDS.fullmatch(text):
            return float(text)
        until = _http_date(text)
        if until is None:
            return None
        # counted from the answer's own clock, for ours may be wrong, or a scenario's
        sent = _http_date(response.headers.get("Date", "")) or self._clock.now()
        return max(0.0, (until - sent).total_seconds())


def _claims(response: requests.Response) -> str:
    """Read what a new token must say, where the answer tells it. Source: Entra, CAE challenges."""
    found = _CLAIMS.search(response.headers.get("WWW-Authenticate", ""))
    try:
        return base64.urlsafe_b64decode(found[1] + "==").decode() if found else ""
    except ValueError:  # not base64, or not UTF-8
        return ""


def _never_left(error: requests.RequestException) -> bool:
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)


def _json(response: requests.Response, path: str) -> Any:
    try:
        return response.json()
    except requests.JSONDecodeError as error:
        raise NoAnswer("Fabric: the answer is not JSON", subject=path) from error


def _error_document(response: requests.Response) -> Mapping[str, Any]:
    try:
        document = response.json()
    except requests.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _code(response: requests.Response, document: Mapping[str, Any]) -> str:
    header = response.headers.get("x-ms-public-api-error-code")
    return str(document.get("errorCode") or header or f"HTTP{response.status_code}")


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
