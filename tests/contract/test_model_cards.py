"""lh_gold.ml_model_cards as its readers find it: on Delta, written by a promotion, once a run."""

import hashlib
import json
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from shared.adapters.delta.delta_tables import DeltaTables
from shared.adapters.delta.lakehouse import Lakehouse
from shared.domain.run import State
from tests.fakes.duel import WINS, duel, live, run_of
from tests.fakes.loop import FakeLoop
from tests.fakes.samples import MODEL

NOTEBOOK = """
    SELECT model_name, model_version, audit_id, audit_ts, rai_risk_tier, model_card_json
    FROM ml_model_cards
    ORDER BY audit_ts
"""


def on_delta(folder: Path) -> FakeLoop:
    """Give a loop that is about to promote, whose tables are Delta's from here on."""
    loop = duel()
    live(loop, WINS)
    loop.ports.tables = DeltaTables(Lakehouse(f"{folder}/{{lakehouse}}"))
    loop._wire(vars(loop.ports))
    return loop


def stored(folder: Path) -> pa.Table:
    return DeltaTable(folder / "lh_gold" / "ml_model_cards").to_pyarrow_table()


@pytest.fixture
def loop(tmp_path: Path) -> FakeLoop:
    return on_delta(tmp_path)


def test_the_fairness_notebook_s_reader_finds_the_card(loop: FakeLoop, tmp_path: Path):
    loop.drain()

    ml_model_cards = stored(tmp_path)
    (row,) = duckdb.sql(NOTEBOOK).to_arrow_table().to_pylist()
    assert ml_model_cards.num_rows == 1
    assert (row["model_name"], row["model_version"]) == (MODEL, "2")
    assert row["rai_risk_tier"] == "low"
    card = json.loads(row["model_card_json"])
    assert card["model"]["version"] == "2"
    intent = next(r for r in loop.ports.store.chain(MODEL) if r["action"] == "model.promote")
    assert row["audit_id"] == intent["audit_id"]
    assert row["audit_ts"] == datetime.fromisoformat(intent["event_ts"])


def test_the_hash_in_the_table_is_that_of_the_card_beside_it(loop: FakeLoop, tmp_path: Path):
    loop.drain()

    (row,) = stored(tmp_path).to_pylist()
    assert row["card_sha256"] == hashlib.sha256(row["model_card_json"].encode()).hexdigest()


def test_a_card_that_is_written_again_is_one_row(loop: FakeLoop, tmp_path: Path):
    loop.drain()
    before = stored(tmp_path).to_pylist()

    loop.write_card.again(loop.catalogue.models[0])

    assert stored(tmp_path).to_pylist() == before


def test_a_table_of_the_notebook_s_own_is_kept_and_given_the_newer_columns(
    loop: FakeLoop, tmp_path: Path
):
    old = {
        "model_name": pa.array(["another"]), "model_version": pa.array(["7"]),
        "audit_id": pa.array(["a"]),
        "audit_ts": pa.array([loop.ports.clock.now()], pa.timestamp("us", "UTC")),
        "rai_risk_tier": pa.array(["high"]), "model_card_json": pa.array(["{}"]),
    }  # fmt: skip
    write_deltalake(tmp_path / "lh_gold" / "ml_model_cards", pa.table(old))

    loop.drain()

    rows = {row["model_name"]: row for row in stored(tmp_path).to_pylist()}
    assert run_of(loop).state is State.PROMOTED
    assert (rows["another"]["card_sha256"], rows["another"]["rai_risk_tier"]) == (None, "high")
    assert rows[MODEL]["run_id"] == run_of(loop).run_id


def test_a_table_of_another_shape_is_left_as_it_is_and_told(loop: FakeLoop, tmp_path: Path):
    path = tmp_path / "lh_gold" / "ml_model_cards"
    write_deltalake(path, pa.table({"model_name": pa.array(["x"]), "model_version": [7]}))

    loop.drain()

    assert run_of(loop).state is State.PROMOTED
    done = [r for r in loop.ports.store.chain(MODEL) if r["action"] == "model.promoted"][-1]
    assert "model_version" in done["context"]["model_card"]["trouble"]
    assert stored(tmp_path).num_rows == 1
