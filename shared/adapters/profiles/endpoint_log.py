"""How online endpoints fare, from the requests in Azure Monitor: the EndpointMonitor port."""

import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.adapters.profiles import kql_endpoint as kql
from shared.errors import DataError, NotFound
from shared.ports import EndpointSignals

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.adapters.profiles.kql_source import KqlClient
    from shared.catalogue import Model


class EndpointLogs:
    """The EndpointMonitor port on Log Analytics."""

    def __init__(self, workspace: "Callable[[str], KqlClient]") -> None:
        """Keep what is needed; nothing is asked yet.

        Args:
            workspace: gives the client of the workspace with an id.
        """
        self._workspace = workspace

    def signals(self, model: "Model", start: datetime, end: datetime) -> EndpointSignals:
        log = model.endpoint_log
        if log is None:
            raise NotFound(f"{model.name}: endpoint_log is not given", subject=model.name)
        query = kql.SignalsQuery(
            table=log.table,
            duration_ms=log.duration_ms,
            success=log.success,
            weight=log.weight,
            name=log.name,
            value=log.value,
            start=start,
            end=end,
        )
        client = self._workspace(log.workspace_id)
        rows = client.rows(kql.render_signals(query), kql.SIGNAL_COLUMNS)
        if len(rows) != 1:
            raise DataError(f"{log.table}: {len(rows)} rows, asked for one", subject=log.table)
        requests, failed, p95, p99 = rows[0]
        counted = int(requests or 0), int(failed or 0)
        return EndpointSignals(start, end, *counted, _milliseconds(p95), _milliseconds(p99))


def _milliseconds(value: Any) -> float | None:
    """Read a percentile; that of nothing is null or NaN."""
    found = math.nan if value is None else float(value)
    return found if math.isfinite(found) else None
