"""Use case: check models for drift, write what was found, and ask for a retrain where it is due.

A check keeps no state: it is computed again from the rows each time, so a check that died half-way
is simply done again. The drift package is imported when a check runs, since it needs numpy.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.domain.audit import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from shared.catalogue import Model
    from shared.domain.drift.check import Check
    from shared.ports import MetricSink, ModelVersion, Queues, Registry, Tables, Windows

METRICS_TABLE = "lh_gold.ml_drift_metrics"
TRIGGERS_TABLE = "lh_gold.ml_retrain_triggers"
CHECKS_QUEUE = "drift-checks"
MESSAGE_VERSION = 1

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DriftDeps:
    """What a check asks of the world."""

    registry: Registry
    windows: Windows
    tables: Tables
    metrics: MetricSink
    queues: Queues


@dataclass(frozen=True)
class CheckResult:
    """What a check came to.

    Attributes:
        version: the version that decided.
        checked: all versions that were checked, the deciding one first.
        decision: TRIGGER, NO_TRIGGER, INSUFFICIENT_DATA or UNKNOWN.
        trigger_id: empty without a trigger.
    """

    model: str
    version: str
    checked: tuple[str, ...]
    run_id: str
    decision: str
    severity: str
    reasons: tuple[str, ...]
    trigger_id: str


@dataclass(frozen=True)
class CheckSummary:
    """What checking many models came to.

    Attributes:
        failed: the models that were sent to the queue to be tried again, with the error.
    """

    results: tuple[CheckResult, ...]
    failed: Mapping[str, str]


def check_all(
    deps: DriftDeps, models: Sequence[Model], now: datetime, concurrency: int
) -> CheckSummary:
    """Check many models, some at a time; one that fails is queued and harms no other."""
    with ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix="drift") as pool:
        futures = {model.name: pool.submit(check_model, deps, model, now) for model in models}
    failed: dict[str, str] = {}
    for name, future in futures.items():
        error = future.exception()
        if error is not None:
            failed[name] = f"{type(error).__name__}: {error}"
            log.error("drift check of %s failed and is queued", name, exc_info=error)
            _queue(deps, name, now)
    done = [future.result() for name, future in futures.items() if name not in failed]
    return CheckSummary(tuple(done), failed)


def _queue(deps: DriftDeps, model: str, now: datetime) -> None:
    message = {"v": MESSAGE_VERSION, "model": model, "at": timestamp(now)}
    deps.queues.send(CHECKS_QUEUE, message)


def check_model(deps: DriftDeps, model: Model, now: datetime) -> CheckResult:
    """Check a model's champion and challenger; the later trained of the two decides.

    Safe to do again with the same ``now``: tables take each batch once, the log takes it again.

    Raises:
        NoChampion: nothing serves.
        DataError: a version does not say when its training rows end, or rows cannot be read.
        Unavailable: the registry, the lakehouse or the log did not answer.
    """
    checks = [_check_version(deps, model, version, now) for version in _watched(deps, model)]
    written = [_append(deps, check, decides=place == 0) for place, check in enumerate(checks)]
    trigger_id = _trigger(deps, checks[0])
    _publish(deps, written)
    return _result(checks, trigger_id)


def _watched(deps: DriftDeps, model: Model) -> list[ModelVersion]:
    """Give the versions to check, the deciding one first.

    A staged challenger that was trained after the champion answers the drift the champion still
    sees; were the champion to decide, the alert would never end.
    """
    from shared.domain.drift.check import training_end

    champion = deps.registry.champion(model.name)
    challenger = deps.registry.challenger(model.name)
    if challenger is None or challenger.version == champion.version:
        return [champion]
    ends = [training_end(found.version, found.tags) for found in (challenger, champion)]
    return [challenger, champion] if ends[0] >= ends[1] else [champion, challenger]


def _check_version(deps: DriftDeps, model: Model, version: ModelVersion, now: datetime) -> Check:
    from shared.domain.drift.check import Subject, plan_check, run_check, training_end

    plan = plan_check(model, training_end(version.version, version.tags), now)
    served, number = deps.windows.served, version.version
    reference = served(model, number, plan.reference.start, plan.reference.end)
    pieces = (served(model, number, piece.start, piece.end) for piece in plan.pieces)
    return run_check(Subject(model, number, version.tags), plan, now, reference, pieces)


def _append(deps: DriftDeps, check: Check, *, decides: bool) -> list[dict[str, Any]]:
    from shared.domain.drift.rows import metric_rows, summary_row

    rows = [*metric_rows(check), summary_row(check, decides=decides)]
    writer = f"drift:{check.subject.model.name}:{check.subject.version}"
    deps.tables.append(METRICS_TABLE, rows, writer=writer, batch=_batch(check))
    return rows


def _publish(deps: DriftDeps, written: Sequence[Sequence[Mapping[str, Any]]]) -> None:
    """Upload last: the alert that follows must find the tables as they are meant to be."""
    from shared.domain.drift.rows import log_rows

    for rows in written:
        deps.metrics.upload(log_rows(rows))


def _batch(check: Check) -> int:
    return int(check.now.timestamp())


def _trigger(deps: DriftDeps, check: Check) -> str:
    from shared.domain.drift.rows import trigger_row

    if check.verdict.decision != "TRIGGER":
        return ""
    row = trigger_row(check)
    writer = f"triggers:{check.subject.model.name}"
    deps.tables.append(TRIGGERS_TABLE, [row], writer=writer, batch=_batch(check))
    return str(row["trigger_id"])


def _result(checks: Sequence[Check], trigger_id: str) -> CheckResult:
    first = checks[0]
    return CheckResult(
        model=first.subject.model.name,
        version=first.subject.version,
        checked=tuple(check.subject.version for check in checks),
        run_id=first.run_id,
        decision=first.verdict.decision,
        severity=first.verdict.severity,
        reasons=first.verdict.reasons,
        trigger_id=trigger_id,
    )
