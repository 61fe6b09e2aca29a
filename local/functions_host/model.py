"""What the host knows of a function once it is registered: triggers, outputs, function."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from local.functions_host.ncrontab import Schedule
from local.functions_host.routes import RouteTemplate

AuthLevel = Literal["anonymous", "function", "admin"]


@dataclass(frozen=True)
class HttpTrigger:
    """A route. No methods means all of them."""

    route: RouteTemplate
    methods: frozenset[str]
    auth_level: AuthLevel


@dataclass(frozen=True)
class QueueTrigger:
    """A queue to listen to; ``connection`` is the name of a setting, not its value."""

    queue: str
    connection: str
    binary: bool


@dataclass(frozen=True)
class TimerTrigger:
    """A schedule."""

    schedule: Schedule
    run_on_startup: bool


@dataclass(frozen=True)
class QueueOutput:
    """A queue to write to. ``plain`` is set where the parameter is Out[str] or Out[bytes]."""

    queue: str
    connection: str
    plain: bool


Trigger = HttpTrigger | QueueTrigger | TimerTrigger


@dataclass(frozen=True)
class TriggerParameter:
    """The parameter that takes the trigger's value. ``plain`` means str or bytes, unconverted."""

    name: str
    binding: str
    plain: bool


@dataclass(frozen=True)
class RegisteredFunction:
    """A function of the app, checked and with every setting resolved.

    ``returns`` is None where the function has no return binding and must return None.
    """

    name: str
    call: Callable[..., Any]
    directory: Path
    is_async: bool
    wants_context: bool
    disabled: bool
    parameter: TriggerParameter
    trigger: Trigger
    outputs: dict[str, QueueOutput]
    returns: Literal["http"] | QueueOutput | None
