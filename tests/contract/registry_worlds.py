"""A model registry to test against: in memory, on SQLite, and over REST as the simulator speaks it.

What training jobs and operators do goes by MLflow's own client; what is tested is the port.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import pytest
import requests

from local.processes import free_port, start_process, wait_until_ready
from shared.adapters.clock import SystemClock
from shared.adapters.credentials import StaticCredential
from shared.adapters.registry.fabric_registry import FabricRegistry, FabricServer
from shared.adapters.registry.fabric_registry_files import OneLakeFiles, Place
from shared.adapters.registry.fabric_registry_http import MlflowRest, Patience
from shared.adapters.registry.mlflow_registry import MlflowRegistry, MlflowServer
from shared.adapters.registry.registry_base import RoleRegistry
from shared.adapters.registry.registry_roles import Write
from shared.adapters.scoring.scoring_sources import locations
from shared.errors import Unavailable
from shared.ports import Registry
from tests.fakes.registry import FakeRegistry

WORKSPACE = "11111111-1111-1111-1111-111111111111"
TOKEN = "a-token-of-the-simulator"
SOURCE = "abfss://workspace@onelake.dfs.fabric.microsoft.com/item/source"
"""A server takes no version whose files lie in a folder of its own."""
NUMBERS = count(1)
JSON = {"Content-Type": "application/json"}
NO_MODEL = json.dumps({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}).encode()
NOTEBOOK = "22222222-2222-2222-2222-222222222222"


class World(Protocol):
    """A Registry, and what training jobs and operators do to it."""

    registry: Registry

    def register(self, model: str, **how: Any) -> str: ...

    def set_champion(self, model: str, version: str) -> None: ...

    def set_stage(self, model: str, version: str, stage: str) -> None: ...

    def start_run(self) -> str:
        """Give the id of a training run that takes files."""

    def attached(self, model: str, version: str, name: str) -> bytes: ...


class FakeWorld:
    def __init__(self) -> None:
        self.registry = fake = FakeRegistry()
        self.register = fake.register
        self.set_champion = fake.set_champion
        self.set_stage = fake.set_stage
        self.attached = lambda *key: fake.attached[key]

    def start_run(self) -> str:
        return f"run{next(NUMBERS)}"


class ServerWorld:
    """A world whose registry is a server's; ``limited`` takes some of it away."""

    registry: RoleRegistry
    client: Any
    experiment: str

    def register(
        self,
        model: str,
        *,
        tags: dict[str, str] | None = None,
        run_id: str = "",
        source: str = SOURCE,
    ) -> str:
        if not self.client.search_registered_models(f"name='{model}'"):
            self.client.create_registered_model(model)
        made = self.client.create_model_version(model, source, run_id or None, tags=tags)
        return str(made.version)

    def set_champion(self, model: str, version: str) -> None:
        self.client.set_registered_model_alias(model, "champion", version)

    def set_stage(self, model: str, version: str, stage: str) -> None:
        with pytest.warns(FutureWarning):
            self.client.transition_model_version_stage(model, version, stage)

    def start_run(self) -> str:
        return str(self.client.create_run(self.experiment).info.run_id)

    def limited(self, missing: set[str]) -> RoleRegistry:
        """Give a registry whose server lacks some of aliases, stages and tags."""
        raise NotImplementedError

    def restore(self) -> None:
        """Give the server back what it lacks."""


class SqliteWorld(ServerWorld):
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = MlflowServer(f"sqlite:///{folder}/mlflow.db")
        self.registry = RoleRegistry(self.server)
        self.client = self.server.client
        self.experiment = self.client.create_experiment("training", (folder / "files").as_uri())

    def attached(self, model: str, version: str, name: str) -> bytes:
        run_id = self.client.get_model_version(model, version).run_id
        return Path(self.client.download_artifacts(run_id, name, str(self.folder))).read_bytes()

    def limited(self, missing: set[str]) -> RoleRegistry:
        server = MlflowServer("unused")
        server.__dict__["client"] = WithoutRoles(self.client, missing)
        return RoleRegistry(server)


@dataclass
class Simulator:
    """A running Fabric simulator with a registry."""

    url: str
    state: Path

    @property
    def mlflow(self) -> str:
        return f"{self.url}/v1/workspaces/{WORKSPACE}/mlflow"

    def order(self, operation: str, kind: str, **more: Any) -> None:
        order = {"operation": operation, "kind": kind, **more}
        requests.post(f"{self.url}/_simulator/faults", json=order, timeout=5).raise_for_status()

    def pending(self) -> list[dict[str, Any]]:
        found = requests.get(f"{self.url}/_simulator/faults", timeout=5).json()
        return list(found["faults"])

    def forget(self) -> None:
        requests.delete(f"{self.url}/_simulator/faults", timeout=5).raise_for_status()

    def lack(self, *what: str) -> None:
        body = {"without": what}
        requests.put(f"{self.url}/_simulator/registry", json=body, timeout=5).raise_for_status()

    def path(self, place: Place) -> Path:
        return self.state / "onelake" / place.workspace / place.path

    def registry(self, **how: Any) -> FabricRegistry:
        return FabricRegistry(self.server(**how))

    def server(self, *, token: str = TOKEN, waits: list[float] | None = None) -> FabricServer:
        credential, clock = StaticCredential(token), SystemClock()
        kept = waits if waits is not None else []
        patience = Patience(sleep=kept.append)
        files = OneLakeFiles(
            f"{self.url}/onelake",
            credential,
            clock,
            locations=locations(f"fabric://{WORKSPACE}"),
            seconds=30,
            patience=patience,
        )
        url = f"{self.url}/v1"
        return FabricServer(
            MlflowRest(url, WORKSPACE, credential, clock, patience=patience, read_seconds=10), files
        )


class RestWorld(ServerWorld):
    """What both worlds over REST share: the simulator, whose switches they turn."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.client = MlflowServer(simulator.mlflow).client

    def limited(self, missing: set[str]) -> RoleRegistry:
        self.simulator.lack(*missing)
        return self.connected()

    def restore(self) -> None:
        self.simulator.lack()

    def connected(self) -> RoleRegistry:
        raise NotImplementedError


class MlflowRestWorld(RestWorld):
    def __init__(self, simulator: Simulator, folder: Path) -> None:
        super().__init__(simulator)
        self.folder = folder
        self.registry = self.connected()
        self.experiment = self.client.create_experiment("by client", (folder / "files").as_uri())

    def connected(self) -> RoleRegistry:
        return MlflowRegistry(self.simulator.mlflow)

    def attached(self, model: str, version: str, name: str) -> bytes:
        run_id = self.client.get_model_version(model, version).run_id
        return Path(self.client.download_artifacts(run_id, name, str(self.folder))).read_bytes()


class FabricWorld(RestWorld):
    def __init__(self, simulator: Simulator) -> None:
        super().__init__(simulator)
        self.registry = self.connected()
        self.experiment = self.client.create_experiment("in OneLake")

    def connected(self) -> RoleRegistry:
        return self.simulator.registry()

    def attached(self, model: str, version: str, name: str) -> bytes:
        run = self.client.get_run(self.client.get_model_version(model, version).run_id)
        return self.simulator.path(Place.of(run.info.artifact_uri).under(name)).read_bytes()


@contextmanager
def simulated(folder: Path) -> Iterator[Simulator]:
    """Serve a registry on SQLite, as a Fabric workspace would; MLflow's client is let in too."""
    items, port = folder / "items", free_port()
    _write_notebook(items)
    argv = ["-m", "local.fabric_simulator", "--port", str(port), "--workspace-id", WORKSPACE]
    argv += ["--items", str(items), "--state", str(folder / "state"), "--token", TOKEN]
    argv += ["--registry-store", f"sqlite:///{folder}/registry.db", "--page-size", "3"]
    url = f"http://127.0.0.1:{port}"
    environment = {"MLFLOW_DISABLE_TELEMETRY": "true", **os.environ}

    with (
        start_process(
            "fabric", [sys.executable, *argv], log=folder / "fabric.log", env=environment
        ) as process,
        pytest.MonkeyPatch.context() as patch,
    ):
        wait_until_ready(process, f"{url}/_simulator/health")
        patch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        yield Simulator(url, folder / "state")


def _write_notebook(items: Path) -> None:
    folder = items / "nothing.Notebook"
    folder.mkdir(parents=True)
    platform = {
        "metadata": {"type": "Notebook", "displayName": "nothing"},
        "config": {"version": "2.0", "logicalId": NOTEBOOK},
    }
    (folder / ".platform").write_text(json.dumps(platform))
    (folder / "notebook-content.py").write_text("# Fabric notebook source\n")


class WithoutRoles:
    """A client whose server lacks some of aliases, stages and tags."""

    CALLS = {  # noqa: RUF012 - read only
        "aliases": {"get_model_version_by_alias", "set_registered_model_alias"},
        "stages": {"transition_model_version_stage"},
        "tags": {"set_model_version_tag"},
    }

    def __init__(self, client: Any, missing: set[str]) -> None:
        self._client = client
        self._what = missing
        self._missing = {call for what in missing for call in self.CALLS[what]}

    def _get_registry_client(self) -> "WithoutRoles":
        return WithoutRoles(self._client._get_registry_client(), self._what)

    def __getattr__(self, name: str) -> Any:
        if name in self._missing:
            return self._no_such_call
        return getattr(self._client, name)

    @staticmethod
    def _no_such_call(*_: Any, **__: Any) -> None:
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import ENDPOINT_NOT_FOUND

        raise MlflowException("no such endpoint", error_code=ENDPOINT_NOT_FOUND)


class Breaking:
    """A server whose connection is lost with the answer to its n-th write."""

    def __init__(self, server: Any, at: int) -> None:
        self._server = server
        self.left = at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    def write(self, model: str, write: Write) -> None:
        self._server.write(model, write)
        self.left -= 1
        if not self.left:
            raise Unavailable("the connection is lost")


def broken(registry: RoleRegistry, at: int, act: Callable[[RoleRegistry], None]) -> bool:
    """Act with the answer to the n-th write lost; says whether there were as many."""
    breaking = Breaking(registry._server, at)
    try:
        act(RoleRegistry(breaking))
    except Unavailable:
        return True
    return False
