"""REST as every job service speaks it: token, time limits, errors, throttling. Knows no service.

What one service says in its own way (its name, its error bodies, how it throttles) is a subclass's.
A token goes to the configured base URL and nowhere else: URLs are built from ids, redirects are not
followed, and no host that an answer names is ever called.
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import requests
from requests.auth import AuthBase
from urllib3.exceptions import MaxRetryError, NewConnectionError

from shared.adapters.azure_errors import azure_errors
from shared.errors import LoopError, NotFound, Refused, Throttled, Unavailable
from shared.ports import Clock

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

USER_AGENT = "retrain-loop/0.1.0"
CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
DEFAULT_WAIT_SECONDS = 60.0
"""Where a 429 or 202 says nothing: what Fabric's recorded answers say most."""

_CLAIMS = re.compile(r'claims="([A-Za-z0-9_\-+/]+)=*"')
_SECONDS = re.compile(r"\d{1,9}(\.\d+)?")

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
TokenSource = Callable[[str], str]
"""Gives a token; asked with the claims that an answer demands, or with an empty text."""


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


def entra_tokens(credential: "TokenCredential", scope: str, service: str) -> TokenSource:
    """Give the source of an identity's tokens for one scope."""

    def token(claims: str) -> str:
        options: dict[str, Any] = {"claims": claims} if claims else {}
        with azure_errors(f"token for {service}"):
            return credential.get_token(scope, **options).token

    return token


class RestHttp:
    """One request at a time, each on a connection of its own.

    A kept connection that the other side has closed cannot be told from a request that was lost
    half-way, and for the start of a job that is the difference between one job and two.
    """

    service: ClassVar[str]
    headers: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self,
        base_url: str,
        tokens: TokenSource,
        clock: Clock,
        *,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._base = base_url.rstrip("/")
        self._tokens = tokens
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
        response = self._accepted(method, path, params=params, body=body)
        return Answer(
            headers=response.headers,
            body=self._json(response, path) if response.content else None,
            retry_after=self._retry_after(response),
        )

    def _accepted(
        self,
        method: Method,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Give a 2xx answer as it came; a body goes out as JSON, or as it is where it is bytes."""
        response = self._send(method, path, params, body, headers=headers)
        if self._is_signed_out(response):
            # without the answer's claims the credential may give the same token from its cache
            told = _claims(response)
            response = self._send(method, path, params, body, headers=headers, claims=told)
        success = HTTPStatus.OK <= response.status_code < HTTPStatus.MULTIPLE_CHOICES
        if not success or self._is_signed_out(response):
            raise self._error(response, path)
        return response

    def _send(  # noqa: PLR0913 - one argument a part of a request
        self,
        method: Method,
        path: str,
        params: Mapping[str, str] | None,
        body: Any,
        *,
        headers: Mapping[str, str] | None = None,
        claims: str = "",
    ) -> requests.Response:
        token = self._tokens(claims)
        form = "data" if isinstance(body, bytes) else "json"
        try:
            return requests.request(
                method,
                f"{self._base}/{path}",
                params=params,
                **{form: body},
                headers={"User-Agent": USER_AGENT, **self.headers, **(headers or {})},
                auth=_Bearer(token),
                timeout=self._timeouts,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            kind = NotSent if _never_left(error) else NoAnswer
            message = f"{self.service}: no answer ({type(error).__name__})"
            raise kind(message, subject=path) from error
        except ValueError:
            # neither its words nor itself as the cause: they hold the token
            message = f"{self.service}: the token cannot be sent: no header takes its characters"
            raise NotSent(message, subject=path) from None

    def _json(self, response: requests.Response, path: str) -> Any:
        try:
            return response.json()
        except requests.JSONDecodeError as error:
            raise NoAnswer(f"{self.service}: the answer is not JSON", subject=path) from error

    def _error(self, response: requests.Response, path: str) -> LoopError:
        document, status = _error_document(response), response.status_code
        code, text = self._reading(response, document)
        message = f"{self.service}: {status} {code}: {text[:300]}"
        if self._is_throttled(response, code):
            wait, overloaded = self._wait(response, code), self._is_overloaded(code)
            return Throttled(message, retry_after=wait, overloaded=overloaded, subject=path)
        if self._is_missing(response, code, text):
            return NotFound(message, subject=path)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
            return NoAnswer(message, subject=path)
        if document.get("isRetriable") is True:
            return Unavailable(message, subject=path)
        return Refused(message, code=code, subject=path)

    # --- what a service may say in its own way ---

    def _reading(self, response: requests.Response, document: Mapping[str, Any]) -> tuple[str, str]:
        """Give the code and the text of an error."""
        return f"HTTP{response.status_code}", str(document.get("message") or "")

    def _is_signed_out(self, response: requests.Response) -> bool:
        return response.status_code == HTTPStatus.UNAUTHORIZED

    def _is_throttled(self, response: requests.Response, code: str) -> bool:  # noqa: ARG002 - a subclass looks
        return response.status_code == HTTPStatus.TOO_MANY_REQUESTS

    def _is_overloaded(self, code: str) -> bool:  # noqa: ARG002 - a subclass looks
        return False

    def _is_missing(self, response: requests.Response, code: str, text: str) -> bool:  # noqa: ARG002 - a subclass looks
        return response.status_code == HTTPStatus.NOT_FOUND

    def _wait(self, response: requests.Response, code: str) -> float:  # noqa: ARG002 - a subclass looks
        asked = self._retry_after(response)
        return DEFAULT_WAIT_SECONDS if asked is None else asked

    def _retry_after(self, response: requests.Response) -> float | None:
        """Read Retry-After in both forms of RFC 9110, 10.2.3; None for anything else."""
        text = response.headers.get("Retry-After", "").strip()
        if _SECONDS.fullmatch(text):
            return float(text)
        until = _http_date(text)
        if until is None:
            return None
        return max(0.0, (until - self._sent_at(response)).total_seconds())

    def _sent_at(self, response: requests.Response) -> datetime:
        # by the answer's own clock, for ours may be wrong, or a scenario's
        return _http_date(response.headers.get("Date", "")) or self._clock.now()


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


def _error_document(response: requests.Response) -> Mapping[str, Any]:
    try:
        document = response.json()
    except requests.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
