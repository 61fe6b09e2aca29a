"""AUTH_MODE decides how the app proves who it is."""

import time

import pytest
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

from shared.adapters.credentials import credential_for
from shared.config import Settings
from shared.errors import ConfigError


def settings(**changes: str) -> Settings:
    scheme = "http" if changes.get("AUTH_MODE") == "local" else "https"
    return Settings.model_validate(
        {
            "FABRIC_API_URL": f"{scheme}://127.0.0.1",
            "AzureWebJobsStorage": "AccountName=account;AccountKey=a2V5",
            "LAKEHOUSE_URI": "lakehouse",
            "MLFLOW_TRACKING_URI": "http://127.0.0.1",
            "LOGS_INGESTION_ENDPOINT": f"{scheme}://127.0.0.1",
            "LOGS_INGESTION_RULE_ID": "dcr-1",
            **changes,
        }
    )


def test_the_local_stack_gets_its_own_token_for_every_scope():
    credential = credential_for(settings(AUTH_MODE="local", LOCAL_TOKEN="t-1"))

    token = credential.get_token("https://api.fabric.microsoft.com/.default", tenant_id="any")

    assert token.token == "t-1"
    assert token.expires_on > time.time() + 10 * 365 * 24 * 3600


def test_the_local_stack_without_a_token_fails_at_start():
    with pytest.raises(ConfigError, match="LOCAL_TOKEN"):
        credential_for(settings(AUTH_MODE="local"))


def test_a_client_id_names_the_managed_identity_and_nothing_else_is_tried():
    with credential_for(settings(AZURE_CLIENT_ID="0000")) as credential:
        assert isinstance(credential, ManagedIdentityCredential)


def test_without_a_client_id_the_default_chain_is_used():
    with credential_for(settings()) as credential:
        assert isinstance(credential, DefaultAzureCredential)
