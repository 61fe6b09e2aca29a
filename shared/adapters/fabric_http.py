"""Fabric's REST conventions: its scope, its error codes, its waits. Knows no job and no model."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import requests

from shared.adapters.rest_http import (
    DEFAULT_WAIT_SECONDS,
    READ_SECONDS,
    Answer,
    NoAnswer,
    NotSent,
    RestHttp,
    entra_tokens,
)
from shared.ports import Clock

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

__all__ = [
    "CAPACITY_WAIT_SECONDS",
    "DEFAULT_WAIT_SECONDS",
    "FABRIC_SCOPE",
    "READ_SECONDS",
    "Answer",
    "FabricHttp",
    "NoAnswer",
    "NotSent",
]

FABRIC_SCOPE = "https://api.fabric.microsoft.com/.default"
CAPACITY_WAIT_SECONDS = 300.0
"""At least, where the capacity is overloaded or paused: a minute changes nothing there."""

_NO_CAPACITY = frozenset(
    {"CapacityLimitExceeded", "CapacityNotActive", "WorkspaceHasNoCapacityAssigned"}
)
"""The capacity is overloaded, paused, or gone for now; none of these is an answer for good."""
_THROTTLED = frozenset({"RequestBlocked", "TooManyRequestsForJobs"}) | _NO_CAPACITY
_TOO_MANY_FOR_CAPACITY = 430  # Spark's own status, outside the registered ones


class FabricHttp(RestHttp):
    """Requests to Fabric."""

    service = "Fabric"

    def __init__(
        self,
        base_url: str,
        credential: "TokenCredential",
        clock: Clock,
        *,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        tokens = entra_tokens(credential, FABRIC_SCOPE, self.service)
        super().__init__(base_url, tokens, clock, read_seconds=read_seconds)

    def _reading(self, response: requests.Response, document: Mapping[str, Any]) -> tuple[str, str]:
        header = response.headers.get("x-ms-public-api-error-code")
        code = str(document.get("errorCode") or header or f"HTTP{response.status_code}")
        return code, str(document.get("message", ""))

    def _is_throttled(self, response: requests.Response, code: str) -> bool:
        too_many = (HTTPStatus.TOO_MANY_REQUESTS, _TOO_MANY_FOR_CAPACITY)
        return code in _THROTTLED or response.status_code in too_many

    def _is_overloaded(self, code: str) -> bool:
        return code in _NO_CAPACITY

    def _wait(self, response: requests.Response, code: str) -> float:
        wait = super()._wait(response, code)
        return max(wait, CAPACITY_WAIT_SECONDS) if self._is_overloaded(code) else wait
