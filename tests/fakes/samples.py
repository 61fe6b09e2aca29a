"""A catalogue, alerts and rows that tests start from; each test changes what it is about."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from shared.catalogue import Catalogue
from shared.domain.alert import Alert
from tests.fakes.clock import START

MODEL = "flight-delay"
HOLDOUT_TABLE = "lh_gold.flights_holdout"
HOLDOUT_ROWS = 60
_GUID = "00000000-0000-4000-8000-{:012d}".format


TRAINED = {
    "training_data_table": "lh_gold/fact_flights",
    "training_data_version": "12",
    "training_rows": "104000",
    "training_end": "2013-06-30T04:00:00+00:00",
    "holdout_table": "lh_gold/flight_holdout",
    "holdout_version": "3",
    "holdout_rule": "every fourth day",
    "git_sha": "c0ffee",
    "branch": "main",
    "requirements": "numpy==2.3",
    "cost_center": "cc-7",
    "domain": "aviation",
    "intent": "retrain",
}
"""What a training notebook tags its version with, beside the run."""


def model_document(name: str = MODEL, **changes: Any) -> dict[str, Any]:
    """Give one model of models.yaml; its gates are quick and satisfied by a fair candidate."""
    return {
        "name": name,
        "task": "regression",
        "domain": "aviation",
        "regulated": False,
        "owner": "ops@example.com",
        "cost_center": "cc-7",
        "runbook": "https://example.com/runbook",
        "fabric": {"workspace_id": _GUID(1), "pipeline_id": _GUID(2)},
        "data": {
            "predictions": "lh_gold.flights_predictions",
            "actuals": "lh_gold.flights_actuals",
            "holdout": HOLDOUT_TABLE,
        },
        "columns": {"timestamp": "ts", "id": "id", "prediction": "predicted", "actual": "delay"},
        "features": [{"name": "distance", "kind": "numeric"}],
        "gates": {"performance": {"floor": 0.5}, "latency": {"calls": 100}, "min_rows": 50},
        "card": card_document(),
    } | changes


def card_document(**changes: Any) -> dict[str, Any]:
    """Give a card that says all there is to say."""
    return {
        "purpose": "Says how late a flight will be.",
        "intended_use": ["planning of gates"],
        "out_of_scope": ["telling passengers"],
        "limits": ["storms are rare in the training rows"],
        "contacts": ["ops@example.com"],
        "risk_tier": "low",
    } | changes


def catalogue_of(*models: Mapping[str, Any]) -> Catalogue:
    return Catalogue.model_validate({"version": 1, "models": list(models) or [model_document()]})


def alert_of(number: int = 1, *, model: str = MODEL, kind: str = "", **changes: Any) -> Alert:
    """Give the alert of one occurrence: the same number is the same alert."""
    kinds = {"trigger_kind": kind} if kind else {}
    parts: dict[str, Any] = {
        "alert_id": f"/subscriptions/s/providers/Microsoft.AlertsManagement/alerts/{number}",
        "rule": "feature-drift",
        "severity": "Sev2",
        "condition": "Fired",
        "service": "Log Alerts V2",
        "fired_at": START - timedelta(minutes=4),
        "description": "",
        "properties": {"model": model, **kinds},
        "value": 0.31,
    }
    return Alert(**(parts | changes))


def holdout_rows(until: datetime = START, rows: int = HOLDOUT_ROWS) -> list[dict[str, Any]]:
    """Give rows whose actual is distance + 10, the latest a day old."""
    return [
        {
            "ts": until - timedelta(days=1, minutes=number),
            "id": f"flight-{number}",
            "distance": float(number),
            "delay": number + 10.0,
        }
        for number in range(rows)
    ]
