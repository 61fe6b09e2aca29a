"""Results of a KQL query, checked before anybody counts on them: whole, and of the form asked for.

The limits are Kusto's and Log Analytics' alike. Source: Microsoft Learn, Kusto "Query limits", and
Azure Monitor "Log Analytics workspace limits", Query API.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.errors import DataError, LoopError, Unavailable

MAX_ROWS = 500_000
"""Rows of one answer; a longer one is cut."""
TRUNCATED = frozenset({"-2133196797", "80DA0003", "0x80DA0003", "E_QUERY_RESULT_SET_TOO_LARGE"})
"""How the services say that an answer was cut, in the forms their codes come in."""
_SYNONYMS = {"double": "real", "Double": "real", "Int64": "long", "String": "string"}


@dataclass(frozen=True)
class Column:
    """A column of an answer."""

    name: str
    type: str


def not_whole(subject: str, codes: Sequence[str]) -> LoopError:
    """Give the error for an answer that lacks a part: a cut one will be cut again."""
    named = ", ".join(codes)
    if TRUNCATED.intersection(codes):
        return DataError(
            f"{subject}: the answer was cut, it is too large: {named}", subject=subject
        )
    return Unavailable(f"{subject}: only a part of an answer: {named}", subject=subject)


def checked_rows(
    subject: str,
    columns: Sequence[Column],
    rows: Sequence[Sequence[Any]],
    wanted: Mapping[str, str],
) -> list[Sequence[Any]]:
    """Give the rows.

    Raises:
        DataError: the columns are others, or so many rows that some may be missing.
    """
    found = {column.name: _SYNONYMS.get(column.type, column.type) for column in columns}
    if list(found.items()) != list(wanted.items()):
        raise DataError(f"{subject}: columns {found}, asked for {dict(wanted)}", subject=subject)
    if len(rows) >= MAX_ROWS:
        raise not_whole(subject, ["E_QUERY_RESULT_SET_TOO_LARGE"])
    return list(rows)
