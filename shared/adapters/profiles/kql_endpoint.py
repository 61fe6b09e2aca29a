"""The KQL text that asks how an endpoint fared, built from its structure as all texts are.

A row may stand for many requests where telemetry is sampled, hence the weight. A request that does
not say how it ended has failed: nobody has seen it succeed.
"""

from dataclasses import dataclass
from datetime import datetime

from shared.adapters.profiles.kql import moment, quoted, text

TIME = "TimeGenerated"
SIGNAL_COLUMNS = {"requests": "long", "failed": "long", "p95": "real", "p99": "real"}


@dataclass(frozen=True)
class SignalsQuery:
    """Requests of one endpoint in [start, end).

    Attributes:
        weight: the column that says how many requests a row stands for; None: one.
        name: the column that tells endpoints apart.
        value: what stands in it.
    """

    table: str
    duration_ms: str
    success: str
    weight: str | None
    name: str
    value: str
    start: datetime
    end: datetime


def render_signals(query: SignalsQuery) -> str:
    """Ask for one row; its percentiles are estimates, by Kusto's t-digest."""
    time, weight = quoted(TIME), f"tolong({quoted(query.weight)})" if query.weight else "long(1)"
    return (
        f"{quoted(query.table)}\n"
        f"| where {time} >= {moment(query.start)} and {time} < {moment(query.end)}\n"
        f"| where tostring({quoted(query.name)}) == {text(query.value)}\n"
        f"| project d = todouble({quoted(query.duration_ms)}), w = coalesce({weight}, long(1)),\n"
        f"    ok = coalesce(tobool({quoted(query.success)}), false)\n"
        "| summarize requests = sum(w), failed = sumif(w, not(ok)), p95 = percentilew(d, w, 95), "
        "p99 = percentilew(d, w, 99)"
    )
