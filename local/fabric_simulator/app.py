"""Puts the parts of the simulator together into one aiohttp application."""

from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from local.fabric_simulator.answers import ApiError
from local.fabric_simulator.control import Control
from local.fabric_simulator.faults import FaultBox
from local.fabric_simulator.gateway import Gateway, random_id
from local.fabric_simulator.items import Items
from local.fabric_simulator.mlflow_routes import MlflowApi
from local.fabric_simulator.onelake_routes import OneLake
from local.fabric_simulator.routes import JobScheduler
from local.fabric_simulator.runner import Runner
from local.fabric_simulator.settings import Settings
from local.fabric_simulator.store import Store
from local.fabric_simulator.workspace_routes import Workspaces
from shared.ports import Clock


def create_app(items: Items, state: Path, clock: Clock, settings: Settings) -> web.Application:
    """Give an application that keeps its jobs under ``state`` and runs them while it is served."""
    store, faults = Store(state, clock), FaultBox()
    runner = Runner(store, items, clock, settings)
    gateway = Gateway(settings, store, faults, clock)
    scheduler = JobScheduler(store, items, runner, clock, settings)

    async def end_jobs(_: web.Application) -> AsyncIterator[None]:
        yield
        await runner.close()

    app = web.Application()
    app.cleanup_ctx.append(end_jobs)
    app.router.add_routes(Control(store, items, runner, faults).routes())
    app.router.add_routes(scheduler.routes(gateway))
    app.router.add_routes(Workspaces(items, settings).routes(gateway))
    app.router.add_routes(OneLake(state, settings).routes(gateway))
    if settings.registry_store:
        registry = MlflowApi(settings)
        app.cleanup_ctx.append(registry.prepare)
        app.router.add_routes(registry.routes(gateway))
    app.router.add_route("*", "/v1/{rest:.*}", _no_such_endpoint)
    return app


async def _no_such_endpoint(_: web.Request) -> web.Response:
    error = ApiError(404, "EndpointNotFound", "The requested endpoint is not found")
    return error.answer(random_id())
