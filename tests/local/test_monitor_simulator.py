"""Alerts, from the row that fires one to the receiver that is told: a process, over HTTP."""

import json
import sys
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import requests

from local.monitor_simulator.client import SimulatorClient
from local.processes import free_port, start_process, wait_until_ready
from shared.adapters.clock import write_offset

REPOSITORY = Path(__file__).parents[2]
NOW = datetime(2013, 6, 1, 4, tzinfo=UTC)
KEY = "a-function-key"
UPLOAD = "/dataCollectionRules/dcr-0123456789abcdef/streams/Custom-RetrainLoopDrift_CL"
FLOW = "/teams/workflows/wf1/triggers/manual/paths/invoke"


class Receiver(ThreadingHTTPServer):
    """An alert receiver that answers from a script, 202 when it is at its end."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = deque()
        self.got = []
        self.url = f"http://127.0.0.1:{self.server_port}/api/alerts?code={KEY}"

    def conditions(self):
        return [body["data"]["essentials"]["monitorCondition"] for body, _ in list(self.got)]

    def models(self):
        condition = [b["data"]["alertContext"]["condition"] for b, _ in list(self.got)]
        return [c["allOf"][0]["dimensions"][0]["value"] for c in condition]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((json.loads(body), dict(self.headers)))
        answer = self.server.script.popleft() if self.server.script else 202
        if answer == "hang up":
            self.close_connection = True
            return
        self.send_response(answer)
        self.send_header("Content-Length", "15")
        self.end_headers()
        self.wfile.write(b'{"run_id": "r"}')

    def log_message(self, *args):
        pass


@pytest.fixture
def receiver():
    server = Receiver()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def start(tmp_path, receiver):
    """Start a simulator with a clock in 2013; it is ended with the test."""
    started = []

    def run(*arguments, target=("--receiver-url", receiver.url)):
        write_offset(tmp_path / "clock.json", NOW)
        port = free_port()
        argv = [sys.executable, "-m", "local.monitor_simulator", "--port", str(port), *target]
        files = ["--state", tmp_path / "state", "--clock-file", tmp_path / "clock.json"]
        quick = ["--evaluate-every", "0.05", "--retry-gaps", "0.05,0.05,0.05", "--mute", "30"]
        log = tmp_path / "simulator.log"
        process = start_process(
            "simulator", [*argv, *files, *quick, *arguments], log=log, cwd=REPOSITORY
        )
        started.append(process)
        wait_until_ready(process, f"http://127.0.0.1:{port}/_simulator/health")
        return SimulatorClient(f"http://127.0.0.1:{port}")

    run.stop = lambda: started.pop().stop()
    yield run
    for process in started:
        process.stop()


@pytest.fixture
def simulator(start):
    return start("--token", "secret-token")


def wait_for(condition, seconds=10.0):
    """Wait until a callable gives something true, and give that."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return found


def summary(value, at=NOW):
    return {
        "TimeGenerated": (at - timedelta(minutes=1)).isoformat(),
        "model_name": "delay",
        "feature_name": "__summary__",
        "metric_type": "DRIFT_VERDICT",
        "value": value,
        "status": "TRIGGER" if value else "NO_TRIGGER",
    }


def post(simulator, rows):
    headers = {"Authorization": "Bearer secret-token"}
    url = f"{simulator.url}{UPLOAD}?api-version=2023-01-01"
    requests.post(url, json=rows, headers=headers, timeout=10).raise_for_status()


def test_an_alert_is_delivered_in_the_common_schema(simulator, receiver):
    post(simulator, [summary(3.0)])

    wait_for(lambda: receiver.got)

    body, headers = receiver.got[0]
    essentials, context = body["data"]["essentials"], body["data"]["alertContext"]
    [criterion] = context["condition"]["allOf"]
    fired = datetime.fromisoformat(essentials["firedDateTime"])
    assert headers["Content-Type"].startswith("application/json")
    assert body["schemaId"] == "azureMonitorCommonAlertSchema"
    assert body["data"]["customProperties"] == {
        "model": "delay",
        "dedupe_key": essentials["alertId"],
        "trigger_kind": "drift",
        "runbook": "docs/runbook.md",
    }
    assert essentials["monitoringService"] == "Log Alerts V2"
    assert (essentials["monitorCondition"], essentials["severity"]) == ("Fired", "Sev2")
    assert essentials["alertRuleID"].endswith("/scheduledqueryrules/retrain-loop-drift")
    assert "resolvedDateTime" not in essentials
    assert NOW <= fired < NOW + timedelta(minutes=1)
    assert context["condition"]["windowSize"] == "P2D"
    assert context["condition"]["windowEndTime"].startswith("2013-06-01T04:00")
    assert context["condition"]["windowStartTime"].startswith("2013-05-30T04:00")
    assert criterion["dimensions"] == [{"name": "model_name", "value": "delay"}]
    assert (criterion["threshold"], criterion["metricValue"]) == ("1", 3.0)
    assert criterion["targetResourceTypes"] == "['Microsoft.OperationalInsights/workspaces']"


def test_a_resolved_alert_is_sent_with_the_same_ids_when_the_next_check_is_quiet(
    simulator, receiver, tmp_path
):
    post(simulator, [summary(3.0)])
    wait_for(lambda: receiver.conditions() == ["Fired"])

    tomorrow = NOW + timedelta(days=1)
    write_offset(tmp_path / "clock.json", tomorrow)
    post(simulator, [summary(0.0, at=tomorrow)])

    wait_for(lambda: receiver.conditions() == ["Fired", "Resolved"])
    fired, resolved = (body["data"]["essentials"] for body, _ in receiver.got)
    context = receiver.got[1][0]["data"]["alertContext"]
    assert resolved["alertId"] == fired["alertId"]
    assert resolved["originAlertId"] == fired["originAlertId"]
    assert resolved["firedDateTime"] == fired["firedDateTime"]
    assert context["condition"]["allOf"][0]["metricValue"] == 0.0


def test_a_receiver_in_passing_trouble_is_called_until_it_answers(simulator, receiver):
    receiver.script.extend([503, "hang up", 429])

    simulator.fire("delay")

    delivery = wait_for(lambda: done(simulator, 1))[0]
    statuses = [attempt["status"] for attempt in delivery["attempts"]]
    assert delivery["state"] == "delivered"
    assert statuses == [503, None, 429, 202]
    assert delivery["attempts"][1]["error"] == "ServerDisconnectedError"
    assert simulator.alerts()["receipts"][0]["answer"] == '{"run_id": "r"}'
    assert len({body["data"]["essentials"]["alertId"] for body, _ in receiver.got}) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 500, 502])
def test_a_final_answer_is_not_asked_for_again_and_mutes_nobody(simulator, receiver, status):
    receiver.script.append(status)

    simulator.fire("delay")
    rejected = wait_for(lambda: done(simulator, 1))[0]
    simulator.fire("slots")
    delivered = wait_for(lambda: done(simulator, 2))[1]

    assert (rejected["state"], len(rejected["attempts"])) == ("rejected", 1)
    assert delivered["state"] == "delivered"


def test_a_receiver_that_never_answers_is_muted_and_what_follows_is_lost(start, receiver):
    simulator = start("--retry-gaps", "0.01,0.01,0.01,0.01,0.01", "--mute", "0.4")
    receiver.script.extend([503] * 6)

    simulator.fire("delay")
    failed = wait_for(lambda: done(simulator, 1))[0]
    wait_for(lambda: simulator.alerts()["muted"])
    simulator.fire("slots")
    muted = wait_for(lambda: done(simulator, 2))[1]
    wait_for(lambda: not simulator.alerts()["muted"])
    simulator.fire("fares")
    delivered = wait_for(lambda: done(simulator, 3))[2]

    assert (failed["state"], len(failed["attempts"])) == ("failed", 6)
    assert (muted["state"], muted["attempts"]) == ("muted", [])
    assert delivered["state"] == "delivered"
    assert receiver.models() == ["delay"] * 6 + ["fares"]


def done(simulator, count):
    """The deliveries, once there are so many and none is under way."""
    deliveries = simulator.alerts()["deliveries"]
    settled = [d for d in deliveries if d["state"] != "pending"]
    return deliveries if len(settled) >= count == len(deliveries) else None


def test_a_slow_receiver_is_given_up_after_the_timeout_and_called_again(start):
    # a port that accepts and never answers
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as silent:
        url = f"http://127.0.0.1:{silent.server_port}/"
        simulator = start("--receiver-timeout", "0.1", target=("--receiver-url", url))

        simulator.fire("delay")

        delivery = wait_for(lambda: done(simulator, 1))[0]
    assert delivery["state"] == "failed"
    assert [attempt["error"] for attempt in delivery["attempts"]] == ["TimeoutError"] * 4


def test_a_duplicate_is_the_same_alert_delivered_twice(simulator, receiver):
    simulator.order_fault("duplicate")

    simulator.fire("delay")
    wait_for(lambda: done(simulator, 2))
    simulator.fire("slots")
    wait_for(lambda: done(simulator, 3))

    assert receiver.models() == ["delay", "delay", "slots"]
    assert receiver.got[0][0] == receiver.got[1][0]


def test_a_reordered_alert_arrives_after_the_one_that_followed_it(simulator, receiver):
    simulator.order_fault("reorder")

    fired = simulator.fire("delay")
    resolved = simulator.fire("delay", condition="Resolved")

    wait_for(lambda: len(receiver.got) == 2)
    assert receiver.conditions() == ["Resolved", "Fired"]
    assert resolved["alert_id"] == fired["alert_id"]


def test_a_test_alert_needs_a_known_rule_and_a_model(simulator):
    url = f"{simulator.url}/_simulator/fire"

    unknown = requests.post(url, json={"model_name": "m", "rule": "nobody"}, timeout=10)
    nameless = requests.post(url, json={"rule": "retrain-loop-drift"}, timeout=10)
    fault = requests.post(f"{simulator.url}/_simulator/faults", json={"kind": "x"}, timeout=10)

    assert (unknown.status_code, nameless.status_code, fault.status_code) == (404, 400, 400)


def test_every_receiver_of_an_action_group_file_is_told(start, receiver, tmp_path):
    group = {
        "webhookReceivers": [{"name": "hook", "serviceUri": receiver.url}],
        "azureFunctionReceivers": [{"name": "fn", "httpTriggerUrl": receiver.url}],
    }
    path = tmp_path / "group.json"
    path.write_text(json.dumps(group), encoding="utf-8")
    simulator = start(target=("--action-group", path))

    simulator.fire("delay")

    deliveries = wait_for(lambda: done(simulator, 2))
    assert [delivery["receiver"] for delivery in deliveries] == ["hook", "fn"]


def test_the_function_key_shows_nowhere(start, receiver, tmp_path):
    dead = f"http://127.0.0.1:{free_port()}/api/alerts?code={KEY}"
    simulator = start(target=("--receiver-url", dead))

    simulator.fire("delay")
    wait_for(lambda: done(simulator, 1))
    told = json.dumps([simulator.alerts(), simulator.health()])
    start.stop()

    files = [path.read_text(encoding="utf-8") for path in (tmp_path / "state").iterdir()]
    assert "code=REDACTED" in told
    assert KEY not in told + (tmp_path / "simulator.log").read_text(encoding="utf-8")
    assert not any(KEY in text for text in files)


def test_a_restart_keeps_rows_cards_and_alerts_and_fires_nothing_anew(start, receiver):
    simulator = start()
    post(simulator, [summary(3.0)])
    wait_for(lambda: receiver.got)
    requests.post(f"{simulator.url}{FLOW}?sig=s", json=card(), timeout=10)
    before = simulator.alerts()["alerts"]
    start.stop()

    again = start()

    assert again.evaluate() == 0
    assert again.alerts()["alerts"] == before
    assert (len(again.rows()), len(again.cards()), len(receiver.got)) == (1, 1, 1)


def card():
    content = {"type": "AdaptiveCard", "version": "1.2", "body": [{"type": "TextBlock"}]}
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "content": content}]}
