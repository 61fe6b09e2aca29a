"""The life of alerts: which findings fire one, which resolve it, and the ids they keep.

A stateful rule fires once an episode and resolves it after the service's number of healthy
evaluations, with the same ids. Alerts outlive the process: a restart fires nothing anew.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from local.monitor_simulator.evaluation import Dimensions, Finding
from local.monitor_simulator.rules import AlertRule


@dataclass(frozen=True)
class Alert:
    """One episode of one rule for one combination of dimensions."""

    alert_id: str
    origin_id: str
    rule: str
    dimensions: Dimensions
    fired_at: datetime
    resolved_at: datetime | None = None
    by_hand: bool = False

    @property
    def condition(self) -> str:
        return "Fired" if self.resolved_at is None else "Resolved"

    def is_open_for(self, rule: AlertRule) -> bool:
        return self.rule == rule.name and self.resolved_at is None


@dataclass(frozen=True)
class Transition:
    """An alert that has just fired or resolved, and the finding that made it do so."""

    alert: Alert
    finding: Finding


class AlertBook:
    """Every alert so far, and how long each open one has been healthy."""

    def __init__(self, path: Path, new_id: Callable[[], UUID]) -> None:
        self._path = path
        self._new_id = new_id
        self._alerts: dict[str, Alert] = {}
        self._healthy: dict[str, int] = {}
        if path.exists():
            records = json.loads(path.read_text(encoding="utf-8"))
            self._alerts = {record["alert_id"]: _alert(record) for record in records}

    def all(self) -> Sequence[Alert]:
        return tuple(self._alerts.values())

    def observe(
        self, rule: AlertRule, findings: Sequence[Finding], now: datetime
    ) -> list[Transition]:
        """Take in one evaluation of a rule."""
        resolved = list(self._resolve(rule, findings, now))
        fired = [
            Transition(self._open(rule, finding, now), finding)
            for finding in findings
            if finding.is_met and not self._is_known(rule, finding)
        ]
        if resolved or fired:
            self._save()
        return [*resolved, *fired]

    def fire_by_hand(self, rule: AlertRule, finding: Finding, now: datetime) -> Transition:
        alert = self._open(rule, finding, now, by_hand=True)
        self._save()
        return Transition(alert, finding)

    def resolve_by_hand(self, rule: AlertRule, finding: Finding, now: datetime) -> Transition:
        """Resolve the newest alert that a hand fired, or one that nobody ever saw firing."""
        mine = [
            alert
            for alert in self._alerts.values()
            if alert.is_open_for(rule) and alert.by_hand and alert.dimensions == finding.dimensions
        ]
        alert = mine[-1] if mine else self._open(rule, finding, now, by_hand=True)
        resolved = self._close(alert, now)
        self._save()
        return Transition(resolved, finding)

    def _is_known(self, rule: AlertRule, finding: Finding) -> bool:
        # a stateless rule makes a new alert at every evaluation
        return rule.auto_mitigate and any(
            alert.dimensions == finding.dimensions for alert in self._watched(rule)
        )

    def _watched(self, rule: AlertRule) -> list[Alert]:
        return [a for a in self._alerts.values() if a.is_open_for(rule) and not a.by_hand]

    def _resolve(
        self, rule: AlertRule, findings: Sequence[Finding], now: datetime
    ) -> Iterator[Transition]:
        by_dimensions = {finding.dimensions: finding for finding in findings}
        for alert in self._watched(rule) if rule.auto_mitigate else ():
            finding = by_dimensions.get(alert.dimensions) or _nothing(rule, alert, now)
            healthy = 0 if finding.is_met else self._healthy.get(alert.alert_id, 0) + 1
            self._healthy[alert.alert_id] = healthy
            if healthy >= rule.evaluations_to_resolve():
                yield Transition(self._close(alert, now), finding)

    def _open(
        self, rule: AlertRule, finding: Finding, now: datetime, *, by_hand: bool = False
    ) -> Alert:
        alert_id, origin_id = str(self._new_id()), str(self._new_id())
        alert = Alert(alert_id, origin_id, rule.name, finding.dimensions, now, by_hand=by_hand)
        self._alerts[alert_id] = alert
        return alert

    def _close(self, alert: Alert, now: datetime) -> Alert:
        self._healthy.pop(alert.alert_id, None)
        self._alerts[alert.alert_id] = replace(alert, resolved_at=now)
        return self._alerts[alert.alert_id]

    def _save(self) -> None:
        records = [asdict(alert) for alert in self._alerts.values()]
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps(records, default=datetime.isoformat), encoding="utf-8")
        draft.replace(self._path)


def _nothing(rule: AlertRule, alert: Alert, now: datetime) -> Finding:
    """No row in any window: nothing is held against the threshold, so the alert is healthy."""
    start = now - rule.failing_periods.number_of_evaluation_periods * rule.window
    return Finding(alert.dimensions, 0.0, is_met=False, window_start=start, window_end=now)


def _alert(record: dict[str, Any]) -> Alert:
    resolved = record["resolved_at"]
    return Alert(
        alert_id=record["alert_id"],
        origin_id=record["origin_id"],
        rule=record["rule"],
        dimensions=tuple((name, value) for name, value in record["dimensions"]),
        fired_at=datetime.fromisoformat(record["fired_at"]),
        resolved_at=datetime.fromisoformat(resolved) if resolved else None,
        by_hand=record["by_hand"],
    )
