"""The KQL texts that count rows where they lie, built from structures: never from a text given.

Only rendering lives here. Table and column names are checked and quoted, values are literals that
``kql.py`` makes. Counting is written so that it equals numpy's: see ``bucket_expression``.

Every query begins with the same rows: ``rows`` has the columns asked for as c0, c1, ..., of rows
with one id the last.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared.adapters.profiles.kql import moment, quoted, real, text

MISSING, ABOVE, BELOW, UNSEEN, EXAMPLE = -1, -2, -3, -4, -5
"""Buckets beside those of the edges: null or NaN, +inf, -inf, a category that the reference does
not have, and one such category by name, which counts nothing."""
EXAMPLES = 5
"""How many unseen categories are named."""

PROFILE_COLUMNS = {
    "feature": "string",
    "bucket": "long",
    "category": "string",
    "n": "long",
    "s": "real",
    "q": "real",
    "lo": "real",
    "hi": "real",
}
"""A profile's rows: how many, their sum, the sum of their squared distances from the centre, the
least and the largest. The figures count only where ``bucket`` is not negative."""

KqlType = Literal[
    "bool", "datetime", "decimal", "dynamic", "guid", "int", "long", "real", "string", "timespan"
]
NUMBERS: frozenset[str] = frozenset({"bool", "decimal", "int", "long", "real"})


@dataclass(frozen=True)
class Read:
    """One column as it is counted.

    Attributes:
        name: of the table's column.
        kind: how it is counted.
        type: the column's type; None where the table has no such column.
    """

    name: str
    kind: Literal["numeric", "categorical"]
    type: KqlType | None


@dataclass(frozen=True)
class RowsOf:
    """Which rows are counted: those of a version, by time, and of rows with one id the last.

    Attributes:
        start: included.
        end: excluded.
        version: compared as text.
    """

    table: str
    timestamp: str
    id: str
    version_column: str
    version: str
    start: datetime
    end: datetime


@dataclass(frozen=True)
class NumericLeg:
    """Counts a numeric column.

    Attributes:
        feature: what its rows are called in the answer.
        cuts: strictly growing; bucket i holds cuts[i-1] <= x < cuts[i], both ends open.
        centre: near the values, so that the sum of squares keeps its digits.
    """

    feature: str
    read: Read
    cuts: tuple[float, ...]
    centre: float


@dataclass(frozen=True)
class CategoricalLeg:
    """Counts a categorical column.

    Attributes:
        categories: counted apart, bucket i the i-th; None: every one that there is, in bucket 0.
    """

    feature: str
    read: Read
    categories: tuple[str, ...] | None


Leg = NumericLeg | CategoricalLeg


@dataclass(frozen=True)
class ProfileQuery:
    """Counts of some columns of the same rows; the answer has ``PROFILE_COLUMNS``."""

    rows: RowsOf
    legs: tuple[Leg, ...]


@dataclass(frozen=True)
class RankQuery:
    """The values at some places among a column's finite values in order, the first place is 0."""

    rows: RowsOf
    read: Read
    ranks: tuple[int, ...]


@dataclass(frozen=True)
class DistinctQuery:
    """Up to ``most`` of a column's distinct finite values, in no order."""

    rows: RowsOf
    read: Read
    most: int


RANK_COLUMNS = {"place": "long", "value": "real"}
DISTINCT_COLUMNS = {"value": "real"}
SCHEMA_COLUMNS = {"ColumnName": "string", "ColumnType": "string"}


def render_schema(table: str) -> str:
    """Ask for a table's columns; the service refuses it where the table is not there."""
    return f"{quoted(table)}\n| getschema\n| project ColumnName, ColumnType"


def render_profile(query: ProfileQuery) -> str:
    """Ask for all counts at once: the rows are read and told apart by id a single time."""
    reads = tuple(leg.read for leg in query.legs)
    legs = ",\n".join(_leg(leg, f"c{place}") for place, leg in enumerate(query.legs))
    return f"{_rows(query.rows, reads)}union\n{legs}"


def render_ranks(query: RankQuery) -> str:
    """Ask for order statistics: exact, where KQL's own percentiles are estimates."""
    places = ", ".join(map(str, query.ranks))
    return (
        f"{_finite(query.rows, query.read)}"
        "| sort by value asc\n"
        "| extend place = row_number(0)\n"
        f"| where place in (dynamic([{places}]))\n"
        "| project place, value"
    )


def render_distinct(query: DistinctQuery) -> str:
    """Ask for distinct values, no more than are of use."""
    return f"{_finite(query.rows, query.read)}| distinct value\n| take {query.most}"


def batches(query: ProfileQuery, limit: int) -> list[ProfileQuery]:
    """Cut a query so that no text is longer than ``limit`` characters; one leg is never cut."""
    found: list[ProfileQuery] = []
    length = limit + 1
    for leg in query.legs:
        alone = ProfileQuery(query.rows, (leg,))
        added = len(render_profile(alone))
        if length + added > limit:
            found.append(alone)
            length = added
        else:
            found[-1] = ProfileQuery(query.rows, (*found[-1].legs, leg))
            length += added
    return found


# --- rows ------------------------------------------------------------------------------------


def _rows(rows: RowsOf, reads: Sequence[Read]) -> str:
    columns = "".join(f", c{place} = {_column(read)}" for place, read in enumerate(reads))
    time = quoted(rows.timestamp)
    return (
        f"let found = {quoted(rows.table)}\n"
        f"| where {time} >= {moment(rows.start)} and {time} < {moment(rows.end)}\n"
        f"| where tostring({quoted(rows.version_column)}) == {text(rows.version)}\n"
        f"| project t = {time}, k = tostring({quoted(rows.id)}){columns};\n"
        "let rows = materialize(union (found | where isempty(k)), (found | where isnotempty(k)\n"
        # ids are many: without the hint one node would hold them all
        "| summarize hint.strategy=shuffle arg_max(t, *) by k));\n"
    )


def _column(read: Read) -> str:
    """Read a column as it is, or as what stands for its absence."""
    if read.kind == "categorical":
        return _category(read)
    if read.type == "string" or read.type in NUMBERS:
        return quoted(read.name)
    return "real(null)"


def _category(read: Read) -> str:
    """Give a category as text; the empty text stands for missing, as KQL has no null text."""
    if read.type is None:
        return '""'
    name = quoted(read.name)
    if read.type == "bool":
        return f'case(isnull({name}), "", {name}, "true", "false")'
    if read.type == "real":
        return f'iff(isnan({name}), "", tostring({name}))'
    return f"tostring({name})"


# --- legs ------------------------------------------------------------------------------------


def _leg(leg: Leg, column: str) -> str:
    if isinstance(leg, NumericLeg):
        return _numeric_leg(leg, column)
    return _categorical_leg(leg, column)


def _numeric_leg(leg: NumericLeg, column: str) -> str:
    bucket = bucket_expression("x", leg.cuts)
    far = f"x - {real(leg.centre)}"
    return (
        f"(rows | extend x = {_number(column, leg.read)}\n"
        f"| extend bucket = tolong({bucket})\n"
        f"| summarize n = count(), s = sum(x), q = sum(({far}) * ({far})), lo = min(x), hi = max(x)"
        " by bucket\n"
        f'| project feature = {text(leg.feature)}, bucket, category = "", n, s, q, lo, hi)'
    )


def _number(column: str, read: Read) -> str:
    if read.type == "bool":
        return f"iff(isnull({column}), real(null), iff({column}, 1.0, 0.0))"
    return f"todouble({column})"


def _finite(rows: RowsOf, read: Read) -> str:
    return (
        f"{_rows(rows, (read,))}rows\n"
        f"| project value = {_number('c0', read)}\n"
        "| where isnotnull(value) and isfinite(value)\n"
    )


def bucket_expression(name: str, cuts: Sequence[float]) -> str:
    """Write which bucket a number is in, as ``numpy.searchsorted(cuts, x, side="right")`` says.

    What is no finite number is told apart first, so no comparison ever meets a null (it would be
    null) or NaN (it would be false). Then ``x < cut`` goes left: a value on a cut belongs to the
    bucket that the cut begins. A balanced tree: 4,096 cuts are 13 levels, where a ``case`` would
    compare with each of them.
    """
    infinite = f"iff({name} > 0.0, {ABOVE}, {BELOW})"
    return (
        f"case(isnull({name}) or isnan({name}), {MISSING}, isinf({name}), {infinite}, "
        f"{_tree(name, cuts, 0, len(cuts))})"
    )


def _tree(name: str, cuts: Sequence[float], low: int, high: int) -> str:
    if low == high:
        return str(low)
    middle = (low + high) // 2
    left, right = _tree(name, cuts, low, middle), _tree(name, cuts, middle + 1, high)
    return f"iff({name}<{real(cuts[middle])},{left},{right})"


def _categorical_leg(leg: CategoricalLeg, column: str) -> str:
    if leg.categories is None:
        counted = f"iff(isempty({column}), {MISSING}, 0)"
        return _counts(leg.feature, counted, column)
    known = f"{column} in (dynamic([{', '.join(map(text, leg.categories))}]))"
    bucket = f"case(isempty({column}), {MISSING}, {known}, 0, {UNSEEN})"
    counts = _counts(leg.feature, bucket, f'iff({known}, {column}, "")')
    strange = f"rows | where isnotempty({column}) and not({known}) | distinct {column}"
    named = f"category = {column}, n = long(0)"
    return (
        f"{counts},\n({strange} | top {EXAMPLES} by {column} asc\n"
        f"| project feature = {text(leg.feature)}, bucket = tolong({EXAMPLE}), {named}, {_NOTHING})"
    )


_NOTHING = "s = real(null), q = real(null), lo = real(null), hi = real(null)"


def _counts(feature: str, bucket: str, category: str) -> str:
    return (
        f"(rows | summarize n = count() by bucket = tolong({bucket}), category = {category}\n"
        f"| project feature = {text(feature)}, bucket, category, n, {_NOTHING})"
    )
