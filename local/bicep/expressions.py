"""Reads Bicep's expressions from tree-sitter's nodes into the tree of ``syntax.py``.

Where the grammar binds otherwise than Bicep does, it is put right here.
"""

from collections.abc import Callable

import tree_sitter

from local.bicep.syntax import (
    BicepError,
    Binary,
    Call,
    Choice,
    Entry,
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
    Text,
    Unary,
)

_ESCAPES = {"\\'": "'", "\\\\": "\\", "\\n": "\n", "\\r": "\r", "\\t": "\t", "\\$": "$"}


def read_expression(node: tree_sitter.Node) -> Node:
    read = _READERS.get(node.type)
    if read is None:
        raise BicepError(f"line {line_of(node)}: {node.type} is not known here")
    return read(node)


def _string(node: tree_sitter.Node) -> Text:
    r"""Read a string; the grammar passes over ``\$``, which is found between its pieces."""
    parts: list[str | Node] = []
    source, end = node.text or b"", len(node.children[0].text or b"")
    for each in node.named_children:
        start = each.start_byte - node.start_byte
        parts += [_unescaped(source[end:start].decode())] if start > end else []
        end = each.end_byte - node.start_byte
        if each.type == "interpolation":
            parts.append(read_expression(each.named_children[0]))
        else:
            parts.append(_unescaped(text_of(each)))
    return Text(line_of(node), tuple(parts))


def _unescaped(text: str) -> str:
    return _ESCAPES.get(text, text)


def plain_text(node: tree_sitter.Node) -> str:
    return _string(node).plain or ""


def _record(node: tree_sitter.Node) -> Record:
    entries = []
    for each in node.named_children:
        if each.type == "object_property":
            key, value = (part for part in each.named_children if part.type != "comment")
            is_text = key.type == "string"
            name = _string(key) if is_text else Text(line_of(key), (text_of(key),))
            entries.append(Entry(line_of(each), name, read_expression(value)))
    return Record(line_of(node), tuple(entries))


def read_call(node: tree_sitter.Node) -> Call:
    function, arguments = node.named_children
    given = tuple(
        read_expression(each) for each in arguments.named_children if each.type != "comment"
    )
    if function.type == "member_expression":
        target, name = function.named_children
        return Call(line_of(node), text_of(name), given, read_expression(target))
    return Call(line_of(node), text_of(function), given)


def _member(node: tree_sitter.Node) -> Node:
    of, name = node.named_children
    safe = any(each.type == ".?" for each in node.children)
    return _bound(
        read_expression(of), lambda inner: Member(line_of(node), inner, text_of(name), safe)
    )


def _subscript(node: tree_sitter.Node) -> Node:
    of, index = node.named_children
    safe = any(each.type == "?" for each in node.children)
    return _bound(
        read_expression(of), lambda inner: Index(line_of(node), inner, read_expression(index), safe)
    )


def _bound(of: Node, access: Callable[[Node], Node]) -> Node:
    """Bind an access to the last operand, where the grammar binds it to the whole expression."""
    match of:
        case Choice(line, condition, yes, no):
            return Choice(line, condition, yes, _bound(no, access))
        case Lambda(line, names, body):
            return Lambda(line, names, _bound(body, access))
        case Binary(line, operator, left, right):
            return Binary(line, operator, left, _bound(right, access))
        case Unary(line, operator, operand):
            return Unary(line, operator, _bound(operand, access))
    return access(of)


def _lambda(node: tree_sitter.Node) -> Lambda:
    names, body = node.named_children
    listed = names.named_children or [names]
    return Lambda(line_of(node), tuple(map(text_of, listed)), read_expression(body))


def _loop(node: tree_sitter.Node) -> Loop:
    names, source, body = (each for each in node.named_children if each.type != "comment")
    listed = names.named_children or [names]
    return Loop(
        line_of(node), tuple(map(text_of, listed)), read_expression(source), read_expression(body)
    )


def _array(node: tree_sitter.Node) -> Items:
    """Read an array; the grammar takes ``a[b]`` in one for two items, which nothing separates."""
    values: list[Node] = []
    end = -1
    for each in node.named_children:
        if each.type == "comment":
            continue
        if each.type == "array" and each.start_byte == end:
            values[-1] = Index(line_of(each), values[-1], read_expression(each.named_children[0]))
        else:
            values.append(read_expression(each))
        end = each.end_byte
    return Items(line_of(node), tuple(values))


def _operands(node: tree_sitter.Node) -> tuple[Node, ...]:
    return tuple(read_expression(each) for each in node.named_children if each.type != "comment")


def _operator(node: tree_sitter.Node) -> str:
    found = node.child_by_field_name("operator")
    return text_of(found) if found else ""


def text_of(node: tree_sitter.Node) -> str:
    return (node.text or b"").decode()


def line_of(node: tree_sitter.Node) -> int:
    return int(node.start_point.row) + 1


_READERS: dict[str, Callable[[tree_sitter.Node], Node]] = {
    "string": _string,
    "number": lambda node: Literal(line_of(node), int(text_of(node))),
    "boolean": lambda node: Literal(line_of(node), text_of(node) == "true"),
    "null": lambda node: Literal(line_of(node), None),
    "identifier": lambda node: Name(line_of(node), text_of(node)),
    "array": _array,
    "object": _record,
    "call_expression": read_call,
    "member_expression": _member,
    "subscript_expression": _subscript,
    "ternary_expression": lambda node: Choice(line_of(node), *_operands(node)),
    "binary_expression": lambda node: Binary(line_of(node), _operator(node), *_operands(node)),
    "unary_expression": lambda node: Unary(line_of(node), _operator(node), *_operands(node)),
    "lambda_expression": _lambda,
    "parenthesized_expression": lambda node: Group(line_of(node), _operands(node)[0]),
    "for_statement": _loop,
}
