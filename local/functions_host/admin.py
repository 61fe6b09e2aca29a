"""The host's own routes under /admin: readiness, the list of functions, starting one by hand."""

import json
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from aiohttp import web

from local.functions_host.invoke import Invoker, TriggerEvent
from local.functions_host.keys import Keys
from local.functions_host.model import (
    HttpTrigger,
    QueueTrigger,
    RegisteredFunction,
    TimerTrigger,
)
from local.functions_host.queue_messages import manual_event
from local.functions_host.timers import Clock, timer_event
from local.functions_host.web import presented_key

Spawn = Callable[[Coroutine[Any, Any, object]], object]


class AdminRoutes:
    """Answers /admin/*; all but ping need the master key, unless the host has no keys."""

    def __init__(
        self,
        functions: Iterable[RegisteredFunction],
        invoker: Invoker,
        keys: Keys | None,
        clock: Clock,
        spawn: Spawn,
    ) -> None:
        self._functions = {function.name.lower(): function for function in functions}
        self._invoker = invoker
        self._keys = keys
        self._clock = clock
        self._spawn = spawn
        self._started = time.monotonic()

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get("/admin/host/ping", self._ping)
        router.add_get("/admin/host/status", self._status)
        router.add_get("/admin/functions", self._list)
        router.add_post("/admin/functions/{name}", self._start)

    async def _ping(self, _request: web.Request) -> web.Response:
        return web.Response()

    async def _status(self, request: web.Request) -> web.Response:
        if not self._is_admin(request):
            return web.Response(status=401)
        uptime = round(1000 * (time.monotonic() - self._started))
        return web.json_response(
            {"id": "local", "state": "Running", "version": "4", "processUptime": uptime}
        )

    async def _list(self, request: web.Request) -> web.Response:
        if not self._is_admin(request):
            return web.Response(status=401)
        return web.json_response([_described(function) for function in self._functions.values()])

    async def _start(self, request: web.Request) -> web.Response:
        """Start a queue or timer function in the background: 202, as the real host answers."""
        if not self._is_admin(request):
            return web.Response(status=401)
        function = self._functions.get(request.match_info["name"].lower())
        if function is None:
            return web.Response(status=404)
        try:
            event = self._event(function, await request.text())
        except ValueError as error:
            return web.Response(status=400, text=str(error))
        self._spawn(self._invoker.invoke(function, event))
        return web.Response(status=202)

    def _event(self, function: RegisteredFunction, body: str) -> TriggerEvent:
        document = json.loads(body)
        if not isinstance(document, dict):
            raise ValueError('the body must be a JSON object: {} or {"input": "..."}')  # noqa: TRY004 - it ends as a 400 like bad JSON
        given = document.get("input") or ""
        match function.trigger:
            case QueueTrigger(binary=binary):
                text = given if isinstance(given, str) else json.dumps(given)
                return manual_event(text, binary=binary)
            case TimerTrigger() as timer:
                return timer_event(timer, self._clock.now())
            case HttpTrigger(route=route):
                raise ValueError(f"an HTTP function is called on its route: /{route.text}")

    def _is_admin(self, request: web.Request) -> bool:
        return self._keys is None or self._keys.allow("admin", presented_key(request))


def _described(function: RegisteredFunction) -> dict[str, Any]:
    return {
        "name": function.name,
        "trigger": function.parameter.binding,
        "isDisabled": function.disabled,
    }
