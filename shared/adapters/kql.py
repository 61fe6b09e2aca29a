"""The KQL text of alert rules, built from their structure: no rule is ever written by hand twice.

Only the rendering lives here. What a rule may ask is said in ``infra/alert-rules.schema.json``.
"""

import json
import re
from dataclasses import dataclass
from typing import Literal

FilterOperator = Literal["==", "!=", ">", ">=", "<", "<=", "in"]
FilterValue = str | bool | int | float | tuple[str, ...]

_COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,44}")
"""Letter first, 45 characters at most: the limits of Log Analytics custom columns."""


@dataclass(frozen=True)
class Filter:
    """One condition on a row; all of a query's filters must hold."""

    column: str
    operator: FilterOperator
    value: FilterValue


@dataclass(frozen=True)
class AlertQuery:
    """What a scheduled query rule reads.

    With ``latest_only`` a row is replaced by the next one of the same dimensions, so that a
    later quiet row heals what an earlier one broke, and a window longer than the gap between
    two rows does not keep an old finding alive.
    """

    table: str
    filters: tuple[Filter, ...]
    dimensions: tuple[str, ...]
    measure: str
    latest_only: bool


def render(query: AlertQuery) -> str:
    """The query as a rule carries it.

    ``TimeGenerated`` stays in the result because the service bins by it when a rule asks for
    more than one evaluation period. The window is the rule's: the text never names a time.
    """
    lines = [_identifier(query.table), *(f"| where {_condition(f)}" for f in query.filters)]
    if query.latest_only:
        lines.append(_latest(query))
    else:
        names = ("TimeGenerated", *query.dimensions, query.measure)
        lines.append(f"| project {', '.join(map(_identifier, names))}")
    return "\n".join(lines)


def _latest(query: AlertQuery) -> str:
    latest = f"| summarize arg_max(TimeGenerated, {_identifier(query.measure)})"
    if not query.dimensions:
        return latest
    return f"{latest} by {', '.join(map(_identifier, query.dimensions))}"


def _condition(rule: Filter) -> str:
    return f"{_identifier(rule.column)} {rule.operator} {_literal(rule.value)}"


def _literal(value: FilterValue) -> str:
    # JSON's escapes inside double quotes are a subset of KQL's; true and false are the same words
    if isinstance(value, tuple):
        return f"({', '.join(map(_literal, value))})"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _identifier(name: str) -> str:
    """Raise ``ValueError`` for what would need quoting: it could not be a custom column."""
    if not _COLUMN.fullmatch(name):
        raise ValueError(f"not a plain KQL identifier: {name!r}")
    return name
