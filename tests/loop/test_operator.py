"""Operators' requests against the running stack: through the host, its keys, Fabric and storage."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests

from local.client import StackClient, wait_for
from local.doctor.findings import Status
from local.doctor.plan import Where, look
from local.scenarios import SCENARIOS
from local.stack import run_stack
from shared.domain.audit import verify

pytestmark = [pytest.mark.loop, pytest.mark.timeout(300), pytest.mark.xdist_group("operator")]

MODEL = "casino-slot-revenue-forecast-gbt"
WHY = {"reason": "looked at the data"}


class Operator:
    """Sends requests with the function key, as a person with curl does."""

    def __init__(self, client: StackClient) -> None:
        self.client = client
        self._base = f"{client.endpoints.functions_url}/api"
        self._key = {"x-functions-key": client.endpoints.function_key}

    def send(self, method: str, path: str, key: bool = True, **body: str) -> requests.Response:
        headers = self._key if key else {}
        return requests.request(
            method, f"{self._base}/{path}", json=body, headers=headers, timeout=30
        )


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """A stack without rows: a job that starts here fails, unless it is cancelled first."""
    with run_stack(SCENARIOS["slot-revenue"], home=tmp_path_factory.mktemp("home")) as stack:
        yield Operator(StackClient(stack.endpoints))


def test_a_run_is_asked_for_seen_running_and_cancelled_with_its_job(operator: Operator):
    # an empty lakehouse makes the job fail within seconds: the app is not to hear of it
    operator.client.order_fabric_fault(operation="get", kind="unknown_status", times=1000)
    asked = operator.send("POST", f"models/{MODEL}/retrain", **WHY)
    receipt = asked.json()
    url = receipt["status_url"].removeprefix("/api/")

    def running() -> bool:
        return str(operator.send("GET", url).json()["state"]) == "running"

    wait_for("the run's job", running, seconds=60)
    cancelled = operator.send("POST", f"runs/{receipt['run_id']}/cancel", **WHY)

    assert (asked.status_code, receipt["decision"]) == (202, "accepted")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert operator.send("GET", url).json()["final"]
    store = operator.client.app.store
    assert store.snapshot(MODEL, receipt["run_id"]).lock.run_id == ""
    assert not list(verify(store.chain(MODEL), store.head(MODEL), chain=MODEL))


def test_a_suppressed_model_is_left_alone_until_that_is_lifted(operator: Operator):
    until = operator.client.app.clock.now() + timedelta(days=2)
    path = f"models/{MODEL}/suppress"

    assert operator.send("POST", path, until=until.isoformat(), **WHY).status_code == 200
    refused = operator.send("POST", f"models/{MODEL}/retrain", **WHY)
    listed = operator.send("GET", f"models/{MODEL}/runs?state=skipped&limit=1")
    lifted = operator.send("DELETE", path, **WHY)

    assert (refused.status_code, refused.json()["state"]) == (200, "skipped")
    assert refused.json()["reason"].startswith("suppressed: operator (function key)")
    assert [run["run_id"] for run in listed.json()["runs"]] == [refused.json()["run_id"]]
    assert listed.json()["suppression"]["reason"] == WHY["reason"]
    assert lifted.json() == {"model": MODEL, "lifted": True}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"models/{MODEL}/retrain"),
        ("POST", f"models/{MODEL}/suppress"),
        ("DELETE", f"models/{MODEL}/suppress"),
        ("GET", f"models/{MODEL}/runs"),
        ("GET", f"models/{MODEL}/runs/run-1"),
        ("POST", f"models/{MODEL}/runs/run-1/cancel"),
        ("POST", f"models/{MODEL}/runs/run-1/release"),
        ("POST", "runs/run-1/cancel"),
    ],
)
def test_every_operator_s_route_is_closed_without_a_key(operator: Operator, method: str, path: str):
    assert operator.send(method, path, key=False, **WHY).status_code == 401


def test_the_retrain_timer_runs_where_there_is_nothing_to_do(operator: Operator):
    operator.client.trigger("schedule_retrains")

    log = Path(operator.client.endpoints.folder) / "logs" / "functions.log"

    def ticked() -> bool:
        return "Executed 'schedule_retrains' (Succeeded" in log.read_text(encoding="utf-8")

    wait_for("the timer's tick", ticked, seconds=30)


def test_the_doctor_names_what_this_stack_lacks_and_nothing_else(operator: Operator):
    endpoints = operator.client.endpoints
    data = operator.client.app.catalogue.models[0].data

    findings = look(Where(endpoints.environment, endpoints.functions_url), seconds=120)

    seen = {status: {each.name for each in findings if each.status is status} for status in Status}
    assert seen[Status.FAIL] == {
        f"table {table}" for table in (data.predictions, data.actuals, data.holdout)
    }
    assert seen[Status.WARN] == {f"champion of {MODEL}"}
    assert seen[Status.SKIP] == {
        *("alert rules", "action groups", "log queries", "role assignments"),
    }
    assert {"functions", "logs ingestion", f"item of {MODEL}", "capabilities"} <= seen[Status.OK]
