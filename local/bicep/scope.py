"""What an expression gives, in a file with its parameters, or within a loop or lambda of it."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from local.bicep.functions import PURE, Unknown, show
from local.bicep.project import read_json
from local.bicep.syntax import (
    BicepError,
    BicepFile,
    Binary,
    Call,
    Choice,
    Group,
    Index,
    Items,
    Lambda,
    Literal,
    Loop,
    Member,
    Name,
    Node,
    Record,
    Resource,
    Text,
    Unary,
)

Values = Mapping[str, Any]
Outputs = Values | list[Values]
"""What a module gives; of a module in a loop what each turn gives."""


class Scope:
    """What names mean in a file, or within a loop or lambda of it."""

    def __init__(self, file: BicepFile, given: Values, local: Values | None = None) -> None:
        self._file = file
        self._given = given
        self._local = dict(local or {})
        self.outputs: dict[str, Outputs] = {}

    def within(self, local: Values) -> "Scope":
        inner = Scope(self._file, self._given, {**self._local, **local})
        inner.outputs = self.outputs
        return inner

    def instances(self, what: Resource) -> Iterator["Scope"]:
        """Give one scope, or one for each turn of the loop."""
        if what.loop is None:
            yield self
            return
        for place, item in enumerate(_listed(self.value(what.loop.source), what.line)):
            yield self.within(dict(zip(what.loop.names, (item, place), strict=False)))

    def value(self, node: Node) -> Any:
        compute = _COMPUTED.get(type(node))
        if compute is None:
            raise BicepError(f"line {node.line}: {type(node).__name__} has no value by itself")
        return compute(self, node)

    def text(self, node: Text) -> Any:
        values = [part if isinstance(part, str) else self.value(part) for part in node.parts]
        text = "".join(map(show, values))
        return Unknown(text) if any(isinstance(each, Unknown) for each in values) else text

    def name(self, node: Name) -> Any:
        file, name = self._file, node.name
        if name in self._local:
            return self._local[name]
        if name in file.parameters:
            default = file.parameters[name].default
            if name in self._given:
                return self._given[name]
            if default is not None:
                return self.value(default)
        if name in file.variables:
            return self.value(file.variables[name].value)
        if name in file.modules:
            return self._outputs(name)
        if name in file.resources:
            return self._reference(file.resources[name])
        raise BicepError(f"line {node.line}: {name} has no value")

    def _outputs(self, module: str) -> Any:
        found = self.outputs.get(module, {})
        if isinstance(found, list):
            return [{"outputs": each} for each in found]
        return {"outputs": found}

    def _reference(self, resource: Resource) -> Any:
        if resource.loop is not None:
            return Unknown(resource.symbol)
        name = resource.body.get("name")
        return Unknown(resource.symbol, show(self.value(name)) if name is not None else "")

    def items(self, node: Items) -> list[Any]:
        return [self.value(each) for each in node.values]

    def record(self, node: Record) -> dict[str, Any]:
        return {show(self.value(each.key)): self.value(each.value) for each in node.entries}

    def choice(self, node: Choice) -> Any:
        return self.value(node.yes if self.value(node.condition) else node.no)

    def member(self, node: Member) -> Any:
        return _member(self.value(node.of), node.name, node)

    def index(self, node: Index) -> Any:
        return _member(self.value(node.of), self.value(node.index), node)

    def unary(self, node: Unary) -> Any:
        value = self.value(node.operand)
        return not value if node.operator == "!" else -value

    def loop(self, node: Loop) -> list[Any]:
        found = []
        for place, item in enumerate(_listed(self.value(node.source), node.line)):
            inner = self.within(dict(zip(node.names, (item, place), strict=False)))
            found.append(inner.value(node.body))
        return found

    def binary(self, node: Binary) -> Any:
        left = self.value(node.left)
        match node.operator:
            case "&&":
                return left and self.value(node.right)
            case "||":
                return left or self.value(node.right)
            case "??":
                return left if left is not None else self.value(node.right)
        right = self.value(node.right)
        operators = {
            "==": lambda: left == right,
            "!=": lambda: left != right,
            ">": lambda: left > right,
            "<": lambda: left < right,
            ">=": lambda: left >= right,
            "<=": lambda: left <= right,
            "+": lambda: left + right,
            "-": lambda: left - right,
        }
        if node.operator not in operators:
            raise BicepError(f"line {node.line}: {node.operator} is not known here")
        return operators[node.operator]()

    def call(self, node: Call) -> Any:
        match node.function, node.arguments:
            case "map" | "filter" | "mapValues", (source, Lambda() as over):
                return self._over(node.function, self.value(source), over)
            case "loadJsonContent", (Text(plain=str(place)), *_):
                return read_json(self._file.path.parent / place)
            case "loadTextContent", (Text(plain=str(place)), *_):
                return json.dumps(read_json(self._file.path.parent / place))
        if node.function not in PURE:
            raise BicepError(f"line {node.line}: {node.function}() is not known here")
        return PURE[node.function](*map(self.value, node.arguments))

    def _over(self, function: str, source: Any, over: Lambda) -> Any:
        def apply(item: Any) -> Any:
            return self.within({over.names[0]: item}).value(over.body)

        if function == "mapValues":
            return {name: apply(item) for name, item in source.items()}
        items = _listed(source, over.line)
        if function == "filter":
            return [item for item in items if apply(item)]
        return [apply(item) for item in items]


_COMPUTED: Mapping[type[Node], Callable[[Scope, Any], Any]] = {
    Literal: lambda _, node: node.value,
    Group: lambda scope, node: scope.value(node.inner),
    Text: Scope.text,
    Name: Scope.name,
    Items: Scope.items,
    Record: Scope.record,
    Choice: Scope.choice,
    Member: Scope.member,
    Index: Scope.index,
    Loop: Scope.loop,
    Unary: Scope.unary,
    Binary: Scope.binary,
    Call: Scope.call,
}


def _member(of: Any, key: Any, node: Member | Index) -> Any:
    if isinstance(of, Unknown):
        return of.name if key == "name" and of.name else Unknown(f"{of.text}.{key}")
    if isinstance(of, Mapping) and key in of:
        return of[key]
    if isinstance(of, list) and isinstance(key, int) and key < len(of):
        return of[key]
    if node.safe:
        return None
    raise BicepError(f"line {node.line}: there is no {show(key)}")


def _listed(value: Any, line: int) -> list[Any]:
    if not isinstance(value, list):
        raise BicepError(f"line {line}: must be a list, is {show(value)}")
    return value
