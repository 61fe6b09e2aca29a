"""POST /api/alerts and POST /api/secure/alerts: what an action group calls."""

import json
from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import azure.functions as func

from functions import callers
from functions.answers import json_answer, problem, refusal
from functions.traced import traced
from shared.bootstrap import app
from shared.domain.alert import parse_alert
from shared.errors import BadInput, LoopError

if TYPE_CHECKING:
    from shared.bootstrap import App

MAX_BODY = 256 * 1024  # bytes; Azure Monitor sends no larger alert

bp = func.Blueprint()


@bp.function_name("receive_alert")
@bp.route(route="alerts", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@traced
def receive_alert(req: func.HttpRequest) -> func.HttpResponse:
    """Record an alert, decide, answer 202 once the fact is stored; the host checks the key."""
    return _received(req, callers.admit_key_holder)


# Open at the host, because a secure webhook sends a token and no key; closed by callers.py.
@bp.function_name("receive_secure_alert")
@bp.route(route="secure/alerts", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@traced
def receive_secure_alert(req: func.HttpRequest) -> func.HttpResponse:
    """Do the same for the secure webhook, where the settings say that tokens are taken."""
    return _received(req, lambda loop: callers.admit_secure_webhook(loop, req.headers))


def _received(req: func.HttpRequest, admit: Callable[["App"], None]) -> func.HttpResponse:
    """Answer a request: who calls comes before what they say."""
    try:
        loop = app()
        admit(loop)
        unfit = _unfit(req)
        if unfit is not None:
            return unfit
        receipt = loop.receive_alert(parse_alert(_document(req.get_body())))
    except LoopError as error:
        return refusal(error)
    document = asdict(receipt)
    if receipt.run_id:
        document["status_url"] = f"/api/models/{receipt.model}/runs/{receipt.run_id}"
    return json_answer(HTTPStatus.ACCEPTED, document)


def _unfit(req: func.HttpRequest) -> func.HttpResponse | None:
    """Refuse what is not read at all; a body that names no type is taken for JSON."""
    size = len(req.get_body())
    if size > MAX_BODY:
        detail = f"body: {size} bytes, at most {MAX_BODY}"
        return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    kind = req.headers.get("content-type", "").partition(";")[0].strip().casefold()
    encoding = req.headers.get("content-encoding", "").strip().casefold()
    if kind not in ("", "application/json") and not kind.endswith("+json"):
        detail = f"Content-Type: must be application/json, is {kind[:100]!r}"
        return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, field="Content-Type")
    if encoding not in ("", "identity"):
        detail = f"Content-Encoding: must be identity, is {encoding[:100]!r}"
        return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, field="Content-Encoding")
    return None


def _document(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:  # not UTF-8, not JSON, or a number longer than Python reads
        raise BadInput("body", f"is not JSON: {error}") from None
    except RecursionError:
        raise BadInput("body", "is nested too deeply") from None
