"""Slices: right on average is not enough."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.gates.judge import run_gates
from shared.domain.gates.result import Verdict
from shared.domain.gates.slices import FAILED, UNDECLARED, judge

ZONES = np.array(["north", "south", "west", "east"] * 250)


def sliced(evidence, worse=0.0, where="south", **parts):
    """Give a candidate whose errors are larger in one zone, by a share of the champion's."""
    rows = evidence()
    errors = rows.champion - rows.actual
    factor = np.where(where == ZONES, 1 + worse, 1.0)
    return evidence(candidate=rows.actual + errors * factor, slices={"zone": ZONES}, **parts)


def test_without_declared_slices_there_is_nothing_to_look_at(a_model, evidence):
    result = judge(evidence(), a_model())

    assert (result.verdict, result.source) == (Verdict.SKIP, UNDECLARED)


def test_a_candidate_as_good_in_every_slice_passes(a_model, evidence):
    result = judge(sliced(evidence), a_model(slices={"columns": ["zone"]}))

    assert (result.verdict, result.n) == (Verdict.PASS, 1000)
    assert result.value == pytest.approx(0)
    assert result.details["zone=north n"] == 250


def test_a_candidate_right_on_average_and_wrong_on_a_slice_fails_and_the_slice_is_named(
    a_model, evidence
):
    result = judge(sliced(evidence, worse=0.2), a_model(slices={"columns": ["zone"]}))

    assert (result.verdict, result.threshold) == (Verdict.FAIL, 0.10)
    assert result.value == pytest.approx(0.2)
    assert "zone=south" in result.reason
    assert result.source == "gates.slices.margin"
    assert result.details[FAILED] == "zone=south"
    assert result.hint


def test_each_slice_has_the_interval_of_its_loss_and_its_own_error(a_model, evidence):
    model = a_model(slices={"columns": ["zone"]})
    rows = evidence()
    noisy = rows.candidate + np.sin(np.arange(1000))

    found = judge(evidence(candidate=noisy, slices={"zone": ZONES}), model).details

    for zone in ("north", "south", "west", "east"):
        name = f"zone={zone}"
        assert found[f"{name} loss_low"] < found[f"{name} loss"] < found[f"{name} loss_high"]
        own = noisy[zone == ZONES] - rows.actual[zone == ZONES]
        assert found[f"{name} rmse"] == pytest.approx(np.sqrt((own**2).mean()))


def test_a_loss_that_is_the_same_in_every_row_has_no_width(a_model, evidence):
    found = judge(sliced(evidence, worse=0.2), a_model(slices={"columns": ["zone"]})).details

    ends = [found[f"zone=south loss_{end}"] for end in ("low", "high")]
    assert ends == pytest.approx([0.2, 0.2])


def test_a_champion_without_error_leaves_no_interval(a_model, evidence):
    rows = evidence()
    champion = rows.champion.copy()
    champion[ZONES == "west"] = candidate = rows.actual[ZONES == "west"]
    own = rows.candidate.copy()
    own[ZONES == "west"] = candidate

    result = judge(
        evidence(candidate=own, champion=champion, slices={"zone": ZONES}),
        a_model(slices={"columns": ["zone"]}),
    )

    assert result.verdict is Verdict.PASS
    assert not [name for name in result.details if name.endswith("_low")]


def test_a_column_may_have_a_margin_of_its_own(a_model, evidence):
    model = a_model(slices={"columns": ["zone"], "margins": {"zone": 0.25}})

    result = judge(sliced(evidence, worse=0.2), model)

    assert (result.verdict, result.threshold) == (Verdict.PASS, 0.25)
    assert result.source == "gates.slices.margins.zone"


def test_slices_with_few_rows_are_left_out_and_named(a_model, evidence):
    zones = ZONES.copy()
    zones[:3] = "pier"

    result = judge(evidence(slices={"zone": zones}), a_model(slices={"columns": ["zone"]}))

    assert result.verdict is Verdict.PASS
    assert result.details["left out"] == "zone=pier (3)"


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"slices": {}}, "the holdout has no column zone"),
        ({"slices": {"zone": np.arange(1000).astype(str)}}, "no slice has 100 rows"),
        ({"slices": {"zone": ZONES}, "champion": None}, "no champion to compare with"),
    ],
)
def test_what_cannot_be_compared_is_an_error(a_model, evidence, parts, said):
    result = judge(evidence(**parts), a_model(slices={"columns": ["zone"]}))

    assert result.verdict is Verdict.ERROR
    assert said in result.reason


def test_against_a_champion_without_error_no_error_is_small(a_model, evidence):
    rows = evidence()

    result = judge(
        evidence(champion=rows.actual, slices={"zone": ZONES}),
        a_model(slices={"columns": ["zone"]}),
    )

    assert result.verdict is Verdict.ERROR
    assert "the champion makes no error" in result.reason


def test_a_slice_that_gets_no_answers_is_an_error_and_not_left_out(a_model, evidence):
    rows = evidence()
    candidate = np.where(ZONES == "south", np.nan, rows.candidate)
    silent = evidence(candidate=candidate, slices={"zone": ZONES})
    model = a_model(slices={"columns": ["zone"]}, error_rate={"max_rate": 0.5})

    results = {result.gate: result for result in run_gates(silent, model, lambda: 0.0)}

    assert results["error_rate"].verdict is Verdict.PASS
    assert results["slices"].verdict is Verdict.ERROR
    assert "zone=south (250 of 250 not)" in results["slices"].reason


def test_a_slice_with_some_rows_unanswered_is_judged_on_the_others(a_model, evidence):
    candidate = evidence().candidate.copy()
    candidate[:4] = np.nan
    silent = evidence(candidate=candidate, slices={"zone": ZONES})

    result = judge(silent, a_model(slices={"columns": ["zone"], "min_rows": 249}))

    assert (result.verdict, result.n) == (Verdict.PASS, 996)
    assert result.details["zone=south n"] == 249


def test_a_classification_is_compared_by_the_root_of_its_brier_score(a_model, evidence):
    rows = evidence("classification")
    wrong = np.where(ZONES == "west", 1 - rows.candidate, rows.candidate)
    spoiled = evidence("classification", candidate=wrong, slices={"zone": ZONES})

    result = judge(spoiled, a_model("classification", slices={"columns": ["zone"]}))

    assert result.verdict is Verdict.FAIL
    assert "zone=west" in result.reason


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_slice_passes_exactly_up_to_its_margin(worse, margin):
    from shared.domain.gates.slices import _rule, _Slice

    found = _Slice("zone=a", 100, 2.0 * (1 + worse), 2.0, margin)

    assert _rule(found).holds(found.loss) == (found.loss <= margin)
