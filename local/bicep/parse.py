"""Reads Bicep files with tree-sitter's grammar: the declarations; see ``expressions.py``."""

from functools import cache
from pathlib import Path
from typing import Any

import tree_sitter
import tree_sitter_bicep

from local.bicep.expressions import line_of, plain_text, read_call, read_expression, text_of
from local.bicep.syntax import (
    BicepError,
    BicepFile,
    Items,
    Literal,
    Loop,
    Node,
    Parameter,
    Record,
    Resource,
    Text,
    Variable,
)


@cache
def _parser() -> tree_sitter.Parser:
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language()))


def parse_file(path: Path) -> BicepFile:
    """Read one file.

    Raises:
        BicepError: it is not there, or its syntax is wrong; with the line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BicepError(f"{path}: {error.strerror}") from error
    root = _parser().parse(content).root_node
    wrong = _first_error(root)
    if wrong is not None:
        shown = text_of(wrong).split("\n")[0][:60]
        raise BicepError(f"{path}:{line_of(wrong)}: the syntax is wrong at {shown!r}")
    return _File(path).read(root)


def _first_error(node: tree_sitter.Node) -> tree_sitter.Node | None:
    if node.is_error or node.is_missing:
        return node
    return next((found for each in node.children if (found := _first_error(each))), None)


class _File:
    """Collects the declarations of one file; decorators stand before what they are about."""

    def __init__(self, path: Path) -> None:
        self._file = BicepFile(path)
        self._decorators: dict[str, Node | None] = {}
        self._scope = self._file.scope
        self._comments: list[str] = []

    def read(self, root: tree_sitter.Node) -> BicepFile:
        for node in root.named_children:
            self._take(node)
        found = self._file
        return BicepFile(
            *(found.path, self._scope, found.parameters, found.variables, found.resources),
            found.modules,
            found.outputs,
            tuple(self._comments),
        )

    def _take(self, node: tree_sitter.Node) -> None:
        match node.type:
            case "decorators":
                self._decorators = dict(map(_decorator, node.named_children))
                return
            case "target_scope_assignment":
                self._scope = plain_text(node.named_children[-1])
            case "parameter_declaration":
                self._put(self._file.parameters, _parameter(node, self._decorators))
            case "variable_declaration":
                name, value = node.named_children
                self._put(
                    self._file.variables,
                    Variable(text_of(name), read_expression(value), line_of(node)),
                )
            case "output_declaration":
                found = _output(node)
                self._file.outputs[found.name] = found
            case "resource_declaration":
                self._declare(self._file.resources, node)
            case "module_declaration":
                self._declare(self._file.modules, node)
            case "comment" | "diagnostic_comment":
                self._comments.append(text_of(node).lstrip("/# "))
                return
            case other:
                raise BicepError(f"{self._file.path}:{line_of(node)}: {other} is not known here")
        self._decorators = {}

    def _put(self, where: dict[str, Any], what: Parameter | Variable) -> None:
        self._new(what.name, what.line)
        where[what.name] = what

    def _declare(self, where: dict[str, Resource], node: tree_sitter.Node) -> None:
        found = _resource(node)
        self._new(found.symbol, found.line)
        where[found.symbol] = found

    def _new(self, name: str, line: int) -> None:
        file = self._file
        for kind in (file.parameters, file.variables, file.resources, file.modules):
            if name in kind:
                raise BicepError(f"{file.path}:{line}: {name} is declared twice")


def _decorator(node: tree_sitter.Node) -> tuple[str, Node | None]:
    call = read_call(node.named_children[0])
    return call.function, call.arguments[0] if call.arguments else None


def _parameter(node: tree_sitter.Node, decorators: dict[str, Node | None]) -> Parameter:
    name, kind, *default = node.named_children
    allowed, said = decorators.get("allowed"), decorators.get("description")
    values = allowed.values if isinstance(allowed, Items) else ()
    return Parameter(
        text_of(name),
        text_of(kind),
        read_expression(default[0]) if default else None,
        line_of(node),
        tuple(each.plain if isinstance(each, Text) else _value(each) for each in values),
        "secure" in decorators,
        (said.plain or "") if isinstance(said, Text) else "",
        _limit(decorators, "minValue", "minLength"),
        _limit(decorators, "maxValue", "maxLength"),
    )


def _limit(decorators: dict[str, Node | None], *names: str) -> int | None:
    for name in names:
        found = decorators.get(name)
        if isinstance(found, Literal) and found.value is not None:
            return found.value
    return None


def _value(node: Node) -> Any:
    return node.value if isinstance(node, Literal) else None


def _output(node: tree_sitter.Node) -> Variable:
    name, kind, value = node.named_children
    return Variable(text_of(name), read_expression(value), line_of(node), text_of(kind))


def _resource(node: tree_sitter.Node) -> Resource:
    symbol, what, *_, body = [each for each in node.named_children if each.type != "comment"]
    condition = None
    if body.type == "if_statement":
        test, body = body.named_children
        condition = read_expression(test)
    found = read_expression(body)
    loop = found if isinstance(found, Loop) else None
    record = loop.body if loop else found
    if not isinstance(record, Record):
        raise BicepError(f"line {line_of(node)}: {text_of(symbol)} has no body")
    existing = any(each.type == "existing" for each in node.children)
    return Resource(
        *(text_of(symbol), plain_text(what), record, line_of(node), existing, condition), loop=loop
    )
