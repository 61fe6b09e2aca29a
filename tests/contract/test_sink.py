"""What any MetricSink does: the fake and the Logs Ingestion API, as the simulator speaks it."""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any, Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.monitor_simulator.client import SimulatorClient
from local.processes import free_port, start_process, wait_until_ready
from shared.adapters.credentials import StaticCredential
from shared.adapters.logs_ingestion import LogsIngestion, json_row, split_rows
from shared.errors import ConfigError, LoopError, Refused, Throttled, Unavailable
from shared.ports import MetricSink
from tests.fakes.sink import FakeSink

TOKEN = "a-token-of-the-simulator"
STREAM = "Custom-RetrainLoopDrift_CL"
NOW = datetime(2013, 7, 1, 4, 0, 0, 123_456, tzinfo=UTC)


class World(Protocol):
    """A MetricSink, and a look at what arrived."""

    sink: MetricSink

    def rows(self) -> list[dict[str, Any]]: ...

    def fail_once(self) -> None: ...


class FakeWorld:
    def __init__(self) -> None:
        self.sink = FakeSink()

    def rows(self) -> list[dict[str, Any]]:
        return self.sink.rows

    def fail_once(self) -> None:
        self.sink.faults.order(Unavailable("gone"))


class RealWorld:
    def __init__(self, client: SimulatorClient) -> None:
        self.client = client
        self.sink = sink(client.url)
        self._before = len(client.rows())

    def rows(self) -> list[dict[str, Any]]:
        return self.client.rows()[self._before :]

    def fail_once(self) -> None:
        self.client.order_fault("server_error_ingest")


def sink(url: str, **changes: Any) -> LogsIngestion:
    options: dict[str, Any] = {"rule_id": "dcr-1", "stream": STREAM, "local": True, "retries": 0}
    token = changes.pop("token", TOKEN)
    return LogsIngestion(url, StaticCredential(token), **{**options, **changes})


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorClient]:
    root, port = tmp_path_factory.mktemp("monitor"), free_port()
    argv = [sys.executable, "-m", "local.monitor_simulator", "--port", str(port)]
    argv += ["--state", str(root / "state"), "--token", TOKEN]
    argv += ["--receiver-url", f"http://127.0.0.1:{free_port()}/", "--evaluate-every", "3600"]
    with start_process("monitor", argv, log=root / "simulator.log") as process:
        wait_until_ready(process, f"http://127.0.0.1:{port}/_simulator/health")
        yield SimulatorClient(f"http://127.0.0.1:{port}")


@pytest.fixture(params=["fake", "real"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "fake":
        return FakeWorld()
    return RealWorld(request.getfixturevalue("simulator"))


def row(**changes: Any) -> dict[str, Any]:
    named = {"run_id": "check-1", "model_name": "flight-delay", "feature_name": "temp"}
    return {"TimeGenerated": NOW, **named, "metric_type": "PSI", "value": 0.25, **changes}


def test_rows_arrive_with_times_as_utc_texts(world: World):
    elsewhere = NOW.astimezone(timezone(timedelta(hours=2)))

    world.sink.upload([row(run_timestamp=elsewhere), row(value=None)])

    first, second = world.rows()
    assert first["value"] == 0.25
    assert datetime.fromisoformat(first["run_timestamp"]) == NOW
    assert datetime.fromisoformat(first["TimeGenerated"]) == NOW
    assert second["value"] is None


def test_no_rows_are_no_error(world: World):
    world.sink.upload([])

    assert world.rows() == []


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_json_is_refused_before_anything_is_sent(world: World, value: float):
    with pytest.raises(Refused, match="value"):
        world.sink.upload([row(), row(value=value)])

    assert world.rows() == []


def test_a_service_that_fails_is_unavailable(world: World):
    world.fail_once()

    with pytest.raises(Unavailable):
        world.sink.upload([row()])

    world.sink.upload([row()])
    assert len(world.rows()) == 1


def test_a_row_too_large_for_any_call_is_refused_before_anything_is_sent(world: World):
    with pytest.raises(Refused, match="a row of 10"):
        world.sink.upload([row(), row(note="x" * 1_000_000)])

    assert world.rows() == []


# --- Logs Ingestion only ---------------------------------------------------------------------


def test_throttling_is_waited_for(simulator: SimulatorClient):
    before = len(simulator.rows())
    simulator.order_fault("throttle_ingest")

    sink(simulator.url, retries=1).upload([row()])

    assert len(simulator.rows()) == before + 1


def test_throttling_that_does_not_end_is_unavailable(simulator: SimulatorClient):
    simulator.order_fault("throttle_ingest")

    with pytest.raises(Unavailable):
        sink(simulator.url).upload([row()])


def test_more_than_a_megabyte_arrives_in_parts_whose_failure_is_told(simulator: SimulatorClient):
    before = len(simulator.rows())
    simulator.order_fault("server_error_ingest")
    rows = [row(note="x" * 60_000) for _ in range(40)]

    with pytest.raises(Unavailable):
        sink(simulator.url).upload(rows)

    assert 0 < len(simulator.rows()) - before < 40


def test_a_call_is_retried_when_the_service_says(simulator: SimulatorClient):
    waits: list[float] = []
    before = len(simulator.rows())
    simulator.order_fault("throttle_ingest", times=2)

    sink(simulator.url, retries=2, sleep=waits.append).upload([row()])

    assert waits == [1.0, 1.0]  # the simulator's Retry-After
    assert len(simulator.rows()) == before + 1


def test_a_service_in_trouble_is_asked_again_after_longer_and_longer(simulator: SimulatorClient):
    waits: list[float] = []
    simulator.order_fault("server_error_ingest", times=9)

    with pytest.raises(Unavailable):
        sink(simulator.url, retries=3, sleep=waits.append).upload([row()])

    simulator.order_fault("server_error_ingest", times=0)
    assert waits == [1.0, 2.0, 4.0]


def test_a_service_that_wants_to_be_left_alone_for_long_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
):
    waits: list[float] = []
    asked = sink("http://127.0.0.1:1", retries=3, sleep=waits.append)
    throttled = Throttled("busy", retry_after=3600.0)

    def busy(*_: Any) -> None:
        raise throttled

    monkeypatch.setattr(asked, "_try", busy)

    with pytest.raises(Throttled):
        asked.upload([row()])

    assert waits == []


@given(
    st.lists(st.text(max_size=40), max_size=60),
    st.integers(min_value=300, max_value=2000),
)
def test_no_part_is_larger_than_a_call_takes_and_none_is_smaller_than_it_need_be(
    notes: list[str], most: int
):
    rows: list[Any] = [{"note": note} for note in notes]

    parts = list(split_rows(rows, most))

    assert [each for part in parts for each in part] == rows
    assert all(part and len(json.dumps(part)) <= most for part in parts)
    assert all(len(json.dumps([*one, two[0]])) > most for one, two in pairwise(parts))


def test_rows_that_just_fit_without_their_separators_arrive_in_two_parts(
    simulator: SimulatorClient,
):
    # 16 rows of 65,536 bytes are 1 MiB to the byte, and over it with what stands between them
    before = len(simulator.rows())
    empty = len(json.dumps(json_row(row(note=""))))
    rows = [row(note="x" * (65_536 - empty)) for _ in range(16)]

    sink(simulator.url).upload(rows)

    assert len(simulator.rows()) == before + 16


@pytest.mark.parametrize(
    "changes", [{"token": "wrong"}, {"stream": "Custom-Other"}, {"rule_id": "other"}]
)
def test_a_wrong_setting_is_an_error_no_retry_helps(
    simulator: SimulatorClient, changes: dict[str, str]
):
    with pytest.raises(LoopError) as caught:
        sink(simulator.url, **changes).upload([row()])

    assert not caught.value.retry


def test_nobody_there_is_unavailable():
    with pytest.raises(Unavailable):
        sink(f"http://127.0.0.1:{free_port()}").upload([row()])


@pytest.mark.parametrize(
    ("endpoint", "local"),
    [
        ("http://127.0.0.1:1", False),
        ("http://example.com", True),
        ("ftp://127.0.0.1", True),
        ("", True),
    ],
)
def test_a_token_never_travels_in_the_clear(endpoint: str, local: bool):
    with pytest.raises(ConfigError, match="LOGS_INGESTION_ENDPOINT"):
        sink(endpoint, local=local)
