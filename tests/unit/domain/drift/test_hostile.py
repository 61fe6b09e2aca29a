"""Columns nobody would plan for: each gets a status, none an exception, a warning or a NaN."""

import itertools
import math

import numpy as np
import pyarrow as pa
import pytest

from shared.domain.drift.columns import Scratch
from shared.domain.drift.verdict import conclude, judge
from shared.domain.drift.window import (
    measure_window,
    merge_windows,
    profile_reference,
    profile_window,
)

CHANCE = np.random.default_rng(9)
NORMAL = pa.array(CHANCE.normal(size=2000))
NUMERIC = {
    "normal": NORMAL,
    "shifted": pa.array(CHANCE.normal(2, 1, size=1000)),
    "nan": pa.array(np.full(500, np.nan)),
    "null": pa.nulls(500, pa.float64()),
    "untyped": pa.nulls(500),
    "half nan": pa.array(np.where(np.arange(1000) % 2, np.nan, 1.0)),
    "plus inf": pa.array(np.full(400, np.inf)),
    "some inf": pa.array(np.where(np.arange(1000) % 10, CHANCE.normal(size=1000), np.inf)),
    "minus inf": pa.array(np.full(400, -np.inf)),
    "constant": pa.array(np.ones(600)),
    "other constant": pa.array(np.full(600, 2.0)),
    "zeros of both signs": pa.array([0.0, -0.0] * 300),
    "ties": pa.array(np.repeat([0.0, 0.0, 0.0, 7.0], 250)),
    "booleans": pa.array([True, False, None] * 200),
    "integers": pa.array([1, 2, None, 4] * 200),
    "one row": pa.array([1.5]),
    "empty": pa.array([], pa.float64()),
    "huge": pa.array(np.where(np.arange(600) % 2, 1e308, -1e308)),
    "largest": pa.array(np.full(600, np.finfo(float).max)),
    "tiny": pa.array(np.full(600, 5e-324)),
    "words": pa.array(["x", "y"] * 300),
    "number texts": pa.array(["1.5", "2.5"] * 300),
    "times": pa.array(np.arange(600), pa.timestamp("us")),
    "lists": pa.array([[1.0]] * 300),
    "chunks": pa.chunked_array([[1.0, 2.0] * 200, [None] * 5, [], [3.0] * 100]),
}
CATEGORICAL = {
    "usual": pa.array(["a", "b", "c"] * 300),
    "unicode": pa.array(["ü", "日本", "\u0000", "", "💥", "é", "e\u0301"] * 90),
    "null": pa.nulls(500, pa.string()),
    "untyped": pa.nulls(400),
    "numbers": pa.array([1, 2, 3] * 200),
    "floats": pa.array([1.0, float("nan"), 2.5] * 200),
    "lists": pa.array([[1]] * 200),
    "dictionary": pa.array(["a", "b", None] * 200).dictionary_encode(),
    "constant": pa.array(["a"] * 500),
    "one row": pa.array(["a"]),
    "empty": pa.array([], pa.string()),
    "all distinct": pa.array([f"id-{number}" for number in range(3000)]),
    "bytes": pa.array([b"\xff\xfe", b"ok"] * 200),
}
STATUSES = {
    "NO_DRIFT",
    "MODERATE",
    "SIGNIFICANT",
    "SEVERE",
    "DRIFT",
    "STABLE",
    "INSUFFICIENT_DATA",
    "UNKNOWN",
}


@pytest.fixture
def check(make_model, make_rows):
    def run(kind, reference, current):
        model, scratch = make_model({"f": kind}), Scratch()
        tables = [
            pa.table({"f": column}) if column is not None else pa.table({"g": pa.nulls(500)})
            for column in (reference, current)
        ]
        before = profile_reference(model, make_rows(tables[0]), scratch)
        after = profile_window(model, make_rows(tables[1]), before, scratch, scored=True)
        both = merge_windows([after])
        found = judge(measure_window(model, before, both, {}), model.drift)
        return {str(f.measure.metric): f for f in found if f.measure.feature == "f"}

    return run


def wholesome(found):
    for finding in found.values():
        measure = finding.measure
        assert finding.status in STATUSES
        figures = (measure.value, measure.threshold, measure.effect, measure.p_value)
        assert all(figure is None or math.isfinite(figure) for figure in figures), measure
        if finding.status in ("UNKNOWN", "INSUFFICIENT_DATA"):
            assert measure.note, measure


@pytest.mark.parametrize(("before", "after"), list(itertools.product(NUMERIC, repeat=2)))
def test_any_numeric_column_against_any_other_has_statuses_and_finite_figures(check, before, after):
    wholesome(check("numeric", NUMERIC[before], NUMERIC[after]))


@pytest.mark.parametrize(("before", "after"), list(itertools.product(CATEGORICAL, repeat=2)))
def test_any_category_against_any_other_has_statuses_and_finite_figures(check, before, after):
    wholesome(check("categorical", CATEGORICAL[before], CATEGORICAL[after]))


@pytest.mark.parametrize("kind", ["numeric", "categorical"])
def test_a_column_that_vanished_is_all_missing_and_says_so(check, kind):
    usual = NUMERIC["normal"] if kind == "numeric" else CATEGORICAL["usual"]

    found = check(kind, usual, None)

    assert found["ALL_MISSING"].stands
    assert "not there" in found["ALL_MISSING"].measure.note
    assert found["PSI" if kind == "numeric" else "CHI_SQUARE"].status == "UNKNOWN"


@pytest.mark.parametrize("after", ["words", "times", "lists"])
def test_a_column_of_another_type_is_all_missing_and_says_so(check, after):
    found = check("numeric", NORMAL, NUMERIC[after])

    assert found["ALL_MISSING"].stands
    assert "not numbers" in found["ALL_MISSING"].measure.note


def test_a_constant_that_changed_is_severe(check):
    found = check("numeric", NUMERIC["constant"], NUMERIC["other constant"])

    assert found["PSI"].status == "SEVERE"
    assert found["KS"].status == "DRIFT"


def test_a_column_that_stopped_to_vary_is_a_signal_of_its_own(check):
    found = check("numeric", NORMAL, NUMERIC["constant"])

    assert found["CONSTANT"].stands


def test_a_column_that_always_was_constant_is_quiet(check):
    found = check("numeric", NUMERIC["constant"], NUMERIC["constant"])

    assert found["PSI"].status == "NO_DRIFT"
    assert "CONSTANT" not in found


def test_infinite_values_are_a_signal_of_their_own(check):
    found = check("numeric", NORMAL, NUMERIC["some inf"])

    assert found["INFINITE_SHARE"].stands
    assert found["PSI"].status == "NO_DRIFT"


def test_a_missing_rate_that_rose_is_a_signal_though_the_values_stayed(check):
    values = NORMAL.to_numpy()
    gaps = pa.array(np.where(np.arange(2000) % 5 == 0, np.nan, values))

    found = check("numeric", NORMAL, gaps)

    assert found["MISSING_RATE"].stands
    assert found["PSI"].status == "NO_DRIFT"


def test_unseen_categories_are_a_signal_and_are_named(check):
    found = check("categorical", CATEGORICAL["usual"], pa.array([*["a", "b", "c"] * 300, "z"] * 9))

    assert found["UNSEEN_SHARE"].status == "STABLE"
    assert "'z'" in found["UNSEEN_SHARE"].measure.note

    found = check("categorical", CATEGORICAL["usual"], pa.array(["a", "b", "c", "z"] * 100))

    assert found["UNSEEN_SHARE"].stands


def test_number_texts_are_read_as_numbers(check):
    found = check("numeric", NUMERIC["number texts"], NUMERIC["number texts"])

    assert found["MISSING_RATE"].measure.value == 0
    assert found["PSI"].status == "NO_DRIFT"


def test_the_seeds_small_window_is_insufficient_data_and_no_drift_either_way(check):
    chance = np.random.default_rng(10)
    before, after = chance.normal(size=270), chance.normal(size=35)

    found = check("numeric", pa.array(before), pa.array(after))

    assert {f.status for f in found.values()} == {"INSUFFICIENT_DATA"}
    assert "effective size 31, needed 108" in found["PSI"].measure.note
    assert found["PSI"].measure.value > 0


def test_predictions_that_are_not_there_are_a_signal(make_model, make_rows):
    model, scratch = make_model({"f": "numeric"}), Scratch()
    table = pa.table({"f": NORMAL})
    answers = CHANCE.normal(size=2000)
    before = profile_reference(model, make_rows(table, answers), scratch)
    after = profile_window(
        model,
        make_rows(table, np.where(np.arange(2000) < 400, np.nan, answers)),
        before,
        scratch,
        scored=True,
    )

    window = judge(measure_window(model, before, after, {}), model.drift)
    verdict = conclude([window, window], model.drift)

    assert (verdict.decision, verdict.severity) == ("TRIGGER", "P2")
    assert [reason.split(" ")[1] for reason in verdict.reasons] == ["__prediction__"]


def test_a_hundred_thousand_categories_have_statuses_and_finite_figures(check):
    names = np.array([f"id-{number}" for number in range(100_000)], dtype=object)
    before = pa.array(np.repeat(names, 2))
    same, other = pa.array(np.roll(names, 7)), pa.array(names + "x").dictionary_encode()

    wholesome(check("categorical", before, same))
    found = check("categorical", before, other)

    wholesome(found)
    assert found["UNSEEN_SHARE"].measure.value == 1


def test_a_thousand_columns_are_judged_together_and_the_one_that_moved_is_found(
    make_model, make_rows
):
    names = [f"f{number:03}" for number in range(1000)]
    model, scratch = make_model(dict.fromkeys(names, "numeric")), Scratch()
    before, after = CHANCE.normal(size=(1000, 700)), CHANCE.normal(size=(1000, 400))
    after[123] += 2
    tables = [make_rows(pa.table(dict(zip(names, side, strict=True)))) for side in (before, after)]
    reference = profile_reference(model, tables[0], scratch)
    window = profile_window(model, tables[1], reference, scratch, scored=True)

    findings = judge(measure_window(model, reference, window, {}), model.drift)

    assert {finding.status for finding in findings} <= STATUSES
    assert {finding.measure.feature for finding in findings if finding.stands} == {"f123"}


LONG = 150_000
LONG_COLUMNS = {
    "normal": CHANCE.normal(size=LONG),
    "nan": np.full(LONG, np.nan),
    "infinite": np.where(CHANCE.random(LONG) < 0.5, np.inf, -np.inf),
    "huge": CHANCE.choice([1e308, -1e308, 0.0], LONG),
    "any size": CHANCE.normal(size=LONG) * 10.0 ** CHANCE.integers(-300, 300, LONG),
    "tiny": CHANCE.normal(size=LONG) * 1e-310,
    "constant": np.full(LONG, 7.0),
    "far apart": np.where(CHANCE.random(LONG) < 0.5, CHANCE.random(LONG), 1e15),
    "one number": np.where(np.arange(LONG) == 5, 1.0, np.nan),
}


@pytest.mark.parametrize("before", list(LONG_COLUMNS))
@pytest.mark.parametrize("after", list(LONG_COLUMNS))
def test_any_long_column_against_any_other_has_statuses_and_finite_figures(check, before, after):
    wholesome(check("numeric", pa.array(LONG_COLUMNS[before]), pa.array(LONG_COLUMNS[after])))
