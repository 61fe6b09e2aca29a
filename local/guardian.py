"""Runs one command and ends it, with its whole process group, when the starter goes away.

Only that, on the standard library alone: it is started as a script, with ``-I -S``, once for each
process that ``local.processes`` starts. The starter holds the write end of its standard input; the
kernel closes that end however the starter dies, SIGKILL included, so nothing is left behind. The
death signal of Linux alone would not do: it follows the *thread* that forked, and it reaches the
child but not the child's own children.

    guardian.py GRACE_SECONDS REPORT_FD COMMAND [ARGUMENT ...]

The command's process id is written to REPORT_FD (0: to nobody). The exit code is the command's;
128 + N when signal N ended it, as shells have it; 127 when it could not be started.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

COULD_NOT_START = 127
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> int:
    grace_seconds, report_fd = float(sys.argv[1]), int(sys.argv[2])
    # a handler, not SIG_IGN: being ignored would be inherited by the command
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    try:
        child = _start(sys.argv[3:])
    except OSError as error:
        print(f"cannot start {sys.argv[3]}: {error.strerror}", file=sys.stderr)
        return COULD_NOT_START
    _report(report_fd, child.pid)
    threading.Thread(target=_end_at_eof, args=(child, grace_seconds), daemon=True).start()
    code = child.wait()
    _signal_group(child.pid, signal.SIGKILL)  # what the command itself left behind
    return 128 - code if code < 0 else code


def _start(argv: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        # safe here: this process has one thread when it forks
        preexec_fn=_die_with_the_guardian if sys.platform == "linux" else None,  # noqa: PLW1509 - one thread
    )


def _die_with_the_guardian() -> None:
    """Cover the one death that the pipe cannot: somebody kills the guardian alone."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _report(fd: int, pid: int) -> None:
    if not fd:
        return
    # the starter may be gone already; then the closed standard input ends the command
    with suppress(BrokenPipeError):
        os.write(fd, str(pid).encode())
    os.close(fd)


def _end_at_eof(child: "subprocess.Popen[bytes]", grace_seconds: float) -> None:
    while os.read(0, 1024):
        pass
    _signal_group(child.pid, signal.SIGTERM)
    try:
        child.wait(grace_seconds)
    except subprocess.TimeoutExpired:
        _signal_group(child.pid, signal.SIGKILL)


def _signal_group(group: int, number: signal.Signals) -> None:
    # PermissionError: macOS says so of a group of zombies
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main())
