"""Talks to a running stack as its neighbours in the cloud do: over HTTP, and by reading tables."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import requests

from shared.bootstrap import App, app_of
from shared.config import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rich.console import Console

    from local.stack import Endpoints

T = TypeVar("T")
TIMEOUT = 30  # seconds


class WaitedTooLongError(RuntimeError):
    """Something that should have happened did not."""


@dataclass(frozen=True)
class StackClient:
    """One stack's front doors."""

    endpoints: Endpoints

    @cached_property
    def app(self) -> App:
        """The app's own adapters on the stack's settings: what is read is what it stored."""
        settings = load_settings(self.endpoints.environment)
        return app_of(settings, self.endpoints.environment)

    def trigger(self, function: str) -> None:
        """Run a timer function now, as the portal's Test button does."""
        answer = requests.post(
            f"{self.endpoints.functions_url}/admin/functions/{function}",
            json={},
            headers={"x-functions-key": self.endpoints.master_key},
            timeout=TIMEOUT,
        )
        answer.raise_for_status()

    def post_alert(self, body: bytes) -> requests.Response:
        return requests.post(
            f"{self.endpoints.functions_url}/api/alerts",
            data=body,
            headers={
                "Content-Type": "application/json",
                "x-functions-key": self.endpoints.function_key,
            },
            timeout=TIMEOUT,
        )

    def health(self) -> dict[str, Any]:
        return self._get(self.endpoints.functions_url, "/api/health")

    def alerts(self) -> dict[str, Any]:
        return self._get(self.endpoints.monitor_url, "/_simulator/alerts")

    def log_rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._get(self.endpoints.monitor_url, "/_simulator/rows")[
            "rows"
        ]
        return rows

    def cards(self) -> list[dict[str, Any]]:
        cards: list[dict[str, Any]] = self._get(self.endpoints.monitor_url, "/_simulator/cards")[
            "cards"
        ]
        return cards

    def jobs(self) -> dict[str, Any]:
        return self._get(self.endpoints.fabric_url, "/_simulator/jobs")

    def order_fabric_fault(self, **fault: Any) -> None:
        answer = requests.post(
            f"{self.endpoints.fabric_url}/_simulator/faults", json=fault, timeout=TIMEOUT
        )
        answer.raise_for_status()

    def _get(self, base: str, path: str) -> dict[str, Any]:
        answer = requests.get(base + path, timeout=TIMEOUT)
        document: dict[str, Any] = answer.json()
        return document


def wait_for(
    what: str,
    look: Callable[[], T | None],
    *,
    seconds: float,
    tick: Callable[[], None] = lambda: None,
) -> T:
    """Look until there is something; ``tick`` runs between two looks.

    Raises:
        WaitedTooLongError: nothing came within ``seconds``.
    """
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise WaitedTooLongError(f"{what}: nothing within {seconds:g} s")
        tick()
        time.sleep(0.2)


def app_here(endpoints: Endpoints | None, environment: Mapping[str, str], console: Console) -> App:
    """Give the app of the running stack, where there is one, or of an environment.

    Raises:
        ConfigError: the settings or models.yaml are not right.
    """
    if endpoints is not None:
        console.print(f"on the running local stack, scenario {endpoints.scenario}")
        return StackClient(endpoints).app
    return app_of(load_settings(environment), environment)
