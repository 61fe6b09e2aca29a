"""What people decide about champions: approve, reject, roll back, name the first one."""

from http import HTTPStatus
from typing import TYPE_CHECKING

import azure.functions as func

from functions.answers import json_answer
from functions.operator_http import KEY, answered, key_of, written
from functions.operators import actor_of
from functions.requests import document_of, text_in
from functions.traced import traced

if TYPE_CHECKING:
    from shared.bootstrap import App
    from shared.handlers.approve_run import Said

bp = func.Blueprint()


@bp.function_name("approve_run")
@bp.route(route="runs/{run_id}/approve", methods=["POST"], auth_level=KEY)
@traced
def approve_run(req: func.HttpRequest) -> func.HttpResponse:
    """Let a challenger become the champion; the approver is who the token says."""

    def act(loop: "App") -> func.HttpResponse:
        run_id = req.route_params["run_id"]
        said = _said(loop, req)
        run = loop.approve_run.approve(loop.read_runs.model_of(run_id), run_id, said)
        return json_answer(HTTPStatus.ACCEPTED, written(run))

    return answered(act)


@bp.function_name("reject_run")
@bp.route(route="runs/{run_id}/reject", methods=["POST"], auth_level=KEY)
@traced
def reject_run(req: func.HttpRequest) -> func.HttpResponse:
    """Turn a promotion down."""

    def act(loop: "App") -> func.HttpResponse:
        run_id = req.route_params["run_id"]
        said = _said(loop, req)
        run = loop.approve_run.reject(loop.read_runs.model_of(run_id), run_id, said)
        return json_answer(HTTPStatus.OK, written(run))

    return answered(act)


@bp.function_name("rollback_model")
@bp.route(route="models/{name}/rollback", methods=["POST"], auth_level=KEY)
@traced
def rollback_model(req: func.HttpRequest) -> func.HttpResponse:
    """Bring the previous champion back, once it has loaded and answered."""

    def act(loop: "App") -> func.HttpResponse:
        reason, actor = text_in(document_of(req), "reason"), actor_of(loop, req.headers)
        run = loop.ask_champion.roll_back(
            req.route_params["name"], reason, actor, key_of(loop, req)
        )
        return json_answer(HTTPStatus.ACCEPTED, written(run))

    return answered(act)


@bp.function_name("bootstrap_model")
@bp.route(route="models/{name}/bootstrap", methods=["POST"], auth_level=KEY)
@traced
def bootstrap_model(req: func.HttpRequest) -> func.HttpResponse:
    """Make a version the first champion, once it has loaded and answered."""

    def act(loop: "App") -> func.HttpResponse:
        body, actor = document_of(req), actor_of(loop, req.headers)
        version, reason = text_in(body, "version"), text_in(body, "reason")
        name, key = req.route_params["name"], key_of(loop, req)
        run = loop.ask_champion.bootstrap(name, version, reason, actor, key)
        return json_answer(HTTPStatus.ACCEPTED, written(run))

    return answered(act)


def _said(loop: "App", req: func.HttpRequest) -> "Said":
    # imported here: the host indexes the app without the catalogue's libraries
    from shared.handlers.approve_run import Said

    body = document_of(req)
    return Said(
        actor=actor_of(loop, req.headers),
        reason=text_in(body, "reason"),
        version=text_in(body, "version"),
        report=text_in(body, "evidence_sha256", required=False),
    )
