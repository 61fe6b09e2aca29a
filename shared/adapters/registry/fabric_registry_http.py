"""MLflow's REST API under a Fabric workspace: its base address, its error bodies, its retries.

No call, role or file is known here. Source of the base: synapseml-mlflow 2.0.3, which sends
MLflow's own requests there with a bearer token. Not yet run live.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

import requests

from shared.adapters.fabric_http import READ_SECONDS, FabricHttp
from shared.adapters.registry.registry_wire import MISSING, NO_SUCH_CALL
from shared.adapters.rest_http import Method, NoAnswer
from shared.errors import LoopError, Refused, Throttled, Unavailable
from shared.ports import Clock

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

T = TypeVar("T")

UNKNOWN_CALLS = NO_SUCH_CALL | {
    *("EndpointNotFound", "FeatureNotAvailable", "HTTP404", "HTTP405", "HTTP501"),
}
"""What a server without a call may answer: MLflow's codes, Fabric's, or a gateway's bare status."""


@dataclass(frozen=True)
class Patience:
    """How often a call that may be repeated is repeated, and how long is waited in between.

    Attributes:
        retries: after the first try. House rule.
        longest: seconds of a Retry-After that are waited for here; after a longer one the caller
            comes again. House rule.
    """

    retries: int = 2
    longest: float = 20.0
    sleep: Callable[[float], None] = time.sleep

    def run(self, call: Callable[[], T]) -> T:
        """Make a call until it has an answer, or none is to be had for now."""
        for attempt in range(self.retries):
            try:
                return call()
            except Unavailable as error:
                wait = error.retry_after if isinstance(error, Throttled) else 2.0**attempt
                if wait > self.longest:
                    raise
                self.sleep(wait)
        return call()


class MlflowRest(FabricHttp):
    """Requests to the registry of one workspace. Every call it is used for may be repeated."""

    service = "Fabric's registry"

    def __init__(  # noqa: PLR0913 - one keyword a property of the connection
        self,
        fabric_url: str,
        workspace_id: str,
        credential: "TokenCredential",
        clock: Clock,
        *,
        patience: Patience | None = None,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        base = f"{fabric_url.rstrip('/')}/workspaces/{workspace_id}/mlflow/api/2.0/mlflow"
        super().__init__(base, credential, clock, read_seconds=read_seconds)
        self._patience = patience or Patience()

    def ask(
        self,
        method: Method,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """Give the answer's document.

        Raises:
            NotFound: the registry itself said that the thing is not there.
            Refused: it said no; an address that leads to no registry is refused too.
            Unavailable: it did not answer, however often it was asked.
        """
        answer = self._patience.run(lambda: self.call(method, path, params=params, body=body))
        if answer.body is None:
            return {}
        if not isinstance(answer.body, dict):
            raise NoAnswer(f"{self.service}: the answer is no JSON object", subject=path)
        return answer.body

    def _reading(self, response: requests.Response, document: Mapping[str, Any]) -> tuple[str, str]:
        if "error_code" in document:
            return str(document["error_code"]), str(document.get("message", ""))
        return super()._reading(response, document)

    def _is_missing(self, response: requests.Response, code: str, text: str) -> bool:  # noqa: ARG002 - MLflow's code alone tells
        # a bare 404 comes from whoever stands before the registry: no word about the model
        return code == MISSING

    def _error(self, response: requests.Response, path: str) -> LoopError:
        found = super()._error(response, path)
        not_implemented = response.status_code == HTTPStatus.NOT_IMPLEMENTED
        if isinstance(found, NoAnswer) and not_implemented:
            return Refused(str(found), code="NOT_IMPLEMENTED", subject=path)
        return found
