"""GET /api/health: ready, or what is missing. Open, so it tells nothing that is secret."""

from http import HTTPStatus

import azure.functions as func

from functions.answers import json_answer
from shared.bootstrap import app
from shared.errors import ConfigError, LoopError

bp = func.Blueprint()


@bp.function_name("health")
@bp.route(route="health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def health(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the trigger's parameter
    """Say whether the app can take an alert."""
    try:
        loop = app()
        loop.store.chains()
    except ConfigError as error:
        return _missing("configuration", error)
    except LoopError as error:
        return _missing("storage", error)
    return json_answer(
        HTTPStatus.OK,
        {"status": "ready", "models": [model.name for model in loop.catalogue.models]},
    )


def _missing(what: str, error: LoopError) -> func.HttpResponse:
    # Setting names and paths in models.yaml help whoever deploys; values stay in the log.
    lines = str(error).splitlines() if isinstance(error, ConfigError) else [type(error).__name__]
    detail = [line.split(" (got ")[0].strip() for line in lines]
    return json_answer(
        HTTPStatus.SERVICE_UNAVAILABLE,
        {"status": "not ready", "missing": [{"what": what, "detail": detail}]},
    )
