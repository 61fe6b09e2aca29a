"""KQL profile sources: the same counts as in memory, and no answer where the answer is not whole.

Log Analytics and Eventhouse are spoken to over HTTP; what answers is described in kql_worlds.py.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.processes import free_port
from shared.adapters.credentials import StaticCredential
from shared.adapters.profiles.eventhouse import Eventhouse
from shared.adapters.profiles.kql_source import KqlProfiles
from shared.adapters.profiles.log_analytics import LogAnalytics
from shared.adapters.profiles.memory_profiles import MemoryProfiles
from shared.catalogue import Model
from shared.domain.drift.profile import CategoricalProfile, NumericProfile
from shared.domain.drift.spec import ProfileSpec
from shared.domain.drift.window import WindowProfile
from shared.errors import ConfigError, DataError, LoopError, NoTable, Refused, Unavailable
from tests.contract.kql_worlds import (
    TOKEN,
    WORKSPACE,
    Engine,
    Table,
    kusto_answer,
    kusto_error,
    logs_answer,
    logs_error,
    serving,
)
from tests.contract.windows_worlds import ACTUALS, HOLDOUT, PREDICTIONS, model

TABLE = "FlightPredictions_CL"
START = datetime(2013, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)
TYPES = {
    "flight_id": "string",
    "ts": "datetime",
    "origin": "string",
    "temp": "real",
    "p": "real",
    "model_version": "string",
}
ARROW = pa.schema(
    [
        *[(name, pa.string()) for name in ("flight_id", "origin", "model_version")],
        *[(name, pa.float64()) for name in ("temp", "p")],
        ("ts", pa.timestamp("us", tz="UTC")),
    ]
)
HARD = [None, math.nan, math.inf, -math.inf, 0.0, -0.0, 1e308, 5e-324, 1.5]


def prediction(flight_id: str | None, at: datetime = START, **changes: Any) -> dict[str, Any]:
    row = {"flight_id": flight_id, "ts": at, "origin": "JFK", "temp": 20.5, "p": 1.0}
    return {**row, "model_version": "1", **changes}


def model_on(source: str, url: str, **changes: Any) -> Model:
    sections = {
        "log_analytics": {"workspace_id": WORKSPACE, "table": TABLE},
        "eventhouse": {"cluster_uri": url, "database": "drift", "table": TABLE},
    }
    tables = {"predictions": PREDICTIONS, "actuals": ACTUALS, "holdout": HOLDOUT}
    data = {**tables, "source": source, source: sections[source]}
    return model(data=data, **changes)


@dataclass
class World:
    """A source, its table, and what stands in for the service."""

    kind: str
    engine: Engine
    source: KqlProfiles
    model: Model

    def write(self, *rows: dict[str, Any], types: dict[str, str] | None = None) -> None:
        self.engine.tables.setdefault(TABLE, Table(types or TYPES)).write(rows)

    def fail(self, status: int, document: Any, **headers: str) -> None:
        self.engine.faults.append((status, headers, document))


def source(kind: str, url: str, *, token: str = TOKEN, limit: int = 200_000) -> KqlProfiles:
    credential = StaticCredential(token)
    if kind == "log_analytics":
        place: Any = LogAnalytics(url, credential, seconds=30, local=True, retries=0)
    else:
        place = Eventhouse(credential, seconds=30, local=True)
    return KqlProfiles(place, limit=limit)


@pytest.fixture(params=["log_analytics", "eventhouse"])
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    engine = Engine()
    engine.watch(monkeypatch)
    with serving(engine) as url:
        kind = request.param
        yield World(kind, engine, source(kind, url), model_on(kind, url))


def in_memory(rows: list[dict[str, Any]]) -> MemoryProfiles:
    """Give the source that counts the same rows in this process."""
    return MemoryProfiles(pa.Table.from_pylist(rows, schema=ARROW))


def counts(profile: NumericProfile | CategoricalProfile) -> dict[str, Any]:
    """Give all that is counted, and not what is added up."""
    if isinstance(profile, CategoricalProfile):
        return {**vars(profile), "counts": profile.counts.tolist()}
    return {
        "cuts": profile.edges.cuts.tolist(),
        "coarse": profile.edges.coarse.tolist(),
        "counts": profile.counts.tolist(),
        "others": (profile.missing, profile.above, profile.below),
        "range": (profile.minimum, profile.maximum),
    }


def assert_same(found: WindowProfile, wanted: WindowProfile) -> None:
    assert found.rows == wanted.rows
    assert found.odd == wanted.odd
    assert list(found.features) == list(wanted.features)
    pairs = [(found.features[name], wanted.features[name]) for name in wanted.features]
    for one, two in [*pairs, (found.prediction, wanted.prediction)]:
        assert counts(one) == counts(two)
        if isinstance(one, NumericProfile) and isinstance(two, NumericProfile):
            np.testing.assert_allclose(one.sums, two.sums, rtol=1e-12)
            np.testing.assert_allclose(
                one.square_deviation, two.square_deviation, rtol=1e-6, atol=1e-9
            )


def some_rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    chance = np.random.default_rng(seed)
    temps = [None if t > 30 else float(t) for t in chance.normal(20, 8, count)]
    origins = chance.choice(["JFK", "EWR", "LGA"], count).tolist()
    answers = chance.normal(0, 3, count).tolist()
    return [
        prediction(f"id-{i}", START + timedelta(minutes=i), temp=t, origin=o, p=p)
        for i, (t, o, p) in enumerate(zip(temps, origins, answers, strict=True))
    ]


# --- the same as in memory -------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3, 200])
def test_a_reference_has_the_edges_and_counts_of_one_in_memory(world: World, count: int):
    rows = some_rows(count)
    world.write(*rows)

    found = world.source.reference(world.model, "1", START, START + DAY)

    assert_same(
        found.profile, in_memory(rows).reference(world.model, "1", START, found.end).profile
    )


def test_a_reference_of_many_values_has_edges_at_their_ranks(world: World):
    rows = some_rows(3_000)
    world.write(*rows)

    found = world.source.reference(world.model, "1", START, START + 4 * DAY)

    temp = found.profile.features["temp"]
    assert isinstance(temp, NumericProfile)
    assert len(temp.edges.cuts) > 2_000
    assert_same(
        found.profile, in_memory(rows).reference(world.model, "1", START, found.end).profile
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_a_day_is_counted_as_in_memory(world: World, seed: int):
    before = in_memory(some_rows(300)).reference(world.model, "1", START, START + DAY).spec
    spec = ProfileSpec({**before.features, "origin": ("JFK", "LGA")}, before.prediction)
    rows = some_rows(400, seed)
    for place, value in enumerate(HARD):
        rows[place]["temp"] = rows[-1 - place]["p"] = value
        rows[place]["origin"] = [None, "LAX", "ORD"][place % 3]
    world.write(*rows)

    (found,) = world.source.days(world.model, "1", spec, START.date(), (START + DAY).date())

    first = START.date()
    (wanted,) = in_memory(rows).days(world.model, "1", spec, first, first + DAY)
    assert found.day == first
    assert_same(found.profile, wanted.profile)


VALUES = st.one_of(st.none(), st.floats(width=32), st.sampled_from(HARD))
# KQL has no null text and no empty one beside it
ORIGINS = st.one_of(
    st.none(), st.sampled_from(["JFK", "é", 'a"b', "\\", "jfk"]), st.text("ab", min_size=1)
)
ROWS = st.lists(st.tuples(VALUES, ORIGINS, VALUES), max_size=30)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(reference=ROWS, current=ROWS)
def test_whatever_the_rows_the_counts_are_those_in_memory(
    world: World, reference: list[Any], current: list[Any]
):
    world.engine.tables.clear()
    before, after = (
        [
            prediction(f"{day}-{i}", START + day * DAY, temp=t, origin=o, p=p)
            for i, (t, o, p) in enumerate(rows)
        ]
        for day, rows in enumerate((reference, current))
    )
    world.write(*before, *after)

    found = world.source.reference(world.model, "1", START, START + DAY)
    second = (START + DAY).date()
    (day,) = world.source.days(world.model, "1", found.spec, second, second + DAY)

    memory = in_memory([*before, *after])
    wanted = memory.reference(world.model, "1", START, START + DAY)
    assert_same_counts(found.profile, wanted.profile)
    (second_day,) = memory.days(world.model, "1", wanted.spec, second, second + DAY)
    assert_same_counts(day.profile, second_day.profile)


def assert_same_counts(found: WindowProfile, wanted: WindowProfile) -> None:
    assert found.rows == wanted.rows
    for name in wanted.features:
        assert counts(found.features[name]) == counts(wanted.features[name])
    assert counts(found.prediction) == counts(wanted.prediction)


# --- which rows ------------------------------------------------------------------------------


def blank_spec() -> ProfileSpec:
    rows = [prediction("a", temp=20.0), prediction("b", temp=21.0)]
    return in_memory(rows).reference(model(), "1", START, START + DAY).spec


def counted(world: World, days: int = 1) -> list[int]:
    first = START.date()
    found = world.source.days(world.model, "1", blank_spec(), first, first + days * DAY)
    return [day.profile.rows for day in found]


def test_only_rows_of_the_version_and_of_the_day_count(world: World):
    world.write(
        prediction("a"),
        prediction("b", model_version="2"),
        prediction("c", START - timedelta(microseconds=1)),
        prediction("d", START + DAY - timedelta(microseconds=1)),
        prediction("e", START + DAY),
    )

    assert counted(world, days=3) == [2, 1, 0]


def test_of_rows_with_one_id_the_last_counts_and_rows_without_one_all_do(world: World):
    later = START + timedelta(hours=1)
    world.write(
        prediction("a", later, temp=20.0),
        prediction("a", temp=None),
        prediction(None),
        prediction(None),
    )

    (day,) = world.source.days(world.model, "1", blank_spec(), START.date(), START.date() + DAY)

    assert day.profile.rows == 3
    assert day.profile.features["temp"].missing == 0


def test_a_day_without_rows_is_blank(world: World):
    world.write(prediction("a", START + DAY))

    (day,) = world.source.days(world.model, "1", blank_spec(), START.date(), START.date() + DAY)

    assert_same(day.profile, blank_spec().blank())


def test_a_window_of_several_days_is_asked_for_one_day_at_a_time(world: World):
    world.write(prediction("a"))

    counted(world, days=3)

    assert len(world.engine.asked) == 1 + 3


def test_a_version_is_never_part_of_the_language(world: World):
    world.write(prediction("a", model_version='1" or "" == "'))

    found = list(
        world.source.days(
            world.model, '1" or "" == "', blank_spec(), START.date(), START.date() + DAY
        )
    )

    assert found[0].profile.rows == 1
    assert '== "1\\" or \\"\\" == \\""' in world.engine.asked[-1]


# --- columns ---------------------------------------------------------------------------------


def test_a_column_that_is_not_there_is_missing_in_every_row(world: World):
    types = {name: kind for name, kind in TYPES.items() if name not in ("temp", "origin")}
    world.write(prediction("a"), prediction("b"), types=types)

    found = world.source.reference(world.model, "1", START, START + DAY).profile

    assert [found.features[name].missing for name in ("temp", "origin")] == [2, 2]
    assert found.odd == dict.fromkeys(("temp", "origin"), "the column is not there")


@pytest.mark.parametrize(
    ("kind", "values", "missing"),
    [
        ("bool", [True, False, None], 1),
        ("long", [1, 2, None], 1),
        ("string", ["1.5", "2", ""], 1),
        ("string", ["1.5", "two", "3"], 1),
        ("datetime", [START, START, None], 3),
        ("dynamic", [1, 2, None], 3),
    ],
)
def test_what_is_no_number_is_missing(world: World, kind: str, values: list[Any], missing: int):
    rows = [prediction(f"id-{i}", temp=value) for i, value in enumerate(values)]
    world.write(*rows, types={**TYPES, "temp": kind})

    found = world.source.reference(world.model, "1", START, START + DAY).profile

    assert found.features["temp"].rows == 3
    assert found.features["temp"].missing == missing
    assert ("temp" in found.odd) == (kind not in ("bool", "long"))


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        *[(name, None) for name in ("ts", "flight_id", "p", "model_version")],
        *[("ts", "string"), ("p", "string"), ("model_version", "real"), ("flight_id", "dynamic")],
    ],
)
def test_without_what_tells_rows_apart_nothing_is_counted(
    world: World, column: str, kind: str | None
):
    types = {**TYPES, column: kind or ""}
    if kind is None:
        del types[column]
    world.engine.tables[TABLE] = Table(types)

    with pytest.raises(DataError, match=column):
        counted(world)


def test_a_table_that_is_not_there_is_told(world: World):
    with pytest.raises(NoTable, match=TABLE):
        counted(world)


def test_columns_are_asked_for_in_parts_where_the_text_would_be_too_long(world: World):
    rows = some_rows(100)
    world.write(*rows)
    world.source._limit = 2_000

    found = world.source.reference(world.model, "1", START, START + DAY)

    assert_same(
        found.profile, in_memory(rows).reference(world.model, "1", START, found.end).profile
    )
    assert max(map(len, world.engine.asked)) < 50_000


# --- answers that are none -------------------------------------------------------------------

CUT = {
    "code": "PartialError",
    "message": "There were some errors when processing your query.",
    "details": [{"code": "EngineError", "innererror": {"code": "-2133196797", "severity": 2}}],
}
SHARD = {**CUT, "details": [{"code": "EngineError", "innererror": {"code": "-2133196795"}}]}
SCHEMA = {"ColumnName": "string", "ColumnType": "string"}
CUT_TEXT = (
    "Query execution has exceeded the allowed limits (80DA0003): E_QUERY_RESULT_SET_TOO_LARGE"
)


def partial(error: dict[str, Any]) -> dict[str, Any]:
    return {**logs_answer(SCHEMA, [["ts", "datetime"]]), "error": error}


def in_band(*errors: dict[str, Any]) -> Any:
    return kusto_answer(SCHEMA, [["ts", "datetime"], {"OneApiErrors": list(errors)}])


ANSWERS: list[tuple[str, int, Any, type[LoopError]]] = [
    ("log_analytics", 200, partial(CUT), DataError),
    ("log_analytics", 200, partial(SHARD), Unavailable),
    ("log_analytics", 200, logs_answer({"Other": "string"}, []), DataError),
    ("log_analytics", 200, logs_answer({**SCHEMA, "ColumnType": "long"}, []), DataError),
    ("log_analytics", 200, {"tables": []}, Unavailable),
    ("log_analytics", 400, {"error": logs_error("BadArgumentError", "SyntaxError")}, Refused),
    ("log_analytics", 403, {"error": logs_error("InsufficientAccessError")}, Refused),
    ("log_analytics", 404, {"error": logs_error("WorkspaceNotFoundError")}, LoopError),
    ("log_analytics", 429, {"error": logs_error("ThrottledError")}, Unavailable),
    ("log_analytics", 504, {"error": logs_error("GatewayTimeout")}, Unavailable),
    ("eventhouse", 200, in_band(kusto_error("LimitsExceeded", CUT_TEXT)), DataError),
    ("eventhouse", 200, in_band(kusto_error("E", "Lost.", permanent=False)), Unavailable),
    ("eventhouse", 200, in_band(kusto_error("E", "Never.")), Refused),
    ("eventhouse", 200, kusto_answer(SCHEMA, [], level=2), Unavailable),
    ("eventhouse", 200, kusto_answer({"Other": "string"}, []), DataError),
    ("eventhouse", 200, kusto_answer(SCHEMA, [])[:1], Unavailable),
    ("eventhouse", 200, {"no": "frames"}, Unavailable),
    ("eventhouse", 200, b"<html>", Unavailable),
    ("eventhouse", 400, kusto_error("General_BadRequest", "Syntax error: SYN0002"), Refused),
    ("eventhouse", 503, kusto_error("Busy", "Later.", permanent=False), Unavailable),
    ("eventhouse", 503, b"", Unavailable),
    ("eventhouse", 404, {}, Refused),
    ("eventhouse", 429, {}, Unavailable),
    ("eventhouse", 302, {}, Unavailable),
]


@pytest.mark.parametrize(("kind", "status", "document", "error"), ANSWERS)
def test_an_answer_that_is_not_whole_is_no_answer(
    kind: str,
    status: int,
    document: Any,
    error: type[LoopError],
    monkeypatch: pytest.MonkeyPatch,
):
    engine = Engine({TABLE: Table(TYPES)})
    engine.watch(monkeypatch)
    engine.faults.append((status, {}, document))

    with serving(engine) as url, pytest.raises(error) as caught:
        list(source(kind, url).days(model_on(kind, url), "1", blank_spec(), START.date(), date.max))

    assert caught.value.retry == issubclass(error, Unavailable)
    assert TOKEN not in str(caught.value)


def test_features_that_counted_different_rows_are_no_answer(world: World):
    world.write(prediction("a"))
    schema = [list(pair) for pair in TYPES.items()]
    columns = {"feature": "string", "bucket": "long", "category": "string", "n": "long"}
    columns |= dict.fromkeys(("s", "q", "lo", "hi"), "real")
    rows = [["temp", -1, "", 2, *[None] * 4], ["origin", 0, "JFK", 2, *[None] * 4]]
    rows += [["", -1, "", 1, *[None] * 4]]
    answer: Callable[..., Any] = logs_answer if world.kind == "log_analytics" else kusto_answer
    world.fail(200, answer(SCHEMA, schema))
    world.fail(200, answer(columns, rows))

    with pytest.raises(Unavailable, match="differ"):
        counted(world)


@pytest.mark.parametrize("kind", ["log_analytics", "eventhouse"])
def test_a_token_that_is_not_taken_is_an_error_no_retry_helps(
    kind: str, monkeypatch: pytest.MonkeyPatch
):
    engine = Engine()
    engine.watch(monkeypatch)

    with serving(engine) as url, pytest.raises(LoopError) as caught:
        next(
            source(kind, url, token="wrong").days(
                model_on(kind, url), "1", blank_spec(), START.date(), START.date() + DAY
            )
        )

    assert not caught.value.retry


@pytest.mark.parametrize("kind", ["log_analytics", "eventhouse"])
def test_nobody_there_is_unavailable(kind: str):
    url = f"http://127.0.0.1:{free_port()}"

    with pytest.raises(Unavailable):
        source(kind, url).reference(model_on(kind, url), "1", START, START + DAY)


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:1", False),
        ("http://api.loganalytics.io", False),
        ("https://api.loganalytics.io", True),
        ("", True),
    ],
)
def test_a_token_never_travels_in_the_clear_nor_out_of_the_local_stack(url: str, local: bool):
    credential = StaticCredential(TOKEN)

    with pytest.raises(ConfigError, match="LOGS_QUERY_ENDPOINT"):
        LogAnalytics(url, credential, seconds=30, local=local)
    with pytest.raises(ConfigError, match="cluster_uri"):
        Eventhouse(credential, seconds=30, local=local).database(url, "drift")


def test_a_model_that_names_no_place_cannot_be_opened():
    credential = StaticCredential(TOKEN)

    with pytest.raises(ConfigError, match="log_analytics"):
        LogAnalytics("https://api.loganalytics.io", credential, seconds=30).open(model())
    with pytest.raises(ConfigError, match="eventhouse"):
        Eventhouse(credential, seconds=30).open(model())


def test_a_credential_that_others_use_is_not_closed(world: World, monkeypatch: pytest.MonkeyPatch):
    closed: list[str] = []
    monkeypatch.setattr(StaticCredential, "close", lambda _: closed.append("closed"))
    world.write(prediction("a"))

    assert counted(world) == [1]
    assert closed == []


def test_a_host_that_is_not_one_of_kustos_gets_no_token(monkeypatch: pytest.MonkeyPatch):
    from azure.kusto.data import _cloud_settings

    url, asked = "https://kusto.example.com", []
    clouds = _cloud_settings.CloudSettings
    clouds.add_to_cache(url, clouds.DEFAULT_CLOUD)
    monkeypatch.setattr(StaticCredential, "get_token", lambda *_, **__: asked.append("asked"))

    with pytest.raises(ConfigError, match="not one of Kusto's"):
        Eventhouse(StaticCredential(TOKEN), seconds=30).database(url, "drift").rows("T", {})

    assert asked == []


def test_throttling_is_waited_for(monkeypatch: pytest.MonkeyPatch):
    engine = Engine({TABLE: Table(TYPES)})
    engine.watch(monkeypatch)
    engine.faults.append((429, {"Retry-After": "0"}, {"error": logs_error("ThrottledError")}))

    with serving(engine) as url:
        logs = LogAnalytics(url, StaticCredential(TOKEN), seconds=30, local=True, retries=1)
        source = KqlProfiles(logs, limit=200_000)
        found = source.days(
            model_on("log_analytics", url), "1", blank_spec(), START.date(), START.date() + DAY
        )

        assert [day.profile.rows for day in found] == [0]
