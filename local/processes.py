"""Server processes of the local stack: started, waited for, ended.

Nothing here knows which server it starts. Each process runs under ``local.guardian``, in a group of
its own, so that nothing is left behind even when the starter is killed with SIGKILL.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from http import HTTPStatus
from pathlib import Path
from random import SystemRandom
from types import TracebackType
from typing import Self

import requests

GUARDIAN = Path(__file__).with_name("guardian.py")
GRACE_SECONDS = 5.0
LOG_LINES = 20
_TAIL_BYTES = 64 * 1024
_POLL_SECONDS = 0.05
_PORTS = range(15_000, 32_000)  # below what Linux, macOS and Windows give out by themselves
_CHANCE = SystemRandom()


class ProcessError(RuntimeError):
    """A server could not be started, or died before it answered."""


class PortTakenError(ProcessError):
    """Another process listens on a port that was asked for."""


class ManagedProcess:
    """One running server: its real process id, its log file, and the ways to end it."""

    def __init__(self, name: str, log: Path, guardian: "subprocess.Popen[bytes]", pid: int) -> None:
        self.name = name
        self.log = log
        self.pid = pid
        self._guardian = guardian

    def exit_code(self) -> int | None:
        """Give None while it runs; 128 + N once signal N has ended it."""
        return self._guardian.poll()

    def wait(self, timeout_seconds: float) -> int:
        """Wait for it to end by itself and give its exit code.

        Raises:
            ProcessError: it still ran after ``timeout_seconds``.
        """
        try:
            self._guardian.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            raise ProcessError(f"{self.name} still runs after {timeout_seconds:g} s") from None
        return self.stop()

    def stop(self) -> int:
        """Send SIGTERM to its group, SIGKILL after the grace it was started with."""
        if self._guardian.stdin is not None:
            self._guardian.stdin.close()
        return self._guardian.wait()

    def kill(self) -> int:
        """Send SIGKILL to its group, as a machine failure would: no clean-up runs."""
        if self.exit_code() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        return self.stop()

    def log_tail(self, lines: int = LOG_LINES) -> str:
        return tail(self.log, lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def guarded(
    argv: Sequence[str | Path], *, grace_seconds: float = GRACE_SECONDS, report_fd: int = 0
) -> list[str]:
    """Give the argument list that runs ``argv`` under the guardian.

    Whoever starts it must pass a pipe as its standard input, and a new session; closing the pipe
    ends it.
    """
    # isolated and without site-packages: it starts in 20 ms, and the environment cannot change it
    guardian = [sys.executable, "-I", "-S", str(GUARDIAN), str(grace_seconds), str(report_fd)]
    return guardian + [str(part) for part in argv]


def start_process(  # noqa: PLR0913 - one keyword a property of a process
    name: str,
    argv: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    grace_seconds: float = GRACE_SECONDS,
) -> ManagedProcess:
    """Start a server with its output appended to ``log``.

    Args:
        name: what messages call it.
        argv: the program and its arguments; no shell.
        log: the file for its output and errors; its folder is made.
        env: variables added to this process' own environment.
        cwd: the folder it starts in.
        grace_seconds: how long ``stop`` waits between SIGTERM and SIGKILL.

    Raises:
        ProcessError: the program could not be started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    reader, writer = os.pipe()
    with log.open("ab") as output, os.fdopen(reader, "rb") as report:
        try:
            guardian = subprocess.Popen(
                guarded(argv, grace_seconds=grace_seconds, report_fd=writer),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                pass_fds=(writer,),
                start_new_session=True,
            )
        finally:
            os.close(writer)
        pid = report.read()
    process = ManagedProcess(name, log, guardian, int(pid or 0))
    if not pid:
        raise ProcessError(_obituary(process, process.stop()))
    return process


def wait_until_ready(
    process: ManagedProcess, target: str | int, timeout_seconds: float = 30.0
) -> None:
    """Wait until the server answers.

    Args:
        process: the server; its death ends the wait at once.
        target: a URL that must answer below 500, or a port of loopback that must accept.
        timeout_seconds: the bound.

    Raises:
        ProcessError: it died first (with its exit code and last log lines), or time is up.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        answered = _answers(target)
        # looked at after the answer: it may have come from another server on the same port
        code = process.exit_code()
        if code is not None:
            raise ProcessError(_obituary(process, code))
        if answered:
            return
        if time.monotonic() > deadline:
            raise ProcessError(
                f"{process.name} gave no answer at {target} within {timeout_seconds:g} s; "
                f"its log {process.log} ends:\n{process.log_tail()}"
            )
        time.sleep(_POLL_SECONDS)


def free_port() -> int:
    """Give a port of loopback that nothing listens on at this moment."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Give ports that differ: all are held open until the last is known.

    Not those that the system gives out by itself: between here and the server's start one of them
    would often go to somebody's connection, or to another test's server.
    """
    with ExitStack() as held:
        return [_hold_one(held) for _ in range(count)]


def _hold_one(held: ExitStack) -> int:
    """Bind a port by chance, until the stack is closed."""
    while True:
        port = _CHANCE.choice(_PORTS)
        probe = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        with suppress(OSError):  # taken: try another one
            probe.bind(("127.0.0.1", port))
            return port


def require_free(port: int, purpose: str) -> None:
    """Raise PortTakenError unless a server could listen on ``port`` of loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # servers set it too: without it a port in TIME_WAIT would count as taken
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortTakenError(
                f"port {port} for {purpose} cannot be used: {error.strerror}"
            ) from error


def tail(path: Path, lines: int) -> str:
    """Give the last lines of a log; an empty text when there is no such file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _answers(target: str | int) -> bool:
    if isinstance(target, int):
        try:
            socket.create_connection(("127.0.0.1", target), timeout=1).close()
        except OSError:
            return False
        return True
    try:
        answer = requests.get(target, timeout=2, allow_redirects=False)
    except requests.RequestException:
        return False
    return answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR


def _obituary(process: ManagedProcess, code: int) -> str:
    return (
        f"{process.name} ended with exit code {code} before it was ready; "
        f"its log {process.log} ends:\n{process.log_tail()}"
    )
