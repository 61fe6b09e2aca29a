"""What traces, metrics and their attributes are called; docs/telemetry.md says what they mean."""

import re
from hashlib import sha256
from typing import Final

SCOPE: Final = "retrain_loop"
DECISIONS: Final = "retrain_loop.decisions"
DURATION: Final = "retrain_loop.invocation.duration"

# Not the standard names error.type and http.response.status_code: Azure Monitor's exporter drops
# those from a span's properties.
FUNCTION: Final = "retrain_loop.function"
MODEL: Final = "retrain_loop.model"
RUN_ID: Final = "retrain_loop.run_id"
ACTION: Final = "retrain_loop.action"
OUTCOME: Final = "retrain_loop.outcome"
STATUS: Final = "retrain_loop.status"
ERROR: Final = "retrain_loop.error"

_RUN = re.compile(r"run-[0-9a-f]{24}")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


def run_id_in(text: str) -> str:
    """Give a run's id; empty where a text is none: what a caller sends may be anything."""
    return text if _RUN.fullmatch(text) else ""


def name_in(text: str) -> str:
    """Give a model's name, likewise."""
    return text if _NAME.fullmatch(text) else ""


def trace_id_of(run_id: str) -> int:
    """Give the id of a run's trace: the same everywhere, so that nothing has to be carried."""
    return int(sha256(run_id.encode()).hexdigest()[:32], 16)


def span_id_of(run_id: str) -> int:
    """Give the id of the span that stands for the run; it is never written, only named."""
    return int(sha256(run_id.encode()).hexdigest()[32:48], 16)
