"""The closed-loop check: eight rows, each read back from a table, the registry or a simulator.

The rows are those of a smoke test for a retraining loop: metric row, alert, one run, one job, new
version, audit row, notice, quiet again. Nothing is taken from the step that claims it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.errors import NoTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.client import StackClient
    from shared.domain.run import Run

METRICS = "lh_gold.ml_drift_metrics"
AUDIT = "lh_gold.ml_promotion_audit"
GATES = "lh_gold.ml_gate_results"
QUIET_PSI = 0.10


@dataclass(frozen=True)
class Row:
    """One row of the table: what was asked, what was found, and whether that is right."""

    step: str
    found: str
    green: bool


@dataclass(frozen=True)
class Evidence:
    """Reads the stack's stores about one model."""

    client: StackClient
    model: str

    def rows(self) -> list[Row]:
        """Give the eight rows."""
        checks: tuple[Callable[[], Row], ...] = (
            self._metric_row,
            self._alert_fired,
            self._alert_received,
            self._job_started,
            self._version_registered,
            self._audit_row,
            self._notice_sent,
            self._quiet_again,
        )
        return [check() for check in checks]

    def runs(self) -> list[Run]:
        return list(self.client.app.store.runs(self.model))

    def acted(self) -> Run | None:
        """Give the run that was acted on, if there is exactly one."""
        acted = [run for run in self.runs() if run.starts]
        return acted[0] if len(acted) == 1 else None

    def summaries(self) -> list[dict[str, Any]]:
        """Give the checks' verdicts, oldest first: one a check, about the newest version."""
        rows = [row for row in self._metrics() if row["metric_type"] == "DRIFT_VERDICT"]
        return sorted(rows, key=lambda row: row["run_timestamp"])

    def worst_psi(self, check: str) -> tuple[str, float] | None:
        """Give the feature with the largest PSI of one check, and the PSI."""
        found = [
            (str(row["feature_name"]), float(row["value"]))
            for row in self._metrics()
            if row["run_id"] == check and row["metric_type"] == "PSI" and row["value"] is not None
        ]
        return max(found, key=lambda pair: pair[1], default=None)

    def performance(self, check: str) -> float | None:
        """Give the growth of RMSE over the baseline in one check, as a fraction."""
        return next(
            (
                row["value"]
                for row in self._metrics()
                if row["run_id"] == check and row["metric_type"] == "RMSE_DELTA_PCT"
            ),
            None,
        )

    def gates(self) -> list[dict[str, Any]]:
        """Give the gates' results, as they were written."""
        return self._table(GATES, {"model_name": self.model})

    def projected(self) -> bool:
        """Tell whether the audit table holds the ledger to its end."""
        head = self.client.app.store.head(self.model).sequence
        rows = self._table(AUDIT, {"model_name": self.model})
        return len(rows) == head

    def _metrics(self) -> list[dict[str, Any]]:
        return self._table(METRICS, {"model_name": self.model})

    def _table(self, name: str, where: dict[str, str]) -> list[dict[str, Any]]:
        try:
            return self.client.app.tables.read(name, where)
        except NoTable:
            return []

    def _metric_row(self) -> Row:
        first = next(iter(self.summaries()), None)
        if first is None:
            return Row("Metric row written", f"no row in {METRICS}", green=False)
        count = sum(row["run_id"] == first["run_id"] for row in self._metrics())
        worst = self.worst_psi(first["run_id"])
        shown = f"; worst {worst[0]} PSI {worst[1]:.3f}" if worst else ""
        growth = self.performance(first["run_id"])
        shown += f"; RMSE {growth:+.1%}" if growth is not None else ""
        return Row(
            "Metric row written",
            f"{count} rows, {first['status']}, {first['severity']}{shown}",
            green=first["status"] == "TRIGGER",
        )

    def _alert_fired(self) -> Row:
        fired = [
            alert
            for alert in self.client.alerts()["alerts"]
            if self.model in alert["dimensions"].values()
        ]
        shown = ", ".join(f"{alert['rule']} fired, now {alert['state']}" for alert in fired)
        return Row("Alert fired", shown or "no alert", green=len(fired) == 1)

    def _alert_received(self) -> Row:
        receipts = [
            receipt
            for receipt in self.client.alerts()["receipts"]
            if receipt["monitor_condition"] == "Fired"
        ]
        runs = self.runs()
        statuses = ", ".join(str(receipt["status"]) for receipt in receipts)
        return Row(
            "Alert received (one run)",
            f"{len(runs)} run, answered {statuses or 'nothing'}",
            green=len(runs) == 1 and [receipt["status"] for receipt in receipts] == [202],
        )

    def _job_started(self) -> Row:
        seen = self.client.jobs()
        run = self.acted()
        ours = [job for job in seen["jobs"] if run is not None and job["id"] == run.job_id]
        count, asked = len(seen["jobs"]), len(seen["start_requests"])
        state = ours[0]["status"] if ours else "none is the run's"
        return Row(
            "Job started (one instance)",
            f"{count} instance from {asked} request, {state}",
            green=count == 1 and asked == 1 and state == "Completed",
        )

    def _version_registered(self) -> Row:
        run = self.acted()
        made = self.client.app.registry.made_by(self.model, run.run_id) if run else []
        shown = ", ".join(f"version {each.version}, stage {each.stage}" for each in made)
        return Row("New version registered", shown or "none carries the run's id", len(made) == 1)

    def _audit_row(self) -> Row:
        rows = [
            row
            for row in self._table(AUDIT, {"model_name": self.model, "to_stage": "Staging"})
            if row["promoted"]
        ]
        if len(rows) != 1:
            return Row("Audit row to Staging", f"{len(rows)} rows", green=False)
        reason = str(rows[0]["reason"])
        return Row(
            "Audit row to Staging",
            f"{rows[0]['from_stage']} to Staging: {reason}",
            green="drift" in reason,
        )

    def _notice_sent(self) -> Row:
        cards = self.client.cards()
        return Row("Notification sent", f"{len(cards)} card taken by Teams", green=len(cards) == 1)

    def _quiet_again(self) -> Row:
        checks = self.summaries()
        worst = self.worst_psi(checks[-1]["run_id"]) if len(checks) > 1 else None
        if worst is None:
            return Row("Next drift check under 0.10", "no later check", green=False)
        last = checks[-1]
        return Row(
            "Next drift check under 0.10",
            f"version {last['model_version']}: {last['status']}, worst {worst[0]} "
            f"PSI {worst[1]:.3f}",
            green=last["status"] == "NO_TRIGGER" and worst[1] < QUIET_PSI,
        )
