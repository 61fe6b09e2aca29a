"""The proxy of the chaos run: byte for byte when it is calm, and every failure it is there for."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from random import Random

import pytest
from aiohttp import ClientError, ClientSession, web

from local.chaos import proxy
from local.chaos.proxy import Weather, serve
from local.processes import free_ports

Seen = list[tuple[str, str, bytes, str]]


class FixedDice(Random):
    """Draws what a test wants."""

    fault = ""

    def random(self) -> float:
        return 0.0

    def choices(self, *_: object, **__: object) -> list[str]:
        return [self.fault]


async def behind(weather: Weather, talk: Callable[[str, ClientSession], Awaitable[None]]) -> Seen:
    """Talk to a server through the proxy; gives what the server saw."""
    seen: Seen = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(
            (request.method, request.raw_path, await request.read(), request.headers["X-Sent"])
        )
        return web.Response(status=207, body=b"\x00\xff answered", headers={"ETag": 'W/"1"'})

    port, target = free_ports(2)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner, stop = web.AppRunner(app), asyncio.Event()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", target).start()
    serving = asyncio.create_task(serve([(port, target)], weather, stop))
    await asyncio.sleep(0.2)
    async with ClientSession() as session:
        await talk(f"http://127.0.0.1:{port}", session)
    stop.set()
    await serving
    await runner.cleanup()
    return seen


@contextmanager
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(proxy, "LATE_SECONDS", 0.01)
    monkeypatch.setattr(proxy, "TOO_LATE_SECONDS", 0.01)
    yield


def test_a_calm_proxy_forwards_path_query_headers_and_body_as_they_are():
    async def talk(url: str, session: ClientSession) -> None:
        path = "/a%2Fb(c='d')?x=%24&y=1"
        async with session.put(url + path, data=b"\x00\x01", headers={"X-Sent": "z"}) as answer:
            assert (answer.status, await answer.read()) == (207, b"\x00\xff answered")
            assert answer.headers["ETag"] == 'W/"1"'

    seen = asyncio.run(behind(Weather(Random(1)), talk))

    assert [(method, body, sent) for method, _, body, sent in seen] == [("PUT", b"\x00\x01", "z")]


@pytest.mark.parametrize(
    ("fault", "done", "status"),
    [
        ("dropped", False, 0),
        ("refused", False, 500),
        ("busy", False, 503),
        ("late", True, 207),
        ("too late", True, 207),
        ("cut", True, 0),
    ],
)
def test_each_fault_does_the_work_or_not_and_answers_or_not(monkeypatch, fault, done, status):
    answers: list[int] = []

    async def talk(url: str, session: ClientSession) -> None:
        try:
            async with session.post(url, data=b"1", headers={"X-Sent": "z"}) as answer:
                answers.append(answer.status)
        except ClientError:
            answers.append(0)

    weather = Weather(FixedDice(), rate=1.0)
    FixedDice.fault = fault
    with quick(monkeypatch):
        seen = asyncio.run(behind(weather, talk))

    assert (answers, bool(seen)) == ([status], done)
    assert weather.counts == {"requests": 1, fault: 1}


def test_the_weather_is_set_and_told_over_the_same_port():
    weather = Weather(Random(1), rate=1.0)

    async def talk(url: str, session: ClientSession) -> None:
        async with session.get(f"{url}/_chaos", params={"rate": "0.25"}) as answer:
            assert await answer.json() == {}

    asyncio.run(behind(weather, talk))

    assert weather.rate == 0.25
