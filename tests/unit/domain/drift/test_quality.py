"""Damage of a column beside its shape: each kind is a signal of its own."""

from math import comb

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.drift.columns import Scratch
from shared.domain.drift.significance import outside_p
from shared.domain.drift.verdict import conclude, judge
from shared.domain.drift.window import measure_window, profile_reference, profile_window

CHANCE = np.random.default_rng(7)
USUAL = CHANCE.normal(0, 1, size=4000)
COLOURS = CHANCE.choice(["red", "green", "blue"], p=[0.6, 0.38, 0.02], size=4000)


@pytest.fixture
def check(make_model, make_rows):
    """Judge one column of a kind: before, after, and the thresholds that are not the default."""

    def judged(kind, before, after, **drift):
        model = make_model({"x": kind}, drift=drift)
        window = windows(model, make_rows(pa.table({"x": before})), make_rows(after))
        verdict = conclude([window, window], model.drift)
        return {str(f.measure.metric): f for f in window if f.measure.feature == "x"}, verdict

    return judged


def windows(model, reference, current):
    before = profile_reference(model, reference, Scratch())
    after = profile_window(model, current, before, Scratch())
    return judge(measure_window(model, before, after, {}), model.drift)


def codes(verdict):
    return [reason.split(":")[0] for reason in verdict.reasons]


def warnings(verdict):
    return [warning.split(":")[0] for warning in verdict.warnings]


# --- range -----------------------------------------------------------------------------------


def test_values_beyond_all_the_reference_had_are_told_with_both_ranges(check):
    after = np.where(np.arange(2000) % 20 == 0, 40.0, USUAL[:2000])

    found, verdict = check("numeric", USUAL, pa.table({"x": after}))

    outside = found["OUTSIDE_SHARE"]
    assert (outside.status, outside.measure.value) == ("DRIFT", 0.05)
    assert "to 40, the reference from -" in outside.measure.note
    assert "OUT_OF_RANGE" in warnings(verdict)


def test_a_range_that_grew_does_not_ask_for_a_retrain(check):
    after = np.where(np.arange(2000) % 20 == 0, 40.0, USUAL[:2000])

    _, verdict = check("numeric", USUAL, pa.table({"x": after}))

    assert "OUT_OF_RANGE" not in codes(verdict)
    assert verdict.decision == "NO_TRIGGER"


@pytest.mark.parametrize(
    "reference", [USUAL, np.round(USUAL), np.full(500, 3.0), np.array([1.0, 2.0] * 200)]
)
def test_the_share_outside_is_counted_to_the_last_value(check, reference):
    beside = [reference.max() + step for step in (0, 0.5, 9)] + [reference.min() - 1e-9]
    after = np.concatenate([reference, beside])

    found, _ = check("numeric", reference, pa.table({"x": after}))

    expected = np.mean((after < reference.min()) | (after > reference.max()))
    assert found["OUTSIDE_SHARE"].measure.value == expected == 3 / len(after)


def test_the_largest_float_is_an_end_like_any_other(check):
    huge = np.finfo(float).max
    reference = np.append(USUAL, huge)

    found, _ = check("numeric", reference, pa.table({"x": np.full(300, huge)}))

    assert found["OUTSIDE_SHARE"].measure.value == 0


def test_a_few_values_outside_a_small_reference_are_chance(check):
    found, _ = check("numeric", USUAL[:150], pa.table({"x": USUAL[1000:3000]}))

    assert found["OUTSIDE_SHARE"].measure.value > 0.003
    assert found["OUTSIDE_SHARE"].status == "STABLE"


@given(st.integers(2, 60), st.integers(1, 60), st.data())
def test_the_p_value_of_values_outside_is_the_negative_hypergeometric_tail(n, m, data):
    hits = data.draw(st.integers(0, m))

    # of all places for n old ones among n + m, those with j new ones beyond their two ends
    ways = sum((j + 1) * comb(n + m - j - 2, n - 2) for j in range(hits, m + 1))

    assert outside_p(hits, n, m) == pytest.approx(ways / comb(n + m, n), rel=1e-9)


# --- categories ------------------------------------------------------------------------------


def test_a_category_that_vanished_is_named_and_asks_for_nothing(check):
    after = np.where(COLOURS == "blue", "red", COLOURS)

    found, verdict = check("categorical", COLOURS, pa.table({"x": after}))

    gone = found["VANISHED_SHARE"]
    assert gone.status == "DRIFT"
    assert gone.measure.value == pytest.approx(np.mean(COLOURS == "blue"))
    assert "1 gone, such as 'blue'" in gone.measure.note
    assert warnings(verdict) == ["VANISHED_CATEGORIES"]


def test_a_rare_category_that_a_small_window_missed_is_chance(check):
    after = COLOURS[COLOURS != "blue"][:150]

    found, verdict = check("categorical", COLOURS, pa.table({"x": after}))

    assert found["VANISHED_SHARE"].measure.value > 0.01
    assert found["VANISHED_SHARE"].status == "STABLE"
    assert verdict.warnings == ()


def test_all_categories_there_are_a_share_of_nothing(check):
    found, _ = check("categorical", COLOURS, pa.table({"x": COLOURS[:500]}))

    assert (found["VANISHED_SHARE"].measure.value, found["VANISHED_SHARE"].status) == (0, "STABLE")


# --- columns ---------------------------------------------------------------------------------


def test_a_column_that_vanished_has_one_reason_and_not_that_its_values_are_missing(check):
    found, verdict = check("numeric", USUAL, pa.table({"other": USUAL}))

    assert found["COLUMN_VANISHED"].stands
    assert found["ALL_MISSING"].stands
    assert codes(verdict) == ["COLUMN_VANISHED"]
    assert verdict.severity == "P2"


@pytest.mark.parametrize("after", [["a", "b"] * 500, ["1", "2"] * 500], ids=["words", "numbers"])
def test_a_column_that_changed_its_type_is_told_whether_it_can_be_read_or_not(check, after):
    found, verdict = check("numeric", USUAL, pa.table({"x": after}))

    assert found["TYPE_CHANGED"].stands
    assert "string, not numbers" in found["TYPE_CHANGED"].measure.note
    assert "TYPE_CHANGED" in codes(verdict)
    assert "ALL_MISSING" not in codes(verdict)


def test_a_column_that_was_texts_all_along_has_not_changed(check):
    texts = ["1", "2"] * 500

    found, _ = check("numeric", texts, pa.table({"x": texts}))

    assert "TYPE_CHANGED" not in found


def test_values_that_all_went_missing_are_no_vanished_column(check):
    after = pa.table({"x": pa.nulls(1000, pa.float64())})

    found, verdict = check("numeric", USUAL, after)

    assert "COLUMN_VANISHED" not in found
    assert codes(verdict) == ["ALL_MISSING"]


def test_a_missing_rate_that_grew_short_of_all_is_its_own_reason(check):
    after = np.where(np.arange(2000) % 4 == 0, np.nan, USUAL[:2000])

    _, verdict = check("numeric", USUAL, pa.table({"x": after}))

    assert codes(verdict) == ["MISSING_RATE"]


# --- thresholds ------------------------------------------------------------------------------


def tenth(values, other):
    return np.where(np.arange(len(values)) % 10, values, other)


@pytest.mark.parametrize(
    ("kind", "columns", "metric", "setting"),
    [
        ("numeric", (USUAL, tenth(USUAL, np.nan)), "MISSING_RATE", "missing_change"),
        ("numeric", (USUAL, tenth(USUAL, np.inf)), "INFINITE_SHARE", "infinite_change"),
        ("numeric", (USUAL, tenth(USUAL, 99.0)), "OUTSIDE_SHARE", "outside_share"),
        ("categorical", (COLOURS, tenth(COLOURS, "new")), "UNSEEN_SHARE", "unseen_share"),
        ("categorical", (COLOURS, COLOURS[COLOURS != "blue"]), "VANISHED_SHARE", "vanished_share"),
        ("numeric", (USUAL, USUAL + 0.15), "WASSERSTEIN", "distance_floor"),
    ],
)
def test_every_threshold_is_the_catalogues(check, kind, columns, metric, setting):
    before, table = columns[0], pa.table({"x": columns[1]})

    assert check(kind, before, table)[0][metric].status == "DRIFT"
    assert check(kind, before, table, **{setting: 0.2})[0][metric].status == "STABLE"
