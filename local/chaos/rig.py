"""The processes of the chaos run: storage behind a bad network, Fabric, and two workers of the app.

What may go in here: starting, killing and restarting them. Nothing is left behind, however the run
ends: every process ends with this one.
"""

import json
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import requests

from local.azurite import AzuritePorts, launch_azurite, wait_for_azurite
from local.chaos.world import WORKSPACE, model_names, write_catalogue, write_items
from local.processes import (
    ManagedProcess,
    ProcessError,
    free_ports,
    start_process,
    wait_until_ready,
)
from local.scenarios.base import Paths
from local.stack import ROOT, TOOLS
from shared.adapters.clock import write_offset
from shared.bootstrap import App, app_of
from shared.config import load_settings

WORKERS = 2
NEVER = "0 0 0 29 2 *"
TIMEOUT = 30
START_ATTEMPTS = 20
"""A worker that finds its storage away when it starts ends, and is started again."""
STALLED_SECONDS = 8
POLL_MAX_SECONDS = 4


@dataclass
class Worker:
    """One instance of the app; ``process`` is None while it is dead."""

    number: int
    port: int
    process: ManagedProcess | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@dataclass
class Rig:
    """The running processes, and how they are talked to."""

    folder: Path
    models: list[str]
    workers: list[Worker]
    storage: AzuritePorts
    proxied: AzuritePorts
    fabric_port: int
    key: str = field(default_factory=lambda: secrets.token_hex(24))
    token: str = field(default_factory=lambda: secrets.token_hex(24))
    stopped: bool = False
    _clock: Lock = field(default_factory=Lock)

    @property
    def fabric_url(self) -> str:
        return f"http://127.0.0.1:{self.fabric_port}"

    @property
    def clock_file(self) -> Path:
        return self.folder / "clock.json"

    @property
    def paths(self) -> Paths:
        return Paths(self.folder)

    def environment(self, storage: AzuritePorts) -> dict[str, str]:
        """Give the app's settings on one way to the storage."""
        return {
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "AzureWebJobsStorage": storage.connection_string,
            "AUTH_MODE": "local",
            "LOCAL_TOKEN": self.token,
            "LOCAL_CLOCK_FILE": str(self.clock_file),
            "MODELS_FILE": str(self.folder / "models.yaml"),
            "DRIFT_SCHEDULE": NEVER,
            "RETRAIN_SCHEDULE": NEVER,
            "CHALLENGE_SCHEDULE": NEVER,
            "AUDIT_SCHEDULE": NEVER,
            "SWEEP_SCHEDULE": "*/10 * * * * *",
            "FABRIC_API_URL": f"{self.fabric_url}/v1",
            "LAKEHOUSE_URI": f"{self.paths.lakehouse}/{{lakehouse}}",
            "MLFLOW_TRACKING_URI": self.paths.tracking_uri,
            "LOGS_INGESTION_ENDPOINT": self.fabric_url,
            "LOGS_INGESTION_RULE_ID": "dcr-0",
            "POLL_MIN_SECONDS": "1",
            "POLL_MAX_SECONDS": str(POLL_MAX_SECONDS),
            "STALLED_AFTER_SECONDS": str(STALLED_SECONDS),
            "OMP_NUM_THREADS": "1",
        }

    @cached_property
    def app(self) -> App:
        """The app's own adapters, past the bad network: what is read is what is stored."""
        environment = self.environment(self.storage)
        settings = load_settings(environment)
        return app_of(settings, environment)

    def set_clock(self, offset_seconds: float) -> None:
        """Set the app's clock, and not Fabric's, relative to the machine's."""
        with self._clock:
            draft = self.clock_file.with_suffix(".new")
            draft.write_text(json.dumps({"offset_seconds": offset_seconds}), encoding="utf-8")
            draft.replace(self.clock_file)

    def set_weather(self, rate: float | None = None) -> dict[str, int]:
        """Set how often storage fails; gives what has happened so far."""
        query = {} if rate is None else {"rate": str(rate)}
        answer = requests.get(
            f"http://127.0.0.1:{self.proxied.queue}/_chaos", params=query, timeout=TIMEOUT
        )
        counts: dict[str, int] = answer.json()
        return counts

    def order_fabric_fault(self, **fault: Any) -> None:
        url = f"{self.fabric_url}/_simulator/faults"
        requests.post(url, json=fault, timeout=TIMEOUT).raise_for_status()

    def clear_fabric_faults(self) -> None:
        url = f"{self.fabric_url}/_simulator/faults"
        requests.delete(url, timeout=TIMEOUT).raise_for_status()

    def fabric(self, what: str) -> dict[str, Any]:
        answer = requests.get(f"{self.fabric_url}/_simulator/{what}", timeout=TIMEOUT)
        document: dict[str, Any] = answer.json()
        return document

    def start(self, worker: Worker) -> None:
        """Start a worker, again where it finds its storage away.

        Raises:
            ProcessError: it never came up.
        """
        for attempt in range(START_ATTEMPTS):
            worker.process = start_process(
                f"worker {worker.number}",
                [
                    *(sys.executable, "-m", "local.functions_host", "--app-dir", str(ROOT)),
                    *("--port", str(worker.port), "--keys", str(self.folder / "keys.json")),
                    *("--settings", str(self.folder / "local.settings.json")),
                    *("--drain-seconds", "1"),
                ],
                log=self.folder / "logs" / f"worker-{worker.number}.log",
                cwd=ROOT,
            )
            try:
                wait_until_ready(worker.process, f"{worker.url}/admin/host/ping", 60)
            except ProcessError:
                worker.process.kill()
                worker.process = None
                if attempt + 1 == START_ATTEMPTS or self.stopped:
                    raise
                time.sleep(0.2)
            else:
                return

    def kill(self, worker: Worker) -> None:
        """End a worker as a power cut does."""
        if worker.process is not None:
            worker.process.kill()
            worker.process = None

    def close(self) -> None:
        self.stopped = True
        for worker in self.workers:
            self.kill(worker)


@contextmanager
def run_rig(folder: Path, models: int, seed: int) -> Iterator[Rig]:
    """Start everything in an empty folder, and end it with the block.

    Raises:
        ProcessError: a server did not start; carries the end of its log.
    """
    ports = free_ports(WORKERS + 1)
    rig = Rig(
        folder,
        model_names(models),
        [Worker(number + 1, ports[number]) for number in range(WORKERS)],
        AzuritePorts.free(),
        AzuritePorts.free(),
        ports[-1],
    )
    _write_files(rig)
    with ExitStack() as stack:
        _start_servers(rig, seed, stack)
        stack.callback(rig.close)
        for worker in rig.workers:
            rig.start(worker)
        yield rig


def _write_files(rig: Rig) -> None:
    write_catalogue(rig.folder / "models.yaml", rig.models)
    write_items(rig.folder / "items", rig.models)
    rig.set_clock(0)
    write_offset(rig.folder / "fabric-clock.json", rig.app.clock.now())
    keys = {"default": rig.key, "_master": secrets.token_hex(24)}
    _write_private(rig.folder / "keys.json", keys)
    settings = {"IsEncrypted": False, "Values": rig.environment(rig.proxied)}
    _write_private(rig.folder / "local.settings.json", settings)


def _write_private(path: Path, document: dict[str, Any]) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(document), encoding="utf-8")


def _start_servers(rig: Rig, seed: int, stack: ExitStack) -> None:
    logs = rig.folder / "logs"
    azurite = launch_azurite(None, TOOLS, rig.storage, logs / "azurite.log")
    stack.callback(azurite.stop)
    proxy = start_process("proxy", _proxy(rig, seed), log=logs / "proxy.log", cwd=ROOT)
    stack.callback(proxy.stop)
    fabric = start_process("fabric", _fabric(rig), log=logs / "fabric.log", cwd=ROOT)
    stack.callback(fabric.stop)
    _prepare_registry(rig)
    wait_for_azurite(azurite, rig.storage)
    wait_until_ready(proxy, rig.proxied.queue)
    wait_until_ready(fabric, f"{rig.fabric_url}/_simulator/health")


def _proxy(rig: Rig, seed: int) -> list[str]:
    pairs = [
        f"{getattr(rig.proxied, name)}:{getattr(rig.storage, name)}"
        for name in ("blob", "queue", "table")
    ]
    options = [option for pair in pairs for option in ("--pair", pair)]
    return [sys.executable, "-m", "local.chaos.proxy", "--seed", str(seed), *options]


def _fabric(rig: Rig) -> list[str]:
    return [
        *(sys.executable, "-m", "local.fabric_simulator", "--port", str(rig.fabric_port)),
        *("--workspace-id", WORKSPACE, "--items", str(rig.folder / "items")),
        *("--state", str(rig.folder / "fabric"), "--retry-after", "1", "--token", rig.token),
        *("--clock-file", str(rig.folder / "fabric-clock.json"), "--queue-seconds", "0.1"),
        *("--runner-module", "local.chaos.runner", "--lakehouse-root", str(rig.paths.lakehouse)),
        *("--mlflow-tracking-uri", rig.paths.tracking_uri),
    ]


def _prepare_registry(rig: Rig) -> None:
    """Make the database once, before two workers would."""
    environment = {"MLFLOW_TRACKING_URI": rig.paths.tracking_uri}
    argv = [sys.executable, "-m", "local.chaos.runner", "--prepare"]
    log = rig.folder / "logs" / "prepare.log"
    with start_process("registry", argv, log=log, cwd=ROOT, env=environment) as process:
        if process.wait(120):
            raise ProcessError(f"the registry could not be made:\n{process.log_tail()}")
