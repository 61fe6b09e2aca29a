"""How the HTTP functions answer: JSON, and problem documents (RFC 9457) for what went wrong."""

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import azure.functions as func

from shared.errors import (
    BadInput,
    ConfigError,
    LoopError,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    Unavailable,
)

RETRY_AFTER = 20  # seconds; the action group's own second gap
CHALLENGE = {"WWW-Authenticate": "Bearer"}

log = logging.getLogger(__name__)


def json_answer(status: HTTPStatus, document: Mapping[str, Any]) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(document), status_code=status, mimetype="application/json")


def problem(
    status: HTTPStatus,
    detail: str,
    *,
    field: str = "",
    retry_after: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> func.HttpResponse:
    """Answer that it did not work, why, and which field holds the reason."""
    document = {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}
    if field:
        document["field"] = field
    return func.HttpResponse(
        json.dumps(document),
        status_code=status,
        mimetype="application/problem+json",
        headers={
            **(headers or {}),
            **({"Retry-After": str(retry_after)} if retry_after is not None else {}),
        },
    )


def refusal(error: LoopError) -> func.HttpResponse:
    """Answer an error: whether it is the caller's, and whether a retry helps.

    Raises:
        LoopError: the same error again, where it is a defect and no answer to a caller.
    """
    match error:
        case BadInput():
            return problem(HTTPStatus.BAD_REQUEST, str(error), field=error.field)
        case NotAuthenticated():
            return problem(HTTPStatus.UNAUTHORIZED, str(error), headers=CHALLENGE)
        case NotAllowed():
            return problem(HTTPStatus.FORBIDDEN, str(error))
        case NotFound():
            return problem(HTTPStatus.NOT_FOUND, str(error))
        case Unavailable():
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), retry_after=RETRY_AFTER)
        case ConfigError():
            # the names of settings are nobody's business who is not admitted yet
            log.error("the app is not configured: %s", error)
            detail = "the app is not configured; GET /api/health says what is missing"
            return problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail)
        case _:
            raise error
