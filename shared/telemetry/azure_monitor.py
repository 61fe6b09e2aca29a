"""Sends to Application Insights; imported when there is a connection string, and not before."""

from typing import Final

from azure.monitor.opentelemetry import configure_azure_monitor
from opentelemetry import metrics, trace

from shared.telemetry.names import SCOPE
from shared.telemetry.recorder import Recorder

_LIBRARIES: Final = (
    *("azure_sdk", "django", "fastapi", "flask", "httpx", "psycopg2"),
    *("requests", "urllib", "urllib3"),
)


def recorder(connection_string: str, ratio: float) -> Recorder:
    """Give a recorder that sends.

    Logs, live metrics, performance counters and instrumentations stay off: the host sends the
    logs, and an instrumentation would record the addresses that requests go to, secrets in them.
    Where a provider is set already, by the worker or an agent, that one is used.

    Args:
        connection_string: of the Application Insights resource.
        ratio: share of the traces that is kept, 0 to 1.

    Raises:
        ValueError: the connection string is none.
    """
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        configure_azure_monitor(
            connection_string=connection_string,
            # it cannot be told to leave the logs alone, only to take those of an unused logger
            logger_name=f"{SCOPE}.telemetry",
            enable_live_metrics=False,
            enable_performance_counters=False,
            instrumentation_options={name: {"enabled": False} for name in _LIBRARIES},
            # its own default keeps five spans a second: a storm's runs would lose theirs
            sampling_ratio=ratio,
        )
    return Recorder(trace.get_tracer_provider(), metrics.get_meter_provider())
