"""What an operator sees of the runs; changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared.catalogue import Catalogue
from shared.domain.audit import timestamp
from shared.domain.run import Run, State
from shared.errors import NotFound
from shared.handlers.request_retrain import find_model
from shared.ports import Clock, RunStore

TIMES = ("created_at", "updated_at", "intent_at", "deadline", "notified_at")
FIELDS = ("reason", "job_id", "version", "starts", "polls")


@dataclass(frozen=True)
class ReadRuns:
    """Finds runs."""

    catalogue: Catalogue
    store: RunStore
    clock: Clock

    def of(
        self, model_name: str, *, days: int, limit: int, state: State | None = None
    ) -> Sequence[Run]:
        """Give a model's latest runs, the newest first.

        Raises:
            NotFound: the model is not in the catalogue.
        """
        model = find_model(self.catalogue, model_name)
        since = self.clock.now() - timedelta(days=days)
        found = self.store.runs(model.name, since=since)
        chosen = [run for run in reversed(found) if state is None or run.state is state]
        return chosen[:limit]

    def one(self, model_name: str, run_id: str) -> Run:
        """Give one run.

        Raises:
            NotFound: the model is not in the catalogue, or has no such run.
            BadInput: the id has characters that no run's id has.
        """
        model = find_model(self.catalogue, model_name)
        run = self.store.snapshot(model.name, run_id).run
        if run is None:
            raise NotFound(f"model {model.name!r} has no run {run_id}", subject=run_id)
        return run

    def model_of(self, run_id: str) -> str:
        """Give the model a run belongs to, by asking each: a run's id does not tell.

        Raises:
            NotFound: no model of the catalogue has it.
        """
        for model in self.catalogue.models:
            if self.store.snapshot(model.name, run_id).run is not None:
                return model.name
        raise NotFound(f"no model has a run {run_id}", subject=run_id)


def document_of(run: Run) -> dict[str, Any]:
    """Write a run for a reader outside: JSON types, times in UTC."""
    times = {name: getattr(run, name) for name in TIMES}
    return {
        "model": run.model,
        "run_id": run.run_id,
        "state": str(run.state),
        "final": run.final,
        **{name: getattr(run, name) for name in FIELDS},
        **{name: timestamp(value) if value else None for name, value in times.items()},
        "trigger": {
            "kind": run.trigger.kind,
            "key": run.trigger.key,
            "alert_id": run.trigger.alert_id,
            "fired_at": timestamp(run.trigger.fired_at),
            "reason": run.trigger.reason,
            "actor": run.trigger.actor,
        },
        "status_url": status_url(run.model, run.run_id),
    }


def status_url(model: str, run_id: str) -> str:
    """Give where a run can be looked at, relative to the app's address."""
    return f"/api/models/{model}/runs/{run_id}"
