"""The whole app in Microsoft's own Functions worker, on a real storage emulator.

The worker refuses signatures that ``app.get_functions()`` lets pass, so this is where they show.
"""

import base64
import importlib.util
import json
import runpy
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import pytest
from azure.storage.queue import QueueClient, TextBase64DecodePolicy

from functions.alert_http import MAX_BODY
from tests.documents import alert_body, catalogue_document
from tests.fakes.samples import model_document

pytestmark = [
    pytest.mark.loop,
    pytest.mark.xdist_group("worker"),
    pytest.mark.skipif(
        importlib.util.find_spec("azure_functions_runtime") is None,
        reason="azure-functions-runtime, Microsoft's worker, is not installed (scripts/setup.py)",
    ),
]

ROOT = Path(__file__).parents[2]
DRIVER = Path(__file__).with_name("worker.py")
MODEL = f"worker-{uuid4().hex[:12]}"
MOMENT = '"2026-11-20T00:00:00+00:00"'
# What the host says of a queue message: text as string, everything else as JSON.
QUEUE_METADATA = {
    "Id": ["message-1", "string"],
    "PopReceipt": ["receipt", "string"],
    "DequeueCount": ["1", "json"],
    "InsertionTime": [MOMENT, "json"],
    "ExpirationTime": [MOMENT, "json"],
    "NextVisibleTime": [MOMENT, "json"],
}
REGISTER = f"""
import sys
from mlflow import MlflowClient
client = MlflowClient(sys.argv[1], sys.argv[1])
client.create_registered_model({MODEL!r})
client.create_model_version({MODEL!r}, "file:///nowhere", tags={{"training_end": sys.argv[2]}})
client.set_registered_model_alias({MODEL!r}, "champion", "1")
"""
REFUSED = """
import azure.functions as func
app = func.FunctionApp()
@app.route(route="broken")
def broken(req: func.HttpRequest) -> dict:
    return {}
"""


@dataclass(frozen=True)
class Worker:
    """A running worker; one order at a time.

    Attributes:
        index: its first line, about the functions it found.
        log: what it wrote to stderr.
    """

    process: subprocess.Popen[str]
    orders: IO[str]
    answers: IO[str]
    index: dict[str, Any]
    log: Path

    def invoke(self, function: str, name: str, given: Any, kind: str) -> dict[str, Any]:
        metadata = QUEUE_METADATA if kind == "string" else {}
        order = {"function": function, "inputs": {name: [given, kind]}, "metadata": metadata}
        self.orders.write(json.dumps(order) + "\n")
        self.orders.flush()
        line = self.answers.readline()
        assert line, self.log.read_text(encoding="utf-8")
        return dict(json.loads(line))

    def request(
        self, function: str, method: str, body: bytes = b"", **params: str
    ) -> dict[str, Any]:
        request = {
            "method": method,
            "url": f"http://localhost/api/{function}",
            "headers": {"content-type": "application/json"},
            "query": {},
            "params": params,
            "body": base64.b64encode(body).decode(),
        }
        done = self.invoke(function, "req", request, "http")
        assert done["ok"], done["trace"]
        return dict(done["answer"])

    def message(self, function: str, **message: Any) -> dict[str, Any]:
        return self.invoke(function, "msg", json.dumps({"v": 1, **message}), "string")

    def tick(self, function: str) -> dict[str, Any]:
        timer = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": None, "IsPastDue": False}
        return self.invoke(function, "timer", json.dumps(timer), "json")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A registry that knows one champion, whose rows are nowhere."""
    uri = f"sqlite:///{tmp_path_factory.mktemp('registry') / 'mlflow.db'}"
    command = [sys.executable, "-c", REGISTER, uri, "2026-01-01T00:00:00+00:00"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return uri


@pytest.fixture(scope="module")
def environment(
    azurite_connection: str, registry: str, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, str]:
    home = tmp_path_factory.mktemp("worker")
    models = home / "models.yaml"
    document = catalogue_document(model_document(MODEL))
    models.write_text(json.dumps(document), encoding="utf-8")
    nobody = "http://127.0.0.1:1"
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "AUTH_MODE": "local",
        "LOCAL_TOKEN": "local-only",
        "AzureWebJobsStorage": azurite_connection,
        "MODELS_FILE": str(models),
        "FABRIC_API_URL": f"{nobody}/v1",
        "LAKEHOUSE_URI": str(home / "lakehouse"),
        "MLFLOW_TRACKING_URI": registry,
        "LOGS_INGESTION_ENDPOINT": nobody,
        "LOGS_INGESTION_RULE_ID": "dcr-1",
    }


@pytest.fixture(scope="module")
def worker(
    environment: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Worker]:
    log = tmp_path_factory.mktemp("log") / "worker.log"
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            [sys.executable, str(DRIVER), str(ROOT)],
            env=dict(environment),
            cwd=environment["HOME"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        orders, answers = process.stdin, process.stdout
        assert orders is not None
        assert answers is not None
        try:
            first = answers.readline()
            assert first, log.read_text(encoding="utf-8")
            yield Worker(process, orders, answers, json.loads(first), log)
            orders.close()
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()


def waiting(connection: str, queue: str) -> list[dict[str, Any]]:
    """Give the messages about this module's model, decoded as the host decodes them."""
    with QueueClient.from_connection_string(
        connection, queue, message_decode_policy=TextBase64DecodePolicy()
    ) as client:
        messages = [json.loads(item.content) for item in client.peek_messages(max_messages=32)]
    return [message for message in messages if message["model"] == MODEL]


def alert(**changes: Any) -> bytes:
    fired = datetime.now(UTC).isoformat()
    return alert_body(**{"model": MODEL, "firedDateTime": fired, **changes})


def test_the_worker_indexes_every_function_of_the_app(worker: Worker):
    app = runpy.run_path(str(ROOT / "function_app.py"))["app"]
    declared = {
        item.get_function_name(): [binding.type for binding in item.get_bindings()]
        for item in app.get_functions()
    }

    found = worker.index["functions"]

    assert worker.index["error"] == ""
    assert worker.index["ok"]
    assert {name: [row["type"] for row in rows] for name, rows in found.items()} == declared


def test_the_worker_refuses_a_signature_that_the_library_lets_pass(
    environment: Mapping[str, str], tmp_path: Path
):
    (tmp_path / "function_app.py").write_text(REFUSED, encoding="utf-8")
    command = [sys.executable, str(DRIVER), str(tmp_path)]

    done = subprocess.run(
        command, env=dict(environment), input="", capture_output=True, text=True, check=True
    )

    index = json.loads(done.stdout)
    assert not index["ok"]
    assert "broken" in index["error"]


def test_health_is_ready_when_settings_catalogue_and_storage_are_there(worker: Worker):
    answer = worker.request("health", "GET")

    assert answer["status_code"] == "200"
    assert json.loads(answer["body"]) == {"status": "ready", "models": [MODEL]}


def test_an_alert_is_accepted_and_its_run_is_queued(worker: Worker, azurite_connection: str):
    answer = worker.request("receive_alert", "POST", alert())

    receipt = json.loads(answer["body"])
    assert answer["status_code"] == "202"
    assert receipt["decision"] == "accepted"
    message = {"v": 1, "model": MODEL, "run_id": receipt["run_id"], "step": 0}
    assert message in waiting(azurite_connection, "retrain-runs")


def test_a_body_that_is_no_json_is_answered_with_a_problem_about_the_body(worker: Worker):
    answer = worker.request("receive_alert", "POST", b'{"schemaId": ')

    assert answer["status_code"] == "400"
    assert answer["headers"]["content-type"] == "application/problem+json"
    assert json.loads(answer["body"])["field"] == "body"


def test_an_alert_about_an_unknown_model_is_accepted_and_ignored(worker: Worker):
    answer = worker.request("receive_alert", "POST", alert(model="somebody-elses"))

    assert answer["status_code"] == "202"
    assert json.loads(answer["body"])["decision"] == "ignored"


def test_a_body_over_the_limit_is_refused(worker: Worker):
    answer = worker.request("receive_alert", "POST", b" " * (MAX_BODY + 1))

    assert answer["status_code"] == "413"


@pytest.mark.parametrize("function", ["watch_run", "judge_candidate", "send_notice"])
def test_a_message_about_a_run_nobody_knows_fails_and_names_the_run(worker: Worker, function: str):
    done = worker.message(function, model=MODEL, run_id="run-unheard-of", step=0)

    assert not done["ok"]
    assert done["error"].startswith("NotFound(")
    assert "run-unheard-of" in done["error"]


@pytest.mark.parametrize(
    "function",
    ["watch_run", "judge_candidate", "send_notice", "project_audit", "check_drift_model"],
)
def test_a_message_of_another_version_fails_and_says_so(worker: Worker, function: str):
    done = worker.message(function, v=2, model=MODEL, run_id="run-1", chain=MODEL)

    assert not done["ok"]
    assert done["error"] == "BadInput('v: must be 1, is 2')"


def test_the_sweeper_finds_nothing_stalled(worker: Worker):
    done = worker.tick("sweep")

    assert done["ok"], done["trace"]


def test_a_drift_check_without_rows_succeeds_and_queues_the_model(
    worker: Worker, azurite_connection: str
):
    done = worker.tick("check_drift")

    assert done["ok"], done["trace"]
    (message,) = waiting(azurite_connection, "drift-checks")
    assert message["v"] == 1
    assert datetime.fromisoformat(message["at"]).tzinfo is not None


def test_a_drift_check_that_is_tried_again_without_rows_fails_and_names_the_table(worker: Worker):
    done = worker.message("check_drift_model", model=MODEL, at="2026-11-20T04:00:00+00:00")

    assert not done["ok"]
    assert done["error"].startswith("NoTable(")
    assert "lh_gold.flights_predictions" in done["error"]


def test_a_drift_check_of_a_model_that_left_the_catalogue_fails_and_names_it(worker: Worker):
    done = worker.message("check_drift_model", model="gone", at="2026-11-20T04:00:00+00:00")

    assert not done["ok"]
    assert "'gone' is not in the catalogue" in done["error"]


def test_the_ledger_of_an_alert_is_projected_to_the_audit_table(
    worker: Worker, environment: Mapping[str, str]
):
    worker.request("receive_alert", "POST", alert(monitorCondition="Resolved"))

    done = worker.message("project_audit", chain=MODEL)

    assert done["ok"], done["trace"]
    logs = list(Path(environment["LAKEHOUSE_URI"]).rglob("ml_promotion_audit/_delta_log/*.json"))
    assert logs


def test_an_operator_s_requests_reach_the_run_that_their_route_names(worker: Worker):
    body = b'{"reason": "looked at the data"}'
    asked = worker.request("retrain_model", "POST", body, name=MODEL)
    receipt = json.loads(asked["body"])

    shown = worker.request("show_run", "GET", name=MODEL, run_id=receipt["run_id"])
    listed = worker.request("list_runs", "GET", name=MODEL)
    unknown = worker.request("cancel_any_run", "POST", body, run_id="run-none")

    assert shown["status_code"] == "200"
    assert json.loads(shown["body"])["trigger"]["kind"] == "manual"
    assert receipt["run_id"] in {run["run_id"] for run in json.loads(listed["body"])["runs"]}
    assert unknown["status_code"] == "404"


def test_the_retrain_timer_looks_at_a_model_without_rows_and_succeeds(worker: Worker):
    done = worker.tick("schedule_retrains")

    assert done["ok"], done["trace"]
