"""How the HTTP functions answer: JSON, and problem documents (RFC 9457) for what went wrong."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import azure.functions as func


def json_answer(status: HTTPStatus, document: Mapping[str, Any]) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(document), status_code=status, mimetype="application/json")


def problem(
    status: HTTPStatus, detail: str, *, field: str = "", retry_after: int | None = None
) -> func.HttpResponse:
    """Answer that it did not work, why, and which field holds the reason."""
    document = {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}
    if field:
        document["field"] = field
    return func.HttpResponse(
        json.dumps(document),
        status_code=status,
        mimetype="application/problem+json",
        headers={"Retry-After": str(retry_after)} if retry_after is not None else None,
    )
