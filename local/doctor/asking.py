"""One HTTP request with a token, and what its answer means in the app's own terms."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests

from shared.adapters.azure_errors import azure_errors
from shared.errors import ConfigError, LoopError, NotFound, Refused, Throttled, Unavailable

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

_SECONDS: Final = (5.0, 15.0)  # to connect, to answer
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_WAIT: Final = 60.0


@dataclass(frozen=True)
class Asking:
    """Asks; the token goes to the host that is named and to no other.

    Attributes:
        local: AUTH_MODE is ``local``: only loopback addresses are asked.
    """

    credential: "TokenCredential"
    local: bool

    def get(self, url: str, scope: str, params: Mapping[str, str]) -> Mapping[str, Any]:
        return self._ask("GET", url, scope, params, None)

    def post(self, url: str, scope: str, params: Mapping[str, str], body: Any) -> Mapping[str, Any]:
        return self._ask("POST", url, scope, params, body)

    def _ask(
        self, method: str, url: str, scope: str, params: Mapping[str, str], body: Any
    ) -> Mapping[str, Any]:
        host = self._closed(url)
        with azure_errors(f"token for {host}"):
            token = self.credential.get_token(scope).token
        try:
            answer = requests.request(
                method,
                url,
                params=params,
                json=body,
                headers={"Authorization": f"Bearer {token}"},
                timeout=_SECONDS,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise Unavailable(f"{host}: no answer ({type(error).__name__})") from error
        return _document(answer, host)

    def _closed(self, url: str) -> str:
        """Give the host, if the token may travel there.

        Raises:
            ConfigError: it would travel unencrypted, or out of the local stack.
        """
        parts = urlsplit(url)
        host = parts.hostname or ""
        loopback = host in _LOOPBACK
        if self.local and not loopback:
            raise ConfigError(f"{host}: AUTH_MODE=local allows loopback addresses only")
        if parts.scheme != "https" and not loopback:
            raise ConfigError(f"{host}: must be an https address: a token goes there")
        return host


def _document(answer: requests.Response, host: str) -> Mapping[str, Any]:
    body = _json(answer)
    if HTTPStatus.OK <= answer.status_code < HTTPStatus.MULTIPLE_CHOICES:
        return body
    raise _error(answer.status_code, body, answer.headers, host)


def _json(answer: requests.Response) -> Mapping[str, Any]:
    try:
        body = answer.json() if answer.content else {}
    except requests.JSONDecodeError:
        body = {}
    return body if isinstance(body, dict) else {}


def _error(
    status: int, body: Mapping[str, Any], headers: Mapping[str, str], host: str
) -> LoopError:
    error = body.get("error")
    code = str(error.get("code", "")) if isinstance(error, dict) else str(body.get("code", ""))
    message = f"{host}: {status} {code}".rstrip()
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        asked = headers.get("Retry-After", "")
        return Throttled(message, retry_after=float(asked) if asked.isdecimal() else _WAIT)
    if status == HTTPStatus.NOT_FOUND:
        return NotFound(message)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        return Unavailable(message)
    return Refused(message, code=code)
