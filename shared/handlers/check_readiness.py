"""Use case: answer the production readiness checklist of a model with what is really there.

Everything is only read. A store that does not answer harms the lines that rest on it and no other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from shared.domain.audit import row_of
from shared.domain.card import TABLE as CARDS
from shared.domain.drift.measures import Metric
from shared.domain.gates.rows import TABLE as GATES
from shared.domain.readiness import checklist
from shared.domain.readiness.facts import (
    Audited,
    Facts,
    Surroundings,
    Tried,
    Unknown,
    Version,
)
from shared.domain.readiness.people import rehearsal
from shared.domain.readiness.version import latest_judgement
from shared.domain.readiness.watching import NEEDED
from shared.errors import DataError, LoopError, NoTable, NotFound
from shared.handlers.promotion_fitness import TRIAL_ROWS
from shared.handlers.publish_rows import METRICS_TABLE
from shared.handlers.request_retrain import find_model
from shared.handlers.settle_triggers import TRIGGERS_TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from shared.catalogue import Catalogue, Model
    from shared.domain.endpoint import EndpointSignals
    from shared.domain.run import Run, Suppression
    from shared.handlers.verify_audit import VerifyAudit
    from shared.ports import (
        EndpointMonitor,
        ModelVersion,
        Registry,
        Scorer,
        Signatures,
        Tables,
        Windows,
    )

T = TypeVar("T")

NO_RUN = "no-run"
"""Stands for a run's id where only the model's own state is asked for."""
OPEN_TRIGGERS = frozenset({"PENDING", "STARTED"})


@dataclass(frozen=True)
class CheckReadiness:
    """Collects the facts and has the checklist answered."""

    catalogue: Catalogue
    registry: Registry
    signatures: Signatures
    tables: Tables
    windows: Windows
    scorer: Scorer
    verify: VerifyAudit
    endpoint: EndpointMonitor

    def __call__(self, model_name: str, around: Surroundings) -> checklist.Report:
        """Check; whatever cannot be found out is a line that fails, not an error.

        Raises:
            NotFound: the model is not in the catalogue.
        """
        model = find_model(self.catalogue, model_name)
        return checklist.check(model, self._facts(model, around))

    def _facts(self, model: Model, around: Surroundings) -> Facts:
        store, now = self.verify.journal.store, self.verify.journal.clock.now()
        serving = tried(lambda: self.registry.champion(model.name))
        ledger = tried(lambda: [row for row in store.chain(model.name) if _readable(row)])
        return Facts(
            now=now,
            roles=tried(self.registry.capabilities),
            champion=_version(serving),
            inputs=_of(serving, self.signatures.inputs),
            previous=tried(lambda: self._previous(model, ledger, now)),
            judgement=_of(serving, lambda version: self._judgement(model, version)),
            card=_of(serving, lambda version: self._card(model, version)),
            schemas=tried(self._schemas),
            checks=tried(lambda: self._checks(model, Metric.DRIFT_VERDICT, now)),
            served=tried(lambda: self._checks(model, Metric.STALE_HOURS, now)),
            triggers=tried(lambda: self._triggers(model)),
            ledger=ledger,
            audit=tried(lambda: self._audited(model)),
            runs=tried(lambda: self._runs(model)),
            suppression=tried(lambda: self._suppression(model)),
            endpoint=tried(lambda: self._endpoint(model, now)),
            around=around,
        )

    def _previous(
        self, model: Model, ledger: Sequence[Mapping[str, Any]] | Unknown, now: datetime
    ) -> Tried | None:
        """Have the champion before answer, unless a rollback of late has shown that it does."""
        since = now - timedelta(days=model.readiness.rollback_days)
        if not isinstance(ledger, Unknown) and rehearsal(ledger, since) is not None:
            return None
        version = self.registry.previous(model.name)
        if version is None:
            return None
        try:
            rows = self.windows.holdout(model, now).features
            answers = self.scorer.score(version, rows[-TRIAL_ROWS:]).predictions
        except (NotFound, DataError) as error:
            return Tried(version.version, 0, f"does not answer: {error}")
        bad = sum(1 for value in answers.tolist() if value - value != 0)
        fault = f"gives {bad} answers that are no finite numbers" if bad else ""
        return Tried(version.version, len(answers), fault)

    def _judgement(self, model: Model, version: ModelVersion) -> Sequence[Mapping[str, Any]]:
        where = {"model_name": model.name, "model_version": version.version}
        return latest_judgement(self._rows(GATES, where))

    def _card(self, model: Model, version: ModelVersion) -> Mapping[str, Any] | None:
        where = {"model_name": model.name, "model_version": version.version}
        return max(self._rows(CARDS, where), key=lambda row: row["audit_ts"], default=None)

    def _schemas(self) -> dict[str, Mapping[str, str] | None]:
        return {name: self._columns(name) for name in NEEDED}

    def _columns(self, table: str) -> Mapping[str, str] | None:
        try:
            return self.tables.columns(table)
        except NoTable:
            return None

    def _checks(self, model: Model, metric: Metric, now: datetime) -> Sequence[Mapping[str, Any]]:
        # a day more: the first of the days began before this moment of it
        since = now - timedelta(days=model.readiness.drift_days + 1)
        where = {"model_name": model.name, "metric_type": str(metric)}
        return self._rows(METRICS_TABLE, where, since=("run_timestamp", since))

    def _triggers(self, model: Model) -> Sequence[Mapping[str, Any]]:
        rows = self._rows(TRIGGERS_TABLE, {"model_name": model.name})
        return [row for row in rows if row["status"] in OPEN_TRIGGERS]

    def _rows(
        self, table: str, where: Mapping[str, str], *, since: tuple[str, datetime] | None = None
    ) -> list[dict[str, Any]]:
        """Read a table; one that nobody has written to has no rows."""
        try:
            return self.tables.read(table, where, since=since)
        except NoTable:
            return []

    def _audited(self, model: Model) -> Audited:
        # rows that are projected between two of its reads look like a breach, but not twice
        found = self.verify(model.name)
        found = self.verify(model.name) if found.breaches else found
        breaches = [str(breach) for breach in found.breaches]
        return Audited(found.head.sequence, found.projected, breaches)

    def _runs(self, model: Model) -> Sequence[Run]:
        return self.verify.journal.store.runs(model.name)

    def _suppression(self, model: Model) -> Suppression | None:
        return self.verify.journal.store.snapshot(model.name, NO_RUN).suppression

    def _endpoint(self, model: Model, now: datetime) -> EndpointSignals | None:
        if model.endpoint_log is None:
            return None
        start = now - timedelta(days=model.readiness.endpoint_days)
        return self.endpoint.signals(model, start, now)


def tried(ask: Callable[[], T]) -> T | Unknown:
    """Ask; what goes wrong on purpose is something unknown."""
    try:
        return ask()
    except LoopError as error:
        return Unknown(f"{type(error).__name__}: {error}")


def _readable(row: Mapping[str, Any]) -> bool:
    """Leave a row out that is not what was written: the line of the audit tells of it."""
    try:
        entry = row_of(row).entry
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    return isinstance(entry.context, dict) and isinstance(entry.action, str)


def _of(version: ModelVersion | Unknown, ask: Callable[[ModelVersion], T]) -> T | Unknown:
    """Ask about the champion, if there is one."""
    return version if isinstance(version, Unknown) else tried(lambda: ask(version))


def _version(found: ModelVersion | Unknown) -> Version | Unknown:
    if isinstance(found, Unknown):
        return found
    return Version(found.version, found.stage, found.aliases, found.tags)
