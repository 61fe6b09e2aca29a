"""A table that speaks KQL, to test against: Log Analytics and Kusto, as far as their HTTP goes.

There is no KQL engine here. The stand-in remembers, for every text that our modules render, the
structure it was rendered from, and computes the answer from that and its own rows; a text that
was not rendered is refused. Only the bucket of a number is computed from the text itself. What KQL
means by a text is therefore as documented, not as observed.
"""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from shared.adapters.profiles import kql_endpoint
from shared.adapters.profiles import kql_profile as kql
from tests.fakes.endpoint import Request, percentile
from tests.kql.scalars import scalar

WORKSPACE = "00000000-0000-0000-0000-0000000000aa"
TOKEN = "a-token-of-the-stand-in"
Row = Mapping[str, Any]


@dataclass
class Table:
    """Rows as KQL keeps them: a text is never null."""

    types: dict[str, str]
    rows: list[Row] = field(default_factory=list)

    def write(self, rows: Sequence[Row]) -> None:
        self.rows += [
            {
                name: "" if row.get(name) is None and kind == "string" else row.get(name)
                for name, kind in self.types.items()
            }
            for row in rows
        ]


@dataclass
class Engine:
    """Answers what was rendered.

    Attributes:
        asked: the texts it was asked, in order.
        faults: complete answers (status, headers, document) to give instead, first come first go.
    """

    tables: dict[str, Table] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    known: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    faults: list[tuple[int, dict[str, str], Any]] = field(default_factory=list)

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        for name in ("render_schema", "render_profile", "render_ranks", "render_distinct"):
            patch.setattr(kql, name, self._remembering(getattr(kql, name)))
        render = self._remembering(kql_endpoint.render_signals)
        patch.setattr(kql_endpoint, "render_signals", render)

    def _remembering(self, render: Callable[[Any], str]) -> Callable[[Any], str]:
        def remembering(structure: Any) -> str:
            text = render(structure)
            self.known[text] = structure
            return text

        return remembering

    def answer(self, text: str) -> tuple[dict[str, str], list[list[Any]]] | None:
        """Give columns and rows; None where a name is unknown."""
        self.asked.append(text)
        structure = self.known[text]
        if isinstance(structure, kql_endpoint.SignalsQuery):
            return kql_endpoint.SIGNAL_COLUMNS, [_signals(self.requests, structure)]
        name = structure if isinstance(structure, str) else structure.rows.table
        if name not in self.tables:
            return None
        table = self.tables[name]
        if isinstance(structure, str):
            return kql.SCHEMA_COLUMNS, [list(pair) for pair in table.types.items()]
        if isinstance(structure, kql.ProfileQuery):
            rows = _rows(table, structure.rows)
            return kql.PROFILE_COLUMNS, [r for leg in structure.legs for r in _leg(rows, leg)]
        values = _finite(_rows(table, structure.rows), structure.read)
        if isinstance(structure, kql.DistinctQuery):
            # by text, so that -0.0 and 0.0 are two
            distinct = list({str(value): value for value in values}.values())
            return kql.DISTINCT_COLUMNS, [[value] for value in distinct[: structure.most]]
        ranked = list(enumerate(sorted(values)))
        return kql.RANK_COLUMNS, [[place, v] for place, v in ranked if place in structure.ranks]


def _rows(table: Table, rows: kql.RowsOf) -> list[Row]:
    """Choose rows of a version and time; of those with one id the last one."""
    found = [
        row
        for row in table.rows
        if rows.start <= row[rows.timestamp] < rows.end
        and _text(row[rows.version_column]) == rows.version
    ]
    bare = [row for row in found if _text(row[rows.id]) == ""]
    keyed: dict[str, Row] = {}
    for row in found:
        key = _text(row[rows.id])
        if key and (key not in keyed or row[rows.timestamp] >= keyed[key][rows.timestamp]):
            keyed[key] = row
    return [*bare, *keyed.values()]


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(row: Row, read: kql.Read) -> float | None:
    """Give a value as ``todouble`` does: None for null, and for a text that is no number."""
    value = row.get(read.name)
    if (
        read.type is None
        or value is None
        or not (read.type == "string" or read.type in kql.NUMBERS)
    ):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _finite(rows: Sequence[Row], read: kql.Read) -> list[float]:
    numbers = [_number(row, read) for row in rows]
    return [number for number in numbers if number is not None and math.isfinite(number)]


def _leg(rows: Sequence[Row], leg: kql.Leg) -> Iterator[list[Any]]:
    if isinstance(leg, kql.NumericLeg):
        yield from _numeric(rows, leg)
    else:
        yield from _categorical(rows, leg)


def _numeric(rows: Sequence[Row], leg: kql.NumericLeg) -> Iterator[list[Any]]:
    bucket_of = scalar(kql.bucket_expression("x", leg.cuts), "x")
    groups: dict[int, list[float | None]] = defaultdict(list)
    for row in rows:
        number = _number(row, leg.read)
        groups[bucket_of(number)].append(number)
    for bucket, found in groups.items():
        values = [value for value in found if value is not None]
        yield [leg.feature, bucket, "", len(found), *_figures(values, leg.centre)]


def _figures(values: Sequence[float], centre: float) -> list[Any]:
    if not values:
        return [None] * 4
    squares = [(value - centre) * (value - centre) for value in values]
    return [_json(f) for f in (sum(values), sum(squares), min(values), max(values))]


def _json(value: float) -> Any:
    """Give a real as Kusto writes it: JSON has no NaN and no infinity."""
    if math.isnan(value):
        return "NaN"
    return value if math.isfinite(value) else ("Infinity" if value > 0 else "-Infinity")


def _categorical(rows: Sequence[Row], leg: kql.CategoricalLeg) -> Iterator[list[Any]]:
    groups: dict[tuple[int, str], int] = defaultdict(int)
    strange: set[str] = set()
    for row in rows:
        value = _text(row.get(leg.read.name)) if leg.read.type else ""
        known = leg.categories is None or value in leg.categories
        if value and not known:
            strange.add(value)
        bucket = kql.MISSING if not value else 0 if known else kql.UNSEEN
        groups[bucket, value if bucket == 0 else ""] += 1
    for (bucket, category), count in groups.items():
        yield [leg.feature, bucket, category, count, *[None] * 4]
    for name in sorted(strange)[: kql.EXAMPLES]:
        yield [leg.feature, kql.EXAMPLE, name, 0, *[None] * 4]


def _signals(requests: Sequence[Request], query: kql_endpoint.SignalsQuery) -> list[Any]:
    """Give the one row of a summarize without groups: of nothing, sums are 0, percentiles NaN."""
    found = [
        each
        for each in requests
        if each.endpoint == query.value and query.start <= each.at < query.end
    ]
    failed = sum(each.weight for each in found if not each.ok)
    shares = [percentile(found, share) for share in (95, 99)]
    known = ["NaN" if each is None else each for each in shares]
    return [sum(each.weight for each in found), failed, *known]


# --- HTTP ------------------------------------------------------------------------------------

SEMANTIC = "Semantic error: SEM0100: 'getschema' operator: Failed to resolve table expression"


def logs_error(code: str, *inner: str) -> dict[str, Any]:
    """Give an error as Log Analytics nests it."""
    document: dict[str, Any] = {"code": code, "message": "It says so."}
    if inner:
        document["innererror"] = logs_error(*inner)
    return document


def kusto_error(code: str, text: str, *, permanent: bool = True) -> dict[str, Any]:
    """Give an error as Kusto's OneApiErrors have it."""
    return {
        "error": {
            "code": code,
            "message": "Request is invalid and cannot be executed.",
            "@type": "Kusto.Data.Exceptions.KustoBadRequestException",
            "@message": text,
            "@context": {"timestamp": "2023-04-18T12:59:27.4855445Z"},
            "@permanent": permanent,
        }
    }


def logs_answer(columns: Mapping[str, str], rows: list[list[Any]]) -> dict[str, Any]:
    described = [{"name": name, "type": kind} for name, kind in columns.items()]
    return {"tables": [{"name": "PrimaryResult", "columns": described, "rows": rows}]}


def kusto_answer(
    columns: Mapping[str, str], rows: list[Any], *, level: int = 4
) -> list[dict[str, Any]]:
    """Give the frames of a v2 answer."""
    described = [{"ColumnName": name, "ColumnType": kind} for name, kind in columns.items()]
    completion = [{"ColumnName": n, "ColumnType": "string"} for n in ("ClientRequestId", "Payload")]
    completion.append({"ColumnName": "Level", "ColumnType": "int"})
    return [
        {"FrameType": "DataSetHeader", "IsProgressive": False, "Version": "v2.0"},
        {
            "FrameType": "DataTable",
            "TableId": 1,
            "TableKind": "PrimaryResult",
            "TableName": "PrimaryResult",
            "Columns": described,
            "Rows": rows,
        },
        {
            "FrameType": "DataTable",
            "TableId": 2,
            "TableKind": "QueryCompletionInformation",
            "TableName": "QueryCompletionInformation",
            "Columns": completion,
            "Rows": [["id", "{}", level]],
        },
        {"FrameType": "DataSetCompletion", "HasErrors": False, "Cancelled": False},
    ]


class _Handler(BaseHTTPRequestHandler):
    """Speaks ``POST /v1/workspaces/{id}/query`` and ``POST /v2/rest/query``."""

    engine: Engine

    def do_GET(self) -> None:
        # a cluster that does not say which cloud it is in is in the public one
        self._reply(404, {}, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._reply(401, {}, {"error": logs_error("AuthorizationRequiredError")})
        elif self.engine.faults:
            self._reply(*self.engine.faults.pop(0))
        elif self.path == f"/v1/workspaces/{WORKSPACE}/query":
            self._logs(self.engine.answer(body["query"]))
        elif self.path == "/v2/rest/query":
            self._kusto(self.engine.answer(body["csl"]))
        else:
            self._reply(404, {}, {"error": logs_error("PathNotFoundError")})

    def _logs(self, found: Any) -> None:
        if found is None:
            error = logs_error("BadArgumentError", "SemanticError", "SEM0100")
            self._reply(400, {}, {"error": error})
        else:
            self._reply(200, {}, logs_answer(*found))

    def _kusto(self, found: Any) -> None:
        if found is None:
            self._reply(400, {}, kusto_error("General_BadRequest", SEMANTIC))
        else:
            self._reply(200, {}, kusto_answer(*found))

    def _reply(self, status: int, headers: Mapping[str, str], document: Any) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(engine: Engine) -> Iterator[str]:
    """Serve an engine on loopback; gives its URL."""
    handler = type("Handler", (_Handler,), {"engine": engine})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text + "+00:00")
