"""Bicep's functions that need neither files nor lambdas, and values that only Azure knows."""

import json
from collections.abc import Callable, Mapping
from typing import Any


class Unknown:
    """A value that only a deployment gives; it is written as its placeholder, ``{text}``."""

    def __init__(self, text: str, name: str = "") -> None:
        self.text = text
        self.name = name

    def __str__(self) -> str:
        return self.text if "{" in self.text else f"{{{self.text}}}"

    __repr__ = __str__

    def __bool__(self) -> bool:
        return True

    def __len__(self) -> int:
        return 1  # what a deployment gives is not empty

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def items(self) -> list[tuple[str, Any]]:
        return []


def show(value: Any) -> str:
    """Write a value as an interpolation does."""
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, default=str) if isinstance(value, dict | list) else str(value)


def _union(*parts: Any) -> Any:
    if all(isinstance(part, list) for part in parts):
        return [each for part in parts for each in part]
    merged: dict[str, Any] = {}
    for part in parts:
        merged |= part if isinstance(part, Mapping) else {}
    return merged


def _numbers(choose: Callable[[list[Any]], Any]) -> Callable[..., Any]:
    return lambda *given: choose(given[0] if isinstance(given[0], list) else list(given))


PURE: Mapping[str, Callable[..., Any]] = {
    "concat": lambda *parts: [each for part in parts for each in part],
    "contains": lambda where, what: what in where,
    "empty": lambda value: value is None or len(value) == 0,
    "environment": lambda: {"suffixes": {"storage": "core.windows.net"}},
    "guid": lambda *_: Unknown("guid"),
    "items": lambda value: [{"key": key, "value": each} for key, each in value.items()],
    "length": len,
    "max": _numbers(max),
    "min": _numbers(min),
    "range": lambda start, count: list(range(start, start + count)),
    "resourceGroup": lambda *_: Unknown("resource group"),
    "string": show,
    "subscription": lambda *_: Unknown("subscription"),
    "subscriptionResourceId": lambda *parts: "/".join(map(show, parts)),
    "tenant": lambda: Unknown("tenant"),
    "toLower": lambda value: value if isinstance(value, Unknown) else value.lower(),
    "union": _union,
    "uniqueString": lambda *_: Unknown("hash"),
    "utcNow": lambda *_: Unknown("today"),
}
