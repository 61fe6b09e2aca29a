"""An EndpointMonitor that keeps its requests in memory."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.catalogue import Model
from shared.errors import NotFound
from shared.ports import EndpointSignals
from tests.fakes.faults import Faults


@dataclass(frozen=True)
class Request:
    """One logged row.

    Attributes:
        endpoint: which one was called.
        weight: how many requests the row stands for.
    """

    endpoint: str
    at: datetime
    milliseconds: float
    ok: bool | None = True
    weight: int = 1


class FakeEndpointMonitor:
    """The EndpointMonitor port in memory; percentiles are exact, by nearest rank."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.faults = Faults()

    def signals(self, model: Model, start: datetime, end: datetime) -> EndpointSignals:
        self.faults.before()
        if model.endpoint_log is None:
            raise NotFound(f"{model.name}: endpoint_log is not given", subject=model.name)
        found = [
            each
            for each in self.requests
            if each.endpoint == model.endpoint_log.value and start <= each.at < end
        ]
        failed = sum(each.weight for each in found if not each.ok)
        counted = sum(each.weight for each in found), failed
        return EndpointSignals(start, end, *counted, percentile(found, 95), percentile(found, 99))


def percentile(requests: Sequence[Request], share: int) -> float | None:
    """Give the percentile of the durations, milliseconds, each as often as its weight says."""
    durations = sorted(each.milliseconds for each in requests for _ in range(each.weight))
    if not durations:
        return None
    return durations[max(0, math.ceil(len(durations) * share / 100) - 1)]
