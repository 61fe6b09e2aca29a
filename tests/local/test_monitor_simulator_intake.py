"""What the simulator takes in: log uploads and Teams cards, as their clients send them."""

import gzip
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError
from azure.monitor.ingestion import LogsIngestionClient

from local.monitor_simulator.client import SimulatorClient
from local.processes import free_ports, start_process, wait_until_ready
from shared.adapters.clock import write_offset

REPOSITORY = Path(__file__).parents[2]
NOW = datetime(2013, 6, 1, 4, tzinfo=UTC)
STREAM = "Custom-RetrainLoopDrift_CL"
UPLOAD = f"/dataCollectionRules/dcr-0123456789abcdef/streams/{STREAM}"
RULES = "/dataCollectionRules"
BASIC = {"Authorization": "Basic abc"}
GZIP = {"Content-Encoding": "gzip"}
CUT_OFF = gzip.compress(b"[]" * 100)[:-9]
BOMB = gzip.compress(b" " * 50_000_000)
TOO_LONG = "ContentLengthLimitExceeded"
FLOW = "/teams/workflows/wf1/triggers/manual/paths/invoke"


@pytest.fixture
def simulator(tmp_path):
    """A simulator with a clock in 2013; nobody listens to its alerts."""
    write_offset(tmp_path / "clock.json", NOW)
    port, nobody = free_ports(2)
    argv = [sys.executable, "-m", "local.monitor_simulator", "--port", str(port)]
    alerts = ["--receiver-url", f"http://127.0.0.1:{nobody}/", "--token", "secret-token"]
    files = ["--state", tmp_path / "state", "--clock-file", tmp_path / "clock.json"]
    log = tmp_path / "simulator.log"
    with start_process("simulator", [*argv, *alerts, *files], log=log, cwd=REPOSITORY) as process:
        wait_until_ready(process, f"http://127.0.0.1:{port}/_simulator/health")
        yield SimulatorClient(f"http://127.0.0.1:{port}")


def summary(value, model="delay"):
    return {
        "TimeGenerated": (NOW - timedelta(minutes=1)).isoformat(),
        "model_name": model,
        "feature_name": "__summary__",
        "metric_type": "DRIFT_VERDICT",
        "value": value,
        "status": "TRIGGER" if value else "NO_TRIGGER",
    }


def post(simulator, rows, path=UPLOAD, token="secret-token", version="2023-01-01", **more):
    data = rows if isinstance(rows, bytes) else json.dumps(rows).encode()
    headers = {"Authorization": f"Bearer {token}", **more.pop("headers", {})}
    url = f"{simulator.url}{path}?api-version={version}"
    return requests.post(url, data=data, headers=headers, timeout=10, **more)


class StaticCredential:
    def get_token(self, *scopes, **kwargs):
        return AccessToken("secret-token", int(time.time()) + 3600)


@pytest.fixture
def sdk(simulator):
    with LogsIngestionClient(simulator.url, StaticCredential()) as client:
        yield client


def test_the_sdk_uploads_over_loopback_http_when_told_not_to_enforce_https(simulator, sdk):
    sdk.upload("dcr-0123456789abcdef", STREAM, [summary(0.0)], enforce_https=False)

    assert [row["model_name"] for row in simulator.rows()] == ["delay"]


@pytest.mark.parametrize("fault", ["throttle_ingest", "server_error_ingest"])
def test_the_sdk_gets_over_a_passing_trouble_and_the_rows_come_once(simulator, sdk, fault):
    simulator.order_fault(fault)

    sdk.upload("dcr-0123456789abcdef", STREAM, [summary(0.0)], enforce_https=False)

    assert len(simulator.rows()) == 1
    assert simulator.health()["faults"][fault] == 0


def test_the_sdk_reads_the_error_of_an_unknown_stream(sdk):
    with pytest.raises(HttpResponseError) as caught:
        sdk.upload("dcr-0123456789abcdef", "Custom-X_CL", [summary(0.0)], enforce_https=False)

    assert caught.value.status_code == 404
    assert caught.value.error.code == "InvalidStream"


def test_a_plain_and_a_gzipped_array_are_both_taken(simulator):
    packed = gzip.compress(json.dumps([summary(0.0, model="slots")]).encode())

    plain = post(simulator, [summary(0.0)])
    zipped = post(simulator, packed, headers={"Content-Encoding": "gzip"})

    assert (plain.status_code, plain.text, zipped.status_code) == (204, "", 204)
    assert {row["model_name"] for row in simulator.rows()} == {"delay", "slots"}


@pytest.mark.parametrize(
    ("body", "request_", "status", "code"),
    [
        pytest.param([], {"token": "another"}, 401, "InvalidToken", id="wrong token"),
        pytest.param([], {"headers": BASIC}, 401, "InvalidToken", id="not a bearer token"),
        pytest.param([], {"version": "2020-01-01"}, 400, "InvalidApiVersion", id="old version"),
        pytest.param([], {"path": f"{RULES}/my-rule/streams/X"}, 404, "NotFound", id="no rule id"),
        pytest.param([], {"path": f"{RULES}/dcr-1/streams/X"}, 404, "InvalidStream", id="stream"),
        pytest.param({"value": 1.0}, {}, 400, "InvalidPayload", id="an object"),
        pytest.param(b"[{]", {}, 400, "InvalidPayload", id="not JSON"),
        pytest.param(b'[{"value": NaN}]', {}, 400, "InvalidPayload", id="NaN"),
        pytest.param([{"colour": "red"}], {}, 400, "InvalidPayload", id="unknown column"),
        pytest.param(b"not gzip", {"headers": GZIP}, 400, "InvalidPayload", id="not gzip"),
        pytest.param(CUT_OFF, {"headers": GZIP}, 400, "InvalidPayload", id="half a gzip"),
        pytest.param(b" " * 1_048_577, {}, 413, TOO_LONG, id="a byte too long"),
        pytest.param(b" " * 5_000_000, {}, 413, TOO_LONG, id="far too long"),
        pytest.param(BOMB, {"headers": GZIP}, 413, TOO_LONG, id="too long unpacked"),
    ],
)
def test_a_bad_upload_is_refused_with_the_services_error_body(
    simulator, body, request_, status, code
):
    response = post(simulator, body, **request_)

    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert simulator.rows() == []


def test_one_bad_row_keeps_the_whole_upload_out(simulator):
    response = post(simulator, [summary(1.0), {"value": "high"}])

    assert response.status_code == 400
    assert "value must be real" in response.json()["error"]["message"]
    assert simulator.rows() == []


def test_a_throttled_upload_says_when_to_come_again(simulator):
    simulator.order_fault("throttle_ingest")

    response = post(simulator, [summary(0.0)])

    assert (response.status_code, response.headers["Retry-After"]) == (429, "1")


def card(**changes):
    content = {"type": "AdaptiveCard", "version": "1.2", "body": [{"type": "TextBlock"}]}
    kind = "application/vnd.microsoft.card.adaptive"
    attachment = {"contentType": kind, "content": {**content, **changes}}
    return {"type": "message", "attachments": [attachment]}


def test_a_card_is_taken_with_202_and_kept(simulator):
    response = requests.post(f"{simulator.url}{FLOW}?sig=s", json=card(), timeout=10)

    [kept] = simulator.cards()
    assert (response.status_code, response.text) == (202, "")
    assert kept["workflow_id"] == "wf1"
    assert kept["card"]["version"] == "1.2"
    assert kept["received_at"].startswith("2013-06-01T04:00")


@pytest.mark.parametrize(
    "message",
    [
        {"text": "a plain message"},
        {"type": "message", "attachments": []},
        {"type": "message", "attachments": [{"contentType": "text/html"}]},
        card(type="MessageCard"),
        card(version="1.5"),
        card(version="newest"),
        card(body=[]),
        card(body=[{"type": "TextBlock", "text": "x" * 28_700}]),
    ],
    ids=["text", "empty", "html", "MessageCard", "1.5", "version", "no body", "28 KB"],
)
def test_a_message_that_teams_would_not_show_is_refused(simulator, message):
    response = requests.post(f"{simulator.url}{FLOW}?sig=s", json=message, timeout=10)

    assert response.status_code == 400
    assert simulator.cards() == []


def test_a_card_without_the_signature_is_refused(simulator):
    response = requests.post(f"{simulator.url}{FLOW}", json=card(), timeout=10)

    assert response.status_code == 401


def test_cards_are_refused_as_often_as_ordered(simulator):
    simulator.order_fault("refuse_cards", times=2)

    url = f"{simulator.url}{FLOW}?sig=s"
    answers = [requests.post(url, json=card(), timeout=10).status_code for _ in range(3)]

    assert answers == [429, 429, 202]
    assert len(simulator.cards()) == 1
