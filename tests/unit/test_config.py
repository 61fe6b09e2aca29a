"""Settings: what the environment may say, and what is said when it is wrong."""

import json
import runpy
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from shared.config import Settings, load_settings
from shared.errors import ConfigError

ROOT = Path(__file__).parents[2]
SECRET = "swordfish-4711"
TENANT_ID = "11111111-2222-4333-8444-555555555555"
CLOUD = {
    "AzureWebJobsStorage__queueServiceUri": "https://account.queue.core.windows.net",
    "AzureWebJobsStorage__tableServiceUri": "https://account.table.core.windows.net",
    "AzureWebJobsStorage__blobServiceUri": "https://account.blob.core.windows.net",
    "LAKEHOUSE_URI": "abfss://ws@onelake.dfs.fabric.microsoft.com/{lakehouse}.Lakehouse/Tables",
    "MLFLOW_TRACKING_URI": "https://mlflow.example.com",
    "LOGS_INGESTION_ENDPOINT": "https://dce.westeurope-1.ingest.monitor.azure.com",
    "LOGS_INGESTION_RULE_ID": "dcr-1",
}
LOCAL = {
    "AUTH_MODE": "local",
    "LOCAL_TOKEN": SECRET,
    "AzureWebJobsStorage": f"AccountName=account;AccountKey={SECRET}",
    "FABRIC_API_URL": "http://127.0.0.1:7080/v1",
    "LAKEHOUSE_URI": "lakehouse",
    "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db",
    "LOGS_INGESTION_ENDPOINT": "http://127.0.0.1:7081",
    "LOGS_INGESTION_RULE_ID": "dcr-1",
}
REQUIRED = (
    "LAKEHOUSE_URI",
    "MLFLOW_TRACKING_URI",
    "LOGS_INGESTION_ENDPOINT",
    "LOGS_INGESTION_RULE_ID",
)


def fault(environment: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(environment)
    return str(caught.value)


def test_a_cloud_environment_needs_no_secret():
    settings = load_settings(CLOUD)

    assert settings.auth_mode == "entra"
    assert settings.storage_connection.get_secret_value() == ""
    assert settings.fabric_url == "https://api.fabric.microsoft.com/v1"
    assert settings.models_file == Path("models.yaml")


def test_a_local_environment_is_read_as_written():
    settings = load_settings({**LOCAL, "POLL_MIN_SECONDS": "0.5", "CHECK_CONCURRENCY": "2"})

    assert settings.auth_mode == "local"
    assert settings.poll_min_seconds == 0.5
    assert settings.check_concurrency == 2


def test_what_else_is_in_the_environment_is_nobodys_business():
    assert load_settings({**CLOUD, "PATH": "/usr/bin"}) == load_settings(CLOUD)


def test_an_empty_value_is_as_good_as_none():
    assert load_settings({**CLOUD, "FABRIC_API_URL": "", "LOCAL_CLOCK_FILE": ""}) == load_settings(
        CLOUD
    )


def test_settings_cannot_be_changed_once_read():
    settings = load_settings(CLOUD)

    with pytest.raises(ValidationError, match="frozen"):
        settings.git_sha = "abc"


def test_all_missing_settings_are_named_at_once():
    text = fault({})

    assert [name for name in REQUIRED if f"  {name}: " in text] == list(REQUIRED)
    assert len(text.splitlines()) == 1 + len(REQUIRED)


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_setting_is_named(name: str):
    left = {key: value for key, value in CLOUD.items() if key != name}

    assert f"  {name}: Field required" in fault(left)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUTH_MODE", "Entra"),
        ("CHECK_CONCURRENCY", "0"),
        ("CHECK_CONCURRENCY", "65"),
        ("CHECK_CONCURRENCY", "four"),
        ("POLL_MIN_SECONDS", "-1"),
        ("POLL_MAX_SECONDS", "inf"),
        ("STALLED_AFTER_SECONDS", "nan"),
        ("SCORING_MEMORY_MB", "64"),
        ("SCORING_SECONDS", "0"),
    ],
)
def test_a_bad_value_is_named_with_what_it_should_be(name: str, value: str):
    text = fault({**CLOUD, name: value})

    assert f"  {name}: Input should be" in text


@pytest.mark.parametrize("name", [key for key in CLOUD if key.startswith("AzureWebJobs")])
def test_storage_needs_a_connection_string_or_all_three_addresses(name: str):
    left = {key: value for key, value in CLOUD.items() if key != name}

    text = fault(left)

    assert "AzureWebJobsStorage: neither a connection string nor all three" in text


@pytest.mark.parametrize(
    "url",
    [
        "https://api.fabric.microsoft.com/v1",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://127.0.0.1@example.com/",
        "http://example.com/127.0.0.1",
        "http://0.0.0.0",
        "http://[2001:db8::1]",
        "http://[::1",
        "127.0.0.1",
    ],
)
@pytest.mark.parametrize("name", ["FABRIC_API_URL", "LOGS_INGESTION_ENDPOINT", "TEAMS_WEBHOOK_URL"])
def test_the_local_token_is_for_loopback_addresses_alone(name: str, url: str):
    text = fault({**LOCAL, name: url})

    assert f"  {name}: AUTH_MODE=local allows loopback addresses only" in text


@pytest.mark.parametrize("url", ["http://example.com/s3cret", "ftp://example.com", "example.com"])
@pytest.mark.parametrize(
    "name",
    ["FABRIC_API_URL", "LOGS_INGESTION_ENDPOINT", "LOGS_QUERY_ENDPOINT", "TEAMS_WEBHOOK_URL"],
)
def test_in_the_cloud_no_token_and_no_secret_travels_unencrypted(name: str, url: str):
    text = fault({**CLOUD, name: url})

    assert f"  {name}: must be an https address" in text
    assert "s3cret" not in text


def test_the_shortest_wait_for_a_job_is_not_above_the_longest():
    text = fault({**CLOUD, "POLL_MIN_SECONDS": "301", "POLL_MAX_SECONDS": "300"})

    assert "  POLL_MIN_SECONDS: 301 is above POLL_MAX_SECONDS 300" in text


@pytest.mark.parametrize(
    "url", ["http://localhost:1", "http://127.0.0.2:1/v1", "http://[::1]:1", "http://LOCALHOST"]
)
def test_loopback_has_several_names(url: str):
    assert load_settings({**LOCAL, "FABRIC_API_URL": url}).fabric_url == url


def test_a_secret_shows_in_no_error():
    text = fault(
        {
            **LOCAL,
            "TEAMS_WEBHOOK_URL": f"https://example.com/?sig={SECRET}",
            "CHECK_CONCURRENCY": SECRET,
        }
    )

    assert "CHECK_CONCURRENCY" in text
    assert SECRET not in text


def test_a_webhook_that_is_refused_is_not_repeated():
    text = fault({**LOCAL, "TEAMS_WEBHOOK_URL": f"https://example.com/?sig={SECRET}"})

    assert "TEAMS_WEBHOOK_URL" in text
    assert SECRET not in text


def test_a_secret_shows_in_no_log_of_the_settings():
    settings = load_settings({**LOCAL, "TEAMS_WEBHOOK_URL": f"http://localhost/{SECRET}"})

    for shown in (repr(settings), str(settings), f"{settings}", repr(settings.model_dump())):
        assert SECRET not in shown
    assert SECRET not in settings.model_dump_json()
    assert settings.local_token == SecretStr(SECRET)


def test_every_setting_has_a_name_and_a_meaning():
    for name, field in Settings.model_fields.items():
        assert field.alias, name
        assert field.description, name


def test_the_page_of_settings_is_current():
    script = runpy.run_path(str(ROOT / "scripts" / "write_settings_doc.py"))

    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")

    assert page == script["render"](), "run: python scripts/write_settings_doc.py"


def test_the_page_of_settings_has_a_row_for_each():
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")

    rows = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]

    assert rows == [field.alias for field in Settings.model_fields.values()]


def test_the_example_settings_hold_no_name_that_means_nothing():
    text = (ROOT / "local.settings.example.json").read_text(encoding="utf-8")
    given = set(json.loads(text)["Values"])
    asked_by_models = (ROOT / "models.yaml").read_text(encoding="utf-8")

    known = {field.alias for field in Settings.model_fields.values()}
    left = given - known - {"FUNCTIONS_WORKER_RUNTIME"}

    assert [name for name in sorted(left) if f"${{{name}}}" not in asked_by_models] == []


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, False),
        ({"ENTRA_TENANT_ID": TENANT_ID}, False),
        ({"ENTRA_TENANT_ID": TENANT_ID, "ENTRA_AUDIENCES": "api://app"}, True),
        ({"CLIENT_PRINCIPAL_HEADER": "trust"}, True),
    ],
    ids=["keys alone", "no token is for us", "tokens", "App Service in front"],
)
def test_callers_have_names_where_something_can_prove_them(given: dict[str, str], named: bool):
    assert load_settings(CLOUD | given).callers_have_names is named
