"""Tells of each call of a function: what stands between the trigger and the function goes here."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

import azure.functions as func

from shared import telemetry

P = ParamSpec("P")
R = TypeVar("R")


def traced(function: Callable[P, R]) -> Callable[P, R]:
    """Have a function's calls told of; the worker still sees its name and its signature."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        model, run_id = _subject((*args, *kwargs.values()))
        with telemetry.invocation(function.__name__, model=model, run_id=run_id) as told:
            answer = function(*args, **kwargs)
            if isinstance(answer, func.HttpResponse):
                told.status = answer.status_code
            return answer

    return call


def _subject(given: tuple[Any, ...]) -> tuple[str, str]:
    """Give the model and the run that the trigger names; empty where it names none."""
    for each in given:
        if isinstance(each, func.QueueMessage):
            return _named(_document(each), "model", "chain")
        if isinstance(each, func.HttpRequest):
            return _named(each.route_params, "name")
    return "", ""


def _named(document: Any, *model: str) -> tuple[str, str]:
    if not isinstance(document, Mapping):
        return "", ""
    names = (document.get(key) for key in model)
    found = next((name for name in names if isinstance(name, str)), "")
    run_id = document.get("run_id")
    return found, run_id if isinstance(run_id, str) else ""


def _document(message: func.QueueMessage) -> Any:
    try:
        return message.get_json()
    except ValueError:  # the function itself will say so
        return None
