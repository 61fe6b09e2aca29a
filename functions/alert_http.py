"""POST /api/alerts: what an action group calls."""

import json
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

import azure.functions as func

from functions.answers import json_answer, problem
from shared.bootstrap import app
from shared.domain.alert import parse_alert
from shared.errors import BadInput, Unavailable

MAX_BODY = 256 * 1024  # bytes; Azure Monitor sends no larger alert
RETRY_AFTER = 20  # seconds; the action group's own second gap

bp = func.Blueprint()


@bp.function_name("receive_alert")
@bp.route(route="alerts", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
def receive_alert(req: func.HttpRequest) -> func.HttpResponse:
    """Record an alert, decide, answer 202 once the fact is stored."""
    body = req.get_body()
    if len(body) > MAX_BODY:
        return problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"body: {len(body)} bytes, at most {MAX_BODY}"
        )
    try:
        receipt = app().receive_alert(parse_alert(_document(body)))
    except BadInput as error:
        return problem(HTTPStatus.BAD_REQUEST, str(error), field=error.field)
    except Unavailable as error:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), retry_after=RETRY_AFTER)
    return json_answer(HTTPStatus.ACCEPTED, asdict(receipt))


def _document(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:  # not UTF-8, not JSON, or a number longer than Python reads
        raise BadInput("body", f"is not JSON: {error}") from None
    except RecursionError:
        raise BadInput("body", "is nested too deeply") from None
