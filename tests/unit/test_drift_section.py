"""The section ``drift``: what it accepts, and that its defaults are where they came from."""

import pytest
from pydantic import ValidationError

from shared.sections.drift import Bands, DriftSettings


@pytest.mark.parametrize("steps", [(0.2, 0.1, 0.3), (0.1, 0.1, 0.3), (0.1, 0.3, 0.2)])
def test_bands_that_do_not_grow_are_refused(steps):
    with pytest.raises(ValidationError, match="moderate < significant < severe"):
        Bands(**dict(zip(("moderate", "significant", "severe"), steps, strict=True)))


def test_the_severity_matrix_is_the_default():
    settings = DriftSettings()

    assert settings.volume_drop.steps == (0.10, 0.25, 0.50)
    assert settings.calibration.steps == (0.05, 0.10, 0.15)
    assert (settings.auc_moderate, settings.auc_decrease, settings.auc_severe) == (0.02, 0.05, 0.10)
    assert settings.importance_floor == 0.70


def test_nothing_that_reads_rows_beside_the_profiles_is_on_by_default():
    settings = DriftSettings()

    assert not settings.importance
    assert settings.parity_attributes == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"missing_change": 1.5},
        {"scored_rows": 5},
        {"freshness_hours": 0},
        {"parity_attributes": ["no column"]},
        {"volume_drop": {"moderate": 0.1}},
        {"importance_rows": 10},
    ],
    ids=str,
)
def test_a_threshold_that_cannot_be_meant_is_refused(changes):
    with pytest.raises(ValidationError):
        DriftSettings.model_validate(changes)
