"""A small app that shows each thing the Functions host does. PROBE is the prefix of its queues."""

import asyncio
import json
import os
import threading
from pathlib import Path
from typing import List  # noqa: UP035 - the worker refuses func.Out[list[str]]

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
blueprint = func.Blueprint()
STORAGE = "AzureWebJobsStorage"


@app.route(route="echo/{model:alpha}", methods=["GET", "POST"])
def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    seen = {
        "method": req.method,
        "model": req.route_params["model"],
        "params": dict(req.params),
        "headers": list(req.headers),
        "body": req.get_body().decode(),
        "function": context.function_name,
        "directory": context.function_directory,
        "invocation": context.invocation_id,
    }
    response = func.HttpResponse(json.dumps(seen), mimetype="application/json", status_code=201)
    response.headers.add("Set-Cookie", "a=1; Path=/")
    return response


@app.route(route="open", auth_level=func.AuthLevel.ANONYMOUS)
async def open_to_all(req: func.HttpRequest) -> str:
    await asyncio.sleep(0)
    return f"hello {req.params.get('who', 'you')}"


@app.route(route="master", auth_level=func.AuthLevel.ADMIN)
def master_only(req: func.HttpRequest) -> str:
    return "in"


@app.route(route="broken", auth_level=func.AuthLevel.ANONYMOUS)
def broken(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError("broken on purpose")


@app.route(route="nothing", auth_level=func.AuthLevel.ANONYMOUS)
def returns_nothing(req: func.HttpRequest):
    """Has an HTTP output binding and gives it nothing."""


@app.generic_trigger(arg_name="req", type="httpTrigger", route="silent", auth_level="anonymous")
def no_http_output(req: func.HttpRequest) -> None:
    """Has no HTTP output binding."""


@app.route(route="send", methods=["POST"])
@app.queue_output(arg_name="first", queue_name="%PROBE%-in", connection=STORAGE)
@app.queue_output(arg_name="rest", queue_name="%PROBE%-many", connection=STORAGE)
def send(
    req: func.HttpRequest,
    first: func.Out[str],
    rest: func.Out[List[str]],  # noqa: UP006 - the worker refuses list[str]
) -> str:
    first.set(req.get_body().decode())
    rest.set(["one", "two", "three"])
    return "sent"


@blueprint.queue_trigger(arg_name="msg", queue_name="%PROBE%-in", connection=STORAGE)
@blueprint.queue_output(arg_name="$return", queue_name="%PROBE%-returned", connection=STORAGE)
def relay(msg: func.QueueMessage) -> str:
    """Says what it saw of the message; one that asks for it fails."""
    text = msg.get_body().decode()
    if text == "fail":
        raise ValueError("failing on purpose")
    seen = {"body": text, "dequeue_count": msg.dequeue_count, "id": msg.id}
    times = (msg.insertion_time, msg.expiration_time, msg.time_next_visible)
    return json.dumps(seen | {"times": [moment.isoformat() for moment in times]})


@blueprint.queue_trigger(arg_name="msg", queue_name="%PROBE%-slow", connection=STORAGE)
@blueprint.queue_output(arg_name="$return", queue_name="%PROBE%-slow-started", connection=STORAGE)
async def slow(msg: func.QueueMessage) -> str:
    """Takes as many seconds as the message says."""
    await asyncio.sleep(float(msg.get_body()))
    return f"slept {msg.get_body().decode()}"


@blueprint.queue_trigger(arg_name="msg", queue_name="%PROBE%-stuck", connection=STORAGE)
def stuck(msg: func.QueueMessage, context: func.Context) -> None:
    """Never ends by itself: only the process's end stops it."""
    Path(os.environ["PROBE_STUCK_FILE"]).write_text(context.invocation_id, encoding="utf-8")
    threading.Event().wait()


@blueprint.queue_trigger(arg_name="msg", queue_name="%PROBE%-off", connection=STORAGE)
def switched_off(msg: func.QueueMessage) -> None:
    raise AssertionError("a disabled function ran")


@blueprint.timer_trigger(arg_name="timer", schedule="%PROBE_SCHEDULE%")
@blueprint.queue_output(arg_name="ticks", queue_name="%PROBE%-ticks", connection=STORAGE)
def tick(timer: func.TimerRequest, ticks: func.Out[str]) -> None:
    ticks.set(json.dumps({"past_due": timer.past_due, "next": timer.schedule_status["Next"]}))


app.register_functions(blueprint)
