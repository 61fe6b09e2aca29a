"""A job service to test against: in memory, and Fabric's REST as the simulator speaks it."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import requests

from local.processes import free_port, start_process, wait_until_ready
from shared.adapters.clock import SystemClock
from shared.adapters.credentials import StaticCredential
from shared.adapters.fabric_http import CAPACITY_WAIT_SECONDS, FabricHttp
from shared.adapters.jobs.fabric_jobs import FabricJobs
from shared.catalogue import FabricItems, JobItems
from shared.errors import StartAmbiguous, Throttled, Unavailable
from shared.ports import JobInstance, JobService
from tests.fakes.jobs import FakeJobs

WORKSPACE = "11111111-1111-1111-1111-111111111111"
NOTEBOOK = "22222222-2222-2222-2222-222222222222"
UNKNOWN = "99999999-9999-9999-9999-999999999999"
TOKEN = "a-token-of-the-simulator"
PIPELINES = 40
PAGE_SIZE = 2
CLOCK = SystemClock()

RUNNER = """
import json, pathlib, sys, time
mode = json.loads(pathlib.Path(sys.argv[3]).read_text())["mode"]
if mode == "hang":
    time.sleep(600)
if mode == "fail":
    sys.exit("ValueError: no rows before the cut-off")
"""


class World(Protocol):
    """A job service's adapter, and what a test may do to the service behind it.

    Attributes:
        first_wait: seconds after which an accepted start is looked at.
        next_wait: what a job that has not ended asks for; None: nothing.
        unknown: an id that no job has.
        texts: what a failed job's text says.
        failure_code: what a failed job itself says.
    """

    jobs: JobService[Any]
    items: JobItems
    first_wait: float
    next_wait: float | None
    unknown: str
    texts: tuple[str, ...]
    failure_code: str

    def fault(self, operation: str, kind: str) -> None: ...

    def settle(self, instance_id: str, status: str) -> JobInstance: ...

    def parameters(self) -> list[dict[str, Any]]: ...


class FabricWords:
    """What the fake and Fabric's adapter have in common."""

    first_wait = 1.0
    next_wait = 1.0
    unknown = UNKNOWN
    texts = ("Train", "no rows before the cut-off")
    failure_code = "JobInstanceStatusFailed"


class FakeWorld(FabricWords):
    def __init__(self) -> None:
        self.jobs = FakeJobs(CLOCK)
        self.items = items(0)

    def fault(self, operation: str, kind: str) -> None:
        faults = getattr(self.jobs, f"{operation}_faults")
        match kind:
            case "throttle":
                faults.order(Throttled("busy", retry_after=7))
            case "capacity":
                faults.order(Throttled("full", retry_after=CAPACITY_WAIT_SECONDS))
            case "location_without_id":
                self.jobs.hide_ids = True
            case "deduped":
                self.jobs.next_status = "Deduped"
            case "server_error" | "reset" | "lost_response" if operation == "start":
                lost = kind == "lost_response"
                faults.order(StartAmbiguous("lost", sent_at=CLOCK.now()), done=lost)
            case "server_error" | "reset":
                faults.order(Unavailable("gone"))
            case "duplicate_listing" | "unauthorized":
                return
            case _:
                raise AssertionError(kind)

    def settle(self, instance_id: str, status: str) -> JobInstance:
        text = "Train: ValueError: no rows before the cut-off" if status == "Failed" else ""
        if status != "Cancelled":
            self.jobs.set_status(instance_id, status, text)
        return self.jobs.get(self.items, instance_id)

    def parameters(self) -> list[dict[str, Any]]:
        return list(self.jobs.parameters.values())


@dataclass
class Simulator:
    url: str
    free: Iterator[int]

    def order(self, operation: str, kind: str, **more: Any) -> None:
        order = {"operation": operation, "kind": kind, "retry_after": 7, **more}
        requests.post(f"{self.url}/_simulator/faults", json=order, timeout=5).raise_for_status()

    def jobs(self, pipeline_id: str) -> list[dict[str, Any]]:
        known = requests.get(f"{self.url}/_simulator/jobs", timeout=5).json()["jobs"]
        return [job for job in known if job["item_id"] == pipeline_id]

    def requests(self, pipeline_id: str) -> list[dict[str, Any]]:
        seen = requests.get(f"{self.url}/_simulator/jobs", timeout=5).json()["start_requests"]
        return [request for request in seen if request["item_id"] == pipeline_id]


class RealWorld(FabricWords):
    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.items = items(next(simulator.free))
        self.jobs = adapter(f"{simulator.url}/v1")

    def fault(self, operation: str, kind: str) -> None:
        self.simulator.order(operation, kind)

    def settle(self, instance_id: str, status: str) -> JobInstance:
        deadline = time.monotonic() + 20
        while (job := self.jobs.get(self.items, instance_id)).status != status:
            assert time.monotonic() < deadline, f"{job} is not {status}"
            time.sleep(0.05)
        return job

    def parameters(self) -> list[dict[str, Any]]:
        return [job["parameters"] for job in self.simulator.jobs(self.items.pipeline_id)]


def adapter(base_url: str, credential: Any = None, read_seconds: float = 10) -> FabricJobs:
    chosen = credential or StaticCredential(TOKEN)
    return FabricJobs(FabricHttp(base_url, chosen, CLOCK, read_seconds=read_seconds), CLOCK)


def items(number: int) -> FabricItems:
    return FabricItems(workspace_id=WORKSPACE, pipeline_id=str(UUID(int=1000 + number)))


def write_item(folder: Path, kind: str, item_id: str, file: str, content: str) -> None:
    folder = folder / f"{item_id}.{kind}"
    folder.mkdir(parents=True)
    platform = {
        "metadata": {"type": kind, "displayName": item_id},
        "config": {"logicalId": item_id},
    }
    (folder / ".platform").write_text(json.dumps(platform))
    (folder / file).write_text(content)


def pipeline() -> str:
    parameter = {"value": "@pipeline().parameters.mode", "type": "Expression"}
    activity = {
        "name": "Train",
        "type": "TridentNotebook",
        "typeProperties": {
            "notebookId": NOTEBOOK,
            "workspaceId": WORKSPACE,
            "parameters": {"mode": {"value": parameter, "type": "string"}},
        },
    }
    declared = {"mode": {"type": "string", "defaultValue": "ok"}}
    return json.dumps({"properties": {"parameters": declared, "activities": [activity]}})


@contextmanager
def run_simulator(root: Path) -> Iterator[Simulator]:
    """Run a simulator with pipelines enough for one a test."""
    write_item(root / "items", "Notebook", NOTEBOOK, "notebook-content.py", "")
    for number in range(PIPELINES):
        item_id = items(number).pipeline_id
        write_item(root / "items", "DataPipeline", item_id, "pipeline-content.json", pipeline())
    (root / "contract_runner.py").write_text(RUNNER)
    port = free_port()
    argv = [sys.executable, "-m", "local.fabric_simulator", "--port", port]
    argv += ["--workspace-id", WORKSPACE, "--items", root / "items", "--state", root / "state"]
    argv += ["--token", TOKEN, "--page-size", PAGE_SIZE, "--runner-module", "contract_runner"]
    environment = {"PYTHONPATH": str(root)}
    url = f"http://127.0.0.1:{port}"
    log = root / "simulator.log"
    with start_process("fabric", [str(part) for part in argv], log=log, env=environment) as process:
        wait_until_ready(process, f"{url}/_simulator/health")
        yield Simulator(url, count())
