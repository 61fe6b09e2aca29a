"""Reads the body of a start request: the two ways of passing parameters, and what each allows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from local.fabric_simulator.answers import ApiError
from local.fabric_simulator.items import Activity, Notebook, Pipeline
from local.fabric_simulator.parameters import NotebookParameter

_JOB_TYPES = {
    Pipeline: {"pipeline", "execute", "defaultjob"},
    Notebook: {"runnotebook", "execute", "defaultjob"},
}
# the types of the list form, and what a notebook makes of them
_LIST_TYPES = {
    "Text": "string",
    "Integer": "int",
    "Number": "float",
    "Boolean": "bool",
    "DateTime": "string",
    "Guid": "string",
}
_NOTEBOOK_TIMEOUT = timedelta(hours=12)


@dataclass(frozen=True)
class StartRequest:
    """What is to run: the parameters as given, and the activities with the values for them."""

    parameters: dict[str, Any]
    activities: tuple[Activity, ...]
    values: Mapping[str, Any]


def read_start_request(
    item: Pipeline | Notebook, job_type: str, body: Any, *, allow_typed: bool
) -> StartRequest:
    """Check a request against its item.

    Raises:
        ApiError: as Fabric would refuse it.
    """
    if job_type.lower() not in _JOB_TYPES[type(item)]:
        raise ApiError(400, "InvalidJobType", "The requested job type is invalid")
    if not isinstance(body, dict):
        raise _invalid("the body must be a JSON object")
    listed, mapped = body.get("parameters", []), _mapped(body)
    if not isinstance(listed, list):
        raise _invalid("parameters must be a list")
    if isinstance(item, Pipeline):
        return _for_pipeline(item, listed, mapped, allow_typed=allow_typed)
    return _for_notebook(item, listed, mapped)


def _for_pipeline(
    item: Pipeline, listed: list[Any], mapped: dict[str, Any], *, allow_typed: bool
) -> StartRequest:
    if listed and not allow_typed:
        raise ApiError(
            400,
            "FeatureNotAvailable",
            "Parameter is not allowed for this item type or this item job type",
        )
    given = {**mapped, **{name: value for name, _, value in map(_list_entry, listed)}}
    return StartRequest(given, item.activities, item.values(given))


def _for_notebook(item: Notebook, listed: list[Any], mapped: dict[str, Any]) -> StartRequest:
    entries = [_map_entry(name, entry) for name, entry in mapped.items()]
    entries += [_list_entry(entry) for entry in listed]
    parameters = {name: NotebookParameter(value, kind) for name, kind, value in entries}
    # a notebook job is run as a pipeline of this one activity would be
    activity = Activity(item.name, item.id, parameters, _NOTEBOOK_TIMEOUT, retries=0)
    return StartRequest({name: value for name, _, value in entries}, (activity,), {})


def _mapped(body: dict[str, Any]) -> dict[str, Any]:
    data = body.get("executionData") or {}
    mapped = data.get("parameters", {}) if isinstance(data, dict) else None
    if not isinstance(mapped, dict):
        raise _invalid("executionData.parameters must be an object")
    return mapped


def _map_entry(name: str, entry: Any) -> tuple[str, str, Any]:
    if not isinstance(entry, dict) or not {"type", "value"} <= entry.keys():
        raise _invalid(f"parameter {name} must be an object with type and value")
    if entry["type"] not in _LIST_TYPES.values():
        raise _invalid(f"parameter {name} has the unknown type {entry['type']}")
    return name, entry["type"], entry["value"]


def _list_entry(entry: Any) -> tuple[str, str, Any]:
    if not isinstance(entry, dict) or not {"name", "type", "value"} <= entry.keys():
        raise _invalid("each parameter must have name, type and value")
    kind, value = entry["type"], entry["value"]
    known = _infer(value) if kind == "Automatic" else _LIST_TYPES.get(kind)
    if known is None:
        raise _invalid(f"parameter {entry['name']} has the unknown type {kind}")
    return entry["name"], known, value


def _infer(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    return "float" if isinstance(value, float) else "string"


def _invalid(message: str) -> ApiError:
    return ApiError(400, "InvalidInput", message)
