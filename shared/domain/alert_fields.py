"""Reads single values out of an alert's JSON: tolerant of spelling, strict about what is needed.

Every reader takes whatever JSON can hold. One that cannot give what was asked for raises BadInput
with the field's path, or gives an empty value where the field is not needed.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from shared.errors import BadInput

LONGEST_ID = 500
"""Characters of an alert id; real ones have some 140, and a run, which is bounded, holds it."""
LONGEST_TEXT = 260
"""Characters that are kept of any other text. Source: the longest name of an alert rule."""

_US_TIME = "%m/%d/%Y %I:%M:%S %p"
_LONGEST_SHOWN = 80
_PREFIXES = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
"""Of Prometheus' humanized numbers. Source: Prometheus, template function ``humanize``."""


def mapping(value: Any, field: str) -> Mapping[str, Any]:
    """Give an object with its names in lower case, since payloads differ in that alone."""
    if not isinstance(value, dict):
        raise BadInput(field, f"must be an object, is {shown(value)}")
    return folded(value)


def folded(value: Any) -> Mapping[str, Any]:
    """Give the same, or an empty mapping for what is no object."""
    if not isinstance(value, dict):
        return {}
    found: dict[str, Any] = {}
    for name, item in value.items():
        found.setdefault(name.casefold(), item)
    return found


def required(values: Mapping[str, Any], name: str, where: str) -> str:
    """Give a text that must be there, by its name as documented."""
    field = f"{where}.{name}" if where else name
    value = values.get(name.casefold())
    if not isinstance(value, str) or not value.strip():
        raise BadInput(field, f"must be a text, is {shown(value)}")
    if len(value) > LONGEST_ID:
        raise BadInput(field, f"has {len(value)} characters, at most {LONGEST_ID}")
    return encodable(value.strip())


def text(value: Any) -> str:
    """Give a scalar as text; a list or an object is none, and its nesting may have no end."""
    if value is None or isinstance(value, list | dict):
        return ""
    try:
        return encodable(str(value)[:LONGEST_TEXT])
    except ValueError:  # an integer with more digits than Python writes
        return ""


def texts(value: Any) -> dict[str, str]:
    """Give an object's scalars by their names in lower case; nulls are left out."""
    named = folded(value)
    return {text(name): text(item) for name, item in named.items() if item is not None}


def dimensions(value: Any) -> dict[str, str]:
    """Give a list of ``{"name", "value"}`` by name in lower case; of two the last counts."""
    found: dict[str, str] = {}
    for item in value if isinstance(value, list) else []:
        pair = folded(item)
        if isinstance(pair.get("name"), str):
            found[text(pair["name"]).casefold()] = text(pair.get("value"))
    return found


def objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """Give the objects of a list, or none."""
    for item in value if isinstance(value, list) else []:
        if isinstance(item, dict):
            yield folded(item)


def moment(value: str, field: str) -> datetime:
    """Read a time, ISO 8601 or as log alerts of the first version wrote it, in UTC."""
    found = _iso(value) or _us(value)
    if found is None:
        raise BadInput(field, f"must be an ISO 8601 time, is {shown(value)}")
    try:
        # A time without a zone is UTC everywhere in Azure Monitor.
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except OverflowError:
        raise BadInput(field, f"is outside the calendar: {shown(value)}") from None


def _iso(value: str) -> datetime | None:
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def _us(value: str) -> datetime | None:
    try:
        return datetime.strptime(value, _US_TIME).replace(tzinfo=UTC)
    except ValueError:
        return None


def number(value: Any) -> float | None:
    """Give a finite number, or None."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except OverflowError:  # JSON's integers have no largest one
        return None
    return found if math.isfinite(found) else None


def numeral(value: Any) -> float | None:
    """Give the same, also where it was written as a text: ``"10"``, or humanized ``"12.7m"``."""
    if not isinstance(value, str):
        return number(value)
    written = value.strip()
    factor = _PREFIXES.get(written[-1:], 1.0)
    try:
        return number(float(written if factor == 1.0 else written[:-1]) * factor)
    except ValueError:
        return None


def encodable(value: str) -> str:
    """Replace lone surrogates, which JSON can carry and UTF-8 (hashes, tables) cannot."""
    return value.encode("utf-8", "replace").decode()


def shown(value: Any) -> str:
    """Write a value for a message: short, whatever it is."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    try:
        written = repr(value)
    except ValueError:
        return "a number without end"
    return written if len(written) <= _LONGEST_SHOWN else written[: _LONGEST_SHOWN - 3] + "..."
