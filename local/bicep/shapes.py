"""Holds resources against Microsoft's own models of them, as ``infra/azure-types.json`` keeps them.

A property that the model does not have, that only the service sets, or whose written-out value is
of another type or outside its enum, is wrong. What an expression gives is not known here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.bicep.evaluation import Planned
from local.bicep.functions import Unknown
from local.bicep.project import INFRA, read_json
from local.bicep.registry import AVM_MODULES
from local.bicep.syntax import (
    Call,
    Choice,
    Group,
    Items,
    Lambda,
    Literal,
    Loop,
    Node,
    Record,
    Resource,
    Text,
)

DECLARATION = {"name", "parent", "scope", "dependsOn"}
"""Of the declaration, not of the resource."""
NEWER_VALUES = {"monitor.KnownDataCollectionRuleResourceKind": ("Direct",)}
"""Documented values that the package does not list. Source: Microsoft Learn, Logs Ingestion API."""

Pairs = Iterator[tuple[int, str]]


@dataclass(frozen=True)
class Shapes:
    """The models of the resource types in use.

    Attributes:
        resources: type and API version to model.
        types: model to property to type. A type is a scalar, another model, an enum, ``[of]``,
            ``{of}`` or ``any``; before it a minus where only the service sets it, a plus where it
            must be given.
        enums: enum to its values.
    """

    resources: Mapping[str, str]
    types: Mapping[str, Mapping[str, str]]
    enums: Mapping[str, tuple[str, ...]]

    def model_of(self, what: str) -> str:
        """Give the model of a type; the version that is known where another is asked for.

        Raises:
            KeyError: the type is not known at any version.
        """
        if what in self.resources:
            return self.resources[what]
        kind = what.partition("@")[0]
        found = [model for each, model in self.resources.items() if each.startswith(f"{kind}@")]
        if not found:
            raise KeyError(what)
        return found[0]

    def check(self, resource: Resource) -> Pairs:
        model = self.resources.get(resource.what)
        if model is None:
            yield resource.line, self._unknown(resource)
            return
        if resource.body.get("name") is None:
            yield resource.line, f"{resource.symbol} has no name"
        if not resource.existing:
            yield from self._object(resource.body, model, resource.type, DECLARATION)

    def _unknown(self, resource: Resource) -> str:
        versions = [each for each in self.resources if each.partition("@")[0] == resource.type]
        known = f"known is {versions[0]}" if versions else "the type is not known"
        return f"{resource.what}: {known}"

    def value(self, node: Node, kind: str, where: str) -> Pairs:
        """Hold what is written of an expression against a type."""
        if kind.startswith("-"):
            yield node.line, f"{where} is set by the service alone"
        for each in written(node):
            yield from self._written(each, kind.lstrip("+-"), where)

    def _written(self, node: Node, kind: str, where: str) -> Pairs:
        if kind == "any" or (isinstance(node, Literal) and node.value is None):
            return
        if isinstance(node, Items):
            yield from self._items(node, kind, where)
        elif isinstance(node, Record):
            yield from self._record(node, kind, where)
        elif isinstance(node, Text):
            yield from self._text(node, kind, where)
        elif isinstance(node, Literal):
            wanted = ("bool",) if isinstance(node.value, bool) else ("int", "float")
            if kind not in wanted:
                yield node.line, f"{where} must be {self._said(kind)}, is {node.value}"

    def _items(self, node: Items, kind: str, where: str) -> Pairs:
        if not kind.startswith("["):
            yield node.line, f"{where} must be {self._said(kind)}, is a list"
            return
        for place, each in enumerate(node.values):
            yield from self.value(each, kind[1:-1], f"{where}[{place}]")

    def _record(self, node: Record, kind: str, where: str) -> Pairs:
        if kind.startswith("{"):
            for entry in node.entries:
                key = entry.key.plain or "*"
                yield from self.value(entry.value, kind[1:-1], f"{where}.{key}")
        elif kind in self.types:
            yield from self._object(node, kind, where, set())
        else:
            yield node.line, f"{where} must be {self._said(kind)}, is an object"

    def _object(self, node: Record, model: str, where: str, beside: set[str]) -> Pairs:
        known = self.types[model]
        for entry in node.entries:
            key = entry.key.plain
            if key in beside or key is None:
                continue
            if key not in known:
                yield entry.line, f"{where} has no property {key}"
            else:
                yield from self.value(entry.value, known[key], f"{where}.{key}")

    def _text(self, node: Text, kind: str, where: str) -> Pairs:
        if kind in self.enums:
            values = (*self.enums[kind], *NEWER_VALUES.get(kind, ()))
            if node.plain is not None and node.plain not in values:
                yield node.line, f"{where} cannot be {node.plain!r}: {', '.join(values)}"
        elif kind != "string":
            yield node.line, f"{where} must be {self._said(kind)}, is a text"

    def check_body(self, planned: Planned) -> Iterator[str]:
        """Hold a computed resource against its model; what only Azure knows fits anywhere.

        Of a resource that a registry module makes, the module's parameters are held, too.
        """
        body = {name: each for name, each in planned.body.items() if name not in DECLARATION}
        model = planned.model or self.model_of(planned.what)
        yield from self._computed(body, model, planned.type)
        if planned.module:
            yield from self._computed(dict(planned.given), planned.module, planned.module)

    def _computed(self, value: Any, kind: str, where: str) -> Iterator[str]:
        kind = kind.lstrip("+-")
        if value is None or kind == "any" or isinstance(value, Unknown):
            return
        if isinstance(value, list) and kind.startswith("["):
            for place, each in enumerate(value):
                yield from self._computed(each, kind[1:-1], f"{where}[{place}]")
        elif isinstance(value, dict) and kind[0] not in "[{":
            yield from self._computed_object(value, kind, where)
        elif isinstance(value, dict) and kind.startswith("{"):
            for name, each in value.items():
                yield from self._computed(each, kind[1:-1], f"{where}.{name}")
        elif not self._scalar_fits(value, kind):
            yield f"{where} must be {self._said(kind)}, is {value!r}"

    def _computed_object(self, value: dict[str, Any], kind: str, where: str) -> Iterator[str]:
        known = self.types.get(kind)
        if known is None:
            yield f"{where} must be {self._said(kind)}, is an object"
            return
        for name in (name for name, each in known.items() if each.startswith("+")):
            if value.get(name) is None:
                yield f"{where} must have a {name}"
        for name, each in value.items():
            if name not in known:
                yield f"{where} has no property {name}"
            else:
                yield from self._computed(each, known[name], f"{where}.{name}")

    def _said(self, kind: str) -> str:
        if kind in self.enums:
            return f"one of {', '.join(self.enums[kind])}"
        if kind[0] in "[{":
            return "a list" if kind[0] == "[" else "an object"
        return "an object" if kind in self.types else f"a {kind}"

    def _scalar_fits(self, value: Any, kind: str) -> bool:
        if kind in self.enums:
            return value in (*self.enums[kind], *NEWER_VALUES.get(kind, ()))
        if isinstance(value, bool):
            return kind == "bool"
        types = {"string": str, "int": int, "float": int | float}
        return kind in types and isinstance(value, types[kind])


def written(node: Node) -> Iterator[Node]:
    """Give what is written out of an expression: both arms of a choice, a loop's or map's body."""
    match node:
        case Group(inner=inner):
            yield from written(inner)
        case Choice(yes=yes, no=no):
            yield from written(yes)
            yield from written(no)
        case Loop(body=body):
            yield Items(node.line, (body,))
        case Call(function="map", arguments=(_, Lambda(body=body))):
            yield Items(node.line, (body,))
        case Items() | Record() | Text() | Literal():
            yield node


def load_shapes(file: Path = INFRA / "azure-types.json") -> Shapes:
    """Read the models, and the types of the registry's modules that stand beside them."""
    document: Mapping[str, Any] = read_json(file)
    types, enums = dict(document["types"]), dict(document["enums"])
    if (file.parent / AVM_MODULES).is_file():
        avm = read_json(file.parent / AVM_MODULES)
        types |= avm["types"] | {path: m["parameters"] for path, m in avm["modules"].items()}
        enums |= avm["enums"]
    return Shapes(document["resources"], types, {name: tuple(each) for name, each in enums.items()})
