"""What any EndpointMonitor does: the fake, and Log Analytics over HTTP."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.adapters.credentials import StaticCredential
from shared.adapters.profiles.endpoint_log import EndpointLogs
from shared.adapters.profiles.kql_endpoint import SIGNAL_COLUMNS
from shared.adapters.profiles.log_analytics import LogAnalytics
from shared.errors import DataError, NotFound, Unavailable
from shared.ports import EndpointMonitor, EndpointSignals
from tests.contract.kql_worlds import TOKEN, WORKSPACE, Engine, logs_answer, logs_error, serving
from tests.contract.windows_worlds import model
from tests.fakes.endpoint import FakeEndpointMonitor, Request

START = datetime(2013, 7, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
NAME = "POST /models/flight-delay/score"
MODEL = model(endpoint_log={"workspace_id": WORKSPACE, "value": NAME})


class FakeWorld:
    def __init__(self) -> None:
        self.monitor: EndpointMonitor = FakeEndpointMonitor()
        self.requests = self.monitor.requests

    def fail_once(self) -> None:
        self.monitor.faults.order(Unavailable("gone"))


class RealWorld:
    def __init__(self, engine: Engine, url: str) -> None:
        self.engine = engine
        self.requests = engine.requests
        logs = LogAnalytics(url, StaticCredential(TOKEN), seconds=30, local=True, retries=0)
        self.monitor: EndpointMonitor = EndpointLogs(logs.workspace)

    def fail_once(self) -> None:
        self.engine.faults.append((503, {}, {"error": logs_error("Busy")}))


World = FakeWorld | RealWorld


@pytest.fixture(params=["fake", "real"])
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    if request.param == "fake":
        yield FakeWorld()
        return
    engine = Engine()
    engine.watch(monkeypatch)
    with serving(engine) as url:
        yield RealWorld(engine, url)


def called(milliseconds: float, at: datetime = START, **changes: Any) -> Request:
    return Request(**{"endpoint": NAME, "at": at, "milliseconds": milliseconds, **changes})


def look(world: World) -> EndpointSignals:
    return world.monitor.signals(MODEL, START, START + HOUR)


def test_latency_errors_and_volume_are_those_of_the_requests(world: World):
    world.requests += [called(float(ms), ok=ms > 3) for ms in range(1, 101)]

    found = look(world)

    assert (found.requests, found.failed) == (100, 3)
    assert (found.p95_ms, found.p99_ms) == (95.0, 99.0)
    assert found.error_rate == 0.03
    assert found.requests_per_minute == pytest.approx(100 / 60)


def test_only_the_models_own_requests_in_the_time_count(world: World):
    world.requests += [
        called(1, START),
        called(2, START + HOUR),
        called(3, START - timedelta(microseconds=1)),
        called(4, endpoint="POST /models/other/score"),
    ]

    assert look(world).requests == 1


def test_a_sampled_row_counts_for_all_it_stands_for(world: World):
    world.requests += [called(10, weight=99), called(500, ok=False, weight=1)]

    found = look(world)

    assert (found.requests, found.failed) == (100, 1)
    assert (found.p95_ms, found.p99_ms) == (10.0, 10.0)


def test_a_request_that_does_not_say_how_it_ended_has_failed(world: World):
    world.requests += [called(1, ok=None)]

    assert look(world).error_rate == 1.0


def test_without_requests_there_is_no_rate_and_no_latency(world: World):
    found = look(world)

    assert (found.requests, found.requests_per_minute) == (0, 0.0)
    assert (found.error_rate, found.p95_ms, found.p99_ms) == (None, None, None)


def test_a_model_without_an_endpoint_log_is_told(world: World):
    with pytest.raises(NotFound, match="endpoint_log"):
        world.monitor.signals(model(), START, START + HOUR)


def test_a_service_that_fails_is_unavailable(world: World):
    world.fail_once()

    with pytest.raises(Unavailable):
        look(world)

    assert look(world).requests == 0


# --- Log Analytics only ----------------------------------------------------------------------


@pytest.mark.parametrize("rows", [[], [[1, 0, 1.0, 1.0], [1, 0, 1.0, 1.0]]])
def test_an_answer_of_another_form_is_no_answer(
    rows: list[list[Any]], monkeypatch: pytest.MonkeyPatch
):
    engine = Engine()
    engine.watch(monkeypatch)
    engine.faults.append((200, {}, logs_answer(SIGNAL_COLUMNS, rows)))

    with serving(engine) as url, pytest.raises(DataError, match="asked for one"):
        look(RealWorld(engine, url))


@pytest.mark.parametrize("values", [[None, None, None, None], [0, 0, "NaN", "NaN"]])
def test_the_sums_and_percentiles_of_nothing_are_read_as_nothing(
    values: list[Any], monkeypatch: pytest.MonkeyPatch
):
    engine = Engine()
    engine.watch(monkeypatch)
    engine.faults.append((200, {}, logs_answer(SIGNAL_COLUMNS, [values])))

    with serving(engine) as url:
        found = look(RealWorld(engine, url))

    assert found == EndpointSignals(START, START + HOUR, 0, 0, None, None)
