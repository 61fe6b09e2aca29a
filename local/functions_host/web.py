"""The HTTP side: functions with an HTTP trigger, on the routes and under the keys they declare."""

from collections.abc import Iterable
from http.cookies import SimpleCookie
from typing import Any

from aiohttp import web
from azure.functions.meta import Datum
from multidict import CIMultiDict, MultiMapping

from local.functions_host.converters import bytes_datum, text_datum
from local.functions_host.invoke import Invoker, TriggerEvent
from local.functions_host.keys import Keys
from local.functions_host.model import HttpTrigger, RegisteredFunction

MAX_BODY_BYTES = 100 * 1024 * 1024  # the real host's limit
# aiohttp frames the response itself.
_FRAMING_HEADERS = {"content-length", "transfer-encoding", "connection"}

Match = tuple[RegisteredFunction, HttpTrigger, dict[str, str]]


def presented_key(request: web.Request) -> str:
    """Give the key of a request: the x-functions-key header, or else the code parameter."""
    return request.headers.get("x-functions-key") or request.query.get("code", "")


class FunctionRoutes:
    """Answers every path that is not the host's own. Without keys all routes are open."""

    def __init__(
        self, functions: Iterable[RegisteredFunction], invoker: Invoker, keys: Keys | None
    ) -> None:
        routed = [
            (function, function.trigger)
            for function in functions
            if isinstance(function.trigger, HttpTrigger) and not function.disabled
        ]
        self._routed = sorted(routed, key=lambda pair: pair[1].route.rank)
        self._invoker = invoker
        self._keys = keys

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer 404, 405 or 401 without the function, else what the function returned."""
        matches = self._matches(request.rel_url.raw_path)
        if not matches:
            return web.Response(status=404)
        fitting = [match for match in matches if _takes(match[1], request.method)]
        if not fitting:
            allowed = sorted({method for match in matches for method in match[1].methods})
            return web.Response(status=405, headers={"Allow": ", ".join(allowed)})
        function, trigger, parameters = fitting[0]
        if self._keys and not self._keys.allow(trigger.auth_level, presented_key(request)):
            return web.Response(status=401)
        outcome = await self._invoker.invoke(function, await _event(request, parameters))
        return _response(outcome.response) if outcome.succeeded else web.Response(status=500)

    def _matches(self, path: str) -> list[Match]:
        return [
            (function, trigger, parameters)
            for function, trigger in self._routed
            if (parameters := trigger.route.match(path)) is not None
        ]


def _takes(trigger: HttpTrigger, method: str) -> bool:
    return not trigger.methods or method in trigger.methods


async def _event(request: web.Request, parameters: dict[str, str]) -> TriggerEvent:
    """Give the event of a request; header names are lower-cased, empty query values dropped."""
    query = {name: value for name, value in _joined(request.query).items() if value}
    headers = {name.lower(): value for name, value in _joined(request.headers).items()}
    value = {
        "method": text_datum(request.method),
        "url": text_datum(str(request.url)),
        "headers": _datums(headers),
        "query": _datums(query),
        "params": _datums(parameters),
        "body": bytes_datum(await request.read()),
    }
    return TriggerEvent(Datum(value, "http"), trace_parent=headers.get("traceparent", ""))


def _joined(values: MultiMapping[str]) -> dict[str, str]:
    """Join repeated names by commas, as .NET's StringValues do."""
    return {name: ",".join(values.getall(name)) for name in values}


def _datums(values: dict[str, str]) -> dict[str, Datum]:
    return {name: text_datum(value) for name, value in values.items()}


def _response(datum: Datum | None) -> web.Response:
    """Turn a function's datum into a response; a function with no HTTP output answers 204."""
    if datum is None:
        return web.Response(status=204)
    if datum.type == "string":
        return web.Response(text=datum.value)
    value: dict[str, Any] = datum.value
    headers = CIMultiDict(
        (name, header.value)
        for name, header in value["headers"].items()
        if name.lower() not in _FRAMING_HEADERS
    )
    for cookie in value["cookies"] or ():
        _add_cookie(headers, cookie)
    status = int(value["status_code"].value)
    return web.Response(status=status, headers=headers, body=value["body"].value)


def _add_cookie(headers: CIMultiDict[str], cookie: SimpleCookie) -> None:
    for morsel in cookie.values():
        headers.add("Set-Cookie", morsel.OutputString())
