"""How each job service beside Fabric speaks HTTP: its scope, its error bodies, its throttling.

Only conventions live here; which calls there are is each adapter's. Not yet run live: the shapes
are those of the services' documentation.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

import requests

from shared.adapters.rest_http import DEFAULT_WAIT_SECONDS, RestHttp

MANAGEMENT_SCOPE = "https://management.azure.com/.default"
"""Azure Resource Manager, where Azure ML's jobs are made."""
DEVOPS_SCOPE = "499b84ac-1321-427f-aa17-267ca6975798/.default"
"""Azure DevOps' application. Source: Azure DevOps, service principals and managed identities."""
DATABRICKS_SCOPE = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d/.default"
"""Azure Databricks' application. Source: Azure Databricks, Microsoft Entra ID tokens."""


class AzureMLHttp(RestHttp):
    """Requests to Azure Resource Manager, for Azure ML."""

    service = "Azure ML"

    def _reading(self, response: requests.Response, document: Mapping[str, Any]) -> tuple[str, str]:
        error = document.get("error")
        if not isinstance(error, dict):
            return super()._reading(response, document)
        code = error.get("code") or f"HTTP{response.status_code}"
        return str(code), str(error.get("message") or "")


class DevOpsHttp(RestHttp):
    """Requests to Azure DevOps.

    A token that is not taken is answered with the sign-in page: as 203, or a redirect to it.
    """

    service = "Azure DevOps"

    def _reading(self, response: requests.Response, document: Mapping[str, Any]) -> tuple[str, str]:
        if self._is_signed_out(response):
            return "Unauthorized", "the token was answered with the sign-in page"
        code = document.get("typeKey") or f"HTTP{response.status_code}"
        return str(code), str(document.get("message") or "")

    def _is_signed_out(self, response: requests.Response) -> bool:
        return response.status_code in (
            HTTPStatus.UNAUTHORIZED,
            HTTPStatus.NON_AUTHORITATIVE_INFORMATION,
            HTTPStatus.FOUND,
        )


class GitHubHttp(RestHttp):
    """Requests to GitHub's REST API.

    Its limits are told by 429 or 403, with Retry-After or the time at which the budget is whole
    again. Source: GitHub, rate limits for the REST API.
    """

    service = "GitHub"
    headers: ClassVar[Mapping[str, str]] = {
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }

    def _is_throttled(self, response: requests.Response, code: str) -> bool:
        if super()._is_throttled(response, code):
            return True
        limited = "Retry-After" in response.headers or _is_spent(response)
        return response.status_code == HTTPStatus.FORBIDDEN and limited

    def _wait(self, response: requests.Response, code: str) -> float:
        reset = response.headers.get("X-RateLimit-Reset", "")
        if "Retry-After" in response.headers or not (_is_spent(response) and reset.isdecimal()):
            return super()._wait(response, code)
        left = int(reset) - self._sent_at(response).timestamp()
        return max(left, 0.0) or DEFAULT_WAIT_SECONDS


class DatabricksHttp(RestHttp):
    """Requests to an Azure Databricks workspace."""

    service = "Databricks"

    def _reading(self, response: requests.Response, document: Mapping[str, Any]) -> tuple[str, str]:
        code = document.get("error_code") or f"HTTP{response.status_code}"
        return str(code), str(document.get("message") or "")

    def _is_throttled(self, response: requests.Response, code: str) -> bool:
        spent = code in ("REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED")
        return spent or super()._is_throttled(response, code)

    def _is_missing(self, response: requests.Response, code: str, text: str) -> bool:
        if super()._is_missing(response, code, text):
            return True
        # a run that is not there is an invalid value to some versions of the service
        gone = code == "INVALID_PARAMETER_VALUE" and "does not exist" in text
        return gone or code == "RESOURCE_DOES_NOT_EXIST"


def _is_spent(response: requests.Response) -> bool:
    return response.headers.get("X-RateLimit-Remaining") == "0"
