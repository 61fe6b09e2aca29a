"""What the fairness gate measured, as the rows that auditors of groups read."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from shared.adapters.delta.table_rows import checked_values, require_known_columns
from shared.domain.gates import fairness
from shared.domain.gates.fairness_rows import TABLE, fairness_rows
from shared.domain.gates.rows import Judged
from shared.domain.tables import TABLES

JUDGED = Judged("run-1", "slot-revenue", "12", "11", datetime(2013, 7, 1, 4, 5, tzinfo=UTC))
MEASURES = (
    "demographic parity ratio",
    "equal opportunity difference",
    "equalized odds difference",
)


@pytest.fixture
def judged(a_model, evidence):
    """Judge two attributes, of which the second breaks every limit."""

    def judge(**parts):
        found = evidence("classification", **parts)
        zone = np.where(found.champion > 0.5, "high", "low")
        # a few the other way round, so that each group has both outcomes
        zone[::10] = "low"
        side = np.where(np.arange(found.n) % 2, "left", "right")
        model = a_model("classification", fairness={"attributes": ["side", "zone"]})
        with_groups = replace(found, attributes={"side": side, "zone": zone})
        return fairness.judge(with_groups, model), model

    return judge


def test_each_attribute_and_measure_is_a_row_with_the_gate_s_own_figures(judged):
    result, model = judged()

    rows = fairness_rows(JUDGED, [result], model)

    assert [(row["attribute"], row["metric_name"]) for row in rows] == [
        (attribute, measure) for attribute in ("side", "zone") for measure in MEASURES
    ]
    for row in rows:
        assert row["metric_value"] == result.details[f"{row['attribute']} {row['metric_name']}"]
        assert row["n"] == result.details[f"{row['attribute']} rows"]
    assert [row["threshold"] for row in rows[:3]] == [0.8, 0.1, 0.1]
    assert [row["operator"] for row in rows[:3]] == [">=", "<=", "<="]


def test_an_attribute_that_fails_is_told_from_one_that_passes(judged):
    result, model = judged()

    verdicts = {
        (row["attribute"], row["pass_fail"]) for row in fairness_rows(JUDGED, [result], model)
    }

    assert verdicts == {("side", "PASS"), ("zone", "FAIL")}
    assert result.details[fairness.FAILED] == "zone"


def test_what_could_not_be_measured_is_an_error_and_no_gap(judged):
    result, model = judged(candidate=np.empty(0), candidate_fault="it crashed")

    rows = fairness_rows(JUDGED, [result], model)

    assert result.verdict == "ERROR"
    assert len(rows) == 6
    assert {(row["metric_value"], row["n"], row["pass_fail"]) for row in rows} == {
        (None, None, "ERROR")
    }


def test_a_figure_that_is_no_number_is_an_error(judged):
    result, model = judged()
    details = {**result.details, "side demographic parity ratio": float("nan")}

    (first, *_) = fairness_rows(JUDGED, [replace(result, details=details)], model)

    assert (first["metric_value"], first["pass_fail"]) == (None, "ERROR")


def test_a_model_without_attributes_has_no_rows(a_model, evidence):
    result = fairness.judge(evidence(), a_model())

    assert fairness_rows(JUDGED, [result], a_model()) == []


def test_the_rows_fit_their_table_and_name_the_evidence_they_belong_to(judged):
    result, model = judged()
    table = TABLES[TABLE]

    rows = fairness_rows(JUDGED, [result], model)

    require_known_columns(table, rows)
    for column in table.columns:
        checked_values(table, column, rows)
    assert {row["audit_id"] for row in rows} == {"run-1/gates-20130701T040500000000.json"}


def test_the_fairness_notebook_s_columns_come_first():
    notebook = (
        "audit_id model_name model_version audit_ts attribute metric_name metric_value threshold "
        "operator pass_fail"
    )

    assert [column.name for column in TABLES[TABLE].columns][:10] == notebook.split()
