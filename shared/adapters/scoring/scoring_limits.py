"""What a scoring process may not do: the limits it sets on itself before anything of the model's.

Linux, and as far as it can macOS. Nothing here can be lifted again by the process. Each limit holds
against accidents; what it is worth against a hostile model is in docs/security.md.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
"""CLONE_NEWUSER and CLONE_NEWNET of unshare(2)."""
_MIB = 1024 * 1024
_UNIX = 1
"""AF_UNIX: reaches this machine alone, and threads and process pools are built on it."""


def limit(*, memory_mb: int, seconds: float, file_mb: int, processes: int) -> None:
    """Limit address space (MiB), processor time (s), size of a file (MiB) and new processes."""
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_CPU, math.ceil(seconds) + 1)
    _set(resource.RLIMIT_FSIZE, file_mb * _MIB)
    if sys.platform == "linux":
        # the system counts all threads of the user, so what runs already is added
        _set(resource.RLIMIT_NPROC, _threads_of(os.getuid()) + processes)
    try:
        _set(resource.RLIMIT_AS, memory_mb * _MIB)
    except (ValueError, OSError):
        if sys.platform != "darwin":  # macOS knows the name and refuses it
            raise


def orphan_guard(seconds: float) -> None:
    """End this process some time after its limit, should its parent not be there to do so."""
    signal.setitimer(signal.ITIMER_REAL, seconds + 10)


def leave_network() -> None:
    """Cut this process off: by a network namespace of its own, else by refusing sockets.

    The namespace holds against any code; the refusal against Python's own sockets only. Call it
    before there is a second thread: a user namespace cannot be made with two.
    """
    if not unshared():
        refuse_sockets()


def unshared() -> bool:
    """Move into an empty network namespace; says whether the system allowed it."""
    if sys.platform != "linux":
        return False
    user, group = os.getuid(), os.getgid()
    unshare = ctypes.CDLL(None, use_errno=True).unshare
    if unshare(_NEW_NET) == 0:
        return True
    if unshare(_NEW_USER | _NEW_NET) != 0:
        return False
    with contextlib.suppress(OSError):  # without it the process is nobody, and still cut off
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
    return True


def refuse_sockets() -> None:
    """Refuse every socket that could leave this machine; a hook cannot be taken away again."""
    sys.addaudithook(_no_socket)


def _no_socket(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.__new__":
        if arguments[1] != _UNIX:
            raise PermissionError("a version that is scored gets no network")
    elif event in {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}:
        raise PermissionError("a version that is scored gets no network")


def _threads_of(user: int) -> int:
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it may have ended since
            if process.stat().st_uid == user:
                count += len(list((process / "task").iterdir()))
    return count


def _set(what: int, wanted: int) -> None:
    _, hard = resource.getrlimit(what)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(what, (allowed, allowed))
