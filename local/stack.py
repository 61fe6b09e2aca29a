"""The whole local stack: which servers there are, with which settings, in which folders.

One folder holds everything a stack writes (``.local/run``); ``endpoints.json`` in ``.local`` tells
what runs where. Starting never finds an old stack's data: the folder is made anew.
"""

import hashlib
import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import yaml

from local.azurite import AzuritePorts, launch_azurite, wait_for_azurite
from local.node import tools_folder
from local.processes import ManagedProcess, free_ports, start_process, wait_until_ready
from local.scenarios import Paths, Scenario
from shared.adapters.clock import write_offset

ROOT = Path(__file__).resolve().parents[1]
HOME = Path(os.environ.get("RETRAIN_LOOP_HOME", ROOT / ".local"))
TOOLS = tools_folder()
ENDPOINTS = HOME / "endpoints.json"
WORKSPACE = "6f3c1a52-0d1e-4b53-9a52-3f2f0a8f7d10"
RULE_ID = "dcr-0123456789abcdef0123456789abcdef"
RETRY_AFTER = 1  # seconds; Fabric's own is 60
DRAIN_SECONDS = 3  # for invocations that still run when the stack stops


class StackError(RuntimeError):
    """The stack cannot be started, or there is none; the message says what to do."""


@dataclass(frozen=True)
class Endpoints:
    """Where everything runs: what ``.local/endpoints.json`` holds."""

    pid: int
    created: float
    scenario: str
    folder: str
    functions_url: str
    function_key: str
    master_key: str
    storage_connection: str
    fabric_url: str
    monitor_url: str
    mlflow_uri: str
    lakehouse: str
    clock_file: str
    environment: dict[str, str]

    @property
    def alert_url(self) -> str:
        return f"{self.functions_url}/api/alerts?code={self.function_key}"


@dataclass(frozen=True)
class Stack:
    """A running stack."""

    endpoints: Endpoints
    scenario: Scenario
    workdir: Paths
    processes: tuple[ManagedProcess, ...]

    def fallen(self) -> ManagedProcess | None:
        """Give a server that has ended by itself, if any."""
        return next((each for each in self.processes if each.exit_code() is not None), None)


@dataclass(frozen=True)
class Layout:
    """The folders of one stack."""

    base: Path

    @property
    def workdir(self) -> Paths:
        return Paths(self.base)

    def log(self, name: str) -> Path:
        return self.base / "logs" / f"{name}.log"

    @property
    def clock(self) -> Path:
        return self.base / "clock.json"


@dataclass(frozen=True)
class Ports:
    """One port a server, all on 127.0.0.1."""

    azurite: AzuritePorts
    functions: int
    fabric: int
    monitor: int


@contextmanager
def run_stack(
    scenario: Scenario, *, home: Path = HOME, tools: Path = TOOLS, now: datetime | None = None
) -> Iterator[Stack]:
    """Start everything, and stop it at the end of the block.

    Raises:
        StackError: another stack runs from this folder.
        ProcessError: a server did not start; carries the end of its log.
    """
    refuse_second(home)
    layout = Layout(home / "run")
    shutil.rmtree(layout.base, ignore_errors=True)
    layout.base.mkdir(parents=True)
    write_offset(layout.clock, now or scenario.spec.alarm_at)
    with ExitStack() as stack:
        endpoints, processes = _start(scenario, layout, tools, stack)
        _publish(home / ENDPOINTS.name, endpoints)
        stack.callback((home / ENDPOINTS.name).unlink, missing_ok=True)
        yield Stack(endpoints, scenario, layout.workdir, processes)


def _start(
    scenario: Scenario, layout: Layout, tools: Path, stack: ExitStack
) -> tuple[Endpoints, tuple[ManagedProcess, ...]]:
    ports = Ports(AzuritePorts.free(), *free_ports(3))
    endpoints = _endpoints(scenario, layout, ports)
    azurite = launch_azurite(layout.base / "azurite", tools, ports.azurite, layout.log("azurite"))
    stack.callback(azurite.stop)
    others = []
    # what a deployment writes into the notebooks
    source = {name: endpoints.environment[name] for name in ("GIT_SHA", "GIT_BRANCH")}
    for name, argv, target in (
        (
            "fabric",
            _fabric(endpoints, layout, ports.fabric),
            f"{_loopback(ports.fabric)}/_simulator/health",
        ),
        (
            "monitor",
            _monitor(endpoints, layout, ports.monitor),
            f"{_loopback(ports.monitor)}/_simulator/health",
        ),
    ):
        server = start_process(name, argv, log=layout.log(name), cwd=ROOT, env=source)
        stack.callback(server.stop)
        others.append((server, target))
    wait_for_azurite(azurite, ports.azurite)
    functions = start_process(
        "functions",
        _functions(layout, ports.functions),
        log=layout.log("functions"),
        cwd=ROOT,
        env=endpoints.environment,
        grace_seconds=DRAIN_SECONDS + 5,
    )
    stack.callback(functions.stop)
    others.append((functions, f"{endpoints.functions_url}/admin/host/ping"))
    for server, target in others:
        wait_until_ready(server, target)
    return endpoints, (azurite, *(server for server, _ in others))


def _endpoints(scenario: Scenario, layout: Layout, ports: Ports) -> Endpoints:
    keys = {"default": secrets.token_hex(24), "_master": secrets.token_hex(24)}
    _write_private(layout.base / "keys.json", json.dumps(keys))
    draft = Endpoints(
        pid=os.getpid(),
        created=psutil.Process().create_time(),
        scenario=scenario.spec.name,
        folder=str(layout.base),
        functions_url=_loopback(ports.functions),
        function_key=keys["default"],
        master_key=keys["_master"],
        storage_connection=ports.azurite.connection_string,
        fabric_url=_loopback(ports.fabric),
        monitor_url=_loopback(ports.monitor),
        mlflow_uri=layout.workdir.tracking_uri,
        lakehouse=str(layout.workdir.lakehouse),
        clock_file=str(layout.clock),
        environment={},
    )
    catalogue = layout.base / "models.yaml"
    catalogue.write_text(_catalogue(scenario.spec.model_name), encoding="utf-8")
    environment = _environment(draft, catalogue)
    settings = {"IsEncrypted": False, "Values": environment}
    _write_private(layout.base / "local.settings.json", json.dumps(settings, indent=2))
    return Endpoints(**{**asdict(draft), "environment": environment})


def _catalogue(model_name: str) -> str:
    """Give models.yaml with one model: the others' tables are not in this lakehouse."""
    document = yaml.safe_load((ROOT / "models.yaml").read_text(encoding="utf-8"))
    document["models"] = [each for each in document["models"] if each["name"] == model_name]
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _environment(endpoints: Endpoints, catalogue: Path) -> dict[str, str]:
    """Give the app settings: the same names that the cloud uses."""
    token = secrets.token_hex(24)
    teams = f"{endpoints.monitor_url}/teams/workflows/local/triggers/manual/paths/invoke"
    return {
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "AzureWebJobsStorage": endpoints.storage_connection,
        "AUTH_MODE": "local",
        "LOCAL_TOKEN": token,
        "LOCAL_CLOCK_FILE": endpoints.clock_file,
        "MODELS_FILE": str(catalogue),
        "DRIFT_SCHEDULE": "0 0 4 * * *",
        "SWEEP_SCHEDULE": "*/20 * * * * *",
        # once a day: a scenario's clock runs through weeks, and its story is told by the alert
        "RETRAIN_SCHEDULE": "0 0 6 * * *",
        "AUDIT_SCHEDULE": "0 0 2 * * *",
        "CHALLENGE_SCHEDULE": "0 30 5 * * *",
        "FABRIC_API_URL": f"{endpoints.fabric_url}/v1",
        "FABRIC_WORKSPACE_ID": WORKSPACE,
        **item_settings(),
        "LAKEHOUSE_URI": f"{endpoints.lakehouse}/{{lakehouse}}",
        "MLFLOW_TRACKING_URI": endpoints.mlflow_uri,
        "LOGS_INGESTION_ENDPOINT": endpoints.monitor_url,
        "LOGS_INGESTION_RULE_ID": RULE_ID,
        "TEAMS_WEBHOOK_URL": f"{teams}?sig={secrets.token_hex(16)}",
        "POLL_MIN_SECONDS": "1",
        "STALLED_AFTER_SECONDS": "60",
        "GIT_SHA": revision(),
        "GIT_BRANCH": _git("rev-parse", "--abbrev-ref", "HEAD"),
        # one thread a model: on a small machine more of them wait for each other
        "OMP_NUM_THREADS": "1",
    }


def item_settings() -> dict[str, str]:
    """Give the settings that name Fabric items, from the items themselves."""
    pipelines = {
        "FLIGHTS_PIPELINE_ID": "pl_retrain_flight_delay.DataPipeline",
        "SLOT_REVENUE_PIPELINE_ID": "pl_retrain_slot_revenue.DataPipeline",
    }
    folder = ROOT / "infra" / "fabric"
    return {
        setting: str(json.loads((folder / item / ".platform").read_text())["config"]["logicalId"])
        for setting, item in pipelines.items()
    }


def _fabric(endpoints: Endpoints, layout: Layout, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "local.fabric_simulator", "--port", str(port)),
        *("--workspace-id", WORKSPACE, "--items", str(ROOT / "infra" / "fabric")),
        *("--state", str(layout.base / "fabric"), "--retry-after", str(RETRY_AFTER)),
        *("--token", endpoints.environment["LOCAL_TOKEN"], "--clock-file", endpoints.clock_file),
        *("--lakehouse-root", endpoints.lakehouse, "--mlflow-tracking-uri", endpoints.mlflow_uri),
    ]


def _monitor(endpoints: Endpoints, layout: Layout, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "local.monitor_simulator", "--port", str(port)),
        *("--rules", str(ROOT / "infra" / "alert-rules.json")),
        *("--receiver-url", endpoints.alert_url, "--state", str(layout.base / "monitor")),
        *("--token", endpoints.environment["LOCAL_TOKEN"], "--clock-file", endpoints.clock_file),
        *("--evaluate-every", "0.5", "--retry-gaps", "0.5,2,0.5,4,0.5"),
    ]


def _functions(layout: Layout, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "local.functions_host", "--app-dir", str(ROOT)),
        *("--port", str(port), "--keys", str(layout.base / "keys.json")),
        *("--settings", str(layout.base / "local.settings.json")),
        *("--drain-seconds", str(DRAIN_SECONDS)),
    ]


def refuse_second(home: Path = HOME) -> None:
    """Raise StackError where a stack runs already; an endpoints file left behind is removed."""
    running = find_endpoints(home)
    if running is not None:
        raise StackError(
            f"a stack runs already (process {running.pid}, scenario {running.scenario}): "
            "stop it with: loop down"
        )
    (home / ENDPOINTS.name).unlink(missing_ok=True)


def find_endpoints(home: Path = HOME) -> Endpoints | None:
    """Give the running stack's endpoints; None where none runs, also where one was killed."""
    try:
        document: dict[str, Any] = json.loads((home / ENDPOINTS.name).read_text(encoding="utf-8"))
        found = Endpoints(**document)
        alive = psutil.Process(found.pid).create_time() == found.created
    except (FileNotFoundError, psutil.NoSuchProcess, TypeError, json.JSONDecodeError):
        return None
    return found if alive else None


def _publish(path: Path, endpoints: Endpoints) -> None:
    _write_private(path, json.dumps(asdict(endpoints), indent=2))


def _write_private(path: Path, text: str) -> None:
    """Write what holds keys: for this user's eyes only, from the first moment."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _loopback(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def revision() -> str:
    """Give the commit; where there is no git, a digest of what trains the models."""
    digest = hashlib.sha256()
    for file in sorted((ROOT / "infra" / "fabric").rglob("*.py")):
        digest.update(file.read_bytes())
    return _git("rev-parse", "HEAD") or digest.hexdigest()


def _git(*arguments: str) -> str:
    import subprocess

    if shutil.which("git") is None:
        return ""
    done = subprocess.run(
        ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
