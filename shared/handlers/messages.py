"""The messages on the queues: ids and a schema version, never payloads."""

from collections.abc import Mapping
from typing import Any, Final

from shared.domain.run import Run, State
from shared.errors import BadInput

VERSION: Final = 1
RETRAIN_RUNS: Final = "retrain-runs"
GATE_CHECKS: Final = "gate-checks"
PROMOTIONS: Final = "promotions"
DRIFT_CHECKS: Final = "drift-checks"
NOTICES: Final = "notices"
AUDIT_ROWS: Final = "audit-rows"


def run_message(run: Run) -> dict[str, Any]:
    """Name a run and the step it is at; a message for an older step is dropped when read."""
    return {"v": VERSION, "model": run.model, "run_id": run.run_id, "step": run.polls}


def chain_message(chain: str, run_id: str = "") -> dict[str, Any]:
    """Name a chain, and the run whose end asks for its projection where there is one."""
    named = {"run_id": run_id} if run_id else {}
    return {"v": VERSION, "chain": chain, **named}


def queue_of(run: Run) -> str:
    """Name the queue whose function drives a run on from where it stands."""
    if run.state is State.PROMOTING:
        return PROMOTIONS
    return GATE_CHECKS if run.state is State.JUDGING else RETRAIN_RUNS


def read(message: Any, *fields: str) -> Mapping[str, Any]:
    """Check a message.

    Raises:
        BadInput: another schema version, or a field missing.
    """
    if not isinstance(message, dict):
        raise BadInput("message", "must be an object")
    if message.get("v") != VERSION:
        raise BadInput("v", f"must be {VERSION}, is {message.get('v')!r}")
    for name in fields:
        if not isinstance(message.get(name), str) or not message[name]:
            raise BadInput(name, f"must be a text, is {message.get(name)!r}")
    return message
