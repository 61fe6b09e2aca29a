"""Which packages count as deployed."""

from dataclasses import dataclass

import pytest

from shared.adapters import packages
from shared.domain.drift.environment import LOCK, environment_measure


@dataclass
class Found:
    """One installed distribution."""

    name: str
    version: str


def installed(monkeypatch: pytest.MonkeyPatch, *found: Found) -> dict[str, str]:
    monkeypatch.setattr(packages, "distributions", lambda: found)
    return packages.installed_packages()


def test_what_is_installed_is_told_by_name_and_version():
    assert packages.installed_packages()["pytest"] == pytest.__version__


def test_a_version_trained_with_mlflow_is_at_home_where_its_skinny_part_is_deployed(
    monkeypatch: pytest.MonkeyPatch,
):
    there = installed(monkeypatch, Found("mlflow-skinny", "3.17.2"), Found("", ""))

    assert environment_measure({LOCK: "mlflow==3.17.2"}, there).value == 0
    assert environment_measure({LOCK: "mlflow==3.18.0"}, there).value == 1


def test_where_all_of_mlflow_is_installed_its_own_version_counts(monkeypatch: pytest.MonkeyPatch):
    there = installed(monkeypatch, Found("mlflow", "3.18.0"), Found("mlflow-skinny", "3.17.2"))

    assert there["mlflow"] == "3.18.0"
