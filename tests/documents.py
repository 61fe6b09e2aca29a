"""models.yaml and an alert as they are before anything has read them, for tests to change."""

import json
from typing import Any

from tests.fakes.samples import MODEL, model_document


def catalogue_document(*models: dict[str, Any]) -> dict[str, Any]:
    return {"version": 1, "models": list(models) or [model_document()]}


def alert_document(
    *,
    model: str | None = MODEL,
    kind: str | None = "drift",
    metric: float = 0.31,
    **essentials: Any,
) -> dict[str, Any]:
    """Give an alert in the common schema; ``None`` leaves a custom property out."""
    properties = {"model": model, "trigger_kind": kind}
    return {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {
            "essentials": {
                "alertId": "/subscriptions/s/providers/Microsoft.AlertsManagement/alerts/a-1",
                "alertRule": "drift-psi",
                "severity": "Sev2",
                "signalType": "Log",
                "monitorCondition": "Fired",
                "monitoringService": "Log Alerts V2",
                "firedDateTime": "2013-07-01T04:05:00.0000000Z",
                "description": "PSI over its limit",
                **essentials,
            },
            "alertContext": {"condition": {"allOf": [{"metricValue": metric, "dimensions": []}]}},
            "customProperties": {key: value for key, value in properties.items() if value},
        },
    }


def alert_body(**changes: Any) -> bytes:
    return json.dumps(alert_document(**changes)).encode()
