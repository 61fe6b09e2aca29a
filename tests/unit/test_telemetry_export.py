"""The real exporter, sending to a server of this test's own: what leaves the machine, and when."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from shared import telemetry

ROOT = Path(__file__).parents[2]
RUN = f"run-{7:024x}"
SECRET = "swordfish-4711"
# A worker's life: the first call starts telemetry, calls come and fail, the worker ends.
WORKER = f"""
import logging
import sys
from types import SimpleNamespace
from shared import telemetry
def recorder():
    from shared.telemetry.azure_monitor import recorder
    return recorder(sys.argv[1], float(sys.argv[2]))
with telemetry.invocation("receive_alert", model="flight-delay"):
    telemetry.start(recorder)
    assert "azure.monitor" not in sys.modules
    entry = SimpleNamespace(action="job.start", outcome="intent", run_id={RUN!r})
    telemetry.decided([SimpleNamespace(chain="flight-delay", entry=entry)])
    logging.getLogger("shared").error("a log line with {SECRET}")
try:
    with telemetry.invocation("watch_run", model="{SECRET}!", run_id={RUN!r}):
        raise ValueError("{SECRET}")
except ValueError:
    pass
telemetry.settle(30)
from opentelemetry import metrics, trace
trace.get_tracer_provider().shutdown()
metrics.get_meter_provider().shutdown()
watched = ("requests", "urllib", "urllib3", "flask", "httpx")
loaded = [name for name in watched if f"opentelemetry.instrumentation.{{name}}" in sys.modules]
print(*loaded, *(name for name in sys.modules if name.endswith("opentelemetry_span")))
"""


class Ingestion(BaseHTTPRequestHandler):
    """Takes what Application Insights takes, and keeps it."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        rows = json.loads(body)
        self.server.rows += rows
        answer = {"itemsReceived": len(rows), "itemsAccepted": len(rows), "errors": []}
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def ingestion() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Ingestion) as server:
        server.rows = []
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def worker(server: ThreadingHTTPServer, tmp_path: Path, ratio: float = 1.0) -> tuple[Any, str]:
    """Run a worker's life; gives what arrived, by kind, and which instrumentations it loaded."""
    address = f"http://127.0.0.1:{server.server_port}"
    key = "00000000-0000-0000-0000-000000000007"
    environment = {
        "PATH": os.environ["PATH"],
        "TMPDIR": str(tmp_path),
        # what the exporter tells Microsoft about itself
        "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
        "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
        "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
    }
    given = f"InstrumentationKey={key};IngestionEndpoint={address}"
    done = subprocess.run(
        [sys.executable, "-c", WORKER, given, str(ratio)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return server.rows, done.stdout.strip()


def test_spans_events_and_metrics_leave_and_neither_logs_nor_secrets(
    ingestion: ThreadingHTTPServer, tmp_path: Path
):
    rows, instrumented = worker(ingestion, tmp_path)

    kinds = {row["data"]["baseType"] for row in rows}
    assert kinds == {"RemoteDependencyData", "MessageData", "MetricData"}
    assert SECRET not in json.dumps(rows)
    assert instrumented == ""


def test_spans_of_a_run_carry_its_trace_id_whatever_worker_wrote_them(
    ingestion: ThreadingHTTPServer, tmp_path: Path
):
    rows, _ = worker(ingestion, tmp_path)

    spans = {
        row["data"]["baseData"]["name"]: row
        for row in rows
        if row["data"]["baseType"] == "RemoteDependencyData"
    }
    assert set(spans) == {"receive_alert", "watch_run"}
    ids = {row["tags"]["ai.operation.id"] for row in spans.values()}
    assert ids == {f"{telemetry.trace_id_of(RUN):032x}"}
    failed = spans["watch_run"]["data"]["baseData"]
    assert failed["success"] is False
    assert failed["properties"]["retrain_loop.error"] == "ValueError"


def test_a_decision_leaves_as_event_and_as_count(ingestion: ThreadingHTTPServer, tmp_path: Path):
    rows, _ = worker(ingestion, tmp_path)

    (event,) = [row["data"] for row in rows if row["data"]["baseType"] == "MessageData"]
    assert event["baseData"]["message"] == "job.start"
    assert event["baseData"]["properties"]["retrain_loop.run_id"] == RUN
    metrics = {
        row["data"]["baseData"]["metrics"][0]["name"]: row["data"]["baseData"]
        for row in rows
        if row["data"]["baseType"] == "MetricData"
    }
    assert set(metrics) >= {telemetry.DECISIONS, telemetry.DURATION}
    properties = metrics[telemetry.DECISIONS]["properties"]
    assert properties == {"action": "job.start", "outcome": "intent", "model": "flight-delay"}


def test_traces_may_be_left_out_and_metrics_never_are(
    ingestion: ThreadingHTTPServer, tmp_path: Path
):
    rows, _ = worker(ingestion, tmp_path, ratio=0.0)

    assert {row["data"]["baseType"] for row in rows} == {"MetricData"}
