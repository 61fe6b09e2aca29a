"""A backup holds all of the ledger, or says that it does not; it is restored as it was."""

import hashlib
import json

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import EntityProperty, TableServiceClient, UpdateMode
from rich.console import Console
from typer.testing import CliRunner

from local import deploy_command
from local.azurite import start_azurite
from local.cli import app
from local.ledger_backup import TABLES, back_up, read, restore
from shared.adapters.storage.table_marks import TableMarks
from shared.adapters.storage.table_store import TableRunStore
from shared.domain.audit import AuditEntry, verify
from shared.errors import DataError
from shared.handlers.journal import Change, Journal
from tests.conftest import TOOLS
from tests.fakes.clock import START, FakeClock

# more than one transaction holds
ROWS = 130


@pytest.fixture(scope="module")
def connection():
    with start_azurite(None, TOOLS) as azurite:
        yield azurite.connection_string


@pytest.fixture
def service(connection):
    """Give an account without tables."""
    with TableServiceClient.from_connection_string(connection) as found:
        for table in found.list_tables():
            found.delete_table(table.name)
        for name in TABLES:
            found.create_table(name)
        yield found


@pytest.fixture
def store(service):
    with service.get_table_client(TABLES[0]) as table:
        yield TableRunStore(table)


@pytest.fixture
def filled(service, store):
    """Write two chains and a mark."""
    journal = Journal(store, FakeClock())
    for model, rows in (("flight-delay", ROWS), ("slot-revenue", 2)):
        for start in range(0, rows, 50):
            note = AuditEntry("run.requested", "success", START, "runs/r", "run", "PSI 0.31, é")
            notes = (note,) * min(50, rows - start)
            journal.apply(model, "run-1", lambda _, notes=notes: Change(entries=notes))
    with service.get_table_client(TABLES[1]) as table:
        TableMarks(table).advance("notices", "run-1", 7)
    return service


def emptied(service):
    for name in TABLES:
        service.delete_table(name)


def spoil(file, change):
    """Change one entity, and make the last line fit again, as somebody with a purpose would."""
    *lines, _ = file.read_bytes().splitlines(keepends=True)
    documents = [json.loads(line) for line in lines]
    change(documents)
    lines = [json.dumps(each, ensure_ascii=False).encode() + b"\n" for each in documents]
    end = {"entities": len(lines), "sha256": hashlib.sha256(b"".join(lines)).hexdigest()}
    file.write_bytes(b"".join(lines) + json.dumps(end).encode() + b"\n")


def test_what_is_restored_is_what_was_there(filled, store, tmp_path):
    before = list(store.chain("flight-delay")), store.head("flight-delay")
    backup = back_up(filled, tmp_path / "ledger.jsonl")
    emptied(filled)

    restore(tmp_path / "ledger.jsonl", filled)

    after = list(store.chain("flight-delay")), store.head("flight-delay")
    assert after == before
    assert list(verify(*after, chain="flight-delay")) == []
    assert backup.chains == {"flight-delay": ROWS, "slot-revenue": 2}
    with filled.get_table_client(TABLES[1]) as table:
        assert TableMarks(table).get("notices", "run-1") == 7


def test_the_loop_goes_on_where_the_backup_ends(filled, store, tmp_path):
    back_up(filled, tmp_path / "ledger.jsonl")
    emptied(filled)
    restore(tmp_path / "ledger.jsonl", filled)
    note = AuditEntry("run.started", "success", START, "runs/r", "run", "after the restore")

    Journal(store, FakeClock()).apply("flight-delay", "run-2", lambda _: Change(entries=(note,)))

    rows = list(store.chain("flight-delay"))
    assert len(rows) == ROWS + 1
    assert list(verify(rows, store.head("flight-delay"), chain="flight-delay")) == []


def test_a_backup_is_never_overwritten(filled, tmp_path):
    back_up(filled, tmp_path / "ledger.jsonl")

    with pytest.raises(FileExistsError):
        back_up(filled, tmp_path / "ledger.jsonl")


def test_a_backup_that_fails_leaves_no_file_in_the_way(filled, tmp_path):
    filled.delete_table(TABLES[1])

    for _ in range(2):
        with pytest.raises(ResourceNotFoundError):
            back_up(filled, tmp_path / "ledger.jsonl")

    assert list(tmp_path.iterdir()) == []


def test_tables_with_rows_are_not_restored_into(filled, tmp_path):
    back_up(filled, tmp_path / "ledger.jsonl")

    with pytest.raises(DataError, match="has rows"):
        restore(tmp_path / "ledger.jsonl", filled)


@pytest.mark.parametrize("keep", [0, 1, -1])
def test_a_backup_that_was_cut_is_refused(filled, tmp_path, keep):
    file = tmp_path / "ledger.jsonl"
    back_up(filled, file)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:keep]))

    with pytest.raises(DataError, match="not whole"):
        read(file)


def test_a_changed_row_is_a_breach_and_is_not_restored(filled, tmp_path):
    file = tmp_path / "ledger.jsonl"
    back_up(filled, file)

    def forge(documents):
        row = next(each for each in documents if each["entity"]["RowKey"].startswith("audit:"))
        row["entity"]["document"] = row["entity"]["document"].replace("0.31", "0.01")

    spoil(file, forge)

    assert read(file).breaches[0].startswith("flight-delay, row 1:")
    emptied(filled)
    with pytest.raises(DataError, match="flight-delay, row 1"):
        restore(file, filled)


def test_a_row_that_is_missing_at_the_end_is_a_breach(filled, tmp_path):
    file = tmp_path / "ledger.jsonl"
    back_up(filled, file)

    def cut(documents):
        keys = [each["entity"]["RowKey"] for each in documents]
        del documents[keys.index(f"audit:{ROWS:012d}")]

    spoil(file, cut)

    assert f"the head names row {ROWS}" in read(file).breaches[0]


@pytest.mark.parametrize("document", ["{cut", "[]", '{"value": NaN}', None])
def test_a_row_that_cannot_be_read_is_a_breach(filled, tmp_path, document):
    file = tmp_path / "ledger.jsonl"
    key = {"PartitionKey": "flight-delay", "RowKey": "audit:000000000001"}
    with filled.get_table_client(TABLES[0]) as table:
        entity = {**key, "document": document} if document else key
        table.upsert_entity(entity, mode=UpdateMode.REPLACE)

    assert back_up(filled, file).breaches[0].startswith("flight-delay, row 1:")


def test_a_head_that_cannot_be_read_is_a_breach(filled, tmp_path):
    with filled.get_table_client(TABLES[0]) as table:
        table.upsert_entity(
            {"PartitionKey": "slot-revenue", "RowKey": "head"}, mode=UpdateMode.REPLACE
        )

    [breach] = back_up(filled, tmp_path / "ledger.jsonl").breaches
    assert breach.startswith("slot-revenue, row 3: the head names")


@pytest.mark.parametrize(
    "document", [3, {"table": "other", "entity": {}}, {"table": TABLES[0], "entity": {}}]
)
def test_a_file_of_something_else_is_refused(tmp_path, document):
    file = tmp_path / "ledger.jsonl"
    file.write_text("{}\n")
    spoil(file, lambda documents: documents.append(document))

    with pytest.raises(DataError, match="no backup of retrainloop"):
        read(file)


def test_what_is_too_large_for_one_transaction_is_restored_in_several(service, tmp_path):
    with service.get_table_client(TABLES[0]) as table:
        for number in range(40):
            key = {"PartitionKey": "m", "RowKey": f"run:{number:03d}"}
            table.create_entity({**key, "document": "é" * 30_000})
    back_up(service, tmp_path / "ledger.jsonl")
    emptied(service)

    restore(tmp_path / "ledger.jsonl", service)

    with service.get_table_client(TABLES[0]) as table:
        assert len(list(table.list_entities())) == 40


def test_a_property_that_json_would_change_is_refused(service, tmp_path):
    with service.get_table_client(TABLES[0]) as table:
        big = EntityProperty(2**40, "Edm.Int64")
        table.create_entity({"PartitionKey": "m", "RowKey": "x", "big": big})

    with pytest.raises(DataError, match="m/x: big is a EntityProperty"):
        back_up(service, tmp_path / "ledger.jsonl")


def test_the_commands_back_up_and_restore(filled, connection, tmp_path, monkeypatch):
    monkeypatch.setattr(deploy_command, "console", Console(width=200))
    environment = {"AzureWebJobsStorage": connection}
    file = str(tmp_path / "ledger.jsonl")

    made = CliRunner().invoke(app, ["deploy", "backup", file], env=environment)
    refused = CliRunner().invoke(app, ["deploy", "restore", file], env=environment)
    emptied(filled)
    restored = CliRunner().invoke(app, ["deploy", "restore", file], env=environment)

    assert (made.exit_code, refused.exit_code, restored.exit_code) == (0, 1, 0)
    assert "the chains hold" in made.output
    assert "DataError: table retrainloop has rows" in refused.output
    assert f"{ROWS}" in restored.output


def test_without_an_account_the_setting_is_named(monkeypatch, tmp_path):
    for name in ("AzureWebJobsStorage", "AzureWebJobsStorage__tableServiceUri"):
        monkeypatch.delenv(name, raising=False)

    done = CliRunner().invoke(app, ["deploy", "backup", str(tmp_path / "x")])

    assert done.exit_code == 1
    assert "AzureWebJobsStorage__tableServiceUri: must be set" in done.output.replace("\n", " ")
