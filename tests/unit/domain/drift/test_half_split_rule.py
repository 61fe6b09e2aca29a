"""The drift notebook's Wasserstein rule cried wolf on windows without drift; these are they.

Its threshold was twice the standard deviation of the distance between random halves of the
reference. A deviation is no distance: the mean is missing, and a window is smaller than a half.
"""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from shared.domain.drift.columns import Scratch
from shared.domain.drift.verdict import judge
from shared.domain.drift.window import measure_window, profile_reference, profile_window

SPLITS = 30


def halves_threshold(values):
    chance = np.random.default_rng(0)
    distances = []
    for _ in range(SPLITS):
        order = chance.permutation(len(values))
        halves = np.sort(values[order].reshape(2, -1))
        distances.append(np.abs(halves[0] - halves[1]).mean())  # Wasserstein, as both are as long
    return max(2 * np.std(distances), 1e-6)


@pytest.fixture(scope="module")
def numeric(slot_model):
    return [feature.name for feature in slot_model.features if feature.kind == "numeric"]


@pytest.fixture(scope="module")
def alarms(numeric, slot_reference, quiet_windows):
    """Pairs of a window and a column on which the notebook's rule raises an alarm."""
    found = set()
    for name in numeric:
        before = slot_reference.features[name].to_numpy()
        threshold = halves_threshold(before)
        for number, window in enumerate(quiet_windows):
            if wasserstein_distance(before, window.features[name].to_numpy()) > threshold:
                found.add((number, name))
    return found


def test_the_notebooks_rule_alarms_on_nearly_all_windows_without_drift(
    alarms, numeric, quiet_windows
):
    assert len(alarms) >= 0.95 * len(numeric) * len(quiet_windows)


def test_on_the_same_windows_and_columns_the_verdict_is_stable(
    alarms, slot_model, slot_reference, quiet_windows
):
    scratch = Scratch()
    before = profile_reference(slot_model, slot_reference, scratch)
    statuses = {}
    for number, rows in enumerate(quiet_windows):
        after = profile_window(slot_model, rows, before, scratch, scored=False)
        for finding in judge(measure_window(slot_model, before, after, {}), slot_model.drift):
            if finding.measure.metric == "WASSERSTEIN":
                statuses[number, finding.measure.feature] = finding.status

    assert {statuses[alarm] for alarm in alarms} == {"STABLE"}
    assert set(statuses.values()) == {"STABLE"}
