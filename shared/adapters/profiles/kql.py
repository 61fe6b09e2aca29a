"""The KQL text of alert rules, built from their structure: no rule is ever written by hand twice.

Only the rendering lives here, and the literals that every KQL text is made of. What a rule may ask
is said in ``infra/alert-rules.schema.json``.
"""

import json
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

FilterOperator = Literal["==", "!=", ">", ">=", "<", "<=", "in"]
FilterValue = str | bool | int | float | tuple[str, ...]

_COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,44}")
"""Letter first, 45 characters at most: the limits of Log Analytics custom columns."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
"""What the catalogue allows as a column's name; a table's is the same here."""


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


# --- literals --------------------------------------------------------------------------------


def quoted(name: str) -> str:
    """Give a table's or column's name so that it may be a word of the language too.

    Raises:
        ValueError: it is no plain name.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a plain KQL name: {name!r}")
    return f"['{name}']"


def text(value: str) -> str:
    """Give a text literal: JSON's escapes are a subset of KQL's."""
    return json.dumps(value, ensure_ascii=False)


def real(value: float) -> str:
    """Give a number that reads back as the same double.

    Raises:
        ValueError: it is not finite.
    """
    if not math.isfinite(value):
        raise ValueError(f"not a finite number: {value!r}")
    return f"real({float(value)!r})"


def moment(value: datetime) -> str:
    """Give a time in UTC, to the microsecond.

    Raises:
        ValueError: it has no offset, so nobody knows which time it is.
    """
    if value.tzinfo is None:
        raise ValueError(f"a time without an offset: {value!r}")
    return f"datetime({value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ})"
