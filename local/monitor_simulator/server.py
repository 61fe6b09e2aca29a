"""The routes, and the simulator's life from the first listen to the signal that ends it."""

import asyncio
import signal
from uuid import uuid4

import aiohttp
from aiohttp import web

from local.monitor_simulator import control
from local.monitor_simulator.ingestion import upload
from local.monitor_simulator.simulator import (
    SIMULATOR,
    Settings,
    Simulator,
    build,
    evaluate_for_ever,
)

HOST = "127.0.0.1"
LARGEST_REQUEST_BYTES = 4 * 1024 * 1024
TEAMS_WEBHOOK = "/teams/workflows/{workflow_id}/triggers/manual/paths/invoke"
ROUTES = (
    web.post("/dataCollectionRules/{rule_id}/streams/{stream}", upload),
    web.post(TEAMS_WEBHOOK, control.post_card),
    web.get("/_simulator/health", control.health),
    web.get("/_simulator/rows", control.rows),
    web.get("/_simulator/alerts", control.alerts),
    web.get("/_simulator/cards", control.cards),
    web.post("/_simulator/evaluate", control.evaluate),
    web.post("/_simulator/faults", control.order_faults),
    web.post("/_simulator/fire", control.fire),
)


class _StopAsked(Exception):
    """A signal asked the simulator to end."""


def web_app(simulator: Simulator) -> web.Application:
    app = web.Application(client_max_size=LARGEST_REQUEST_BYTES)
    app[SIMULATOR] = simulator
    app.add_routes(ROUTES)
    return app


async def serve(settings: Settings) -> None:
    """Run until SIGINT or SIGTERM; a crash of any background task ends it as well."""
    settings.state.mkdir(parents=True, exist_ok=True)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
            simulator = build(settings, session, tasks, uuid4)
            await _listen_until(stop, simulator, tasks)
    except* _StopAsked:
        pass


async def _listen_until(
    stop: asyncio.Event, simulator: Simulator, tasks: asyncio.TaskGroup
) -> None:
    # no access log, for Teams URLs hold a signature; bodies stay packed so that sizes can be told
    runner = web.AppRunner(web_app(simulator), access_log=None, auto_decompress=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, simulator.settings.port)
        await site.start()
        _, port = runner.addresses[0][:2]
        print(f"azure monitor simulator listening on http://{HOST}:{port}", flush=True)
        tasks.create_task(evaluate_for_ever(simulator))
        await stop.wait()
    finally:
        await runner.cleanup()
    raise _StopAsked
