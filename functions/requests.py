"""Reads what operators send: JSON bodies and query values; a fault names its field."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import azure.functions as func

from shared.domain.run import State
from shared.errors import BadInput

MAX_BODY = 16 * 1024  # bytes; what operators say is short
LONGEST = 500
"""Characters of a text."""


def document_of(req: func.HttpRequest) -> Mapping[str, Any]:
    """Read a JSON object.

    Raises:
        BadInput: the body is none, or is too large.
    """
    body = req.get_body()
    if len(body) > MAX_BODY:
        raise BadInput("body", f"{len(body)} bytes, at most {MAX_BODY}")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise BadInput("body", "is not JSON") from None
    if not isinstance(document, dict):
        raise BadInput("body", "must be a JSON object")
    return document


def text_in(document: Mapping[str, Any], name: str, *, required: bool = True) -> str:
    """Give a text; empty where it may be missing and is.

    Raises:
        BadInput: it is missing, no text, or too long.
    """
    value = document.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or (required and not value.strip()):
        raise BadInput(name, "must be a text that is not empty")
    if len(value) > LONGEST:
        raise BadInput(name, f"has {len(value)} characters, at most {LONGEST}")
    # half a surrogate pair is JSON and no text that storage or a hash can take
    return value.strip().encode("utf-8", "replace").decode()


def moment_in(document: Mapping[str, Any], name: str) -> datetime:
    """Give a time.

    Raises:
        BadInput: it is missing, no ISO 8601 time, or has no offset.
    """
    text = text_in(document, name)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(name, f"must be an ISO 8601 time, is {text[:80]!r}") from None
    if moment.tzinfo is None:
        raise BadInput(name, "must have an offset, such as Z")
    return moment


def number_in(params: Mapping[str, str], name: str, default: int, most: int) -> int:
    """Give a whole number from 1 up to ``most``; BadInput for anything else."""
    text = params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):  # noqa: PLR2004 - digits that int reads at once
        raise BadInput(name, f"must be a whole number from 1 to {most}")
    return int(text)


def state_in(params: Mapping[str, str], name: str) -> State | None:
    """Give a run's state; None where none is asked for; BadInput where there is no such state."""
    text = params.get(name)
    if not text:
        return None
    try:
        return State(text)
    except ValueError:
        raise BadInput(name, f"must be one of {', '.join(State)}") from None
