"""The production readiness checklist: which lines there are, in which order, and their sum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.domain.audit import timestamp
from shared.domain.readiness import people, version, watching
from shared.domain.readiness.facts import NotKnownError, Unknown
from shared.domain.readiness.line import Check, Line, Status

if TYPE_CHECKING:
    from datetime import datetime

    from shared.catalogue import Model
    from shared.domain.readiness.facts import Facts

CHECKS: tuple[Check, ...] = (
    Check("Registry reachable", version.registry),
    Check("Champion serves", version.champion),
    Check("Signature", version.signature),
    Check("Training data version", version.training_data),
    Check("Holdout kept apart", version.holdout_apart),
    Check("Code commit", version.commit),
    Check("Environment", version.environment),
    Check("All gates passed", version.gates),
    Check("Fairness", version.fairness),
    Check("Model card", version.card),
    Check("Tables and schemas", watching.tables),
    Check("Drift checked daily", watching.drift_checked),
    Check("Served daily", watching.served_daily),
    Check("No open trigger", watching.triggers_answered),
    Check("Alert rule", watching.alert_rule),
    Check("Alert arrived", watching.alert_arrived),
    Check("Retrain tried", watching.retrained),
    Check("Retrain trigger defined", watching.trigger_defined),
    Check("Retrain budget left", people.budget),
    Check("No suppression", people.unsuppressed),
    Check("Endpoint", watching.endpoint),
    Check("Rollback tried", people.rollback),
    Check("Audit holds", people.audit_holds),
    Check("Audit kept", people.audit_kept),
    Check("Cost tags", version.cost_tags),
    Check("Owner and contacts", people.owner),
    Check("Runbook", people.runbook),
    Check("Notification channel", people.notices),
    Check("On-call told", people.told),
    Check("Agreed by a person", people.agreed),
    Check("Code reviewed", lambda *_: people.by_hand("pull requests are not seen from here")),
    Check("Cost dashboard", lambda *_: people.by_hand("who adds up the cost tags is not seen")),
    Check("Postmortem template", lambda *_: people.by_hand("for the first thirty days' review")),
)
"""Every line. Source: the readiness checklists of the MLOps anchor and of the tutorial, step 20."""


@dataclass(frozen=True)
class Report:
    """The checklist of one model, answered."""

    model: str
    version: str
    at: datetime
    lines: tuple[Line, ...]

    @property
    def ready(self) -> bool:
        return all(line.status is not Status.FAIL for line in self.lines)

    def count(self, status: Status) -> int:
        return sum(line.status is status for line in self.lines)

    def document(self) -> dict[str, Any]:
        """Give the report in JSON types."""
        return {
            "model": self.model,
            "version": self.version,
            "checked_at": timestamp(self.at),
            "ready": self.ready,
            "counts": {str(status): self.count(status) for status in Status},
            "lines": [
                {
                    "check": line.name,
                    "status": str(line.status),
                    "found": line.found,
                    "remedy": line.remedy,
                }
                for line in self.lines
            ],
        }


def check(model: Model, facts: Facts) -> Report:
    """Answer every line; one that rests on something unknown fails, and says what it is."""
    serving = "" if isinstance(facts.champion, Unknown) else facts.champion.version
    told: dict[str, str] = {}
    lines = tuple(_line(each, model, facts, told) for each in CHECKS)
    return Report(model.name, serving, facts.now, lines)


def _line(each: Check, model: Model, facts: Facts, told: dict[str, str]) -> Line:
    """Answer a line; ``told`` has the line that first told each reason for not knowing."""
    try:
        answer = each.answer(model, facts)
    except NotKnownError as unknown:
        first = told.setdefault(str(unknown), each.name)
        why = f": {unknown}" if first == each.name else f", see {first!r}"
        return Line(each.name, Status.FAIL, f"not known{why}")
    return Line(each.name, answer.status, answer.found, answer.remedy)
