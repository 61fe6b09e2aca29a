"""What MLflow's registry says on the wire, whoever carries it: error codes, a filter, the probe.

Source: MLflow's REST API and its error codes (databricks.proto), as its servers are seen to answer.
"""

from collections.abc import Callable
from typing import Any

from shared.adapters.registry.registry_roles import RUN_TAG
from shared.errors import NotFound, Refused

MISSING = "RESOURCE_DOES_NOT_EXIST"
INVALID = "INVALID_PARAMETER_VALUE"
DENIED = frozenset({"PERMISSION_DENIED", "InsufficientPrivileges", "HTTP403"})
"""MLflow's word for a right that is missing, Fabric's, and a gateway's."""
REFUSED = frozenset({INVALID, "PERMISSION_DENIED", "UNAUTHENTICATED", "INVALID_STATE"})
NO_SUCH_CALL = frozenset({"ENDPOINT_NOT_FOUND", "NOT_IMPLEMENTED", "FEATURE_DISABLED"})
LOGGED = "models:/m-"
"""How MLflow 3 begins the name of a logged model, which a version may have for a source."""
PROBE = "retrain-loop-probe"
"""A model name nobody uses: a server that has a call answers that the model is not there."""


def condition_for(model: str, run_id: str) -> str:
    """Write the filter of a search for a model's versions, or for those that a run has made."""
    condition = f"name='{model}'"
    if run_id and "'" not in run_id:
        condition += f" and tags.`{RUN_TAG}`='{run_id}'"
    return condition


def known(call: Callable[[], Any], no_such_call: frozenset[str] = NO_SUCH_CALL) -> bool:
    """Say whether a server has a call, which is made about a model that is not there.

    A caller who may not use it gets True: that is a right that is missing, not a call.

    Raises:
        Unavailable: it did not answer.
        Refused: it lets nobody in.
    """
    try:
        call()
    except NotFound:
        return True
    except Refused as error:
        if error.code in no_such_call:
            return False
        if error.code not in DENIED | {INVALID}:
            raise
    return True


def unanswered(error: Exception) -> str:
    """Name why no answer came to MLflow's client; empty where one did.

    Its own words are not for others: they hold the address, and with it what signs in there.
    """
    from requests import RequestException

    reason = error.__context__
    return type(reason).__name__ if isinstance(reason, (RequestException, ValueError)) else ""
