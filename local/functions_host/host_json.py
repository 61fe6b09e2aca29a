"""host.json: the parts this host honours, with the real host's defaults and limits."""

import os
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from local.functions_host.errors import StartupFailed
from local.functions_host.settings import read_json_object

MIN_POLLING_INTERVAL = timedelta(milliseconds=100)
LOCAL_MAX_POLLING_INTERVAL = timedelta(seconds=2)
_MAX_BATCH_SIZE = 32  # the service returns no more messages a call
_TIMESPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{1,2}):(\d{1,2}(?:\.\d+)?)")


@dataclass(frozen=True)
class QueueOptions:
    """extensions.queues, as QueuesOptions of the storage extension defines it.

    One deviation, for the speed of a local loop: an idle queue is polled at least every 2 s
    (the real host's default is 1 min) unless ``maxPollingInterval`` says less.
    """

    batch_size: int
    new_batch_threshold: int
    max_dequeue_count: int
    visibility_timeout: timedelta
    base64: bool
    max_polling_interval: timedelta


@dataclass(frozen=True)
class HostOptions:
    """What host.json decides."""

    route_prefix: str
    queues: QueueOptions


def load_host_options(path: Path) -> HostOptions:
    """Read host.json; StartupFailed lists everything in it that the real host refuses."""
    document = read_json_object(path, "host.json at")
    problems: list[str] = []
    if document.get("version") != "2.0":
        problems.append(f'{path}: "version" must be "2.0"')
    extensions = document.get("extensions", {})
    options = HostOptions(
        str(extensions.get("http", {}).get("routePrefix", "api")).strip("/"),
        _queue_options(_Section(extensions.get("queues", {}), str(path), problems)),
    )
    if problems:
        raise StartupFailed(problems)
    return options


@dataclass(frozen=True)
class _Section:
    """extensions.queues as written, and where its problems go."""

    values: dict[str, Any]
    path: str
    problems: list[str]

    def problem(self, name: str, rule: str) -> None:
        self.problems.append(f"{self.path}: extensions.queues.{name} must be {rule}")

    def whole(self, name: str, default: int, low: int, high: int | None = None) -> int:
        value = self.values.get(name, default)
        if type(value) is int and low <= value and (high is None or value <= high):
            return value
        self.problem(name, f"a whole number, {low} " + (f"to {high}" if high else "or more"))
        return default

    def duration(self, name: str, default: timedelta, low: timedelta) -> timedelta:
        value = self.values.get(name)
        if value is None:
            return default
        match = _TIMESPAN.fullmatch(value) if isinstance(value, str) else None
        found = _timespan(match) if match else None
        if found is None or found < low:
            self.problem(name, f'a time such as "00:00:02", at least {low.total_seconds():g} s')
            return default
        return found


def _queue_options(section: _Section) -> QueueOptions:
    batch_size = section.whole("batchSize", 16, 1, _MAX_BATCH_SIZE)
    encoding = str(section.values.get("messageEncoding", "base64")).lower()
    if encoding not in {"base64", "none"}:
        section.problem("messageEncoding", '"base64" or "none"')
    longest = section.duration(
        "maxPollingInterval", LOCAL_MAX_POLLING_INTERVAL, MIN_POLLING_INTERVAL
    )
    return QueueOptions(
        batch_size=batch_size,
        new_batch_threshold=section.whole(
            "newBatchThreshold", batch_size // 2 * (os.cpu_count() or 1), 0
        ),
        max_dequeue_count=section.whole("maxDequeueCount", 5, 1),
        visibility_timeout=section.duration("visibilityTimeout", timedelta(0), timedelta(0)),
        base64=encoding == "base64",
        max_polling_interval=min(longest, LOCAL_MAX_POLLING_INTERVAL),
    )


def _timespan(match: re.Match[str]) -> timedelta:
    days, hours, minutes, seconds = match.groups()
    return timedelta(
        days=int(days or 0), hours=int(hours), minutes=int(minutes), seconds=float(seconds)
    )
