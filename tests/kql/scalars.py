"""KQL's scalar functions as Microsoft documents them, in Python: enough to run the texts we build.

A null is ``None``. Sources: Microsoft Learn, Kusto "null values", isnull(), isnan(), isinf(),
iff(), case(). A comparison with null is null, and a null condition is not true.
"""

import ast
import math
import re
from collections.abc import Callable
from typing import Any


class _Null:
    """A null of some type: comparing with it gives null, which is false in a condition."""

    def _no(self, _other: Any) -> bool:
        return False

    __lt__ = __gt__ = __le__ = __ge__ = _no


NULL = _Null()
FUNCTIONS: dict[str, Any] = {
    "__builtins__": {},
    "isnull": lambda value: value is NULL,
    "isnan": lambda value: value is not NULL and math.isnan(value),
    "isinf": lambda value: value is not NULL and math.isinf(value),
}


class _Conditions(ast.NodeTransformer):
    """Makes Python's conditions of iff() and case(), and numbers of real()."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name == "real":
            return node.args[0]
        return _chosen(node.args) if name in ("iff", "case") else node


def _chosen(arguments: list[ast.expr]) -> ast.expr:
    if len(arguments) == 1:
        return arguments[0]
    return ast.IfExp(arguments[0], arguments[1], _chosen(arguments[2:]))


def scalar(expression: str, name: str) -> Callable[[float | None], int]:
    """Compile an expression over one real column: its syntax is Python's where we use it."""
    assert re.fullmatch(r"[\w\s(),.<>+-]*", expression), "beyond what Python and KQL share"
    tree = _Conditions().visit(ast.parse(expression, mode="eval"))
    body = compile(ast.fix_missing_locations(tree), "kql", "eval")
    return lambda value: eval(body, {**FUNCTIONS, name: NULL if value is None else value})
