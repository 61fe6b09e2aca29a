"""Profiles: what goes in is counted once, whatever its order, split or shape."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.drift.columns import Scratch, sort_column
from shared.domain.drift.edges import MAX_CUTS, SortedValues, quantiles
from shared.domain.drift.profile import merged, reference_categorical, reference_numeric

finite = st.floats(-1e6, 1e6)
columns = st.lists(finite, min_size=1, max_size=200)
dirty = st.lists(st.floats(), max_size=100)
words = st.lists(st.sampled_from(["a", "b", "ü", "", None, "日本"]), min_size=1, max_size=60)


def numeric(values, bins=10):
    return reference_numeric(np.array(values, dtype=float), bins, Scratch())


def same(one, two):
    return (
        np.array_equal(one.counts, two.counts)
        and (one.missing, one.above, one.below) == (two.missing, two.above, two.below)
        and (one.minimum, one.maximum) == (two.minimum, two.maximum)
    )


@given(columns, dirty)
def test_every_value_is_counted_once(reference, values):
    profile = numeric(reference).on(np.array(values, dtype=float), Scratch())

    assert profile.rows == len(values)
    assert profile.missing == sum(np.isnan(values))
    assert (profile.above, profile.below) == (values.count(np.inf), values.count(-np.inf))


@given(columns, dirty, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(reference, values, chance):
    profile = numeric(reference)
    shuffled = list(values)
    chance.shuffle(shuffled)

    one = profile.on(np.array(values, dtype=float), Scratch())
    two = profile.on(np.array(shuffled, dtype=float), Scratch())

    assert same(one, two)


@given(columns, dirty, st.integers(0, 100), st.integers(0, 100))
def test_a_split_window_sums_to_the_whole_one_however_the_parts_are_grouped(
    reference, values, first, second
):
    low, high = sorted((first, second))
    base, scratch = numeric(reference), Scratch()
    parts = [values[:low], values[low:high], values[high:]]
    a, b, c = (base.on(np.array(part, dtype=float), scratch) for part in parts)

    assert same((a + b) + c, base.on(np.array(values, dtype=float), scratch))
    assert same((a + b) + c, a + (b + c))


def test_sums_that_overflow_when_merged_are_those_of_the_whole():
    base, scratch = numeric([0.0, 1.0]), Scratch()
    huge = [1.7e308, 1.7e308]
    one, two = (base.on(np.array([value]), scratch) for value in huge)

    assert same(one + two, base.on(np.array(huge), scratch))


@given(columns, columns)
def test_merged_deviation_is_that_of_all_values(one, two):
    base = numeric(one)

    both = base + base.on(np.array(two), Scratch())

    assert both.mean == pytest.approx(np.mean(one + two), rel=1e-6, abs=1e-6)
    assert both.deviation == pytest.approx(np.std(one + two), rel=1e-6, abs=1e-3)


@given(words, words, words)
def test_categorical_profiles_count_all_rows_and_merge_in_any_grouping(reference, one, two):
    base = reference_categorical(pa.array(reference, pa.string()))
    parts = [base.on(pa.array(values, pa.string())) for values in (one, two, reference)]
    a, b, c = parts

    left, right = (a + b) + c, a + (b + c)

    assert left.rows == len(one) + len(two) + len(reference)
    assert np.array_equal(left.counts, right.counts)
    assert (left.unseen, left.missing, left.examples) == (
        right.unseen,
        right.missing,
        right.examples,
    )


@given(columns, st.integers(2, 20))
def test_quantiles_equal_numpys_to_the_last_bit(values, bins):
    shares = np.linspace(0, 1, bins + 1)

    found = quantiles(SortedValues(np.sort(values)), shares)

    assert np.array_equal(found, np.quantile(values, shares))


def test_cuts_are_few_strictly_growing_and_hold_the_deciles():
    values = np.random.default_rng(3).normal(size=50_000)

    edges = numeric(values).edges

    assert len(edges.cuts) <= MAX_CUTS
    assert np.all(np.diff(edges.cuts) > 0)
    deciles = np.quantile(values, np.linspace(0, 1, 11))[1:-1]
    assert np.array_equal(edges.cuts[edges.coarse], deciles)


def test_a_value_half_of_the_rows_share_has_a_bucket_of_its_own():
    values = np.concatenate([np.zeros(50_000), np.random.default_rng(4).normal(size=50_000)])

    profile = numeric(values)

    assert profile.share_near(0.0) == pytest.approx(0.5)


def test_a_few_valued_column_has_a_bucket_a_value():
    profile = numeric([1, 2, 2, 3] * 100)

    assert profile.counts[profile.counts > 0].tolist() == [100, 200, 100]


def test_a_constant_reference_keeps_what_is_not_its_constant_apart():
    base = numeric([1.0] * 500)

    other = base.on(np.full(500, 2.0), Scratch())

    assert base.bins().tolist() == [0, 500, 0]
    assert other.bins().tolist() == [0, 0, 500]


def test_a_scratch_that_was_used_for_more_rows_leaves_nothing_behind():
    scratch = Scratch()
    reference_numeric(np.arange(1000.0), 10, scratch)

    column = sort_column(np.array([3.0, 1.0]), scratch)

    assert column.finite.tolist() == [1.0, 3.0]


def test_unseen_categories_are_counted_and_a_few_are_named():
    base = reference_categorical(pa.array(["a", "b"]))

    profile = base.on(pa.array(["a", *"zyxwvu", "z", None]))

    assert (profile.unseen, profile.missing) == (7, 1)
    assert profile.examples == ("u", "v", "w", "x", "y")


def test_merging_one_profile_gives_it_back():
    base = numeric([1.0, 2.0])

    assert merged([base]) is base
