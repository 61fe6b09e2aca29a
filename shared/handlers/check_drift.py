"""Use case: check models for drift, write what was found, and ask for a retrain where it is due.

A check keeps nothing but profiles, which come out the same whoever makes them, so a check that died
half-way is simply done again. The drift package is imported when a check runs: it needs numpy.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.errors import LoopError, Unavailable
from shared.handlers.check_backlog import CheckBacklog, seconds
from shared.handlers.drift_signals import Signals
from shared.handlers.kept_profiles import KeptProfiles
from shared.handlers.publish_rows import METRICS_TABLE, RowLog
from shared.handlers.settle_triggers import TRIGGERS_TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from datetime import datetime

    from shared.catalogue import Model
    from shared.domain.drift.check import Check
    from shared.ports import (
        EndpointMonitor,
        Marks,
        MetricSink,
        ModelVersion,
        ProfileSource,
        ProfileStore,
        Queues,
        Registry,
        Tables,
        Windows,
    )

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DriftDeps:
    """What a check asks of the world."""

    registry: Registry
    windows: Windows
    tables: Tables
    metrics: MetricSink
    queues: Queues
    source: ProfileSource
    profiles: ProfileStore
    marks: Marks
    packages: Callable[[], Mapping[str, str]]
    endpoint: EndpointMonitor | None = None

    @property
    def backlog(self) -> CheckBacklog:
        return CheckBacklog(self.marks, self.queues)


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
        failed: the others, with the error; they are on the queue to be tried again.
    """

    results: tuple[CheckResult, ...]
    failed: Mapping[str, str]


def check_all(
    deps: DriftDeps, models: Sequence[Model], now: datetime, concurrency: int
) -> CheckSummary:
    """Check many models, some at a time; one that fails is queued and harms no other.

    What is left undone when this is killed is queued by the sweeper.
    """
    now = now.replace(microsecond=0)  # the moment is kept in whole seconds for the sweeper
    deps.backlog.begin(now)
    with ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix="drift") as pool:
        futures = {pool.submit(check_model, deps, model, now): model.name for model in models}
        try:
            outcomes = dict(_outcomes(deps, futures, now))
        finally:
            pool.shutdown(cancel_futures=True)
    ordered = [(model.name, outcomes[model.name]) for model in models]
    return CheckSummary(
        tuple(outcome for _, outcome in ordered if isinstance(outcome, CheckResult)),
        {name: outcome for name, outcome in ordered if isinstance(outcome, str)},
    )


def _outcomes(
    deps: DriftDeps, futures: Mapping[Future[CheckResult], str], now: datetime
) -> Iterator[tuple[str, CheckResult | str]]:
    """Give each model's result, or its error as a text, as they come."""
    for count, future in enumerate(as_completed(futures), 1):
        name, error = futures[future], future.exception()
        outcome = future.result() if error is None else f"{type(error).__name__}: {error}"
        if error is not None:
            _failed(deps, name, now, error)
        came_to = outcome if isinstance(outcome, str) else outcome.decision
        log.info("drift check %d of %d: %s %s", count, len(futures), name, came_to)
        yield name, outcome


def _failed(deps: DriftDeps, model: str, now: datetime, error: BaseException) -> None:
    """Have a check tried again, whatever it failed on: a table that is missing may come back.

    A kill is no failure of the check.
    """
    if not isinstance(error, Exception):
        raise error
    log.error("drift check of %s failed, and is tried again", model, exc_info=error)
    try:
        deps.backlog.queue(model, now, now)
    except Unavailable:
        log.exception("drift check of %s cannot be queued; the sweeper will", model)


def check_model(deps: DriftDeps, model: Model, now: datetime) -> CheckResult:
    """Check a model's champion and challenger; the later trained of the two decides.

    Safe to do again with the same ``now``: tables take each batch once, the log at least once.

    Raises:
        NoChampion: nothing serves.
        DataError: a version does not say when its training rows end, or rows cannot be read.
        Unavailable: the registry, the lakehouse or the log did not answer.
    """
    try:
        result = _check(deps, model, now)
    except LoopError as error:
        if not error.retry:
            deps.backlog.done(model.name, now)
        raise
    deps.backlog.done(model.name, now)
    return result


def _check(deps: DriftDeps, model: Model, now: datetime) -> CheckResult:
    checks = [
        _check_version(deps, model, version, now, serves=serves)
        for version, serves in _watched(deps, model)
    ]
    rows = RowLog(deps.tables, deps.metrics, deps.marks)
    held = rows.begin(model.name, now)
    written: list[dict[str, Any]] = []
    for place, check in enumerate(checks):
        new = _append(deps, check, decides=place == 0)
        held = held or not new
        written.extend(new)
    trigger_id = _trigger(deps, checks[0])
    # last: the alert that follows must find the tables as they are meant to be
    rows.publish(model.name, now, written, held=held)
    return _result(checks, trigger_id)


def _watched(deps: DriftDeps, model: Model) -> list[tuple[ModelVersion, bool]]:
    """Give the versions to check, the deciding one first, and whether each is the one that serves.

    A staged challenger that was trained after the champion answers the drift the champion still
    sees; were the champion to decide, the alert would never end.
    """
    from shared.domain.drift.check import training_end

    champion = deps.registry.champion(model.name)
    challenger = deps.registry.challenger(model.name)
    if challenger is None or challenger.version == champion.version:
        return [(champion, True)]
    ends = [training_end(found.version, found.tags) for found in (challenger, champion)]
    both = [(challenger, False), (champion, True)]
    return both if ends[0] >= ends[1] else both[::-1]


def _check_version(
    deps: DriftDeps, model: Model, version: ModelVersion, now: datetime, *, serves: bool
) -> Check:
    from shared.domain.drift.check import Observed, Subject, plan_check, run_check, training_end

    number = version.version
    plan = plan_check(model, training_end(number, version.tags), now)
    kept = KeptProfiles(deps.source, deps.profiles, model, number, now)
    reference = kept.reference(plan.reference)
    days = kept.days(reference.spec, *plan.days)
    answers = (deps.windows.answers(model, number, piece.start, piece.end) for piece in plan.pieces)
    signals = Signals(deps.windows, deps.packages, model, version, plan, serves, deps.endpoint)
    found = Observed(reference, days, answers, signals.measures(reference, days))
    return run_check(Subject(model, number, version.tags), plan, now, found)


def _append(deps: DriftDeps, check: Check, *, decides: bool) -> list[dict[str, Any]]:
    from shared.domain.drift.rows import metric_rows, summary_row

    rows = [*metric_rows(check), summary_row(check, decides=decides)]
    writer = f"drift:{check.subject.model.name}:{check.subject.version}"
    new = deps.tables.append(METRICS_TABLE, rows, writer=writer, batch=seconds(check.now))
    return rows if new else []


def _trigger(deps: DriftDeps, check: Check) -> str:
    from shared.domain.drift.rows import trigger_row

    if check.verdict.decision != "TRIGGER":
        return ""
    row = trigger_row(check)
    writer = f"triggers:{check.subject.model.name}"
    deps.tables.append(TRIGGERS_TABLE, [row], writer=writer, batch=seconds(check.now))
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
