"""How results leave: table rows, version tags, report."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from shared.domain.gates.judge import GATES, run_gates
from shared.domain.gates.result import GateResult, Verdict
from shared.domain.gates.rows import Judged, report, rows, tags

JUDGED = Judged("run-1", "slot-revenue", "4", "3", datetime(2026, 1, 2, tzinfo=UTC))
COLUMNS = [
    "run_id", "model_name", "model_version", "champion_version", "gate", "verdict", "value",
    "threshold", "operator", "n", "reason", "hint", "source", "duration_ms", "details_json",
    "judged_at",
]  # fmt: skip


@pytest.fixture
def results(a_model, evidence):
    candidate = evidence().candidate.copy()
    candidate[0] = np.nan
    return run_gates(evidence(candidate=candidate), a_model(), lambda: 1.0)


def test_there_is_one_row_a_gate_with_the_tables_columns(results):
    written = rows(JUDGED, results)

    assert [row["gate"] for row in written] == [result.gate for result in results]
    assert all(list(row) == COLUMNS for row in written)
    row = next(row for row in written if row["gate"] == "error_rate")
    assert row["verdict"] == "FAIL"
    assert type(row["verdict"]) is str
    assert json.loads(row["details_json"]) == {"not_finite": 1, "out_of_range": 0}
    assert row["judged_at"] == JUDGED.judged_at
    assert next(row for row in written if row["gate"] == "fairness")["value"] is None


def test_a_tag_shows_the_comparison_or_why_there_is_none(results):
    good = GateResult("performance", Verdict.PASS, 0.87, 0.8, ">=", 4210, "", "", "")

    assert tags([good]) == {"gate.performance": "PASS 0.87 >= 0.8 n=4210"}
    assert tags(results)["gate.fairness"].startswith("SKIP the model is not regulated")
    assert tags(results)["gate.error_rate"] == "FAIL 0.001 <= 0 n=1000"
    assert tags(results)["gate.holdout"].endswith("n=999")


def test_a_long_reason_is_cut_in_the_tag_and_whole_in_the_row():
    long = GateResult("holdout", Verdict.ERROR, None, None, "", 0, "x" * 900, "", "")

    assert len(tags([long])["gate.holdout"]) == 250
    assert rows(JUDGED, [long])[0]["reason"] == "x" * 900


def test_the_report_is_json_with_the_verdict_and_every_gate(results):
    document = json.loads(json.dumps(report(JUDGED, results), allow_nan=False))

    assert document["verdict"] == "FAIL"
    assert document["judged_at"] == "2026-01-02T00:00:00+00:00"
    assert [gate["gate"] for gate in document["gates"]] == list(GATES)
    assert document["gates"][2]["details"] == {"not_finite": 1, "out_of_range": 0}


def test_a_detail_that_is_no_number_stays_writable():
    odd = GateResult(
        "holdout", Verdict.ERROR, None, None, "", 0, "", "", "", details={"scale": float("nan")}
    )

    assert json.loads(rows(JUDGED, [odd])[0]["details_json"]) == {"scale": "nan"}
