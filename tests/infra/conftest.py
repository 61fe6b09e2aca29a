"""The deployed Bicep, read once; and a copy of it that a test may spoil."""

import shutil
from functools import cache

import pytest

from local.bicep.evaluation import evaluate, parameters_of
from local.bicep.project import INFRA, load_project
from local.bicep.shapes import load_shapes

ENVIRONMENT = {
    "AZURE_ENV_NAME": "loop-test",
    "AZURE_LOCATION": "eastus2",
    "RETRAIN_LOOP_OWNER": "ml-platform",
    "RETRAIN_LOOP_COST_CENTER": "CC-ML",
    "RETRAIN_LOOP_ALERT_EMAIL": "owner@example.com",
    "RETRAIN_LOOP_BUDGET_START": "2026-11-01",
    "FABRIC_WORKSPACE_ID": "00000000-0000-0000-0000-000000000001",
    "LAKEHOUSE_URI": "abfss://ws@onelake.dfs.fabric.microsoft.com/lh/Tables",
    "FLIGHTS_PIPELINE_ID": "00000000-0000-0000-0000-000000000002",
    "SLOT_REVENUE_PIPELINE_ID": "00000000-0000-0000-0000-000000000003",
    "ENTRA_CLIENT_ID": "00000000-0000-0000-0000-00000000000a",
    "ENTRA_OBJECT_ID": "00000000-0000-0000-0000-00000000000b",
}


@cache
def _evaluated(profile, **further):
    environment = ENVIRONMENT | {"RETRAIN_LOOP_PROFILE": profile} | further
    return evaluate(load_project(), parameters_of(INFRA / "main.parameters.json", environment))


@pytest.fixture(scope="session")
def project():
    return load_project()


@pytest.fixture(scope="session")
def shapes():
    return load_shapes()


@pytest.fixture(scope="session")
def deployed():
    """Give what a profile deploys; further words are azd's environment."""
    return _evaluated


@pytest.fixture(scope="session")
def body(deployed):
    """Give the one resource of a symbol that a profile deploys."""

    def find(symbol, profile="dev", **further):
        [found] = [each for each in deployed(profile, **further) if each.symbol == symbol]
        return found.body

    return find


@pytest.fixture
def spoil(tmp_path):
    """Copy the Bicep, replace one text in one file, and give the main file."""
    copy = tmp_path / "infra"
    shutil.copytree(INFRA, copy, ignore=shutil.ignore_patterns("fabric"))

    def replace(file, old, new):
        path = copy / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{file} has no {old!r}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return copy / "main.bicep"

    return replace
