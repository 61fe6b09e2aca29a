"""All that is read and checked before the host runs, with every problem told at once."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from azure.storage.queue.aio import QueueServiceClient

from local.functions_host.errors import StartupFailed
from local.functions_host.host_json import HostOptions, load_host_options
from local.functions_host.index import register
from local.functions_host.keys import Keys, load_keys
from local.functions_host.loader import load_app
from local.functions_host.model import QueueOutput, QueueTrigger, RegisteredFunction
from local.functions_host.settings import (
    Settings,
    load_settings,
    process_environment,
    settings_path,
)

Result = TypeVar("Result")
_CONNECT_SECONDS = 5
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Sources:
    """Where the app, its settings and the host's keys are. No keys means no authorisation."""

    app_dir: Path
    settings_file: Path | None
    keys_file: Path | None


@dataclass(frozen=True)
class LoadedApp:
    """An app that can be run."""

    settings: Settings
    options: HostOptions
    keys: Keys | None
    functions: list[RegisteredFunction]


def load(sources: Sources) -> LoadedApp:
    """Read everything; StartupFailed lists every problem that does not follow from another."""
    problems: list[str] = []
    keys_file = sources.keys_file
    keys = _tried(problems, lambda: load_keys(keys_file)) if keys_file else None
    options = _tried(problems, lambda: load_host_options(sources.app_dir / "host.json"))
    file = settings_path(sources.settings_file, sources.app_dir)
    settings = _tried(problems, lambda: load_settings(file, process_environment()))
    declared = _tried(problems, lambda: load_app(sources.app_dir))
    functions = None
    if settings and declared is not None:
        prefix = options.route_prefix if options else "api"
        functions = _tried(problems, lambda: register(declared, settings, prefix))
    if problems or settings is None or options is None or functions is None:
        raise StartupFailed(problems)
    return LoadedApp(settings, options, keys, functions)


async def check_storage(app: LoadedApp) -> None:
    """See that something answers at each queue endpoint in use; StartupFailed names the others."""
    names = sorted({name for entry in app.functions for name in _connections(entry)})
    found = await asyncio.gather(*(_reach(name, app.settings) for name in names))
    problems = [problem for problem in found if problem]
    if problems:
        raise StartupFailed(problems)


def _tried(problems: list[str], step: Callable[[], Result]) -> Result | None:
    try:
        return step()
    except StartupFailed as error:
        problems += error.problems
        return None


def _connections(function: RegisteredFunction) -> Iterable[str]:
    if function.disabled:
        return
    bindings = [function.trigger, function.returns, *function.outputs.values()]
    for binding in bindings:
        if isinstance(binding, QueueTrigger | QueueOutput):
            yield binding.connection


async def _reach(name: str, settings: Settings) -> str | None:
    try:
        client = QueueServiceClient.from_connection_string(settings.connection_string(name))
    except ValueError as error:
        return f"connection {name} is not a storage connection string: {error}"
    async with client:
        endpoint = urlsplit(client.url)
    host, port = endpoint.hostname or "", endpoint.port or _PORTS[endpoint.scheme]
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:  # TimeoutError is one
        return f"connection {name}: no queue service answers at {host}:{port}; is Azurite started?"
    writer.close()
    return None
