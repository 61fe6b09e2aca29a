"""A small world for people's decisions: one model, one worker, storage, Fabric and a sign-in host.

Everything is real but the clouds; the model is a line of code and its tables have tens of rows, so
that the whole way to Production and back takes a minute.
"""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import requests
from deltalake import write_deltalake

from local.azurite import AzuritePorts, launch_azurite, wait_for_azurite
from local.chaos.world import WORKSPACE, item_id, write_items
from local.processes import free_ports, start_process, wait_until_ready
from local.stack import ROOT, TOOLS
from shared.adapters.clock import write_offset
from shared.bootstrap import App
from shared.catalogue import load_catalogue
from shared.config import load_settings
from tests.documents import catalogue_document
from tests.fakes.issuer import CLIENT, TENANT, Issuer, serve, signed, v2_claims
from tests.fakes.samples import MODEL, model_document
from tests.loop.people_job import HOLDOUT

JOB = "tests.loop.people_job"
NEVER = "0 0 0 29 2 *"
ROWS = 80
"""Rows of the holdout, and of a day."""


@dataclass
class PeopleWorld:
    """The running processes, and what a person can do to them."""

    folder: Path
    issuer: Issuer
    storage: AzuritePorts
    url: str
    key: str
    master_key: str
    environment: dict[str, str]

    @cached_property
    def app(self) -> App:
        """The app's own adapters: what is read is what is stored."""
        settings = load_settings(self.environment)
        return App(settings, load_catalogue(settings.models_file, self.environment))

    def token(self, name: str, *roles: str) -> str:
        """Sign a person in."""
        return signed(
            v2_claims(
                self.issuer,
                oid=f"oid-{name}",
                preferred_username=f"{name}@example.com",
                roles=list(roles),
                scp="user_impersonation",
            )
        )

    def send(self, path: str, *, token: str = "", **body: str) -> requests.Response:
        headers = {"x-functions-key": self.key}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return requests.post(f"{self.url}/api/{path}", json=body, headers=headers, timeout=60)

    def state(self, run_id: str) -> str:
        """Give where a run stands, as its status URL tells."""
        answer = requests.get(
            f"{self.url}/api/models/{MODEL}/runs/{run_id}",
            headers={"x-functions-key": self.key},
            timeout=60,
        )
        return str(answer.json()["state"])

    def trigger(self, function: str) -> None:
        answer = requests.post(
            f"{self.url}/admin/functions/{function}",
            json={},
            headers={"x-functions-key": self.master_key},
            timeout=60,
        )
        answer.raise_for_status()

    def live_a_day(self) -> None:
        """Have version 1 serve tomorrow's rows, and let it be the morning after."""
        now = self.app.clock.now()
        write_day(self.folder, (now + timedelta(days=1)).date(), version="1")
        after = datetime.combine((now + timedelta(days=2)).date(), time(5, 30), UTC)
        write_offset(self.folder / "clock.json", after)


def write_day(folder: Path, day: date, *, version: str) -> None:
    """Write a day's predictions of a version, and what became true."""
    start = datetime.combine(day, time(), UTC)
    served = [
        {"ts": start + timedelta(minutes=n), "id": f"{day}-{n}", "distance": float(n),
         "predicted": n + 12.0, "model_version": version} for n in range(ROWS)
    ]  # fmt: skip
    actual = [{"id": row["id"], "delay": truth(n)} for n, row in enumerate(served)]
    _write(folder, "lh_gold.flights_predictions", served)
    _write(folder, "lh_gold.flights_actuals", actual)


def truth(number: int) -> float:
    """Give what becomes true of a row: near the better version's answer, and never it."""
    return number + 10.0 + (number * 7 % 11 - 5) * 0.1


def _write(folder: Path, table: str, rows: list[dict[str, Any]]) -> None:
    place = folder / "lakehouse" / Path(*table.split("."))
    place.parent.mkdir(parents=True, exist_ok=True)
    write_deltalake(place, pa.Table.from_pylist(rows), mode="append")


@contextmanager
def run_people_world(folder: Path) -> Iterator[PeopleWorld]:
    """Start everything in an empty folder, and end it with the block."""
    ports = AzuritePorts.free()
    functions, fabric = free_ports(2)
    with ExitStack() as stack:
        issuer = stack.enter_context(serve(Issuer()))
        environment = _environment(folder, issuer, ports, fabric)
        world = PeopleWorld(
            folder, issuer, ports, f"http://127.0.0.1:{functions}",
            secrets.token_hex(16), secrets.token_hex(16), environment,
        )  # fmt: skip
        _prepare(world)
        azurite = launch_azurite(None, TOOLS, ports, folder / "azurite.log")
        stack.callback(azurite.stop)
        servers = [
            ("fabric", _fabric(world, fabric), f"http://127.0.0.1:{fabric}/_simulator/health"),
            ("functions", _functions(world, functions), f"{world.url}/admin/host/ping"),
        ]
        wait_for_azurite(azurite, ports)
        for name, argv, health in servers:
            server = start_process(name, argv, log=folder / f"{name}.log", cwd=ROOT)
            stack.callback(server.stop)
            wait_until_ready(server, health, 60)
        yield world


def _environment(
    folder: Path, issuer: Issuer, storage: AzuritePorts, fabric: int
) -> dict[str, str]:
    names = ("DRIFT", "RETRAIN", "CHALLENGE", "AUDIT")
    return {
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "AzureWebJobsStorage": storage.connection_string,
        "AUTH_MODE": "local",
        "LOCAL_TOKEN": secrets.token_hex(16),
        "LOCAL_CLOCK_FILE": str(folder / "clock.json"),
        "MODELS_FILE": str(folder / "models.yaml"),
        **{f"{name}_SCHEDULE": NEVER for name in names},
        "SWEEP_SCHEDULE": "*/10 * * * * *",
        "FABRIC_API_URL": f"http://127.0.0.1:{fabric}/v1",
        "LAKEHOUSE_URI": f"{folder}/lakehouse/{{lakehouse}}",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        "ARTIFACT_LOCATIONS": (folder / "models").as_uri(),
        "LOGS_INGESTION_ENDPOINT": f"http://127.0.0.1:{fabric}",
        "LOGS_INGESTION_RULE_ID": "dcr-0",
        "POLL_MIN_SECONDS": "1",
        "POLL_MAX_SECONDS": "2",
        "ENTRA_TENANT_ID": TENANT,
        "ENTRA_AUDIENCES": CLIENT,
        "ENTRA_AUTHORITY": issuer.url,
        "OMP_NUM_THREADS": "1",
    }


def _prepare(world: PeopleWorld) -> None:
    """Write catalogue, items, keys, the holdout and the first version; nobody is champion yet."""
    folder, uri = world.folder, world.environment["MLFLOW_TRACKING_URI"]
    write_offset(folder / "clock.json", datetime.now(UTC))
    (folder / "models.yaml").write_text(json.dumps(catalogue_document(_model())), encoding="utf-8")
    write_items(folder / "items", [MODEL])
    keys = {"default": world.key, "_master": world.master_key}
    (folder / "keys.json").write_text(json.dumps(keys), encoding="utf-8")
    settings = {"IsEncrypted": False, "Values": world.environment}
    (folder / "local.settings.json").write_text(json.dumps(settings), encoding="utf-8")
    held = datetime.now(UTC) - timedelta(days=2)
    _write(folder, HOLDOUT, [
        {"ts": held + timedelta(minutes=n), "id": f"held-{n}", "distance": float(n),
         "delay": truth(n)} for n in range(ROWS)
    ])  # fmt: skip
    _register_first(folder, uri)


def _register_first(folder: Path, uri: str) -> None:
    """Register version 1, in a process of its own: MLflow warns of what is no matter here."""
    parameters = folder / "first.json"
    given = {"run_id": "run-before", "model": MODEL, "off": 2.0}
    parameters.write_text(json.dumps(given), encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", JOB, "none", "--parameters", str(parameters)],
        env={**os.environ, "LAKEHOUSE_ROOT": f"{folder}/lakehouse", "MLFLOW_TRACKING_URI": uri},
        cwd=ROOT,
        check=True,
        capture_output=True,
    )


def _model() -> dict[str, Any]:
    return model_document(
        fabric={"workspace_id": WORKSPACE, "pipeline_id": item_id(MODEL)},
        approval={"mode": "required"},
        challenge={"wins": 1, "min_rows": 20},
        # a busy machine has no latencies
        gates={"performance": {"floor": 0.5}, "latency": {"enabled": False}, "min_rows": 50},
    )


def _fabric(world: PeopleWorld, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "local.fabric_simulator", "--port", str(port)),
        *("--workspace-id", WORKSPACE, "--items", str(world.folder / "items")),
        *("--state", str(world.folder / "fabric"), "--token", world.environment["LOCAL_TOKEN"]),
        *("--clock-file", str(world.folder / "clock.json"), "--retry-after", "1"),
        *("--runner-module", JOB),
        *("--lakehouse-root", str(world.folder / "lakehouse")),
        *("--mlflow-tracking-uri", world.environment["MLFLOW_TRACKING_URI"]),
    ]


def _functions(world: PeopleWorld, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "local.functions_host", "--app-dir", str(ROOT)),
        *("--port", str(port), "--keys", str(world.folder / "keys.json")),
        *("--settings", str(world.folder / "local.settings.json"), "--drain-seconds", "1"),
    ]
