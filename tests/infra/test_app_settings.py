"""The deployed settings are those of shared/config.py: none is missing, none is unknown."""

import re
import runpy

import pytest

from local.bicep.functions import Unknown
from local.bicep.project import INFRA, read_json
from local.deploy_checks import HOST, wrong_settings
from shared import bootstrap
from shared.catalogue import load_catalogue
from shared.config import LOCAL_ONLY, Settings, load_settings

ROOT = INFRA.parent
OURS = {str(field.alias) for field in Settings.model_fields.values()}
REQUIRED = {str(f.alias) for f in Settings.model_fields.values() if f.is_required()}
FORBIDDEN = {"FUNCTIONS_WORKER_RUNTIME", "WEBSITE_RUN_FROM_PACKAGE", "AzureWebJobsStorage"}
"""Flex Consumption refuses the first two; the third is a key."""
PLACEHOLDERS = {
    "APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=known-later",
    "AZURE_CLIENT_ID": "00000000-0000-0000-0000-00000000000d",
    "ENTRA_TENANT_ID": "00000000-0000-0000-0000-00000000000e",
    "LOGS_INGESTION_RULE_ID": "dcr-00000000000000000000000000000000",
}


def named_by_the_catalogue():
    lines = (ROOT / "models.yaml").read_text(encoding="utf-8").splitlines()
    values = "\n".join(line for line in lines if not line.startswith("#"))
    return set(re.findall(r"\$\{([A-Z0-9_]+)\}", values))


@pytest.fixture
def settings(body):
    def of(profile="dev", **further):
        return dict(body("settings", profile, **further)["properties"])

    return of


def as_the_app_would_see(settings):
    """Fill in what only Azure knows."""
    return {
        name: PLACEHOLDERS.get(name, "https://known-later.example/")
        if isinstance(value, Unknown)
        else value
        for name, value in settings.items()
    }


@pytest.mark.parametrize("profile", ["dev", "staging", "prod", "regulated"])
def test_every_setting_is_deployed_and_no_other(settings, profile):
    assert set(settings(profile)) == (OURS - LOCAL_ONLY) | HOST | named_by_the_catalogue()


def test_settings_of_the_local_stack_alone_are_settings():
    assert LOCAL_ONLY < OURS


def test_what_has_no_default_is_computed(settings):
    defaults = read_json(INFRA / "app-settings.json")

    assert not REQUIRED & set(defaults)
    assert set(settings()) > REQUIRED
    assert all(settings()[name] != "" for name in REQUIRED)


def test_the_file_of_defaults_is_what_the_script_makes():
    script = runpy.run_path(str(ROOT / "scripts" / "write_settings_doc.py"))

    text = (INFRA / "app-settings.json").read_text(encoding="utf-8")
    assert text == script["render_deployed"](), "run: python scripts/write_settings_doc.py"


def test_the_settings_page_lists_what_is_deployed(settings):
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE))

    assert listed == OURS
    assert set(settings()) - listed - named_by_the_catalogue() <= HOST


def test_nothing_is_set_that_the_plan_refuses(settings):
    assert not set(settings()) & FORBIDDEN


@pytest.mark.parametrize("profile", ["dev", "staging", "prod", "regulated"])
@pytest.mark.parametrize("receiver", ["none", "key", "entra"])
def test_the_app_takes_its_settings(settings, profile, receiver):
    given = as_the_app_would_see(settings(profile, RETRAIN_LOOP_ALERT_RECEIVER=receiver))

    read = load_settings(given)
    catalogue = load_catalogue(ROOT / "models.yaml", given)

    assert read.auth_mode == "entra"
    assert read.alert_callers == ("entra" if receiver == "entra" else "key")
    assert read.require_approval == (profile == "regulated")
    assert (
        read.scoring_memory_mb < read_json(INFRA / f"profiles/{profile}.json")["instanceMemoryMB"]
    )
    assert catalogue.models[0].fabric.workspace_id == given["FABRIC_WORKSPACE_ID"]


def test_the_registry_is_the_workspace_s_own_unless_another_is_named(settings):
    own = settings()["MLFLOW_TRACKING_URI"]
    other = settings(MLFLOW_TRACKING_URI="https://mlflow.example")["MLFLOW_TRACKING_URI"]

    assert own == "fabric://00000000-0000-0000-0000-000000000001"
    assert other == "https://mlflow.example"


def test_a_secret_is_a_reference_into_the_vault(settings, deployed):
    secret = "https://example.com/workflows/a?sig=s3cret"

    given = settings(TEAMS_WEBHOOK_URL=secret)
    stored = [each for each in deployed("dev", TEAMS_WEBHOOK_URL=secret) if each.symbol == "teams"]

    assert str(given["TEAMS_WEBHOOK_URL"]).startswith("@Microsoft.KeyVault(SecretUri=")
    assert secret not in str(given)
    assert stored[0].body["properties"]["value"] == secret
    assert settings()["TEAMS_WEBHOOK_URL"] == ""


def test_a_setting_that_nothing_reads_and_one_that_is_missing_are_found(settings):
    spoilt = {"DRIFT_SCHEDULLE" if name == "DRIFT_SCHEDULE" else name for name in settings()}
    models = (ROOT / "models.yaml").read_text(encoding="utf-8")

    assert list(wrong_settings(sorted(spoilt), models)) == [
        "the setting DRIFT_SCHEDULLE is deployed and nothing reads it",
        "the setting DRIFT_SCHEDULE is read and not deployed",
    ]


def test_azd_asks_for_every_name_of_the_catalogue():
    parameters = read_json(INFRA / "main.parameters.json")["parameters"]

    assert set(parameters["modelSettings"]["value"]) == named_by_the_catalogue() - {
        "FABRIC_WORKSPACE_ID"
    }


def test_a_deployment_that_asks_for_a_person_asks_for_every_model(settings, monkeypatch):
    given = as_the_app_would_see(settings("regulated"))
    for name, value in (given | {"APPLICATIONINSIGHTS_CONNECTION_STRING": ""}).items():
        monkeypatch.setenv(name, str(value))
    bootstrap.app.cache_clear()

    try:
        models = bootstrap.app().catalogue.models
    finally:
        bootstrap.app.cache_clear()

    assert models
    assert all(model.approval_required for model in models)
    assert not all(m.approval_required for m in load_catalogue(ROOT / "models.yaml", given).models)
