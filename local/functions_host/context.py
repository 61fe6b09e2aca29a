"""The ``context`` argument of an invocation, as the worker makes it."""

import secrets
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import azure.functions as func

_thread_local = threading.local()


@dataclass(frozen=True)
class TraceContext:
    """W3C trace context of an invocation."""

    trace_parent: str
    trace_state: str
    attributes: dict[str, str]


@dataclass(frozen=True)
class RetryContext:
    """Always the first attempt: this host applies no retry policies."""

    retry_count: int = 0
    max_retry_count: int = 0
    exception: None = None


class InvocationContext(func.Context):
    """What a function that asks for ``context`` is given."""

    def __init__(self, name: str, directory: Path, invocation_id: str, trace_parent: str) -> None:
        self._name = name
        self._directory = str(directory)
        self._id = invocation_id
        self._trace = TraceContext(trace_parent or _new_trace_parent(), "", {})

    @property
    def invocation_id(self) -> str:
        return self._id

    @property
    def function_name(self) -> str:
        return self._name

    @property
    def function_directory(self) -> str:
        return self._directory

    @property
    def thread_local_storage(self) -> Any:
        return _thread_local

    @property
    def trace_context(self) -> Any:
        return self._trace

    @property
    def retry_context(self) -> Any:
        return RetryContext()


def _new_trace_parent() -> str:
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
