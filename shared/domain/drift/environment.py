"""Environment drift: the packages that are deployed against those a version was trained with.

A model that is loaded with other packages than it was made with may answer otherwise, whatever its
inputs do. A deployment mends that; a retrain does not.
"""

import re
from collections.abc import Mapping

from shared.domain.drift.measures import Comparison, Measure, Metric

ENVIRONMENT = "__environment__"
LOCK = "requirements"
"""The version's tag with the pins it was trained with, ``name==version``, one a line."""
NAMED = 5
"""How many packages are named."""

_PIN = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*===?\s*([^\s;,#]+)")
_SEPARATORS = re.compile(r"[-_.]+")


def environment_measure(tags: Mapping[str, str], installed: Mapping[str, str]) -> Measure:
    """Count the pinned packages that are deployed in another version, or not at all."""
    pins = read_pins(tags.get(LOCK, ""))
    pair = Comparison(ENVIRONMENT, len(pins), len(installed), "ready")
    if not pins:
        return pair.without(Metric.PACKAGES_DIFFER, f"the version's tag {LOCK} names no pin")
    there = {_normal(name): version for name, version in installed.items()}
    other = [
        f"{name} {there.get(name, 'is not deployed')}, trained with {version}"
        for name, version in sorted(pins.items())
        if there.get(name) != version
    ]
    note = "; ".join(other[:NAMED]) or f"{len(pins)} packages are those of the training"
    p_value = 0.0 if other else 1.0
    return pair.measure(Metric.PACKAGES_DIFFER, float(len(other)), 0.0, p_value, note)


def read_pins(text: str) -> dict[str, str]:
    """Read the exact pins of a requirements file; other lines say nothing that can differ."""
    found = (_PIN.match(line) for line in text.splitlines())
    return {_normal(match[1]): match[2] for match in found if match}


def _normal(name: str) -> str:
    """Write a package's name the one way. Source: Python packaging, name normalization."""
    return _SEPARATORS.sub("-", name).lower()
