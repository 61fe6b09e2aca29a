"""Pipelines and notebooks, read from the files that Fabric's git integration keeps.

Only what the loop's own items use: anything else is refused when the simulator starts, never
passed over in silence.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from local.fabric_simulator.parameters import NotebookParameter, check_expression

_TIMESPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})")


class ItemFormatError(ValueError):
    """An item's files say something that the simulator does not understand."""


@dataclass(frozen=True)
class Item:
    """What both kinds have: the logical id stands for the item id."""

    id: str
    name: str


@dataclass(frozen=True)
class Notebook(Item):
    """A notebook; ``source`` is its notebook-content.py."""

    source: Path


@dataclass(frozen=True)
class Activity:
    """A TridentNotebook activity: which notebook, with what, and how often it is tried."""

    name: str
    notebook_id: str
    parameters: Mapping[str, NotebookParameter]
    timeout: timedelta
    retries: int

    def resolve(self, values: Mapping[str, Any], run_id: str) -> dict[str, Any]:
        """Give the notebook's parameters for one run.

        Raises:
            ParameterError: a pipeline parameter has no value, or one of the wrong type.
        """
        return {
            name: parameter.resolve(name, values, run_id)
            for name, parameter in self.parameters.items()
        }


@dataclass(frozen=True)
class Pipeline(Item):
    """A data pipeline: its notebook activities in an order that their dependencies allow."""

    defaults: Mapping[str, Any]
    parameter_names: frozenset[str]
    activities: tuple[Activity, ...]

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Lay what was given over the defaults; names the pipeline does not have are ignored."""
        known = {name: value for name, value in given.items() if name in self.parameter_names}
        return {**self.defaults, **known}


class Items:
    """The items of one workspace."""

    def __init__(self, folder: Path) -> None:
        self._items: dict[str, Pipeline | Notebook] = {}
        for platform in sorted(folder.rglob(".platform")):
            item = _load(platform)
            if item is not None:
                self._items[item.id] = item
        self._check_references(folder)

    def get(self, item_id: str) -> Pipeline | Notebook | None:
        return self._items.get(item_id.lower())

    def notebook(self, item_id: str) -> Notebook:
        item = self._items[item_id]
        if not isinstance(item, Notebook):
            raise ItemFormatError(f"{item.name} is no notebook")
        return item

    def all(self) -> list[Pipeline | Notebook]:
        return list(self._items.values())

    def _check_references(self, folder: Path) -> None:
        if not self._items:
            raise ItemFormatError(f"no pipeline and no notebook under {folder}")
        for item in self._items.values():
            for activity in item.activities if isinstance(item, Pipeline) else ():
                if not isinstance(self.get(activity.notebook_id), Notebook):
                    raise ItemFormatError(
                        f"pipeline {item.name}, activity {activity.name}: there is no notebook "
                        f"with logical id {activity.notebook_id}"
                    )


def _load(platform: Path) -> Pipeline | Notebook | None:
    content = json.loads(platform.read_text(encoding="utf-8"))
    kind, name = content["metadata"]["type"], content["metadata"]["displayName"]
    item_id = content["config"]["logicalId"].lower()
    if kind == "Notebook":
        return Notebook(item_id, name, platform.with_name("notebook-content.py"))
    if kind == "DataPipeline":
        return _pipeline(item_id, name, platform.with_name("pipeline-content.json"))
    return None


def _pipeline(item_id: str, name: str, path: Path) -> Pipeline:
    properties = json.loads(path.read_text(encoding="utf-8"))["properties"]
    declared = properties.get("parameters", {})
    by_name = {raw["name"]: raw for raw in properties["activities"]}
    try:
        order = list(
            TopologicalSorter({n: _needs(raw) for n, raw in by_name.items()}).static_order()
        )
        activities = tuple(_activity(by_name[each], frozenset(declared)) for each in order)
    except (CycleError, KeyError, ValueError) as error:
        raise ItemFormatError(f"pipeline {name}: {error}") from error
    return Pipeline(
        item_id,
        name,
        defaults={n: d["defaultValue"] for n, d in declared.items() if "defaultValue" in d},
        parameter_names=frozenset(declared),
        activities=activities,
    )


def _needs(raw: Mapping[str, Any]) -> list[str]:
    for dependency in raw.get("dependsOn", ()):
        if dependency["dependencyConditions"] != ["Succeeded"]:
            raise ItemFormatError(
                f"activity {raw['name']}: only the dependency condition Succeeded is simulated"
            )
    return [dependency["activity"] for dependency in raw.get("dependsOn", ())]


def _activity(raw: Mapping[str, Any], declared: frozenset[str]) -> Activity:
    if raw["type"] != "TridentNotebook":
        raise ItemFormatError(f"activity {raw['name']}: type {raw['type']} is not simulated")
    policy, properties = raw.get("policy", {}), raw["typeProperties"]
    parameters = {
        name: NotebookParameter(check_expression(parameter["value"], declared), parameter["type"])
        for name, parameter in properties.get("parameters", {}).items()
    }
    return Activity(
        name=raw["name"],
        notebook_id=properties["notebookId"].lower(),
        parameters=parameters,
        timeout=_timespan(policy.get("timeout", "0.12:00:00")),
        retries=int(policy.get("retry", 0)),
    )


def _timespan(text: str) -> timedelta:
    match = _TIMESPAN.fullmatch(text)
    if match is None:
        raise ItemFormatError(f"{text} is no time span (d.hh:mm:ss)")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
