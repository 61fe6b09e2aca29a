"""What is loaded when, and the host's settings."""

import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.config import Settings

ROOT = Path(__file__).parents[2]
HEAVY = (
    *("deltalake", "duckdb", "fairlearn", "mlflow", "numpy", "pandas"),
    *("pyarrow", "scipy", "sklearn", "skops"),
)
# Everything the worker does to learn which functions there are.
INDEX = "import function_app; function_app.app.get_functions()"
# Everything an alert touches but the network: the app that bootstrap makes, on stores in memory.
ALERT = """
import azure.functions as func
from functions import alert_http, health_http
from shared import bootstrap
from tests.documents import alert_body
from tests.fakes.clock import FakeClock
from tests.fakes.queues import FakeQueues
from tests.fakes.state import FakeRunStore

loop, clock = bootstrap.app(), FakeClock()
clock.advance(minutes=10)
vars(loop).update(clock=clock, store=FakeRunStore(), queues=FakeQueues(clock))
answer = alert_http.receive_alert(func.HttpRequest("POST", "/api/alerts", body=alert_body()))
assert answer.status_code == 202, answer.get_body()
assert loop.queues.visible("retrain-runs"), "nothing was sent"
answer = health_http.health(func.HttpRequest("GET", "/api/health", body=b""))
assert answer.status_code == 200, answer.get_body()
"""
TELL = "\nimport sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"


def loaded_by(code: str, environment: dict[str, str] | None = None) -> set[str]:
    """Give the packages a fresh interpreter holds after running the code."""
    done = subprocess.run(
        [sys.executable, "-c", code + TELL],
        cwd=ROOT,
        env={"PATH": "", **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    from tests.documents import catalogue_document

    models = tmp_path / "models.yaml"
    models.write_text(json.dumps(catalogue_document()), encoding="utf-8")
    return {
        "MODELS_FILE": str(models),
        "AUTH_MODE": "local",
        "LOCAL_TOKEN": "local-only",
        "AzureWebJobsStorage": "AccountName=account;AccountKey=a2V5;QueueEndpoint=http://127.0.0.1",
        "FABRIC_API_URL": "http://127.0.0.1:1/v1",
        "LAKEHOUSE_URI": str(tmp_path),
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:1",
        "LOGS_INGESTION_ENDPOINT": "http://127.0.0.1:1",
        "LOGS_INGESTION_RULE_ID": "dcr-1",
    }


def test_the_heavy_libraries_are_installed_so_that_their_absence_below_means_something():
    assert "numpy" in loaded_by("import numpy")


def test_indexing_the_app_loads_nothing_heavy_and_needs_no_setting():
    assert loaded_by(INDEX).isdisjoint(HEAVY)


def test_indexing_the_app_leaves_settings_and_storage_to_the_first_call():
    # Indexing costs what an app of one empty function costs; bench/ingress.py holds the ratio.
    later = {"pydantic", "yaml", "requests", "aiohttp", "jwt", "cryptography", "opentelemetry"}

    assert loaded_by("import pydantic, yaml, requests, jwt") & later
    assert loaded_by(INDEX).isdisjoint(later)


def test_an_alert_loads_nothing_heavy_on_its_way_to_the_queue(environment: dict[str, str]):
    assert loaded_by(ALERT, environment).isdisjoint(HEAVY)


def test_telemetry_that_nobody_asked_for_is_not_loaded(environment: dict[str, str]):
    assert "opentelemetry" in loaded_by("import opentelemetry.trace")
    assert "opentelemetry" not in loaded_by(ALERT, environment)


def test_the_host_speaks_opentelemetry(host: dict[str, Any]):
    assert host["telemetryMode"] == "OpenTelemetry"


@pytest.fixture(scope="module")
def host() -> dict[str, Any]:
    document = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


@pytest.fixture
def queues(host: dict[str, Any]) -> dict[str, Any]:
    return dict(host["extensions"]["queues"])


def span(text: str) -> timedelta:
    """Read a TimeSpan of host.json: hh:mm:ss."""
    found = re.fullmatch(r"(\d\d):(\d\d):(\d\d)", text)
    assert found, text
    hours, minutes, seconds = map(int, found.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def test_the_host_loads_the_bundle_that_has_the_queue_extension(host: dict[str, Any]):
    assert host["version"] == "2.0"
    assert host["extensionBundle"] == {
        "id": "Microsoft.Azure.Functions.ExtensionBundle",
        "version": "[4.*, 5.0.0)",
    }


def test_queue_settings_are_within_what_the_host_starts_with(queues: dict[str, Any]):
    assert 1 <= queues["batchSize"] <= 32
    assert 0 <= queues["newBatchThreshold"] <= queues["batchSize"]
    assert queues["maxDequeueCount"] >= 1
    assert timedelta(milliseconds=100) <= span(queues["maxPollingInterval"]) <= timedelta(minutes=1)
    assert span(queues["visibilityTimeout"]) <= timedelta(days=7)


def test_queue_messages_are_read_in_the_encoding_they_are_sent_in(queues: dict[str, Any]):
    assert queues["messageEncoding"] == "base64"


def test_a_failed_message_waits_before_it_comes_again(queues: dict[str, Any]):
    assert span(queues["visibilityTimeout"]) >= timedelta(seconds=10)


def test_a_judgement_ends_before_the_host_would_kill_the_worker(host: dict[str, Any]):
    process = timedelta(seconds=Settings.model_fields["scoring_seconds"].default)

    longest = 4 * process  # candidate and champion are each fetched and scored

    assert longest < span(host["functionTimeout"]) - timedelta(minutes=1)


def test_the_route_of_the_alerts_has_the_prefix_that_the_action_group_calls(host: dict[str, Any]):
    assert host["extensions"]["http"]["routePrefix"] == "api"


def test_the_package_that_is_deployed_holds_neither_tests_nor_tools():
    ignored = (ROOT / ".funcignore").read_text(encoding="utf-8").split()

    assert {"tests/", "local/", "bench/", "docs/", "infra/", "scripts/"} <= set(ignored)
    needed = ("function_app.py", "functions/", "shared/", "host.json", "models.yaml")
    assert not {*needed, "requirements.txt"} & set(ignored)
