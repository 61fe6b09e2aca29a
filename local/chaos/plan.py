"""What is sent to the loop: alerts, doubles, resolutions and garbage, all from one seed.

Pure: the same seed gives the same deliveries in the same order. When they arrive, and between which
failures, is the machine's.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, Literal

Kind = Literal["fired", "resolved", "garbage"]

GARBAGE_SHARE = 0.20
RESOLVED_SHARE = 0.20
"""Share of the alerts that resolve; half of them do so before they are seen firing."""
DOUBLE_SHARE = 0.30
"""Share of the alerts that come more than once."""
DISORDER = 40
"""By how many places a delivery may be displaced."""


@dataclass(frozen=True)
class Delivery:
    """One thing an action group, or somebody else, sends.

    Attributes:
        alert_id: empty for garbage.
        body: what is sent; ``{fired_at}`` in it is the time of sending.
    """

    kind: Kind
    alert_id: str
    model: str
    body: bytes

    def at(self, moment: datetime) -> bytes:
        return self.body.replace(b"{fired_at}", moment.isoformat().encode())


def deliveries(seed: int, alerts: int, models: list[str]) -> list[Delivery]:
    """Give all deliveries in the order in which they are sent."""
    dice = Random(seed)  # noqa: S311 - a rehearsal that can be repeated, no secret
    placed = [
        (number + dice.uniform(0, DISORDER), delivery)
        for number in range(alerts)
        for delivery in _of_one(dice, seed, number, models)
    ]
    return [delivery for _, delivery in sorted(placed, key=lambda pair: pair[0])]


def _of_one(dice: Random, seed: int, number: int, models: list[str]) -> Iterator[Delivery]:
    if dice.random() < GARBAGE_SHARE:
        yield Delivery("garbage", "", "", _garbage(dice))
        return
    model = dice.choice(models)
    alert_id = f"/subscriptions/s/providers/Microsoft.AlertsManagement/alerts/{seed}-{number}"
    copies = dice.randint(2, 4) if dice.random() < DOUBLE_SHARE else 1
    for _ in range(copies):
        yield Delivery("fired", alert_id, model, _alert(alert_id, model, "Fired"))
    if dice.random() < RESOLVED_SHARE:
        yield Delivery("resolved", alert_id, model, _alert(alert_id, model, "Resolved"))


def _alert(alert_id: str, model: str, condition: str) -> bytes:
    essentials = {
        "alertId": alert_id,
        "alertRule": "chaos-drift",
        "severity": "Sev2",
        "signalType": "Log",
        "monitorCondition": condition,
        "monitoringService": "Log Alerts V2",
        "alertTargetIDs": [],
        "originAlertId": "00000000-0000-0000-0000-000000000000",
        "firedDateTime": "{fired_at}",
        "description": "",
        "essentialsVersion": "1.0",
        "alertContextVersion": "1.0",
    }
    document = {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {
            "essentials": essentials,
            "alertContext": {"conditionType": "LogQueryCriteria", "condition": {"allOf": []}},
            "customProperties": {"model": model},
        },
    }
    return json.dumps(document).encode()


def _garbage(dice: Random) -> bytes:
    """Give something that is no alert, or one with a part that cannot be right."""
    document = json.loads(_alert("/alerts/garbage", "model-000", "Fired"))
    essentials: dict[str, Any] = document["data"]["essentials"]
    match dice.randrange(9):
        case 0:
            return dice.randbytes(dice.randrange(400))
        case 1:
            return b"[" * 100_000
        case 2:
            return b"\xff\xfe{}"
        case 3:
            return b'{"schemaId": "azureMonitorCommonAlertSchema"}'
        case 4:
            essentials["monitorCondition"] = dice.choice(["Exploded", None, 7, []])
        case 5:
            essentials["firedDateTime"] = dice.choice(["yesterday", None, -1, {}])
        case 6:
            document["data"] = dice.choice([None, [], "data", 0])
        case 7:
            document["data"]["customProperties"] = {"trigger_kind": "coffee", "model": "model-000"}
        case _:
            return b'{"padding": "' + b"x" * 300_000 + b'"}'
    return json.dumps(document).encode()
