"""Answers in Fabric's form: the error body and the headers every answer carries."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web


class ApiError(Exception):
    """A refusal: HTTP status, Fabric's error code and message, and when to come back."""

    def __init__(
        self, status: int, code: str, message: str, retry_after_seconds: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after_seconds = retry_after_seconds

    def answer(self, request_id: str) -> web.Response:
        headers = {"x-ms-public-api-error-code": self.code}
        if self.retry_after_seconds is not None:
            headers["Retry-After"] = str(self.retry_after_seconds)
        # isRetriable is left out, as it often is in recorded errors
        body = {"requestId": request_id, "errorCode": self.code, "message": str(self)}
        return answer(request_id, body, status=self.status, headers=headers)


def answer(
    request_id: str, body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    return web.json_response(body, status=status, headers=_common(request_id, headers))


def accepted(request_id: str, location: str, retry_after_seconds: int) -> web.Response:
    headers = {"Location": location, "Retry-After": str(retry_after_seconds)}
    return web.Response(status=202, headers=_common(request_id, headers))


def _common(request_id: str, headers: Mapping[str, str] | None) -> dict[str, str]:
    return {
        "RequestId": request_id,
        # a host that no client may send its token to
        "home-cluster-uri": "https://wabi-simulated-redirect.analysis.windows.net/",
        **(headers or {}),
    }
