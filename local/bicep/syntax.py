"""What a Bicep file says, as a tree: the parts of the language that ``infra/`` is written in."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

_REGISTRIES = ("br:", "br/", "ts:", "ts/")


class BicepError(Exception):
    """A file cannot be read, or says what these tools do not know."""


@dataclass(frozen=True)
class Node:
    """Any expression; ``line`` counts from 1."""

    line: int


@dataclass(frozen=True)
class Literal(Node):
    """A number, true, false or null."""

    value: int | bool | None


@dataclass(frozen=True)
class Text(Node):
    """A string: pieces of text, and expressions in between."""

    parts: "tuple[str | Node, ...]"

    @property
    def plain(self) -> str | None:
        """The text where nothing is interpolated."""
        return "".join(map(str, self.parts)) if not any(map(_is_node, self.parts)) else None


@dataclass(frozen=True)
class Name(Node):
    """A symbol that is used."""

    name: str


@dataclass(frozen=True)
class Call(Node):
    """A function; its target is there where it is a resource's (``app.listKeys()``)."""

    function: str
    arguments: tuple[Node, ...]
    target: Node | None = None


@dataclass(frozen=True)
class Member(Node):
    """``of.name``, or ``of.?name``, which gives null where there is none."""

    of: Node
    name: str
    safe: bool = False


@dataclass(frozen=True)
class Index(Node):
    """``of[index]``, or ``of[?index]``."""

    of: Node
    index: Node
    safe: bool = False


@dataclass(frozen=True)
class Choice(Node):
    """``condition ? yes : no``."""

    condition: Node
    yes: Node
    no: Node


@dataclass(frozen=True)
class Binary(Node):
    """Two operands."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Unary(Node):
    """One operand: ``!`` or ``-``."""

    operator: str
    operand: Node


@dataclass(frozen=True)
class Lambda(Node):
    """``name => body``."""

    names: tuple[str, ...]
    body: Node


@dataclass(frozen=True)
class Group(Node):
    """An expression in parentheses."""

    inner: Node


@dataclass(frozen=True)
class Items(Node):
    """An array."""

    values: tuple[Node, ...]


@dataclass(frozen=True)
class Entry(Node):
    """One property of an object."""

    key: Text
    value: Node


@dataclass(frozen=True)
class Record(Node):
    """An object."""

    entries: tuple[Entry, ...]

    def get(self, name: str) -> Node | None:
        return next((each.value for each in self.entries if each.key.plain == name), None)


@dataclass(frozen=True)
class Loop(Node):
    """``[for item in source: body]``, or ``(item, place)``."""

    names: tuple[str, ...]
    source: Node
    body: Node


@dataclass(frozen=True)
class Parameter:
    """A parameter of a file.

    Attributes:
        smallest: of the value, or of its length.
        largest: the same.
    """

    name: str
    type: str
    default: Node | None
    line: int
    allowed: tuple[Any, ...] = ()
    secure: bool = False
    description: str = ""
    smallest: int | None = None
    largest: int | None = None


@dataclass(frozen=True)
class Variable:
    """A variable, or an output with its type."""

    name: str
    value: Node
    line: int
    type: str = ""


@dataclass(frozen=True)
class Resource:
    """A resource or, with a path in place of a type, a module."""

    symbol: str
    what: str
    body: Record
    line: int
    existing: bool = False
    condition: Node | None = None
    loop: Loop | None = None

    @property
    def type(self) -> str:
        return self.what.partition("@")[0]

    @property
    def is_from_registry(self) -> bool:
        """Whether a module is called by its address in a registry, not by its path."""
        return self.what.startswith(_REGISTRIES)


@dataclass(frozen=True)
class BicepFile:
    """One file."""

    path: Path
    scope: str = "resourceGroup"
    parameters: dict[str, Parameter] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)
    modules: dict[str, Resource] = field(default_factory=dict)
    outputs: dict[str, Variable] = field(default_factory=dict)
    comments: tuple[str, ...] = ()

    def target(self, module: Resource) -> Path:
        return (self.path.parent / module.what).resolve()

    def expressions(self) -> Iterator[Node]:
        """Give every expression at its root."""
        for parameter in self.parameters.values():
            if parameter.default is not None:
                yield parameter.default
        for variable in (*self.variables.values(), *self.outputs.values()):
            yield variable.value
        for each in (*self.resources.values(), *self.modules.values()):
            yield from (part for part in (each.condition, each.loop or each.body) if part)


def walk(node: Node) -> Iterator[Node]:
    """Give the expression and everything in it."""
    yield node
    for each in children(node):
        yield from walk(each)


def children(node: Node) -> Iterator[Node]:
    for name in fields(node):
        value = getattr(node, name.name)
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, Node):
                yield each


def _is_node(part: object) -> bool:
    return isinstance(part, Node)
