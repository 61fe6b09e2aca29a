"""The settings of an app that reaches nobody: for tests of how it is wired."""

from types import MappingProxyType
from typing import Final

NOBODY: Final = "http://127.0.0.1:1"
LOCAL: Final = MappingProxyType(
    {
        "AUTH_MODE": "local",
        "LOCAL_TOKEN": "a-token",
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
        "FABRIC_API_URL": NOBODY,
        "LAKEHOUSE_URI": "nowhere",
        "MLFLOW_TRACKING_URI": "sqlite://",
        "LOGS_INGESTION_ENDPOINT": NOBODY,
        "LOGS_INGESTION_RULE_ID": "dcr-1",
    }
)
