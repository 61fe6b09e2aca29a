"""The schemas of the tables: what others read, and the page that is generated from them."""

import runpy
from pathlib import Path

import pytest

from shared.domain.tables import (
    DRIFT_METRICS,
    PROMOTION_AUDIT,
    RETRAIN_TRIGGERS,
    TABLES,
    Table,
)

ROOT = Path(__file__).parents[3]


def test_the_page_is_the_one_that_is_generated():
    script = runpy.run_path(str(ROOT / "scripts" / "write_tables_doc.py"))

    page = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")

    assert page == script["render"](), "run: python scripts/write_tables_doc.py"


def test_the_notebooks_columns_come_first_and_keep_their_types():
    seed = [(c.name, c.type, c.required) for c in DRIFT_METRICS.columns[:12]]

    assert seed == [
        ("run_id", "STRING", True),
        ("run_timestamp", "TIMESTAMP", True),
        ("model_name", "STRING", True),
        ("model_version", "STRING", True),
        ("feature_name", "STRING", True),
        ("metric_type", "STRING", True),
        ("value", "DOUBLE", False),
        ("threshold", "DOUBLE", False),
        ("status", "STRING", True),
        ("severity", "STRING", True),
        ("reference_days", "BIGINT", True),
        ("current_days", "BIGINT", True),
    ]


def test_the_triggers_have_the_notebooks_columns_all_of_them_required():
    names = "trigger_id triggered_at model_name model_version severity reasons drift_run_id status"

    assert [column.name for column in RETRAIN_TRIGGERS.columns] == names.split()
    assert all(column.required for column in RETRAIN_TRIGGERS.columns)


@pytest.mark.parametrize(
    "shape",
    [
        (
            "event_timestamp model_name model_version promoted from_stage to_stage reason approver "
            "git_sha git_branch data_version baseline_r2 challenger_r2 gate1_passed gate2_passed "
            "gate3_passed consecutive_wins consecutive_wins_required _audit_inserted_at"
        ),
        "event_id event_time model_name version from_stage to_stage actor git_sha rationale",
        (
            "audit_id model_name model_version audit_ts block_promotion failed_attributes reason "
            "fairness_thresholds_json"
        ),
        (
            "audit_id chain sequence event_ts received_ts subject subject_type action resource "
            "resource_type outcome run_id context_json hash_prev hash_self retention_class "
            "schema_version"
        ),
    ],
    ids=["promotion notebook", "tutorial", "fairness notebook", "house rule"],
)
def test_the_audit_has_all_columns_of_every_shape(shape: str):
    names = {column.name for column in PROMOTION_AUDIT.columns}

    assert set(shape.split()) <= names


def test_only_the_audit_is_append_only():
    assert [table.name for table in TABLES.values() if table.append_only] == [PROMOTION_AUDIT.name]


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_names_differ_by_more_than_their_case(table: Table):
    names = [column.name.lower() for column in table.columns]

    assert len(set(names)) == len(names)
    assert all(column.meaning for column in table.columns)
