"""What any Tables does: the fake and Delta in a folder give the same answers."""

import math
import multiprocessing
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from shared.adapters.delta.delta_tables import DeltaTables
from shared.adapters.delta.lakehouse import Lakehouse
from shared.domain.tables import TABLES
from shared.errors import ConfigError, NoTable, Refused, Unavailable
from shared.ports import Tables
from tests.fakes.tables import FakeTables

NOW = datetime(2013, 7, 1, 4, 0, 0, 123_456, tzinfo=UTC)
METRICS = "lh_gold.ml_drift_metrics"
TRIGGERS = "lh_gold.ml_retrain_triggers"
AUDIT = "lh_gold.ml_promotion_audit"
SAMPLES: dict[str, Any] = {
    "STRING": "a “text”",
    "INT": -(2**31),
    "BIGINT": 2**63 - 1,
    "DOUBLE": 0.1,
    "BOOLEAN": True,
    "TIMESTAMP": NOW,
}


def real(folder: Path) -> DeltaTables:
    return DeltaTables(Lakehouse(f"{folder}/{{lakehouse}}"))


@pytest.fixture(params=["fake", "real"])
def tables(request: pytest.FixtureRequest, tmp_path: Path) -> Tables:
    return FakeTables() if request.param == "fake" else real(tmp_path)


def trigger(trigger_id: str = "t-1", **changes: Any) -> dict[str, Any]:
    row = {
        "trigger_id": trigger_id,
        "triggered_at": NOW,
        "model_name": "flight-delay",
        "model_version": "1",
        "severity": "P1",
        "reasons": "SEVERE_INPUT_DRIFT: temp",
        "drift_run_id": "check-1",
        "status": "PENDING",
    }
    return {**row, **changes}


def full(table: str, *, only_required: bool = False) -> dict[str, Any]:
    columns = TABLES[table].columns
    return {c.name: SAMPLES[c.type] for c in columns if c.required or not only_required}


@pytest.mark.parametrize("table", TABLES)
def test_what_is_read_is_what_was_appended(tables: Tables, table: str):
    row = full(table)

    assert tables.append(table, [row], writer="w", batch=1)

    assert tables.read(table) == [row]


@pytest.mark.parametrize("table", TABLES)
def test_a_table_tells_its_columns_and_their_types(tables: Tables, table: str):
    with pytest.raises(NoTable):
        tables.columns(table)

    tables.append(table, [full(table)], writer="w", batch=1)

    wanted = {column.name: column.type for column in TABLES[table].columns}
    assert tables.columns(table) == wanted


@pytest.mark.parametrize("table", TABLES)
def test_columns_left_out_are_null(tables: Tables, table: str):
    tables.append(table, [full(table, only_required=True)], writer="w", batch=1)

    (row,) = tables.read(table)
    assert set(row) == {column.name for column in TABLES[table].columns}
    assert all(row[column.name] is None for column in TABLES[table].columns if not column.required)


def test_the_same_batch_again_writes_nothing(tables: Tables):
    assert tables.append(TRIGGERS, [trigger("t-1")], writer="w", batch=3)

    assert not tables.append(TRIGGERS, [trigger("t-2")], writer="w", batch=3)
    assert not tables.append(TRIGGERS, [trigger("t-3")], writer="w", batch=2)

    assert [row["trigger_id"] for row in tables.read(TRIGGERS)] == ["t-1"]
    assert tables.last_batch(TRIGGERS, "w") == 3


def test_a_batch_that_follows_another_than_the_last_writes_nothing(tables: Tables):
    tables.append(TRIGGERS, [trigger("t-1")], writer="w", batch=5, after=0)

    assert not tables.append(TRIGGERS, [trigger("t-2")], writer="w", batch=9, after=4)
    assert not tables.append(TRIGGERS, [trigger("t-2")], writer="w", batch=9, after=6)
    assert tables.append(TRIGGERS, [trigger("t-3")], writer="w", batch=9, after=5)

    assert sorted(row["trigger_id"] for row in tables.read(TRIGGERS)) == ["t-1", "t-3"]


def test_batches_that_overlap_at_once_leave_no_row_out_and_none_twice(tables: Tables):
    # two projections of a chain that ended at row 2 read to different ends
    def append(rows: int) -> bool:
        batch = [{**full(AUDIT), "sequence": number} for number in range(1, rows + 1)]
        return tables.append(AUDIT, batch, writer="chain", batch=rows, after=0)

    done = at_once([lambda rows=rows: append(rows) for rows in (1, 2, 3, 4)])

    assert done.count(True) == 1
    assert len(tables.read(AUDIT)) == tables.last_batch(AUDIT, "chain")


def test_writers_do_not_see_each_others_batches(tables: Tables):
    tables.append(TRIGGERS, [trigger("t-1")], writer="a", batch=7)

    assert tables.append(TRIGGERS, [trigger("t-2")], writer="b", batch=1)

    assert tables.last_batch(TRIGGERS, "a") == 7
    assert tables.last_batch(TRIGGERS, "b") == 1
    assert len(tables.read(TRIGGERS)) == 2


def test_a_batch_of_one_table_is_none_of_another(tables: Tables):
    tables.append(TRIGGERS, [trigger()], writer="w", batch=2)

    assert tables.last_batch(METRICS, "w") == 0
    assert tables.append(METRICS, [full(METRICS)], writer="w", batch=1)


def test_a_table_that_is_not_there_has_no_batch_and_cannot_be_read(tables: Tables):
    assert tables.last_batch(TRIGGERS, "w") == 0

    with pytest.raises(NoTable):
        tables.read(TRIGGERS)


def test_rows_are_chosen_by_their_texts(tables: Tables):
    rows = [trigger("t-1", severity="P2"), trigger("t'2", severity="P1"), trigger("t-3")]
    tables.append(TRIGGERS, rows, writer="w", batch=1)

    def found(where: dict[str, str]) -> list[str]:
        return sorted(row["trigger_id"] for row in tables.read(TRIGGERS, where))

    assert found({"severity": "P1"}) == ["t'2", "t-3"]
    assert found({"severity": "P1", "trigger_id": "t'2"}) == ["t'2"]
    assert found({"severity": "' or 1=1"}) == []


@pytest.mark.parametrize("column", ["nothing", "triggered_at"])
def test_only_text_columns_can_be_asked_for(tables: Tables, column: str):
    tables.append(TRIGGERS, [trigger()], writer="w", batch=1)

    with pytest.raises(Refused, match=column):
        tables.read(TRIGGERS, {column: "x"})
    with pytest.raises(Refused, match=column):
        tables.values(TRIGGERS, column)


def test_the_texts_of_a_column_are_each_given_once_and_null_as_empty(tables: Tables):
    with pytest.raises(NoTable):
        tables.values(AUDIT, "approver")
    given = ["zoe", "ana", None, "zoe"]
    rows = [{**full(AUDIT), "approver": each} for each in given]
    tables.append(AUDIT, rows, writer="w", batch=1)

    assert tables.values(AUDIT, "approver") == ["", "ana", "zoe"]


def test_rows_are_chosen_by_a_time_they_must_not_be_before(tables: Tables):
    times = [NOW + timedelta(microseconds=step) for step in (-1, 0, 1)]
    rows = [trigger(f"t-{place}", triggered_at=time) for place, time in enumerate(times)]
    tables.append(TRIGGERS, rows, writer="w", batch=1)

    def found(where: dict[str, str] | None = None) -> list[str]:
        read = tables.read(TRIGGERS, where, since=("triggered_at", NOW))
        return sorted(row["trigger_id"] for row in read)

    assert found() == ["t-1", "t-2"]
    assert found({"trigger_id": "t-2"}) == ["t-2"]
    assert found({"trigger_id": "t-0"}) == []


@pytest.mark.parametrize("column", ["nothing", "severity"])
def test_only_time_columns_have_a_before(tables: Tables, column: str):
    tables.append(TRIGGERS, [trigger()], writer="w", batch=1)

    with pytest.raises(Refused, match=column):
        tables.read(TRIGGERS, since=(column, NOW))


def test_nan_becomes_null_and_infinity_stays(tables: Tables):
    rows = [{**full(METRICS), "value": value} for value in (math.nan, math.inf, -math.inf)]

    tables.append(METRICS, rows, writer="w", batch=1)

    values = [row["value"] for row in tables.read(METRICS)]
    assert values == [None, math.inf, -math.inf]


def test_numbers_of_numpy_are_numbers(tables: Tables):
    row = {**full(METRICS), "value": np.float64(0.25), "bins": np.int64(10), "threshold": 1}

    tables.append(METRICS, [row], writer="w", batch=1)

    (read,) = tables.read(METRICS)
    assert (read["value"], read["bins"], read["threshold"]) == (0.25, 10, 1.0)


def test_times_are_stored_in_utc(tables: Tables):
    elsewhere = NOW.astimezone(timezone(timedelta(hours=-5)))

    tables.append(TRIGGERS, [trigger(triggered_at=elsewhere)], writer="w", batch=1)

    (row,) = tables.read(TRIGGERS)
    assert row["triggered_at"] == NOW
    assert row["triggered_at"].utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        (METRICS, "value", "0.3"),
        (METRICS, "value", True),
        (METRICS, "bins", 10.0),
        (METRICS, "bins", True),
        (METRICS, "bins", 2**63),
        (METRICS, "run_id", 5),
        (METRICS, "run_id", None),
        (METRICS, "run_timestamp", NOW.replace(tzinfo=None)),
        (METRICS, "run_timestamp", "2013-07-01"),
        (AUDIT, "version", 2**31),
        (AUDIT, "promoted", "True"),
        (METRICS, "colour", "red"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_whole(
    tables: Tables, table: str, column: str, value: Any
):
    rows = [full(table), {**full(table), column: value}]

    with pytest.raises(Refused, match=f"{table}.{column}: .*{re.escape(repr(value)[:8])}"):
        tables.append(table, rows, writer="w", batch=1)

    assert tables.last_batch(table, "w") == 0


@pytest.mark.parametrize(
    ("table", "rows", "batch"),
    [("lh_gold.other", [{"a": 1}], 1), (TRIGGERS, [], 1), (TRIGGERS, [trigger()], 0)],
)
def test_what_cannot_be_an_append_is_refused(
    tables: Tables, table: str, rows: list[dict[str, Any]], batch: int
):
    with pytest.raises(Refused):
        tables.append(table, rows, writer="w", batch=batch)


def at_once(calls: list[Callable[[], bool]]) -> list[bool]:
    barrier = Barrier(len(calls))

    def run(call: Callable[[], bool]) -> bool:
        barrier.wait(10)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_the_same_batch_from_many_at_once_is_appended_once(tables: Tables):
    for batch in (1, 2, 3):

        def append(number: int = batch) -> bool:
            return tables.append(AUDIT, [full(AUDIT)], writer="chain", batch=number)

        assert sorted(at_once([append] * 6)) == [False] * 5 + [True]
        assert len(tables.read(AUDIT)) == batch


def test_different_writers_at_once_all_append(tables: Tables):
    # the table does not exist before: its creation is part of the race
    def append(writer: str) -> bool:
        return tables.append(METRICS, [full(METRICS)], writer=writer, batch=1)

    done = at_once([lambda writer=f"w{number}": append(writer) for number in range(8)])

    assert done == [True] * 8
    assert len(tables.read(METRICS)) == 8


# --- updates ---------------------------------------------------------------------------------


def statuses(tables: Tables) -> dict[str, str]:
    return {row["trigger_id"]: row["status"] for row in tables.read(TRIGGERS)}


def test_rows_that_are_chosen_are_changed_and_counted(tables: Tables):
    rows = [trigger("t-1"), trigger("t'2"), trigger("t-3", status="STAGED")]
    tables.append(TRIGGERS, rows, writer="w", batch=1)

    assert tables.update(TRIGGERS, {"trigger_id": "t'2"}, {"status": "STARTED"}) == 1
    assert (
        tables.update(
            TRIGGERS,
            {"model_name": "flight-delay", "status": "PENDING"},
            {"status": "it's over"},
        )
        == 1
    )

    assert statuses(tables) == {"t-1": "it's over", "t'2": "STARTED", "t-3": "STAGED"}
    (row,) = tables.read(TRIGGERS, {"trigger_id": "t-1"})
    assert row == trigger("t-1", status="it's over")


def test_nothing_chosen_changes_nothing(tables: Tables):
    tables.append(TRIGGERS, [trigger("t-1")], writer="w", batch=1)

    assert tables.update(TRIGGERS, {"trigger_id": "' OR ''='"}, {"status": "STAGED"}) == 0
    assert statuses(tables) == {"t-1": "PENDING"}


def test_an_update_keeps_what_writers_have_come_to(tables: Tables):
    tables.append(TRIGGERS, [trigger("t-1")], writer="w", batch=4)

    tables.update(TRIGGERS, {"trigger_id": "t-1"}, {"status": "STAGED"})

    assert tables.last_batch(TRIGGERS, "w") == 4
    assert not tables.append(TRIGGERS, [trigger("t-2")], writer="w", batch=4)


@pytest.mark.parametrize(
    ("table", "where", "changes"),
    [
        (AUDIT, {"chain": "m"}, {"reason": "another"}),
        (TRIGGERS, {}, {"status": "STAGED"}),
        (TRIGGERS, {"trigger_id": "t-1"}, {}),
        (TRIGGERS, {"1=1 OR status": "x"}, {"status": "STAGED"}),
        (TRIGGERS, {"trigger_id": "t-1"}, {"colour": "red"}),
        (TRIGGERS, {"trigger_id": "t-1"}, {"severity": "P3"}),
        (METRICS, {"run_id": "c"}, {"status": "STABLE"}),
        ("lh_gold.other", {"a": "b"}, {"a": "c"}),
    ],
)
def test_what_may_not_be_changed_is_refused(
    tables: Tables, table: str, where: dict[str, str], changes: dict[str, str]
):
    with pytest.raises(Refused):
        tables.update(table, where, changes)


def test_a_table_that_is_not_there_cannot_be_updated(tables: Tables):
    with pytest.raises(NoTable):
        tables.update(TRIGGERS, {"trigger_id": "t-1"}, {"status": "STAGED"})


def test_updates_and_appends_at_once_are_all_done(tables: Tables):
    tables.append(TRIGGERS, [trigger(f"t-{n}") for n in range(3)], writer="w", batch=1)

    def update(number: int) -> bool:
        return bool(tables.update(TRIGGERS, {"trigger_id": f"t-{number}"}, {"status": "STAGED"}))

    def append(number: int) -> bool:
        return tables.append(TRIGGERS, [trigger(f"n-{number}")], writer=f"w{number}", batch=1)

    calls = [lambda n=n: update(n) for n in range(3)] + [lambda n=n: append(n) for n in range(3)]

    assert at_once(calls) == [True] * 6
    assert sorted(statuses(tables).values()) == ["PENDING"] * 3 + ["STAGED"] * 3


# --- Delta only ------------------------------------------------------------------------------


def append_batches(folder: Path, batches: int) -> int:
    tables = real(folder)
    rows = [full(AUDIT)]
    return sum(tables.append(AUDIT, rows, writer="chain", batch=n + 1) for n in range(batches))


def test_processes_that_race_for_the_same_batches_append_each_once(tmp_path: Path):
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        done = pool.starmap(append_batches, [(tmp_path, 5)] * 4)

    rows = len(real(tmp_path).read(AUDIT))
    assert sum(done) == rows
    # one process may run ahead of another's batch, which is then there already
    assert rows == 5
    assert real(tmp_path).last_batch(AUDIT, "chain") == 5


def test_the_audit_table_refuses_changes(tmp_path: Path):
    real(tmp_path).append(AUDIT, [full(AUDIT)], writer="w", batch=1)

    table = DeltaTable(tmp_path / "lh_gold" / "ml_promotion_audit")

    assert table.metadata().configuration["delta.appendOnly"] == "true"
    with pytest.raises(Exception, match="append-only"):
        table.delete()


def test_required_columns_are_not_null_in_the_table(tmp_path: Path):
    real(tmp_path).append(TRIGGERS, [trigger()], writer="w", batch=1)

    fields = DeltaTable(tmp_path / "lh_gold" / "ml_retrain_triggers").schema().fields

    assert [field.nullable for field in fields] == [False] * 8


def test_an_older_table_gets_the_columns_it_lacks(tmp_path: Path):
    columns = TABLES[METRICS].columns[:12]
    old = pa.table({column.name: [SAMPLES[column.type]] for column in columns})
    write_deltalake(tmp_path / "lh_gold" / "ml_drift_metrics", old)

    assert real(tmp_path).append(METRICS, [full(METRICS)], writer="w", batch=1)

    rows = real(tmp_path).read(METRICS)
    assert sorted(row["n_current"] or 0 for row in rows) == [0, 2**63 - 1]
    assert real(tmp_path).last_batch(METRICS, "w") == 1


def test_a_column_that_only_the_older_table_has_stays_and_is_null(tmp_path: Path):
    path = tmp_path / "lh_gold" / "ml_retrain_triggers"
    write_deltalake(path, pa.table({"trigger_id": ["t-0"], "site": ["x"]}))

    real(tmp_path).append(TRIGGERS, [trigger()], writer="w", batch=1)

    rows = {row["trigger_id"]: row["site"] for row in real(tmp_path).read(TRIGGERS)}
    assert rows == {"t-0": "x", "t-1": None}


def test_an_older_table_with_another_type_is_refused(tmp_path: Path):
    path = tmp_path / "lh_gold" / "ml_retrain_triggers"
    write_deltalake(path, pa.table({"trigger_id": [1]}))

    with pytest.raises(Refused, match=r"ml_retrain_triggers\.trigger_id: the table has int64"):
        real(tmp_path).append(TRIGGERS, [trigger()], writer="w", batch=1)


def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path):
    (tmp_path / "lh_gold").write_text("a file where a folder should be")

    with pytest.raises(Unavailable):
        real(tmp_path).append(TRIGGERS, [trigger()], writer="w", batch=1)


def test_a_broken_log_is_unavailable_and_not_an_empty_table(tmp_path: Path):
    real(tmp_path).append(TRIGGERS, [trigger()], writer="w", batch=1)
    log = tmp_path / "lh_gold" / "ml_retrain_triggers" / "_delta_log"
    (log / "00000000000000000001.json").write_text("{broken")

    with pytest.raises(Unavailable):
        real(tmp_path).read(TRIGGERS)


@pytest.mark.parametrize("name", ["x", "lh.t; drop", "../up.t", "lh.t.u", "lh.'t'", ""])
def test_a_name_that_is_no_table_is_refused(tmp_path: Path, name: str):
    with pytest.raises(Refused):
        real(tmp_path).read(name)


class Tokens:
    def __init__(self) -> None:
        self.count = 0

    def get_token(self, *scopes: str, **_: Any) -> Any:
        from azure.core.credentials import AccessToken

        self.count += 1
        return AccessToken(f"token-{self.count}", 0)


def test_onelake_gets_a_fresh_token_at_each_opening():
    lakehouse = Lakehouse("abfss://ws@onelake.dfs.fabric.microsoft.com/lh/Tables/", Tokens())

    assert lakehouse.uri("lh_gold.t") == "abfss://ws@onelake.dfs.fabric.microsoft.com/lh/Tables/t"
    assert lakehouse.storage_options()["bearer_token"] == "token-1"
    assert lakehouse.storage_options() == {
        "bearer_token": "token-2",
        "use_fabric_endpoint": "true",
    }


def test_a_folder_needs_no_token(tmp_path: Path):
    lakehouse = Lakehouse(f"{tmp_path}/{{lakehouse}}/Tables", Tokens())

    assert lakehouse.storage_options() == {}
    assert lakehouse.uri("lh_gold.t") == str(tmp_path / "lh_gold" / "Tables" / "t")


@pytest.mark.parametrize("root", ["https://example.com/x", "abfss://ws@host/lh/Tables"])
def test_a_root_that_cannot_work_is_a_configuration_error(root: str):
    with pytest.raises(ConfigError, match="LAKEHOUSE_URI"):
        Lakehouse(root)


def test_every_type_has_a_sample():
    kinds = {column.type for table in TABLES.values() for column in table.columns}

    assert kinds == set(SAMPLES)
