"""Stands between the app and its storage, and is as unreliable as a network can be.

A request may find nobody, be refused, be late, or be done without the answer coming back. What is
forwarded is forwarded byte for byte: signatures hold. ``GET /_chaos?rate=0.02`` sets how often.
"""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random

from aiohttp import ClientError, ClientSession, TCPConnector, web
from yarl import URL

_LOCAL = "127.0.0.1"
_MOST_BYTES = 64 * 1024 * 1024
_HOP_BY_HOP = frozenset({"host", "connection", "transfer-encoding", "content-length", "keep-alive"})
_OWN = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")

FAULTS = {"dropped": 3, "refused": 2, "busy": 2, "late": 2, "cut": 4, "too late": 1}
"""What may happen to a request, and how often beside the others."""
LATE_SECONDS = 1.0
TOO_LATE_SECONDS = 6.0
"""Above the app's read timeout: the write happens after the app has given it up."""


@dataclass
class Weather:
    """How bad it is, and what has happened so far."""

    dice: Random
    rate: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)

    def draw(self) -> str:
        """Give the fault of the next request, or nothing."""
        self.counts["requests"] += 1
        if self.dice.random() >= self.rate:
            return ""
        (fault,) = self.dice.choices(list(FAULTS), list(FAULTS.values()))
        self.counts[fault] += 1
        return fault


class Proxy:
    """Forwards to one port of this machine."""

    def __init__(self, port: int, weather: Weather, session: ClientSession) -> None:
        self._port = port
        self._weather = weather
        self._session = session

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/_chaos":
            self._weather.rate = float(request.query.get("rate", self._weather.rate))
            return web.json_response(dict(self._weather.counts))
        fault = self._weather.draw()
        body = await request.read()
        if fault == "dropped":
            return _hang_up(request)
        if fault in ("refused", "busy"):
            status = 500 if fault == "refused" else HTTPStatus.SERVICE_UNAVAILABLE
            return web.Response(status=status, headers={"x-ms-error-code": "ServerBusy"})
        if fault in ("late", "too late"):
            await asyncio.sleep(LATE_SECONDS if fault == "late" else TOO_LATE_SECONDS)
        try:
            answer = await self._forward(request, body)
        except ClientError:
            return _hang_up(request)
        return _hang_up(request) if fault == "cut" else answer

    async def _forward(self, request: web.Request, body: bytes) -> web.Response:
        url = URL(f"http://{_LOCAL}:{self._port}{request.raw_path}", encoded=True)
        headers = [
            (name.decode(), value.decode("latin-1"))
            for name, value in request.raw_headers
            if name.decode().lower() not in _HOP_BY_HOP
        ]
        async with self._session.request(
            request.method,
            url,
            data=body or None,
            headers=headers,
            allow_redirects=False,
            skip_auto_headers=_OWN,
        ) as answer:
            content = await answer.read()
            kept = [(n, v) for n, v in answer.headers.items() if n.lower() not in _HOP_BY_HOP]
            return web.Response(status=answer.status, body=content, headers=dict(kept))


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def serve(pairs: list[tuple[int, int]], weather: Weather, stop: asyncio.Event) -> None:
    """Forward each first port to its second until told to stop."""
    connector = TCPConnector(limit=0, force_close=False)
    async with ClientSession(connector=connector, auto_decompress=False) as session:
        runners = []
        for port, target in pairs:
            app = web.Application(client_max_size=_MOST_BYTES)
            app.router.add_route("*", "/{path:.*}", _handler(Proxy(target, weather, session)))
            runners.append(web.AppRunner(app, access_log=None, shutdown_timeout=0.5))
            await runners[-1].setup()
            await web.TCPSite(runners[-1], _LOCAL, port).start()
        await stop.wait()
        for runner in runners:
            await runner.cleanup()


def _handler(proxy: Proxy) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    return proxy.handle


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.chaos.proxy", description=__doc__)
    parser.add_argument("--pair", action="append", required=True, help="PORT:TARGET, repeatable")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    pairs = [(int(port), int(to)) for port, _, to in (each.partition(":") for each in given.pair)]
    weather = Weather(Random(given.seed))  # noqa: S311 - a rehearsal that can be repeated
    asyncio.run(serve(pairs, weather, asyncio.Event()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
