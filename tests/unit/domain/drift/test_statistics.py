"""Distances: held against scipy and against what must hold for any data."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from shared.domain.drift import statistics
from shared.domain.drift.columns import Scratch
from shared.domain.drift.profile import reference_numeric

values = st.lists(st.floats(-1e3, 1e3) | st.integers(-3, 3).map(float), min_size=1, max_size=150)
counts = st.lists(st.integers(0, 500), min_size=3, max_size=12).filter(any)


def profiles(one, two):
    scratch = Scratch()
    reference = reference_numeric(np.array(one, dtype=float), 10, scratch)
    return reference, reference.on(np.array(two, dtype=float), scratch)


def textbook_psi(reference, current):
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, 11)))
    edges[0], edges[-1] = -np.inf, np.inf
    p = np.maximum(np.histogram(reference, edges)[0] / len(reference), 1e-4)
    q = np.maximum(np.histogram(current, edges)[0] / len(current), 1e-4)
    return float(np.sum((q - p) * np.log(q / p)))


def largest_gap(one, two):
    """The definition; scipy's own figure comes with warnings about tiny samples."""
    points = np.array([*one, *two])
    f, g = (np.searchsorted(np.sort(column), points, side="right") for column in (one, two))
    return float(np.abs(f / len(one) - g / len(two)).max())


@given(values, values)
def test_psi_is_never_negative_and_zero_on_itself(one, two):
    reference, current = profiles(one, two)

    assert statistics.psi(reference.bins(), current.bins(), 1e-4) >= 0
    assert statistics.psi(reference.bins(), reference.bins(), 1e-4) == 0


@given(values, values)
def test_psi_is_the_textbooks_wherever_that_has_more_than_one_bin(one, two):
    reference, current = profiles(one, two)
    textbook_bins = len(np.unique(np.quantile(one, np.linspace(0, 1, 11)))) - 1

    found = statistics.psi(reference.bins(), current.bins(), 1e-4)

    if textbook_bins > 1:
        assert found == pytest.approx(textbook_psi(np.array(one), np.array(two)), abs=1e-9)


@given(values, values)
def test_ks_of_few_values_is_the_largest_gap_there_is(one, two):
    reference, current = profiles(one, two)

    found = statistics.kolmogorov_smirnov(reference, current)

    exact = largest_gap(one, two)
    assert -1e-12 <= exact - found.value <= found.bound + 1e-12


@pytest.mark.parametrize("shift", [0.0, 0.01, 0.5, 5.0])
def test_ks_of_many_values_is_scipys_within_a_narrow_bound(shift):
    chance = np.random.default_rng(5)
    one, two = chance.normal(size=60_000), chance.normal(shift, size=9_000)
    reference, current = profiles(one, two)

    found = statistics.kolmogorov_smirnov(reference, current)

    exact = stats.ks_2samp(one, two, method="asymp").statistic
    assert -1e-12 <= exact - found.value <= found.bound + 1e-12
    assert found.bound <= 1 / 2048


@given(values, values)
def test_wasserstein_is_zero_on_itself_and_bounded_by_the_range(one, two):
    reference, current = profiles(one, two)

    assert statistics.wasserstein(reference, reference) == 0
    reach = max(one + two) - min(one + two)
    assert statistics.wasserstein(reference, current) <= reach * (1 + 1e-9) + 1e-9


@pytest.mark.parametrize(("shift", "scale"), [(0, 1), (0.1, 1), (3, 1), (0, 2), (50, 1)])
def test_wasserstein_is_scipys_to_one_percent(shift, scale):
    chance = np.random.default_rng(6)
    one, two = chance.normal(size=30_000), chance.normal(shift, scale, size=5_000)

    found = statistics.wasserstein(*profiles(one, two))

    assert found == pytest.approx(stats.wasserstein_distance(one, two), rel=0.01)


@given(counts, st.randoms(use_true_random=False))
def test_jensen_shannon_is_scipys(one, chance):
    two = list(one)
    chance.shuffle(two)

    found = statistics.jensen_shannon(np.array(one), np.array(two))

    assert found == pytest.approx(np.nan_to_num(jensenshannon(one, two, base=2)), abs=1e-7)


@given(counts, st.randoms(use_true_random=False))
def test_chi_square_is_scipys_on_the_table_with_one_added(one, chance):
    two = list(one)
    chance.shuffle(two)
    used = np.array(one) + np.array(two) > 0

    found = statistics.chi_square(np.array(one), np.array(two))

    table = np.stack([np.array(one)[used], np.array(two)[used]]) + 1
    if table.shape[1] > 1:
        exact = stats.chi2_contingency(table, correction=False)
        assert found.statistic == pytest.approx(exact.statistic, abs=1e-9)
        assert found.freedom == exact.dof
    assert 0 <= found.cramers_v <= 1


def test_a_constant_that_changes_is_a_large_psi():
    reference, current = profiles([1.0] * 300, [2.0] * 300)

    assert statistics.psi(reference.bins(), current.bins(), 1e-4) > 10
    assert statistics.kolmogorov_smirnov(reference, current).value == 1
