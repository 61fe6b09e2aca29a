"""One binding of a function read into the model, its settings resolved and its values checked."""

import re
from dataclasses import dataclass
from typing import Any

from azure.functions.decorators.core import Binding

from local.functions_host.errors import InvalidRoute, InvalidSchedule, MissingSetting
from local.functions_host.model import (
    AuthLevel,
    HttpTrigger,
    QueueOutput,
    QueueTrigger,
    TimerTrigger,
    Trigger,
)
from local.functions_host.ncrontab import parse_schedule
from local.functions_host.routes import parse_route
from local.functions_host.settings import Settings

# https://learn.microsoft.com/rest/api/storageservices/naming-queues-and-metadata
_QUEUE_NAME = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")
_AUTH_LEVELS: dict[str, AuthLevel] = {
    "anonymous": "anonymous",
    "function": "function",
    "admin": "admin",
}
_BINARY = 2  # azure.functions' DataType.BINARY


@dataclass(frozen=True)
class BindingReader:
    """A binding's declared fields, the settings they refer to and where problems are noted."""

    function: str
    binding: Binding
    settings: Settings
    problems: list[str]

    @property
    def fields(self) -> dict[str, Any]:
        return self.binding.get_dict_repr()

    def note(self, field: str, problem: object) -> None:
        kind = f"{self.binding.type} '{self.binding.name}'"
        self.problems.append(f"function '{self.function}', {kind}, {field}: {problem}")

    def text(self, field: str) -> str:
        """Give a field with its %SETTING% resolved; what cannot be is noted, and empty."""
        try:
            return self.settings.resolve(str(self.fields.get(field) or ""))
        except MissingSetting as error:
            self._note_missing(field, error)
            return ""

    def queue_name(self) -> str:
        name = self.text("queueName")
        if name and not _QUEUE_NAME.fullmatch(name):
            self.note("queueName", f"'{name}' is not a queue name (3-63 of a-z, 0-9, single -)")
        return name

    def connection(self) -> str:
        """Give the connection's setting name, after seeing to it that it has a value."""
        name = str(self.fields.get("connection") or "AzureWebJobsStorage")
        try:
            self.settings.connection_string(name)
        except MissingSetting as error:
            self._note_missing("connection", error)
        return name

    def _note_missing(self, field: str, error: MissingSetting) -> None:
        self.note(field, f"{error}: add it to Values of local.settings.json or the environment")


def read_trigger(reader: BindingReader, prefix: str) -> Trigger | None:
    """Read the trigger of a function, or note why this host cannot serve it."""
    match reader.binding.type:
        case "httpTrigger":
            return _http(reader, prefix)
        case "queueTrigger":
            binary = reader.binding.data_type == _BINARY
            return QueueTrigger(reader.queue_name(), reader.connection(), binary)
        case "timerTrigger":
            return _timer(reader)
        case other:
            reader.note("type", f"this host has HTTP, queue and timer triggers, not {other}")
            return None


def read_queue_output(reader: BindingReader, *, plain: bool) -> QueueOutput:
    return QueueOutput(reader.queue_name(), reader.connection(), plain)


def _http(reader: BindingReader, prefix: str) -> HttpTrigger | None:
    try:
        route = parse_route(reader.text("route"), prefix)
    except InvalidRoute as error:
        reader.note("route", error)
        return None
    methods = frozenset(
        str(_value(method)).upper() for method in reader.fields.get("methods") or ()
    )
    level = str(_value(reader.fields.get("authLevel") or "function")).lower()
    return HttpTrigger(route, methods, _AUTH_LEVELS[level])


def _timer(reader: BindingReader) -> TimerTrigger | None:
    expression = reader.text("schedule")
    if not expression:
        return None
    try:
        schedule = parse_schedule(expression)
    except InvalidSchedule as error:
        reader.note("schedule", error)
        return None
    return TimerTrigger(schedule, run_on_startup=bool(reader.fields.get("runOnStartup")))


def _value(member: Any) -> Any:
    """Give an enum member's value: azure.functions keeps members or plain text."""
    return getattr(member, "value", member)
