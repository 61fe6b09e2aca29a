"""models.yaml, ``data``: where a model's rows are counted when it is not the lakehouse.

Ids and names only; the services' addresses and limits are settings.
"""

from typing import Annotated, Literal

from pydantic import Field

from shared.sections.base import Section

KqlTable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
Database = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_ .-]{0,259}$")]
Workspace = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]

ProfileSourceName = Literal["delta", "log_analytics", "eventhouse", "spark"]


class LogAnalyticsTable(Section):
    """A table of a Log Analytics workspace, with the columns of ``data.predictions``."""

    workspace_id: Workspace
    """The workspace's id, as its Overview page shows it; not the resource id."""
    table: KqlTable
    """Such as ``FlightPredictions_CL``; ``columns.timestamp`` may be ``TimeGenerated``."""


class EventhouseTable(Section):
    """A table of a KQL database, with the columns of ``data.predictions``."""

    cluster_uri: Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.:-]+/?$")]
    """The Query URI of the Eventhouse, ``https://….kusto.fabric.microsoft.com``."""
    database: Database
    """The KQL database's name."""
    table: KqlTable


class SparkNotebook(Section):
    """The Fabric item that counts with Spark, for tables past one machine."""

    pipeline_id: Annotated[
        str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")
    ]
    """The data pipeline around ``profile_days``."""


class EndpointLog(Section):
    """Where the requests of the model's online endpoint are logged.

    One row a request. The defaults are the columns of Application Insights' AppRequests.
    """

    workspace_id: Workspace
    table: KqlTable = "AppRequests"
    """``AppRequests``, ``AppDependencies``, or a table of the same meaning."""
    duration_ms: KqlTable = "DurationMs"
    """The column of the duration, in milliseconds."""
    success: KqlTable = "Success"
    """The column that says whether it was answered well, true or false."""
    weight: KqlTable | None = "ItemCount"
    """The column that says how many requests a row stands for (sampling); None: one."""
    name: KqlTable = "OperationName"
    """The column that tells endpoints apart."""
    value: str
    """What stands in ``name`` for this model's endpoint; compared exactly."""
