"""What MLflow's client reads from the environment and has no argument for.

What may go in here: variables and their values, and nothing that imports MLflow.
"""

from collections.abc import Mapping
from types import MappingProxyType

QUIET: Mapping[str, str] = MappingProxyType({"MLFLOW_DISABLE_TELEMETRY": "true"})
"""MLflow tells its makers of each use otherwise."""
PATIENCE: Mapping[str, str] = MappingProxyType(
    {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
)
"""Tries after the first, and seconds a try. By MLflow's defaults a question to a dead registry
takes minutes, and the message that asks it is better given back to its queue."""
