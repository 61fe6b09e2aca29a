"""Readiness of what watches the model: tables, drift checks, alerts, endpoint, retrains."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from shared.domain.readiness.facts import known
from shared.domain.readiness.line import Answer, failed, listed, passed, skipped
from shared.domain.tables import (
    DRIFT_METRICS,
    GATE_RESULTS,
    PROMOTION_AUDIT,
    RETRAIN_TRIGGERS,
    TABLES,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from typing import Any

    from shared.catalogue import Model
    from shared.domain.endpoint import EndpointSignals
    from shared.domain.readiness.facts import Facts

NEEDED = tuple(
    table.name for table in (DRIFT_METRICS, RETRAIN_TRIGGERS, GATE_RESULTS, PROMOTION_AUDIT)
)
"""The tables that the loop stands on."""
_NO_ANSWER = frozenset({"UNKNOWN"})
"""Drift verdicts of a check that could not compute."""


def tables(_: Model, facts: Facts) -> Answer:
    found = known(facts.schemas)
    wrong = [fault for name in NEEDED for fault in _schema_faults(name, found.get(name))]
    if wrong:
        return failed(listed(wrong), "a table is made by its first row: see docs/tables.md")
    return passed(f"{len(NEEDED)} tables with the columns and types of docs/tables.md")


def _schema_faults(name: str, columns: Mapping[str, str] | None) -> list[str]:
    short = name.rpartition(".")[2]
    if columns is None:
        return [f"{short} is not there"]
    wanted = {column.name: column.type for column in TABLES[name].columns}
    return [
        f"{short}.{column} is {columns.get(column, 'missing')}, not {kind}"
        for column, kind in wanted.items()
        if columns.get(column) != kind
    ]


def drift_checked(model: Model, facts: Facts) -> Answer:
    """Ask for a check on each of the last days, today's only once it has come."""
    rows = [row for row in known(facts.checks) if row["status"] not in _NO_ANSWER]
    days = {row["run_timestamp"].astimezone(UTC).date() for row in rows}
    wanted = _last_days(facts.now, model.readiness.drift_days, days)
    missing = [f"{day:%Y-%m-%d}" for day in wanted if day not in days]
    if missing:
        remedy = "look at the timer check_drift and the queue drift-checks-poison"
        return failed(f"no conclusive check on {listed(missing)}", remedy)
    last = max(rows, key=lambda row: row["run_timestamp"])
    return passed(f"{len(wanted)} days in a row; the last says {last['status']}")


def _last_days(now: datetime, count: int, checked: set[date]) -> list[date]:
    today = now.astimezone(UTC).date()
    last = today if today in checked else today - timedelta(days=1)
    return [last - timedelta(days=back) for back in reversed(range(count))]


def served_daily(_: Model, facts: Facts) -> Answer:
    """Ask that each check of the last days has found the champion's rows of the day before."""
    rows = sorted(known(facts.served), key=lambda row: row["run_timestamp"])
    if not rows:
        return failed("no check has looked when the champion last answered", "see check_drift")
    stale = [
        f"{row['run_timestamp']:%Y-%m-%d}: {row['note']}"
        for row in rows
        if row["value"] is None or row["value"] > row["threshold"]
    ]
    if stale:
        return failed(listed(stale, most=3), "look at the batch that scores, or at the endpoint")
    return passed(f"each of {len(rows)} checks found the day's rows; {rows[-1]['note']}")


def triggers_answered(_: Model, facts: Facts) -> Answer:
    open_ones = [f"{row['trigger_id']} is {row['status']}" for row in known(facts.triggers)]
    if open_ones:
        return failed(listed(open_ones), "see loop runs: what became of the trigger's run")
    return passed("no trigger in ml_retrain_triggers is open")


def alert_rule(model: Model, facts: Facts) -> Answer:
    rules = list(known(facts.around.alert_rules))
    if not rules:
        return failed(
            f"no enabled rule fires for {model.name}", "add one to infra/alert-rules.json"
        )
    return passed(f"{listed(rules)} in infra/alert-rules.json")


def alert_arrived(model: Model, facts: Facts) -> Answer:
    since = facts.now - timedelta(days=model.readiness.drill_days)
    rows = [row for row in known(facts.ledger) if _from_alert(row) and when(row) >= since]
    if not rows:
        told = f"no alert in the audit since {since:%Y-%m-%d}"
        return failed(told, "send a drill through the action group")
    last = rows[-1]
    return passed(f"{last['action']} on {when(last):%Y-%m-%d %H:%M}Z: {last['reason']}")


def _from_alert(row: Mapping[str, Any]) -> bool:
    return row["action"].startswith("run.") and bool(row["context"].get("alert_id"))


def retrained(model: Model, facts: Facts) -> Answer:
    """Ask for a retrain that came as far as a verdict of the gates."""
    since = facts.now - timedelta(days=model.readiness.drill_days)
    rows = [row for row in known(facts.ledger) if _judged(row) and when(row) >= since]
    if not rows:
        told = f"no retrain was judged since {since:%Y-%m-%d}"
        return failed(told, f"ask for one: POST /api/models/{model.name}/retrain")
    last = rows[-1]
    return passed(f"{last['run_id']}: {last['action']} on {when(last):%Y-%m-%d %H:%M}Z")


def _judged(row: Mapping[str, Any]) -> bool:
    ended = row["action"] in ("model.staged", "run.rejected")
    return ended and bool(row["context"].get("gates"))


def trigger_defined(model: Model, facts: Facts) -> Answer:
    schedule = model.policy.schedule
    ways = [
        *(["drift alert"] if known(facts.around.alert_rules) else []),
        *([f"cron {schedule.cron}"] if schedule.cron else []),
        *([f"age {schedule.max_age_days} d"] if schedule.max_age_days else []),
        *([f"rows +{schedule.volume_growth:.0%}"] if schedule.volume_growth else []),
    ]
    if not ways:
        return failed("nothing asks for a retrain", "see policy.schedule in models.yaml")
    return passed(", ".join(ways))


def endpoint(model: Model, facts: Facts) -> Answer:
    """Hold the endpoint's latency and errors against the limits that drift tells of."""
    if model.endpoint_log is None and model.fabric.model_id is None:
        return skipped("no endpoint is declared: neither fabric.model_id nor endpoint_log")
    found = known(facts.endpoint)
    if found is None:
        return failed("the endpoint's requests are logged nowhere", "declare endpoint_log")
    if not found.requests:
        return failed("the endpoint had no request", "see that callers reach it, and its log")
    wrong = _endpoint_faults(model, found)
    if wrong:
        return failed(listed(wrong), "roll back, or make the version faster: docs/runbook.md")
    return passed(
        f"{found.requests} requests, p99 {found.p99_ms or 0:.0f} ms, {found.error_rate:.2%} failed"
    )


def _endpoint_faults(model: Model, found: EndpointSignals) -> list[str]:
    drift, faults = model.drift, []
    if found.p99_ms is None or found.p99_ms > drift.endpoint_p99_ms:
        faults.append(f"p99 {found.p99_ms} ms, allowed are {drift.endpoint_p99_ms:g}")
    if found.error_rate is None or found.error_rate > drift.endpoint_error_rate:
        faults.append(f"{found.failed} of {found.requests} requests failed")
    return faults


def when(row: Mapping[str, Any]) -> datetime:
    """Give when an audit row's event happened."""
    return datetime.fromisoformat(row["event_ts"])
