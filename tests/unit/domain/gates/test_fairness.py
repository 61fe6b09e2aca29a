"""Gate 3: parity, opportunity and odds between the groups of declared attributes."""

import numpy as np
import pytest
from scipy import stats

from shared.domain.gates.fairness import judge
from shared.domain.gates.judge import run_gates
from shared.domain.gates.result import Verdict

FAIR = {"attributes": ["zone"], "positive_above": 0.5}
ZONES = np.repeat(["north", "south"], 500)


def _outcomes(north: tuple[int, int, int, int], south: tuple[int, int, int, int]):
    """Build actuals and predictions from a group's true and false positives and negatives."""
    columns = [
        np.repeat(pairs, counts)
        for counts in (north, south)
        for pairs in ([1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0])
    ]
    return np.concatenate(columns[::2]), np.concatenate(columns[1::2])


def _judge(a_model, evidence, north, south, **fairness):
    actual, predicted = _outcomes(north, south)
    given_evidence = evidence(
        "classification", actual=actual, candidate=predicted, attributes={"zone": ZONES}
    )
    return judge(given_evidence, a_model("classification", fairness=FAIR | fairness))


def test_groups_treated_alike_pass_with_all_three_measures_shown(a_model, evidence):
    result = _judge(a_model, evidence, (200, 50, 50, 200), (200, 50, 50, 200))

    assert result.verdict is Verdict.PASS
    assert result.details["zone demographic parity ratio"] == pytest.approx(1)
    assert result.details["zone equal opportunity difference"] == pytest.approx(0)
    assert result.details["zone equalized odds difference"] == pytest.approx(0)
    assert (result.n, result.details["zone groups"]) == (1000, 2)


def test_the_eighty_percent_rule_counts_its_edge_as_passed(a_model, evidence):
    loose = {"max_opportunity_difference": 1, "max_odds_difference": 1}

    at_edge = _judge(a_model, evidence, (200, 50, 50, 200), (150, 50, 100, 200), **loose)
    below = _judge(a_model, evidence, (200, 50, 50, 200), (149, 50, 101, 200), **loose)

    assert (at_edge.verdict, at_edge.value) == (Verdict.PASS, 0.8)
    assert below.verdict is Verdict.FAIL
    assert below.source == "gates.fairness.min_parity_ratio"


def test_unequal_opportunity_fails_although_parity_holds(a_model, evidence):
    result = _judge(
        a_model, evidence, (200, 50, 50, 200), (170, 80, 80, 170), max_odds_difference=1
    )

    assert result.verdict is Verdict.FAIL
    assert result.value == pytest.approx(0.12)
    assert result.source == "gates.fairness.max_opportunity_difference"
    assert result.details["failed attributes"] == "zone"
    assert "zone" in result.hint


def test_unequal_false_positives_fail_the_odds(a_model, evidence):
    result = _judge(a_model, evidence, (200, 25, 50, 225), (200, 60, 50, 190))

    assert result.verdict is Verdict.FAIL
    assert result.value == pytest.approx(0.14)
    assert result.source == "gates.fairness.max_odds_difference"


@pytest.mark.parametrize("silence", [np.nan, np.inf])
def test_a_group_that_gets_no_answers_is_treated_worse_and_not_left_out(silence, a_model, evidence):
    actual, predicted = _outcomes((200, 50, 50, 200), (200, 50, 50, 200))
    zones = {"zone": np.where(np.arange(1000) < 960, ZONES, "west")}
    predicted[960:] = silence
    actual[960:980] = 1
    silent = evidence("classification", actual=actual, candidate=predicted, attributes=zones)
    model = a_model("classification", fairness=FAIR, error_rate={"max_rate": 0.05})

    results = {result.gate: result for result in run_gates(silent, model, lambda: 0.0)}

    assert results["error_rate"].verdict is Verdict.PASS
    assert results["fairness"].verdict is Verdict.FAIL
    assert results["fairness"].details["zone demographic parity ratio"] == 0


def test_small_groups_are_left_out_and_named(a_model, evidence):
    actual, predicted = _outcomes((200, 50, 50, 200), (200, 50, 50, 200))
    zones = ZONES.copy().astype("<U9")
    zones[:29] = "east"
    zones[29:31] = ""

    result = judge(
        evidence("classification", actual=actual, candidate=predicted, attributes={"zone": zones}),
        a_model("classification", fairness=FAIR),
    )

    assert result.verdict is Verdict.PASS
    assert result.details["zone left out"] == "(no value) (2), east (29)"
    assert result.details["zone rows"] == 969


def test_a_group_of_the_least_size_is_compared(a_model, evidence):
    actual, predicted = _outcomes((200, 50, 50, 200), (200, 50, 50, 200))
    zones = ZONES.copy()
    zones[190:220] = "east"
    rows = evidence(
        "classification", actual=actual, candidate=predicted, attributes={"zone": zones}
    )

    least = judge(rows, a_model("classification", fairness=FAIR | {"min_group": 30}))
    more = judge(rows, a_model("classification", fairness=FAIR | {"min_group": 31}))

    assert (least.details["zone groups"], least.details["zone rows"]) == (3, 1000)
    assert (more.details["zone groups"], more.details["zone rows"]) == (2, 970)


def test_the_p_value_is_that_of_the_two_most_different_groups(a_model, evidence):
    actual, predicted = _outcomes((200, 50, 50, 200), (170, 40, 80, 210))
    zones = np.concatenate([ZONES[:900], np.repeat("west", 100)])
    predicted[900:960] = 1.0
    actual[900:950] = 1.0

    result = judge(
        evidence("classification", actual=actual, candidate=predicted, attributes={"zone": zones}),
        a_model("classification", fairness=FAIR),
    )

    parts = (predicted[:500], predicted[500:900], predicted[900:])
    least, most = min(parts, key=np.mean), max(parts, key=np.mean)
    table = [[rows.sum(), rows.size - rows.sum()] for rows in (least, most)]
    expected = stats.chi2_contingency(table, correction=False).pvalue
    assert result.details["zone parity p-value"] == pytest.approx(expected)


def test_groups_of_one_rate_differ_by_nothing_but_chance(a_model, evidence):
    actual, _ = _outcomes((200, 50, 50, 200), (200, 50, 50, 200))
    everybody = evidence(
        "classification", actual=actual, candidate=np.ones(1000), attributes={"zone": ZONES}
    )

    result = judge(everybody, a_model("classification", fairness=FAIR))

    assert result.details["zone parity p-value"] == 1.0


def test_an_amount_at_the_cut_is_not_favourable_on_either_side(a_model, evidence):
    actual, predicted = (
        np.where(rows == 1, 10.1, 10.0)
        for rows in _outcomes((200, 50, 50, 200), (150, 50, 100, 200))
    )
    fairness = FAIR | {"positive_above": 10.0}

    result = judge(
        evidence(actual=actual, candidate=predicted, attributes={"zone": ZONES}),
        a_model(fairness=fairness),
    )

    assert result.details["zone demographic parity ratio"] == pytest.approx(0.8)
    assert result.details["zone equal opportunity difference"] == pytest.approx(0.2)


def test_one_group_left_is_an_error(a_model, evidence):
    zones = np.array(["north"] * 980 + ["south"] * 20)

    result = judge(evidence(attributes={"zone": zones}), a_model(fairness=FAIR))

    assert result.verdict is Verdict.ERROR
    assert "south (20)" in result.reason


@pytest.mark.parametrize(
    ("south", "reason"),
    [
        ((0, 250, 0, 250), "no actual of group south is favourable"),
        ((250, 0, 250, 0), "no actual of group south is unfavourable"),
    ],
)
def test_a_rate_over_no_rows_is_an_error_and_not_zero(south, reason, a_model, evidence):
    result = _judge(a_model, evidence, (200, 50, 50, 200), south)

    assert result.verdict is Verdict.ERROR
    assert reason in result.reason


def test_a_model_that_favours_nobody_is_an_error(a_model, evidence):
    result = _judge(a_model, evidence, (0, 0, 250, 250), (0, 0, 250, 250))

    assert result.verdict is Verdict.ERROR
    assert "nobody" in result.reason


def test_a_regression_is_cut_at_the_declared_amount_on_both_sides(a_model, evidence):
    half = np.tile([90.0, 110.0], 500)
    south_low = half - np.where(ZONES == "south", 15, 0)
    model = a_model(fairness=FAIR | {"positive_above": 100})

    fair = judge(evidence(actual=half, candidate=half, attributes={"zone": ZONES}), model)
    unfair = judge(evidence(actual=half, candidate=south_low, attributes={"zone": ZONES}), model)

    assert fair.verdict is Verdict.PASS
    assert unfair.verdict is Verdict.FAIL
    assert unfair.details["zone demographic parity ratio"] == 0


def test_every_declared_attribute_counts(a_model, evidence):
    actual, predicted = _outcomes((200, 50, 50, 200), (100, 50, 150, 200))
    sides = np.tile(["left", "right"], 500)
    attributes = {"side": sides, "zone": ZONES}

    result = judge(
        evidence("classification", actual=actual, candidate=predicted, attributes=attributes),
        a_model("classification", fairness=FAIR | {"attributes": ["side", "zone"]}),
    )

    assert result.verdict is Verdict.FAIL
    assert "zone" in result.reason
    assert {"side groups", "zone groups"} <= set(result.details)


def test_a_declared_attribute_the_holdout_lacks_is_an_error(a_model, evidence):
    result = judge(evidence(), a_model(fairness=FAIR))

    assert result.verdict is Verdict.ERROR
    assert "no column zone" in result.reason


def test_neither_regulated_nor_declared_is_skipped_with_the_rule_named(a_model, evidence):
    result = judge(evidence(), a_model())

    assert result.verdict is Verdict.SKIP
    assert result.source == "regulated: false"
    assert "not regulated" in result.reason


def test_a_regulated_model_without_attributes_is_an_error(a_model, evidence):
    result = judge(evidence(), a_model(regulated=True))

    assert result.verdict is Verdict.ERROR
    assert "regulated" in result.reason
