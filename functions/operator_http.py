"""What operators call: retrain, suppress, look at runs, cancel and release them."""

from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import azure.functions as func

from functions.answers import json_answer, problem, refusal
from functions.operators import actor_of
from functions.requests import document_of, moment_in, number_in, state_in, text_in
from functions.traced import traced
from shared.bootstrap import app
from shared.errors import DataError, IllegalTransition, LoopError, Refused

if TYPE_CHECKING:
    from shared.bootstrap import App
    from shared.domain.run import Run
    from shared.handlers.request_retrain import Receipt

DAYS, MOST_DAYS = 90, 3660  # how far back runs are listed
LIMIT, MOST = 50, 500  # how many

bp = func.Blueprint()
KEY = func.AuthLevel.FUNCTION


@bp.function_name("retrain_model")
@bp.route(route="models/{name}/retrain", methods=["POST"], auth_level=KEY)
@traced
def retrain_model(req: func.HttpRequest) -> func.HttpResponse:
    """Ask for a retrain; 202 where it starts or is held, 200 where it is recorded and not done."""

    def act(loop: "App") -> func.HttpResponse:
        reason = text_in(document_of(req), "reason")
        # a client that asks again because it got no answer says so by sending the same key
        key = key_of(loop, req)
        actor = actor_of(loop, req.headers)
        receipt = loop.request_retrain.by_hand(req.route_params["name"], reason, actor, key)
        document = asdict(receipt) | {"status_url": _status_url(receipt)}
        skipped = receipt.state == "skipped"
        return json_answer(HTTPStatus.OK if skipped else HTTPStatus.ACCEPTED, document)

    return answered(act)


@bp.function_name("suppress_model")
@bp.route(route="models/{name}/suppress", methods=["POST", "DELETE"], auth_level=KEY)
@traced
def suppress_model(req: func.HttpRequest) -> func.HttpResponse:
    """Leave a model alone until a moment; DELETE ends that now."""

    def act(loop: "App") -> func.HttpResponse:
        body, model = document_of(req), req.route_params["name"]
        reason, actor = text_in(body, "reason"), actor_of(loop, req.headers)
        if req.method == "DELETE":
            lifted = loop.suppress.lift(model, reason, actor)
            return json_answer(HTTPStatus.OK, {"model": model, "lifted": lifted})
        until = moment_in(body, "until")
        found = loop.suppress(model, until, reason, actor)
        return json_answer(
            HTTPStatus.OK,
            {"model": model, "until": found.until.isoformat(), "actor": found.actor},
        )

    return answered(act)


@bp.function_name("list_runs")
@bp.route(route="models/{name}/runs", methods=["GET"], auth_level=KEY)
@traced
def list_runs(req: func.HttpRequest) -> func.HttpResponse:
    """Give a model's latest runs, the newest first, and the suppression that holds."""

    def act(loop: "App") -> func.HttpResponse:
        model = req.route_params["name"]
        runs = loop.read_runs.of(
            model,
            days=number_in(req.params, "days", DAYS, MOST_DAYS),
            limit=number_in(req.params, "limit", LIMIT, MOST),
            state=state_in(req.params, "state"),
        )
        found = loop.suppress.standing(model)
        held = {"until": found.until.isoformat(), "reason": found.reason} if found else None
        documents = [written(run) for run in runs]
        return json_answer(HTTPStatus.OK, {"suppression": held, "runs": documents})

    return answered(act)


@bp.function_name("show_run")
@bp.route(route="models/{name}/runs/{run_id}", methods=["GET"], auth_level=KEY)
@traced
def show_run(req: func.HttpRequest) -> func.HttpResponse:
    """Give one run: where a receipt's status URL leads."""

    def act(loop: "App") -> func.HttpResponse:
        run = loop.read_runs.one(req.route_params["name"], req.route_params["run_id"])
        return json_answer(HTTPStatus.OK, written(run))

    return answered(act)


@bp.function_name("cancel_run")
@bp.route(route="models/{name}/runs/{run_id}/cancel", methods=["POST"], auth_level=KEY)
@traced
def cancel_run(req: func.HttpRequest) -> func.HttpResponse:
    """Cancel a run; 202 where Fabric has not taken it yet, or its start is still being settled."""
    return answered(lambda loop: _cancelled(loop, req, req.route_params["name"]))


@bp.function_name("cancel_any_run")
@bp.route(route="runs/{run_id}/cancel", methods=["POST"], auth_level=KEY)
@traced
def cancel_any_run(req: func.HttpRequest) -> func.HttpResponse:
    """Do the same for whoever knows the run and not its model; asks each model's partition."""

    def act(loop: "App") -> func.HttpResponse:
        return _cancelled(loop, req, loop.read_runs.model_of(req.route_params["run_id"]))

    return answered(act)


@bp.function_name("release_run")
@bp.route(route="models/{name}/runs/{run_id}/release", methods=["POST"], auth_level=KEY)
@traced
def release_run(req: func.HttpRequest) -> func.HttpResponse:
    """Let a held run start, or tell it the job instance that is its own."""

    def act(loop: "App") -> func.HttpResponse:
        body, actor = document_of(req), actor_of(loop, req.headers)
        run = loop.release_run(
            req.route_params["name"],
            req.route_params["run_id"],
            text_in(body, "reason"),
            actor,
            job_id=text_in(body, "job_id", required=False),
        )
        return json_answer(HTTPStatus.ACCEPTED, written(run))

    return answered(act)


def _cancelled(loop: "App", req: func.HttpRequest, model: str) -> func.HttpResponse:
    reason, actor = text_in(document_of(req), "reason"), actor_of(loop, req.headers)
    run = loop.cancel_run(model, req.route_params["run_id"], reason, actor)
    done = str(run.state) == "cancelled"
    return json_answer(HTTPStatus.OK if done else HTTPStatus.ACCEPTED, written(run))


def key_of(loop: "App", req: func.HttpRequest) -> str:
    """Give what makes a request that comes again the same one."""
    return req.headers.get("idempotency-key", "").strip()[:200] or loop.new_id()


def answered(act: Callable[["App"], func.HttpResponse]) -> func.HttpResponse:
    try:
        return act(app())
    except (IllegalTransition, DataError) as error:
        return problem(HTTPStatus.CONFLICT, str(error))
    except Refused as error:
        return problem(HTTPStatus.BAD_GATEWAY, str(error))
    except LoopError as error:
        return refusal(error)


def written(run: "Run") -> dict[str, Any]:
    # imported here: the host indexes the app without the catalogue's libraries
    from shared.handlers.read_runs import document_of as document

    return document(run)


def _status_url(receipt: "Receipt") -> str:
    from shared.handlers.read_runs import status_url

    return status_url(receipt.model, receipt.run_id)
