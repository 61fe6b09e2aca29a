"""Breaks one call to a port: a worker that is killed, or an answer that does not come."""

from typing import Any

from shared.errors import Unavailable


class Killed(BaseException):
    """The worker is gone: nothing catches this, nothing after it runs."""


class Fuse:
    """Counts the calls to all ports it taps, and breaks those numbered ``at`` (from 1).

    ``error`` is raised before the call took effect, or after it where ``after`` is set.
    ``calls`` names them all, in order.
    """

    def __init__(self, *at: int, error: type[BaseException] = Killed, after: bool = False) -> None:
        self.calls: list[str] = []
        self._at = at
        self._error = error
        self._after = after

    def tap(self, name: str, port: Any) -> Any:
        return Tapped(self, name, port)

    def call(self, name: str, method: Any, args: Any, named: Any) -> Any:
        self.calls.append(name)
        blows = len(self.calls) in self._at
        if blows and not self._after:
            raise self._broken(name)
        try:
            return method(*args, **named)
        finally:
            if blows and self._after:
                raise self._broken(name)

    def _broken(self, name: str) -> BaseException:
        return self._error(f"{name}, call {len(self.calls)}")


class Tapped:
    """A port whose every method goes through a fuse."""

    def __init__(self, fuse: Fuse, name: str, port: Any) -> None:
        self._fuse = fuse
        self._name = name
        self._port = port

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)

        def call(*args: Any, **named: Any) -> Any:
            return self._fuse.call(f"{self._name}.{name}", method, args, named)

        return call


class Switch:
    """Puts a fuse's taps in once it is on: what is prepared before does not count."""

    def __init__(self, fuse: Fuse) -> None:
        self.fuse = fuse
        self.on = False

    def tap(self, name: str, port: Any) -> Any:
        return _Switched(self, self.fuse.tap(name, port), port)


class _Switched:
    """A port whose every method goes through a fuse while its switch is on."""

    def __init__(self, switch: Switch, tapped: Any, port: Any) -> None:
        self._switch, self._tapped, self._port = switch, tapped, port

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tapped if self._switch.on else self._port, name)


BREAKS = {
    "killed before it": {"error": Killed, "after": False},
    "killed after it": {"error": Killed, "after": True},
    "unavailable": {"error": Unavailable, "after": False},
    "answer lost": {"error": Unavailable, "after": True},
}
"""How a call can break, by name: arguments of ``Fuse``."""
