"""Azurite, Microsoft's storage emulator: installed once, started on free ports, stopped."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from local.node import Node, find_node, install_once, run_installer
from local.processes import (
    ManagedProcess,
    ProcessError,
    free_ports,
    require_free,
    start_process,
    wait_until_ready,
)

# the last version whose engines field allows Node.js 20
VERSION = "3.35.0"
ACCOUNT = "devstoreaccount1"
# public: printed in Azurite's own documentation, the same on every machine
ACCOUNT_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
_READY_SECONDS = 30.0


class AzuriteError(ProcessError):
    """Azurite does not run, and why."""


@dataclass(frozen=True)
class AzuritePorts:
    """The three ports of one emulator, all on 127.0.0.1."""

    blob: int
    queue: int
    table: int

    @classmethod
    def free(cls) -> "AzuritePorts":
        return cls(*free_ports(3))

    @property
    def connection_string(self) -> str:
        account = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
        return account + "".join(
            f"{service}Endpoint=http://127.0.0.1:{port}/{ACCOUNT};"
            for service, port in (
                ("Blob", self.blob),
                ("Queue", self.queue),
                ("Table", self.table),
            )
        )


@dataclass(frozen=True)
class Azurite:
    """A running emulator."""

    ports: AzuritePorts
    process: ManagedProcess

    @property
    def connection_string(self) -> str:
        return self.ports.connection_string


def install_azurite(tools: Path) -> tuple[Node, Path]:
    """Give Node.js and Azurite's start script, installed from the npm registry if need be.

    Raises:
        ToolError: the registry is unreachable, the disk is full, or the like.
    """
    node = find_node(tools)

    def install(folder: Path) -> None:
        options = ["--no-audit", "--no-fund", "--no-save", "--loglevel", "error"]
        run_installer(
            f"installing azurite {VERSION} from the npm registry",
            node.npm("install", "--prefix", str(folder), *options, f"azurite@{VERSION}"),
        )

    folder = install_once(tools / f"azurite-{VERSION}", install)
    return node, folder / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"


def azurite_argv(node: Node, script: Path, ports: AzuritePorts, data: Path | None) -> list[str]:
    """Give the command line; it needs no environment of its own.

    ``data`` is the folder that keeps everything (a kill loses the last seconds, a stop nothing), or
    None for memory only.
    """
    kept = ["--inMemoryPersistence"] if data is None else ["--location", str(data)]
    listening = [
        *("--blobPort", str(ports.blob)),
        *("--queuePort", str(ports.queue)),
        *("--tablePort", str(ports.table)),
    ]
    # the storage SDKs send newer API versions than any Azurite knows by name
    quiet = ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    # --silent hides the access log; start-up errors still go to standard error
    return [str(node.binary), str(script), *quiet, *listening, *kept]


@contextmanager
def start_azurite(
    data: Path | None, tools: Path, *, ports: AzuritePorts | None = None, log: Path | None = None
) -> Iterator[Azurite]:
    """Run an emulator for the length of the block.

    Args:
        data: where it keeps everything, or None for memory only.
        tools: the folder that tools are installed into.
        ports: fixed ports; free ones are found otherwise.
        log: its output; thrown away with the block otherwise.

    Raises:
        ToolError: it is not installed and cannot be.
        PortTakenError: one of the ports that were asked for is not free.
        AzuriteError: it did not start.
    """
    with TemporaryDirectory() as scratch:
        chosen = ports or AzuritePorts.free()
        process = launch_azurite(data, tools, chosen, log or Path(scratch) / "azurite.log")
        try:
            wait_for_azurite(process, chosen)
            yield Azurite(chosen, process)
        finally:
            process.stop()


def launch_azurite(
    data: Path | None, tools: Path, ports: AzuritePorts, log: Path
) -> ManagedProcess:
    """Start it without waiting, for a supervisor that starts several servers at once."""
    node, script = install_azurite(tools)
    for name in ("blob", "queue", "table"):
        require_free(getattr(ports, name), f"Azurite's {name} service")
    if data is not None:
        data.mkdir(parents=True, exist_ok=True)
    return start_process("azurite", azurite_argv(node, script, ports, data), log=log)


def wait_for_azurite(process: ManagedProcess, ports: AzuritePorts) -> None:
    """Wait until all three services accept connections.

    Raises:
        AzuriteError: it died first; the log's end says why.
    """
    try:
        for port in (ports.blob, ports.queue, ports.table):
            wait_until_ready(process, port, _READY_SECONDS)
    except ProcessError as error:
        cause = _cause(process.log_tail())
        raise AzuriteError(f"Azurite did not start{cause}. {error}") from error


def _cause(log: str) -> str:
    if "EADDRINUSE" in log:
        return ": a port is taken"
    if "ENOSPC" in log:
        return ": the disk is full"
    return ""
