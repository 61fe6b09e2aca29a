"""Runs the app in Microsoft's own Functions worker, without a host: a line in, a line out.

Only the driver lives here. The worker talks to its host in protobuf messages; plain objects of the
same shape stand in for them, since the worker takes their classes from whoever starts it.

    in   {"function": name, "inputs": {parameter: [value, type]}, "metadata": {name: [value, type]}}
    out  {"ok": bool, "answer": value or null, "error": text, "trace": text}

The first line out is the index: {"ok": bool, "functions": {name: bindings}, "error": text}. Types
are the worker's: string, json (a JSON text) and http (a document whose body is base64).
"""

import asyncio
import base64
import json
import os
import sys
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as worker
from azure.functions import meta
from azure_functions_runtime import native_invocation
from azure_functions_runtime.bindings.datumdef import Datum


class Message(SimpleNamespace):
    """Any message: what it is made with, it holds."""


class BindingInfo(Message):
    """Names of directions and data types, as the worker looks them up."""

    in_, out, inout = 0, 1, 2
    undefined, string, binary, stream = None, 1, 2, 3


class StatusResult(Message):
    """Whether a request succeeded."""

    Failure, Success = 0, 1


class Messages(SimpleNamespace):
    """Makes a class of message when it is first named."""

    def __getattr__(self, name: str) -> type[Message]:
        made = type(name, (Message,), {})
        setattr(self, name, made)
        return made


def index(folder: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Load the app; gives the line about it, and the ids of the functions by name."""
    init = SimpleNamespace(capabilities={}, function_app_directory=folder)
    messages = Messages(BindingInfo=BindingInfo, StatusResult=StatusResult)
    request = SimpleNamespace(
        request=SimpleNamespace(worker_init_request=init),
        properties={"host": "127.0.0.1", "protos": messages},
    )
    worker.start_threadpool_executor()
    result = asyncio.run(worker.worker_init_request(request)).result
    if result.status != StatusResult.Success:
        return {"ok": False, "functions": {}, "error": result.exception.message}, {}
    found = asyncio.run(worker.functions_metadata_request(None)).function_metadata_results
    names = {item.name: [json.loads(raw) for raw in item.raw_bindings] for item in found}
    ids = {item.name: item.function_id for item in found}
    return {"ok": True, "functions": names, "error": ""}, ids


def invoke(number: int, order: dict[str, Any], ids: dict[str, str]) -> dict[str, Any]:
    inputs = [(name, datum(*given)) for name, given in order["inputs"].items()]
    metadata = {name: datum(*given) for name, given in order["metadata"].items()}
    handled, ok, answer, _, error, trace = native_invocation.run_invocation_sync(
        f"invocation-{number}", ids[order["function"]], inputs, metadata
    )
    if not handled:  # an async function takes another way, and this app has none
        raise NotImplementedError(order["function"])
    return {"ok": ok, "answer": plain(answer), "error": error or "", "trace": trace or ""}


def datum(value: Any, kind: str) -> Datum:
    if kind != "http":
        return Datum(value, kind)
    body = Datum(base64.b64decode(value["body"]), "bytes")
    texts = ("headers", "query", "params")
    maps = {name: {k: Datum(v, "string") for k, v in value[name].items()} for name in texts}
    line = {name: Datum(value[name], "string") for name in ("method", "url")}
    return Datum({**line, **maps, "body": body}, "http")


def plain(value: Any) -> Any:
    if isinstance(value, Datum | meta.Datum):
        return plain(value.value)
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    return value.decode() if isinstance(value, bytes) else value


def main() -> None:
    # What the app prints must not end up between the lines.
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)
        sys.path.insert(0, sys.argv[1])
        line, ids = index(sys.argv[1])
        print(json.dumps(line), file=out, flush=True)
        for number, order in enumerate(sys.stdin):
            print(json.dumps(invoke(number, json.loads(order), ids)), file=out, flush=True)
    worker.stop_threadpool_executor()


if __name__ == "__main__":
    main()
