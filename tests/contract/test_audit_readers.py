"""The queries that docs/tables.md shows, for readers of the older shapes, on a real Delta table."""

import re
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from shared.adapters.delta.delta_tables import DeltaTables
from shared.adapters.delta.lakehouse import Lakehouse
from shared.handlers.project_audit import AUDIT_TABLE, Provenance, audit_row
from tests.fakes.duel import duel, live
from tests.fakes.loop import poor
from tests.fakes.samples import MODEL, alert_of

PAGE = Path(__file__).parents[2] / "docs" / "tables.md"
HERE = Provenance("c0ffee", "main")


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """A model's audit on Delta: one version promoted, the next one rejected by a gate."""
    loop = duel(policy={"cooldown_days": {"drift": 0}})
    live(loop, 3)
    loop.drain()
    loop.candidate = poor
    loop.receive(alert_of(2, fired_at=loop.ports.clock.now()))
    loop.drain()
    folder = tmp_path_factory.mktemp("lakehouse")
    rows = [audit_row(row, HERE) for row in loop.ports.store.chain(MODEL)]
    lakehouse = Lakehouse(str(folder), None)
    DeltaTables(lakehouse).append(AUDIT_TABLE, rows, writer="w", batch=1)
    return lakehouse.open(AUDIT_TABLE).to_pyarrow_table()


def answers(audit: pa.Table) -> list[list[dict[str, object]]]:
    queries = re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    with duckdb.connect() as database:
        database.register("ml_promotion_audit", audit)
        return [database.execute(query).to_arrow_table().to_pylist() for query in queries]


def test_each_older_reader_finds_its_columns_and_the_right_rows(audit: pa.Table):
    notebook, tutorial, fairness = answers(audit)

    staged, promoted = notebook
    assert (staged["from_stage"], staged["to_stage"]) == ("None", "Staging")
    assert staged["gate1_passed"] is staged["gate2_passed"] is True
    assert (promoted["to_stage"], promoted["consecutive_wins"]) == ("Production", 3)
    assert promoted["approver"] == "retrain-loop"
    assert [(row["version"], row["actor"]) for row in tutorial] == [(2, "retrain-loop")]
    assert tutorial[0]["rationale"].startswith("won 3 days in a row")
    (blocked,) = fairness
    assert (blocked["block_promotion"], blocked["model_version"]) == ("True", "3")
    assert "performance FAIL" in str(blocked["reason"])


def test_who_broke_a_fairness_limit_is_in_the_fairness_readers_columns():
    loop = duel()
    (document, *_) = loop.ports.store.chain(MODEL)
    context = {"blocked": True, "failed_attributes": "gender", "fairness_thresholds_json": "{}"}

    row = audit_row({**document, "context": context}, HERE)

    assert (row["block_promotion"], row["failed_attributes"]) == ("True", "gender")
    assert row["fairness_thresholds_json"] == "{}"
