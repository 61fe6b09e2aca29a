"""Running one function once: its arguments, its outputs, its log line."""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

import azure.functions as func
from azure.functions.meta import Datum

from local.functions_host.context import InvocationContext
from local.functions_host.converters import decode_trigger, encode_http, queue_payloads
from local.functions_host.model import QueueOutput, RegisteredFunction

logger = logging.getLogger("functions_host")

SendToQueue = Callable[[QueueOutput, str | bytes], Awaitable[None]]


@dataclass(frozen=True)
class TriggerEvent:
    """What set a function off: the payload and its metadata, as datums."""

    payload: Datum
    metadata: dict[str, Datum] = field(default_factory=dict)
    trace_parent: str = ""


@dataclass(frozen=True)
class Outcome:
    """How an invocation ended; ``response`` is set for HTTP functions that succeeded."""

    succeeded: bool
    response: Datum | None = None


class _Out(func.Out[Any]):
    """The holder behind a ``func.Out`` parameter."""

    def __init__(self) -> None:
        self._value: Any = None

    def set(self, val: Any) -> None:
        self._value = val

    def get(self) -> Any:
        return self._value


class Invoker:
    """Runs functions: async ones on the loop, the others on a pool of threads."""

    def __init__(
        self, send: SendToQueue, threads: int | None, new_id: Callable[[], str] | None = None
    ) -> None:
        self._send = send
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="function")
        self._new_id = new_id or (lambda: str(uuid4()))
        self._lock = threading.Lock()
        self._busy_threads = 0

    @property
    def busy_threads(self) -> int:
        """Count the threads inside user code: nothing can stop them but the process's end."""
        return self._busy_threads

    async def invoke(self, function: RegisteredFunction, event: TriggerEvent) -> Outcome:
        """Run ``function`` once; what it raises is logged and makes the outcome a failure."""
        invocation_id = self._new_id()
        start = time.monotonic()
        verdict = "Cancelled"
        try:
            response = await self._run(function, event, invocation_id)
            verdict = "Succeeded"
            return Outcome(succeeded=True, response=response)
        except Exception:
            verdict = "Failed"
            logger.exception("Exception in '%s' (Id=%s)", function.name, invocation_id)
            return Outcome(succeeded=False)
        finally:
            took = round(1000 * (time.monotonic() - start))
            line = "Executed '%s' (%s, Id=%s, Duration=%dms)"
            logger.info(line, function.name, verdict, invocation_id, took)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _run(
        self, function: RegisteredFunction, event: TriggerEvent, invocation_id: str
    ) -> Datum | None:
        context = InvocationContext(
            function.name, function.directory, invocation_id, event.trace_parent
        )
        outs = {name: _Out() for name in function.outputs}
        arguments: dict[str, Any] = dict(outs)
        arguments[function.parameter.name] = decode_trigger(function, event.payload, event.metadata)
        if function.wants_context:
            arguments["context"] = context
        value = await self._call(function, arguments, context)
        response = self._check_return(function, value)
        await self._flush(function, outs, value)
        return response

    async def _call(
        self, function: RegisteredFunction, arguments: dict[str, Any], context: InvocationContext
    ) -> Any:
        if function.is_async:
            context.thread_local_storage.invocation_id = context.invocation_id
            return await function.call(**arguments)
        call = partial(self._in_thread, function.call, arguments, context)
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    def _in_thread(
        self, call: Callable[..., Any], arguments: dict[str, Any], context: InvocationContext
    ) -> Any:
        self._count(1)
        context.thread_local_storage.invocation_id = context.invocation_id
        try:
            return call(**arguments)
        finally:
            context.thread_local_storage.invocation_id = None
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._lock:
            self._busy_threads += change

    @staticmethod
    def _check_return(function: RegisteredFunction, value: Any) -> Datum | None:
        if function.returns == "http":
            return encode_http(value)
        if function.returns is None and value is not None:
            raise TypeError(f"'{function.name}' has no return binding and returned a value")
        return None

    async def _flush(self, function: RegisteredFunction, outs: dict[str, _Out], value: Any) -> None:
        """Send the outputs, after the function returned: a failure here fails the invocation.

        All values are converted before any is sent, so that a wrong type sends nothing.
        """
        pending = [
            (output, payload)
            for name, output in function.outputs.items()
            if outs[name].get() is not None
            for payload in queue_payloads(output, outs[name].get())
        ]
        if isinstance(function.returns, QueueOutput):
            returned = function.returns
            pending += [(returned, payload) for payload in queue_payloads(returned, value)]
        for output, payload in pending:
            await self._send(output, payload)


def thread_count() -> int | None:
    """Give the size of the thread pool that the worker's own setting asks for, if any."""
    value = os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT", "")
    return int(value) if value.isdecimal() and int(value) > 0 else None
