"""What the stores themselves do with an attempt to change the audit."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.data.tables import TableClient, TableTransactionError
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from shared.adapters.delta.delta_tables import DeltaTables
from shared.adapters.delta.lakehouse import Lakehouse
from shared.adapters.storage import run_codec as codec
from shared.adapters.storage.table_store import TABLE, TableRunStore
from shared.domain.audit import AuditEntry, Head, extend
from shared.errors import Refused
from shared.handlers.project_audit import AUDIT_TABLE, Provenance, audit_row
from shared.ports import Commit
from tests.fakes.duel import duel
from tests.fakes.loop import FakeLoop
from tests.fakes.samples import MODEL, alert_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def tables(tmp_path: Path) -> tuple[DeltaTables, DeltaTable]:
    """Give the app's way to the audit table, and Delta's own."""
    lakehouse = Lakehouse(str(tmp_path), None)
    rows = [audit_row(row, Provenance("", ""), NOW) for row in duel().ports.store.chain(MODEL)]
    DeltaTables(lakehouse).append(AUDIT_TABLE, rows, writer="w", batch=1)
    return DeltaTables(lakehouse), lakehouse.open(AUDIT_TABLE)


def test_an_audit_of_several_commits_on_delta_holds(tmp_path: Path):
    delta = DeltaTables(Lakehouse(str(tmp_path), None))
    loop = FakeLoop(tap=lambda name, port: delta if name == "tables" else port)
    loop.receive(alert_of())
    loop.drain()
    loop.receive(alert_of(2))
    loop.project(MODEL)

    checked = loop.verify(MODEL)

    assert delta.last_batch(AUDIT_TABLE, f"ledger:{MODEL}") == checked.projected > 5
    assert checked.breaches == ()


def test_the_audit_table_is_made_to_be_appended_to_alone(tables):
    _, table = tables

    assert table.metadata().configuration["delta.appendOnly"] == "true"


def test_delta_refuses_to_delete_or_to_change_a_row(tables):
    _, table = tables
    before = table.to_pyarrow_table().num_rows

    with pytest.raises(DeltaError):
        table.delete("sequence = 1")
    with pytest.raises(DeltaError):
        table.update(updates={"reason": "'because'"}, predicate="sequence = 1")

    assert table.to_pyarrow_table().num_rows == before


def test_the_app_refuses_to_change_a_row(tables):
    app, _ = tables

    with pytest.raises(Refused, match="only appending is allowed"):
        app.update(AUDIT_TABLE, {"chain": MODEL}, {"reason": "because"})


def test_a_ledger_row_of_the_same_place_is_refused_by_storage(azurite_connection: str):
    table = TableClient.from_connection_string(azurite_connection, TABLE)
    store, chain = TableRunStore(table), f"kept-{NOW:%H%M%S}"
    entry = AuditEntry("run.requested", "success", NOW, "r", "run", "why")
    rows, head = extend(chain, Head(), [entry], NOW)
    store.commit(store.snapshot(chain, "no-run"), Commit(None, None, rows, head))

    with pytest.raises((ResourceExistsError, TableTransactionError)):
        table.submit_transaction([("create", codec.row_entity(rows[0]))])

    assert [row["sequence"] for row in store.chain(chain)] == [1]
    store.close()
