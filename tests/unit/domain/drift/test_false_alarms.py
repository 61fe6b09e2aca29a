"""How often a verdict is wrong, in small; docs/drift.md has the figures of the long simulation."""

import numpy as np
import pytest

from shared.catalogue import DriftSettings
from shared.domain.drift.columns import Scratch
from shared.domain.drift.features import numeric_measures
from shared.domain.drift.profile import reference_numeric
from shared.domain.drift.verdict import conclude, judge

SETTINGS = DriftSettings()
FIXED_RULE = 0.2


def judged(chance, size, shifts, windows=1):
    """Judge columns that moved so far, in as many windows of a reference each."""
    scratch, found = Scratch(), [[] for _ in range(windows)]
    for place, shift in enumerate(shifts):
        before = reference_numeric(chance.normal(size=size[0]), SETTINGS.bins, scratch)
        for measures in found:
            after = before.on(chance.normal(shift, size=size[1]), scratch)
            measures.extend(numeric_measures(f"f{place}", before, after, SETTINGS))
    return [judge(measures, SETTINGS) for measures in found]


def psi_above_the_rule(findings):
    values = [f.measure.value for f in findings if f.measure.metric == "PSI"]
    return np.mean([value > FIXED_RULE for value in values])


@pytest.mark.parametrize("size", [(270, 35), (1000, 100), (1000, 300), (10_000, 1000)])
@pytest.mark.parametrize("columns", [5, 50])
def test_where_nothing_changed_hardly_a_check_has_a_finding_and_none_a_trigger(size, columns):
    chance, checks = np.random.default_rng([14, *size, columns]), 100 // columns

    windows = [judged(chance, size, [0.0] * columns, windows=3) for _ in range(checks)]

    # at alpha = 0.01 a finding in more than two of the windows has a chance below 1 in 4000
    assert sum(any(f.stands for f in found) for check in windows for found in check) <= 2
    assert {conclude(check, SETTINGS).decision for check in windows} <= {
        "NO_TRIGGER",
        "INSUFFICIENT_DATA",
    }


def test_a_tiny_window_is_not_judged_where_the_fixed_rule_cries_wolf():
    chance = np.random.default_rng(15)

    (findings,) = judged(chance, (270, 35), [0.0] * 100)

    assert psi_above_the_rule(findings) > 0.7
    assert {f.status for f in findings if f.measure.metric == "PSI"} == {"INSUFFICIENT_DATA"}


@pytest.mark.parametrize(
    ("size", "shift"), [((1000, 300), 0.5), ((10_000, 1000), 0.5), ((150_000, 20_000), 0.3)]
)
def test_a_column_that_moved_among_five_is_found_and_only_that_one(size, shift):
    chance = np.random.default_rng(16)

    (findings,) = judged(chance, size, [0.0, shift, 0.0, 0.0, 0.0])

    assert {f.measure.feature for f in findings if f.stands} == {"f1"}


def test_a_small_shift_of_a_large_column_is_found_where_the_fixed_rule_misses_it():
    chance = np.random.default_rng(17)

    (findings,) = judged(chance, (10_000, 1000), [0.3] * 40)

    assert psi_above_the_rule(findings) == 0
    assert len({f.measure.feature for f in findings if f.stands}) >= 30
