"""Counting without a search: the same as a binary search, for any values and any cuts."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.drift import counting
from shared.domain.drift.cells import cells_around
from shared.domain.drift.columns import PIECE, Scratch, Workspace
from shared.domain.drift.counting import Tally, count_many, table_of
from shared.domain.drift.profile import reference_numeric

WORK = Workspace()
finite = st.floats(allow_nan=False, allow_infinity=False)
near = st.floats(-2, 2) | st.sampled_from([0.0, -0.0, 5e-324, -5e-324, 1.0, np.nextafter(1, 2)])
values = st.lists(finite | near, min_size=1, max_size=80).map(np.array)


@given(values, values)
def test_a_larger_value_is_never_in_a_lower_cell(around, given_values):
    cells = cells_around(np.unique(around), 1 << 10)

    found = cells.of(np.sort(given_values), WORK)

    assert np.all(np.diff(found) >= 0)
    assert found[0] >= 0
    assert found[-1] < cells.number


@given(values, values)
def test_equal_values_share_a_cell_whatever_their_sign_is(around, given_values):
    cells = cells_around(np.unique(around), 1 << 10)
    zeros = np.concatenate([given_values, [0.0, -0.0]])

    found = cells.of(zeros, WORK).copy()

    assert found[-1] == found[-2]


@given(values, values)
def test_buckets_are_those_of_a_binary_search(cuts, given_values):
    cuts = np.unique(cuts)
    table = table_of(cuts, WORK)

    found = table.buckets(given_values, WORK)

    assert found.tolist() == np.searchsorted(cuts, given_values, side="right").tolist()


@given(values)
def test_a_value_on_a_cut_belongs_to_the_bucket_that_begins_there(cuts):
    cuts = np.unique(cuts)

    found = table_of(cuts, WORK).buckets(cuts, WORK)

    assert found.tolist() == list(range(1, len(cuts) + 1))


def test_without_a_cut_there_is_one_bucket():
    found = table_of(np.empty(0), WORK).buckets(np.array([-1.0, 0.0, 5.0]), WORK)

    assert found.tolist() == [0, 0, 0]


@pytest.mark.parametrize("kind", ["array", "chunks", "nulls", "integers", "strided"])
def test_a_long_column_is_counted_as_it_is_when_sorted(kind, monkeypatch):
    chance, scratch = np.random.default_rng(11), Scratch()
    base = reference_numeric(chance.normal(size=3000), 10, scratch)
    column = chance.normal(0.2, 1.5, size=2 * PIECE + 77)
    column[::17], column[5], column[6] = np.nan, np.inf, -np.inf
    given_column = {
        "array": column,
        "chunks": pa.chunked_array([column[:1000], column[1000:1000], column[1000:]]),
        "nulls": pa.array(column, from_pandas=True),
        "integers": pa.array(chance.integers(-3, 3, len(column))),
        "strided": np.column_stack([column, column])[:, 1],
    }[kind]

    fast = base.on(given_column, scratch)
    monkeypatch.setattr(counting, "MANY", len(column) + 1)
    slow = base.on(given_column, scratch)

    assert np.array_equal(fast.counts, slow.counts)
    assert np.allclose(fast.sums, slow.sums, rtol=1e-12)
    assert (fast.missing, fast.above, fast.below) == (slow.missing, slow.above, slow.below)
    assert (fast.minimum, fast.maximum) == (slow.minimum, slow.maximum)
    assert fast.deviation == pytest.approx(slow.deviation, rel=1e-12)


def test_a_long_column_of_words_is_left_to_the_way_that_counts_it_as_missing():
    words = pa.array([[1.0]] * counting.MANY)

    assert count_many(words, np.array([0.0]), WORK) is None
    assert reference_numeric(np.arange(9.0), 2, Scratch()).on(words, Scratch()).missing == len(
        words
    )


@given(st.lists(st.lists(st.floats(-1e6, 1e6), max_size=30), min_size=1, max_size=5))
def test_a_tally_of_pieces_is_that_of_all_values(pieces):
    tally = Tally()
    for piece in pieces:
        tally.take(np.array(piece), WORK)

    together = np.concatenate([np.array(piece) for piece in pieces])
    assert tally.finite == len(together)
    if len(together):
        assert (tally.minimum, tally.maximum) == (together.min(), together.max())
        assert tally.squares == pytest.approx(together.var() * len(together), rel=1e-9, abs=1e-3)


def test_a_mean_far_from_zero_does_not_drown_the_deviation():
    column = 1e9 + np.random.default_rng(12).normal(size=3 * PIECE)
    tally = Tally()

    for start in range(0, len(column), PIECE):
        tally.take(column[start : start + PIECE], WORK)

    assert np.sqrt(tally.squares / tally.finite) == pytest.approx(column.std(), rel=1e-6)
