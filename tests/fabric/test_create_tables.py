"""The notebook that creates the tables makes them as the app does."""

from datetime import UTC, datetime

import pytest
from deltalake import DeltaTable, Field, Schema
from deltalake.schema import PrimitiveType

from local.notebook_runner import CellFailedError, execute
from shared.adapters.delta.delta_tables import DeltaTables
from shared.adapters.delta.lakehouse import Lakehouse
from shared.domain.tables import TABLES
from tests.fabric.items import notebook

NOTEBOOK = notebook("create_tables")
AUDIT = "lh_gold.ml_promotion_audit"
SCORES = "lh_gold.ml_champion_challenger"


@pytest.fixture
def lakehouse(tmp_path, monkeypatch):
    folder = tmp_path / "lakehouse"
    monkeypatch.setenv("LAKEHOUSE_ROOT", str(folder))
    return Lakehouse(f"{folder}/{{lakehouse}}")


def shape(table):
    return table.schema().to_json(), table.metadata().configuration


def test_every_table_has_the_schema_and_properties_that_the_app_gives_it(lakehouse, tmp_path):
    app = Lakehouse(f"{tmp_path}/app/{{lakehouse}}")

    execute(NOTEBOOK, {})

    for name, table in TABLES.items():
        DeltaTables(app)._create(table)
        assert shape(lakehouse.open(name)) == shape(app.open(name)), name


def test_a_second_run_changes_nothing(lakehouse):
    execute(NOTEBOOK, {})

    execute(NOTEBOOK, {})

    assert {lakehouse.open(name).version() for name in TABLES} == {0}


def test_the_app_appends_to_what_the_notebook_made(lakehouse):
    execute(NOTEBOOK, {"only": "lh_gold.ml_profile_requests"})
    row = {
        "request_id": "r", "requested_at": datetime(2026, 5, 1, tzinfo=UTC), "model_name": "m",
        "feature": "f", "kind": "numeric", "place": -1,
    }  # fmt: skip

    assert DeltaTables(lakehouse).append("lh_gold.ml_profile_requests", [row], writer="w", batch=1)


def test_an_older_table_gets_the_columns_and_properties_it_lacks(lakehouse):
    older = Schema([Field("audit_id", PrimitiveType("string"), nullable=False)])
    DeltaTable.create(lakehouse.uri(AUDIT), older)

    execute(NOTEBOOK, {"only": AUDIT})

    table = lakehouse.open(AUDIT)
    assert {each.name for each in table.schema().fields} == {
        column.name for column in TABLES[AUDIT].columns
    }
    assert table.metadata().configuration["delta.appendOnly"] == "true"


def test_a_column_of_another_type_is_refused_by_name(lakehouse):
    other = Schema([Field("rows_scored", PrimitiveType("string"))])
    DeltaTable.create(lakehouse.uri(SCORES), other)

    with pytest.raises(CellFailedError) as caught:
        execute(NOTEBOOK, {"only": SCORES})

    assert "ml_champion_challenger.rows_scored" in str(caught.value.__cause__)


def test_a_name_that_is_no_table_is_refused(lakehouse):
    with pytest.raises(CellFailedError) as caught:
        execute(NOTEBOOK, {"only": "lh_gold.no_such_table"})

    assert "no_such_table" in str(caught.value.__cause__)
