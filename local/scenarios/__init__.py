"""The demonstrations the local stack can play; only their registration."""

from local.scenarios.base import Paths, Scenario
from local.scenarios.flights import FLIGHTS
from local.scenarios.slot_revenue import SLOT_REVENUE

SCENARIOS: dict[str, Scenario] = {
    scenario.spec.name: scenario for scenario in (FLIGHTS, SLOT_REVENUE)
}

__all__ = ["SCENARIOS", "Paths", "Scenario"]
