"""A workspace's MLflow REST API: MLflow's own request handlers, below Fabric's address.

Answers, checks and error codes are MLflow's, for Fabric documents none of its own. What a server
may lack (aliases, stages, tags) can be switched off while it runs.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from threading import Lock
from typing import Any

from aiohttp import web

from local.fabric_simulator.answers import ApiError
from local.fabric_simulator.faults import Operation
from local.fabric_simulator.gateway import Call, Gateway
from local.fabric_simulator.settings import Settings

EXPERIMENTS = "eeeeeeee-0000-4000-8000-00000000000e"
"""The item in OneLake below which runs keep their files."""
CALLS = {
    "aliases": frozenset({"registered-models/alias"}),
    "stages": frozenset(
        {"model-versions/transition-stage", "registered-models/get-latest-versions"}
    ),
    "tags": frozenset({"model-versions/set-tag", "model-versions/delete-tag"}),
}
"""The calls that are gone where a server lacks one of the three."""
_BASE = "/v1/workspaces/{workspace}/mlflow/api/2.0/mlflow/{call:.+}"


class MlflowApi:
    """Answers what ``/mlflow/api/2.0`` is asked, over one database."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._without = set(settings.registry_without)
        self._one_at_a_time = Lock()
        self._client: Any = None

    def routes(self, gateway: Gateway) -> Iterable[web.AbstractRouteDef]:
        read = gateway.handler(Operation.REGISTRY_READ, self._answer)
        write = gateway.handler(Operation.REGISTRY_WRITE, self._answer)
        return [
            web.get(_BASE, read),
            *(web.route(method, _BASE, write) for method in ("POST", "PATCH", "DELETE")),
            web.put("/_simulator/registry", self._switch),
        ]

    async def prepare(self, _: web.Application) -> AsyncIterator[None]:
        """Open the database before anybody is served: MLflow takes seconds to import."""
        await asyncio.to_thread(self._open)
        yield

    def _open(self) -> None:
        from mlflow.server import app
        from mlflow.server.handlers import initialize_backend_stores
        from werkzeug.test import Client

        workspace = self._settings.workspace_id
        # its files lie in OneLake, which MLflow's handlers are never asked to open here
        os.environ["MLFLOW_ALLOWED_HOST_ADDRESSED_ARTIFACT_SCHEMES"] = "abfss"
        root = f"abfss://{workspace}@onelake.dfs.fabric.microsoft.com/{EXPERIMENTS}"
        initialize_backend_stores(self._settings.registry_store, default_artifact_root=root)
        self._client = Client(app)

    async def _answer(self, call: Call) -> web.Response:
        request = call.request
        if request.match_info["workspace"].lower() != self._settings.workspace_id.lower():
            raise ApiError(404, "WorkspaceNotFound", "The requested workspace is not found")
        asked = request.match_info["call"]
        if any(asked in CALLS[name] for name in self._without):
            told = {"error_code": "ENDPOINT_NOT_FOUND", "message": f"No such call: {asked}"}
            return web.json_response(told, status=404)
        return await asyncio.to_thread(self._ask, request, asked, await request.read())

    def _ask(self, request: web.Request, asked: str, body: bytes) -> web.Response:
        with self._one_at_a_time:
            answer = self._client.open(
                f"/api/2.0/mlflow/{asked}",
                method=request.method,
                query_string=request.query_string,
                data=body,
                content_type=request.headers.get("Content-Type"),
            )
        return web.Response(
            status=answer.status_code, body=answer.data, content_type=answer.mimetype
        )

    async def _switch(self, request: web.Request) -> web.Response:
        """Say what the server lacks from now on: ``{"without": ["aliases", …]}``."""
        wanted = set((await request.json()).get("without", ()))
        if not wanted <= CALLS.keys():
            return web.json_response({"error": f"known are {', '.join(CALLS)}"}, status=400)
        self._without = wanted
        return web.json_response({"without": sorted(wanted)})
