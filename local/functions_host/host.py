"""The host: an app's listeners, timers and routes, started together and stopped in order."""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from aiohttp import web

from local.functions_host.admin import AdminRoutes
from local.functions_host.errors import StartupFailed
from local.functions_host.invoke import Invoker, thread_count
from local.functions_host.model import (
    HttpTrigger,
    QueueOutput,
    QueueTrigger,
    RegisteredFunction,
    TimerTrigger,
)
from local.functions_host.queue_listener import QueueListener
from local.functions_host.startup import LoadedApp
from local.functions_host.storage import QueueStorage, encode_body, send_raw
from local.functions_host.timers import Clock, TimerLoop
from local.functions_host.web import MAX_BODY_BYTES, FunctionRoutes

logger = logging.getLogger("functions_host")

_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class HostArguments:
    """How to run: port 0 takes a free one; ``drain`` bounds the wait for running invocations."""

    port: int
    timers: bool
    drain: timedelta


class _Listener(Protocol):
    """What waits for events of one function."""

    async def run(self, stopping: asyncio.Event) -> None: ...


class FunctionsHost:
    """Runs a loaded app until it is stopped."""

    def __init__(self, app: LoadedApp, arguments: HostArguments, clock: Clock) -> None:
        self._app = app
        self._arguments = arguments
        self._clock = clock
        self._storage = QueueStorage(app.settings)
        self._invoker = Invoker(self._send, thread_count())
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[object]] = set()
        self._runner = web.AppRunner(
            self._web_app(),
            access_log=None,  # it would write the ?code= of every request
            shutdown_timeout=arguments.drain.total_seconds(),
        )

    async def start(self) -> str:
        """Start everything and give the URL; StartupFailed if the port is taken."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, _LOOPBACK, self._arguments.port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            await self._storage.close()
            raise StartupFailed(
                [f"port {self._arguments.port} cannot be used: {error.strerror}; try --port 0"]
            ) from error
        for function in self._app.functions:
            listener = None if function.disabled else self._listener(function)
            if listener is not None:
                self._spawn(listener.run(self._stopping))
        port = self._runner.addresses[0][1]
        return f"http://{_LOOPBACK}:{port}"

    async def stop(self) -> bool:
        """Take nothing new, let invocations finish within the bound, release the rest.

        Gives False if threads are still inside user code, which only the process's end stops.
        """
        self._stopping.set()
        await asyncio.gather(self._runner.cleanup(), self._drain())
        self._invoker.close()
        await self._storage.close()
        return self._invoker.busy_threads == 0

    async def _drain(self) -> None:
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=self._arguments.drain.total_seconds())
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.critical("A listener of the host died", exc_info=error)

    def _listener(self, function: RegisteredFunction) -> _Listener | None:
        match function.trigger:
            case QueueTrigger() as queue:
                options = self._app.options.queues
                return QueueListener(function, queue, self._storage, self._invoker, options)
            case TimerTrigger() as timer if self._arguments.timers:
                return TimerLoop(function, timer, self._invoker, self._clock)
            case TimerTrigger() | HttpTrigger():
                return None

    def _web_app(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        functions, keys = self._app.functions, self._app.keys
        admin = AdminRoutes(functions, self._invoker, keys, self._clock, self._spawn)
        admin.add_to(app.router)
        routes = FunctionRoutes(functions, self._invoker, keys)
        app.router.add_route("*", "/{path:.*}", routes.handle)
        return app

    async def _send(self, output: QueueOutput, payload: str | bytes) -> None:
        text = encode_body(payload, as_base64=self._app.options.queues.base64)
        await send_raw(self._storage.queue(output.connection, output.queue), text)
