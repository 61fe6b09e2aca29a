"""Selection: by rank and by bucket the same as sorting, and only where it is worth it."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.drift import selection
from shared.domain.drift.columns import Scratch
from shared.domain.drift.edges import SortedValues, edges_by_rank, likely_ranks
from shared.domain.drift.profile import reference_numeric
from shared.domain.drift.selection import Selection, select_many

SCRATCH = Scratch()
ROWS = 120_000
CHANCE = np.random.default_rng(13)
NORMAL = CHANCE.normal(size=ROWS)
COLUMNS = {
    "normal": NORMAL,
    "skewed": np.exp(NORMAL),
    "heavy tails": CHANCE.standard_cauchy(ROWS),
    "far from zero": 1e6 + NORMAL,
    "in order": np.sort(NORMAL),
    "rounded": NORMAL.round(2),
    "few values": CHANCE.integers(0, 40, ROWS).astype(float),
    "many ties": CHANCE.integers(0, 5000, ROWS).astype(float),
    "mostly zero": np.where(CHANCE.random(ROWS) < 0.7, 0.0, np.exp(NORMAL)),
    "a sentinel": np.where(CHANCE.random(ROWS) < 0.1, -999.0, CHANCE.random(ROWS)),
    "zeros of both signs": np.where(CHANCE.random(ROWS) < 0.5, -0.0, NORMAL.clip(0)),
    "constant": np.ones(ROWS),
    "missing and infinite": np.where(
        np.arange(ROWS) % 7 == 0, np.nan, np.where(np.arange(ROWS) % 11 == 0, np.inf, NORMAL)
    ),
}
values = st.lists(
    st.floats(allow_nan=False, allow_infinity=False) | st.floats(-2, 2) | st.integers(-2, 2),
    min_size=1,
    max_size=60,
).map(lambda given_values: np.array(given_values, dtype=float))


@given(values, st.integers(2, 12))
@settings(max_examples=50)
def test_edges_and_counts_of_any_values_are_those_of_sorting(given_values, bins):
    found = Selection(given_values, SCRATCH)
    ordered = np.sort(given_values)

    edges, exact = edges_by_rank(found, bins), edges_by_rank(SortedValues(ordered), bins)
    counted = found.count_on(edges.cuts)

    assert np.array_equal(edges.cuts, exact.cuts)
    assert np.array_equal(edges.coarse, exact.coarse)
    places = np.searchsorted(edges.cuts, ordered, side="right")
    assert counted.counts.tolist() == np.bincount(places, minlength=len(edges.cuts) + 1).tolist()


@pytest.mark.parametrize("name", list(COLUMNS))
def test_a_long_column_has_the_profile_that_sorting_gives_it(name, monkeypatch):
    column, scratch = COLUMNS[name], Scratch()

    fast = reference_numeric(column, 10, scratch)
    monkeypatch.setattr(selection, "MANY", ROWS + 1)
    slow = reference_numeric(column, 10, scratch)

    assert fast.edges.cuts.tobytes() == slow.edges.cuts.tobytes()
    assert np.array_equal(fast.edges.coarse, slow.edges.coarse)
    assert np.array_equal(fast.counts, slow.counts)
    assert np.allclose(fast.sums, slow.sums, rtol=1e-10)
    assert (fast.missing, fast.above, fast.below) == (slow.missing, slow.above, slow.below)
    assert (fast.minimum, fast.maximum) == (slow.minimum, slow.maximum)
    assert fast.deviation == pytest.approx(slow.deviation, rel=1e-9)


@pytest.mark.parametrize("name", ["normal", "few values"])
def test_a_column_is_read_three_times_at_most(name, monkeypatch):
    reads, read = [], selection.numbers
    monkeypatch.setattr(selection, "numbers", lambda column: reads.append(column) or read(column))
    column = COLUMNS[name]

    reference_numeric(column, 10, Scratch())

    assert sum(len(given_column) == ROWS for given_column in reads) <= 3


def test_only_a_small_part_of_a_long_column_is_fetched():
    found = select_many(NORMAL, 10, SCRATCH)

    assert len(found._points.values) < ROWS * selection.FETCHED


def test_a_column_whose_values_crowd_in_a_few_cells_is_left_to_sorting():
    crowded = np.where(CHANCE.random(ROWS) < 0.5, NORMAL, 1e6 + NORMAL)

    assert select_many(crowded, 10, SCRATCH) is None
    assert reference_numeric(crowded, 10, Scratch()).finite == ROWS


@pytest.mark.parametrize(
    "column",
    [np.full(ROWS, np.nan), np.full(ROWS, np.inf), pa.array([[1.0]] * ROWS), NORMAL[:1000]],
    ids=["nothing", "infinite", "no numbers", "short"],
)
def test_a_column_without_enough_numbers_is_left_to_sorting(column):
    assert select_many(column, 10, SCRATCH) is None


def test_ranks_nobody_expected_are_fetched_when_they_are_asked_for():
    found, ordered = Selection(NORMAL, SCRATCH), np.sort(NORMAL)
    found.prepare(likely_ranks(ROWS, 10))
    ranks = np.array([ROWS - 2, 17, 17, 60_001, 1])

    assert found.at(ranks).tolist() == ordered[ranks].tolist()
