"""Asking a running simulator: what scenarios and tests do with it."""

from collections.abc import Mapping
from typing import Any, Literal

import requests

from local.monitor_simulator.faults import FaultKind

SECONDS = 10.0


class SimulatorClient:
    """The ``/_simulator`` routes; every method raises ``requests.HTTPError`` for a refusal."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def health(self) -> dict[str, Any]:
        return self._get("health")

    def rows(self) -> list[dict[str, Any]]:
        return list(self._get("rows")["rows"])

    def alerts(self) -> dict[str, Any]:
        """Give ``alerts``, ``deliveries`` with every attempt, ``receipts`` and ``muted``."""
        return self._get("alerts")

    def cards(self) -> list[dict[str, Any]]:
        return list(self._get("cards")["cards"])

    def evaluate(self) -> int:
        """Evaluate the rules now; give the number of alerts that fired or resolved."""
        return int(self._post("evaluate", {})["transitions"])

    def order_fault(self, kind: FaultKind | str, times: int = 1) -> None:
        self._post("faults", {"kind": FaultKind(kind).value, "times": times})

    def fire(
        self,
        model_name: str,
        *,
        rule: str | None = None,
        condition: Literal["Fired", "Resolved"] = "Fired",
    ) -> dict[str, Any]:
        """Send a test alert for a model and give it; without a rule, the file's first."""
        return self._post("fire", {"model_name": model_name, "rule": rule, "condition": condition})

    def _get(self, path: str) -> dict[str, Any]:
        return _document(requests.get(f"{self.url}/_simulator/{path}", timeout=SECONDS))

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        url = f"{self.url}/_simulator/{path}"
        return _document(requests.post(url, json=body, timeout=SECONDS))


def _document(response: requests.Response) -> dict[str, Any]:
    response.raise_for_status()
    return dict(response.json())
