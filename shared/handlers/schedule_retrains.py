"""The retrain timer: asks for retrains that no alert asks for, for every model of the catalogue.

What stands for a while (age, new rows, drift that nobody answered) is asked for when the policy
would act on it, and not before: the ledger then holds one trigger and not one a tick. A fixed time
comes once, and is recorded whatever becomes of it.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.domain.drift.check import training_end
from shared.domain.drift.measures import SUMMARY, Metric
from shared.domain.policy import history_since
from shared.domain.run import Trigger, run_id_of
from shared.domain.standing import (
    TIMER,
    Past,
    Trained,
    by_age,
    by_clock,
    by_verdict,
    by_volume,
)
from shared.errors import NoChampion, NoTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.catalogue import Model
    from shared.handlers.request_retrain import Receipt, RequestRetrain
    from shared.ports import Registry, RowCounts, Tables

METRICS_TABLE = "lh_gold.ml_drift_metrics"
TRAINING_ROWS = "training_rows"
"""The version's tag that says how many rows it was trained on."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scheduled:
    """What one tick came to.

    Attributes:
        receipts: one a trigger that was raised.
        failed: the models that could not be looked at, with the error; the next tick tries again.
    """

    receipts: tuple[Receipt, ...]
    failed: Mapping[str, str]


@dataclass(frozen=True)
class ScheduleRetrains:
    """Looks at every model."""

    request: RequestRetrain
    registry: Registry
    tables: Tables
    counts: RowCounts
    concurrency: int

    def __call__(self) -> Scheduled:
        """Look at all models, some at a time; one that fails harms no other."""
        models = self.request.catalogue.models
        with ThreadPoolExecutor(self.concurrency, thread_name_prefix="retrain") as pool:
            futures = {model.name: pool.submit(self.look, model) for model in models}
        errors = {name: future.exception() for name, future in futures.items()}
        for name, error in errors.items():
            if error is not None:
                log.error("%s could not be looked at; the next tick will", name, exc_info=error)
        done = [future.result() for name, future in futures.items() if errors[name] is None]
        receipts = tuple(receipt for found in done for receipt in found)
        failed = {n: f"{type(e).__name__}: {e}" for n, e in errors.items() if e is not None}
        return Scheduled(receipts, failed)

    def look(self, model: Model) -> list[Receipt]:
        """Raise what is due for one model.

        Raises:
            DataError: the last trained version does not say when its training rows end.
            Unavailable: the store, the registry or the lakehouse did not answer.
        """
        now = self.request.journal.clock.now()
        receipts = self._raise(model, by_clock(model.policy, now))
        past = self._past(model, now)
        if past.rested(model.policy, now):
            receipts += self._by_drift(model, past, now) or self._by_training(model, past, now)
        return receipts

    def _raise(self, model: Model, trigger: Trigger | None) -> list[Receipt]:
        if trigger is None:
            return []
        run_id = run_id_of(model.name, trigger)
        if self.request.journal.store.snapshot(model.name, run_id).run is not None:
            return []  # raised by an earlier tick; an entry a tick would say nothing new
        return [self.request(model, trigger, TIMER)]

    def _past(self, model: Model, now: datetime) -> Past:
        since = history_since(model.policy, now)
        return Past(self.request.journal.store.runs(model.name, since=since))

    def _by_drift(self, model: Model, past: Past, now: datetime) -> list[Receipt]:
        if not self._would_act(model, "drift", now):
            return []
        return self._raise(model, by_verdict(model.policy, self._verdict(model, now), past, now))

    def _verdict(self, model: Model, now: datetime) -> Mapping[str, Any] | None:
        """Give the latest summary of the deciding version that is not stale."""
        since = now - timedelta(hours=model.policy.stale_after_hours)
        where = {
            "model_name": model.name,
            "feature_name": SUMMARY,
            "metric_type": str(Metric.DRIFT_VERDICT),
        }
        try:
            rows = self.tables.read(METRICS_TABLE, where, since=("run_timestamp", since))
        except NoTable:
            return None  # no model has been checked yet
        return max(rows, key=lambda row: row["run_timestamp"], default=None)

    def _by_training(self, model: Model, past: Past, now: datetime) -> list[Receipt]:
        schedule = model.policy.schedule
        ages = schedule.max_age_days is not None and self._would_act(model, "schedule", now)
        grows = schedule.volume_growth is not None and self._would_act(model, "volume", now)
        trained = self._trained(model) if ages or grows else None
        if trained is None:
            return []
        due = by_age(model.policy, trained, past, now) if ages else None
        if due is None and grows and trained.rows:
            new_rows = self.counts.known(model, trained.end, now)
            due = by_volume(model.policy, trained, new_rows, past, now)
        return self._raise(model, due)

    def _trained(self, model: Model) -> Trained | None:
        """Give the version trained last, of the champion and the challenger; None: there is none.

        A challenger that was trained since answers what its champion would ask for.
        """
        try:
            versions = [self.registry.champion(model.name), self.registry.challenger(model.name)]
        except NoChampion:
            return None
        found = [
            Trained(each.version, training_end(each.version, each.tags), _rows(each.tags))
            for each in versions
            if each is not None
        ]
        return max(found, key=lambda trained: trained.end)

    def _would_act(self, model: Model, kind: str, now: datetime) -> bool:
        probe = Trigger(kind, "probe", "", now, "probe", actor=TIMER.name)
        decision = self.request.foresee(model, probe)
        if not decision.acts:
            log.info("%s: %s would be skipped: %s", model.name, kind, decision.reason)
        return decision.acts


def _rows(tags: Mapping[str, str]) -> int | None:
    text = tags.get(TRAINING_ROWS, "")
    return int(text) if text.isdecimal() else None
