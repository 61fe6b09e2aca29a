"""Tail probabilities against scipy, the correction against its definition, the guard's figures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from shared.domain.drift.significance import (
    benjamini_hochberg,
    chi_square_quantile,
    chi_square_tail,
    counts_p,
    effective_rows,
    ks_p,
    rows_needed,
    share_p,
)


@given(st.floats(0, 3000), st.integers(1, 2000))
def test_the_chi_square_tail_is_scipys(statistic, freedom):
    exact = stats.chi2.sf(statistic, freedom)

    assert chi_square_tail(statistic, freedom) == pytest.approx(exact, rel=1e-8, abs=1e-14)


@pytest.mark.parametrize("freedom", [1, 2, 4, 9, 19, 100, 4095])
@pytest.mark.parametrize("tail", [0.01, 0.05, 0.5])
def test_the_chi_square_quantile_is_scipys(tail, freedom):
    assert chi_square_quantile(tail, freedom) == pytest.approx(stats.chi2.isf(tail, freedom))


@pytest.mark.parametrize(("n", "m"), [(5, 7), (35, 270), (100, 100), (400, 500), (1, 5)])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
def test_the_ks_p_value_of_small_samples_is_exact(n, m, share):
    chance = np.random.default_rng(7)
    one, two = chance.normal(size=n), chance.normal(share, size=m)

    exact = stats.ks_2samp(one, two, method="exact")

    assert ks_p(exact.statistic, n, m) == pytest.approx(exact.pvalue, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(("n", "m"), [(3000, 300), (18000, 1400), (100_000, 5_000)])
@pytest.mark.parametrize("p", [0.9, 0.3, 0.05, 0.01, 1e-4])
def test_the_ks_p_value_of_large_samples_is_near_scipys(n, m, p):
    size = round(effective_rows(n, m))
    distance = stats.kstwo.isf(p, size)

    assert ks_p(distance, n, m) == pytest.approx(p, rel=0.03)


def test_the_ks_p_value_is_one_at_no_distance_and_nothing_at_all():
    assert ks_p(0.0, 50_000, 1_000) == 1
    assert ks_p(0.001, 50_000, 1_000) == pytest.approx(1)
    assert ks_p(1.0, 50_000, 1_000) == pytest.approx(0, abs=1e-300)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_benjamini_hochberg_is_scipys(p_values):
    assert benjamini_hochberg(p_values) == pytest.approx(stats.false_discovery_control(p_values))


def test_the_correction_of_nothing_is_nothing():
    assert benjamini_hochberg([]) == []


@pytest.mark.parametrize(("bins", "needed"), [(5, 66), (10, 108), (20, 181)])
def test_the_guard_asks_for_the_published_sizes(bins, needed):
    assert round(rows_needed(bins, 0.2)) == needed


def test_the_effective_size_of_the_seeds_first_window_is_thirty_one():
    assert round(effective_rows(270, 35)) == 31
    assert effective_rows(0, 0) == 0


def test_equal_distributions_are_called_different_as_often_as_the_level_says():
    chance = np.random.default_rng(8)
    draws = [chance.multinomial(size, [0.1] * 10, size=4000) for size in (2000, 300)]

    found = [counts_p(one, two) < 0.01 for one, two in zip(*draws, strict=True)]

    assert 0.005 < np.mean(found) < 0.016


def test_counts_that_cannot_differ_have_a_p_value_of_one():
    assert counts_p(np.array([0, 50, 0]), np.array([0, 9, 0])) == 1
    assert share_p(0, 100, 0, 100) == 1


def test_a_missing_rate_that_doubles_is_significant_in_a_large_window_only():
    assert share_p(900, 18_000, 140, 1_400) < 1e-6
    assert share_p(9, 180, 2, 20) > 0.05
