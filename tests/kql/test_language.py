"""Every KQL text we build, read by Microsoft's own language service: it finds no fault."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from local.kusto_language import Analysis, analyse
from local.monitor_simulator.rules import load_rules
from local.monitor_simulator.table import load_table
from shared.adapters.profiles import kql_profile as kql
from shared.adapters.profiles.kql_endpoint import SIGNAL_COLUMNS, SignalsQuery, render_signals
from shared.adapters.profiles.kql_profile import CategoricalLeg, KqlType, NumericLeg, Read
from tests.conftest import TOOLS

INFRA = Path(__file__).parents[2] / "infra"
START = datetime(2013, 7, 1, 12, 30, 0, 123_456, tzinfo=UTC)
TYPES: tuple[KqlType, ...] = (
    *("bool", "datetime", "decimal", "dynamic", "guid"),
    *("int", "long", "real", "string", "timespan"),
)
COLUMNS = {"ts": "datetime", "model_version": "string", "where": "long", "answer": "real"}
TABLES = {"FlightPredictions_CL": COLUMNS | {f"a_{kind}": kind for kind in TYPES}}
ROWS = kql.RowsOf(
    table="FlightPredictions_CL",
    timestamp="ts",
    id="where",
    version_column="model_version",
    version='3" | take 1 //\\',
    start=START,
    end=START + timedelta(days=1),
)
HARD = (-1.7976931348623157e308, -1.5, -5e-324, 0.0, 5e-324, 1e-5, 0.1, 12345678.9, 1e22)
NAMES = ("JFK", 'a"b', "\\", "é\n\t", "'", "", "where", "\x00", "𝄞")
MANY = tuple(np.sort(np.random.default_rng(1).normal(size=4096)).tolist())


def numeric(kind: KqlType | None, cuts: tuple[float, ...] = HARD) -> NumericLeg:
    return NumericLeg(f"n_{kind}", Read(f"a_{kind}", "numeric", kind), cuts, -1e-300)


def categorical(kind: KqlType | None, names: tuple[str, ...] | None) -> CategoricalLeg:
    return CategoricalLeg(f"c_{kind}", Read(f"a_{kind}", "categorical", kind), names)


def profile_texts() -> Mapping[str, str]:
    kinds: tuple[KqlType | None, ...] = (*TYPES, None)
    numbers = tuple(numeric(kind) for kind in kinds)
    known = tuple(categorical(kind, NAMES) for kind in kinds)
    found = tuple(categorical(kind, None) for kind in kinds)
    queries = {
        "all numbers": kql.ProfileQuery(ROWS, numbers),
        "all categories": kql.ProfileQuery(ROWS, (*known, *found)),
        "no cuts, no names": kql.ProfileQuery(ROWS, (numeric("real", ()), categorical("int", ()))),
        "as many cuts as there can be": kql.ProfileQuery(ROWS, (numeric("real", MANY),)),
    }
    return {what: kql.render_profile(query) for what, query in queries.items()}


def rank_texts() -> list[str]:
    reads = [Read(f"a_{kind}", "numeric", kind) for kind in (*TYPES, None)]
    return [kql.render_ranks(kql.RankQuery(ROWS, read, (0, 5, 2**40))) for read in reads]


def distinct_texts() -> list[str]:
    reads = [Read(f"a_{kind}", "numeric", kind) for kind in (*TYPES, None)]
    return [kql.render_distinct(kql.DistinctQuery(ROWS, read, 2048)) for read in reads]


def assert_clean(found: list[Analysis], columns: Mapping[str, str]) -> None:
    for analysis in found:
        assert analysis.faults == ()
        assert list(analysis.columns.items()) == list(columns.items())


def test_counts_have_the_columns_that_are_read():
    assert_clean(analyse(list(profile_texts().values()), TABLES, TOOLS), kql.PROFILE_COLUMNS)


def test_ranks_have_the_columns_that_are_read():
    assert_clean(analyse(rank_texts(), TABLES, TOOLS), kql.RANK_COLUMNS)


def test_distinct_values_have_the_columns_that_are_read():
    assert_clean(analyse(distinct_texts(), TABLES, TOOLS), kql.DISTINCT_COLUMNS)


def test_a_tables_columns_have_the_columns_that_are_read():
    text = kql.render_schema("FlightPredictions_CL")

    assert_clean(analyse([text], TABLES, TOOLS), kql.SCHEMA_COLUMNS)


def test_an_endpoints_signals_have_the_columns_that_are_read():
    requests = {
        "TimeGenerated": "datetime",
        "OperationName": "string",
        "DurationMs": "real",
        "Success": "bool",
        "ItemCount": "int",
    }
    queries = [
        SignalsQuery(
            *("AppRequests", "DurationMs", "Success", weight, "OperationName", 'POST "x"'),
            start=START,
            end=START + timedelta(hours=1),
        )
        for weight in ("ItemCount", None)
    ]

    found = analyse([render_signals(query) for query in queries], {"AppRequests": requests}, TOOLS)

    assert_clean(found, SIGNAL_COLUMNS)


def test_alert_rules_have_what_the_service_bins_and_compares():
    table = load_table(INFRA / "log-table.json")
    rules = load_rules(INFRA / "alert-rules.json", table).rules
    columns = {column.name: column.type for column in table.columns}

    found = analyse([rule.query for rule in rules], {table.table: columns}, TOOLS)

    for rule, analysis in zip(rules, found, strict=True):
        assert analysis.faults == ()
        assert analysis.columns["TimeGenerated"] == "datetime"
        assert {*rule.dimensions, rule.measure} <= set(analysis.columns)


def test_the_language_service_does_complain():
    wrong = [
        "FlightPredictions_CL | where nothing > 1",
        "Elsewhere_CL | count",
        "FlightPredictions_CL | sumarize count()",
        'FlightPredictions_CL | where answer > "a"',
    ]

    found = analyse(wrong, TABLES, TOOLS)

    assert all(analysis.faults for analysis in found)
