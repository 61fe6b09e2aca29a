"""An alert arrived: record it, decide, and have the run driven on. Starts nothing itself."""

from dataclasses import dataclass

from shared.catalogue import Catalogue, Model
from shared.domain.alert import Alert
from shared.domain.audit import AuditEntry
from shared.domain.run import Trigger
from shared.errors import BadInput
from shared.handlers.journal import Change, Journal
from shared.handlers.request_retrain import Receipt, RequestRetrain
from shared.handlers.resolve_alert import ResolveAlert
from shared.ports import Queues
from shared.sections.policy import TRIGGER_KINDS

UNROUTED = "unrouted.alerts"
"""The chain of alerts that name no model of the catalogue; no model's name has a dot."""

NO_RUN = "no-run"
"""Stands for a run's id where a fact belongs to none; a run's own begins with ``run-``."""


@dataclass(frozen=True)
class ReceiveAlert:
    """Receives alerts."""

    catalogue: Catalogue
    journal: Journal
    queues: Queues

    def __call__(self, alert: Alert) -> Receipt:
        """Give a receipt once the fact is stored.

        Raises:
            BadInput: the trigger kind it asks for does not exist.
            Unavailable: it could not be stored or queued; the sender should come again.
        """
        found = None if alert.is_sample else self._model(alert)
        if found is None:
            return self._not_ours(alert)
        model, kind = found
        trigger = _trigger(alert, kind)
        if alert.condition == "Resolved":
            return ResolveAlert(self.journal)(model.name, trigger)
        return self.request(model, trigger)

    def _model(self, alert: Alert) -> tuple[Model, str] | None:
        """Give the model an alert is about, and the trigger kind where the alert asks for none.

        A model that the alert names goes before what the rule says: it is more specific.
        """
        by_rule = self.catalogue.find_by_rule(alert.rule_id, alert.rule)
        named = self.catalogue.find(alert.model)
        if by_rule is not None and named in (None, by_rule[0]):
            return by_rule[0], by_rule[1].trigger_kind
        return None if named is None else (named, "drift")

    def _not_ours(self, alert: Alert) -> Receipt:
        """Put on record why an alert is none of the catalogue's."""
        if alert.is_sample:
            why = "is a sample of the action group's test"
        elif alert.model:
            why = f"model {alert.model!r} is not in the catalogue"
        else:
            why = "names no model, and no model of the catalogue claims it"
        reason = f"not ours: alert rule {alert.rule!r}: {why}"
        self._note(alert, reason)
        return Receipt("ignored", reason)

    def _note(self, alert: Alert, reason: str) -> None:
        now = self.journal.clock.now()
        note = AuditEntry(
            action="alert.ignored",
            outcome="success",
            event_ts=now,
            resource=alert.alert_id[:500],
            resource_type="alert",
            reason=reason[:1000],
            context={"condition": alert.condition, "service": alert.service[:100]},
        )
        self.journal.apply(UNROUTED, NO_RUN, lambda _: Change(entries=(note,)))

    @property
    def request(self) -> RequestRetrain:
        return RequestRetrain(self.catalogue, self.journal, self.queues)


def _trigger(alert: Alert, kind_of_rule: str) -> Trigger:
    asked = alert.asked_kind
    kind = kind_of_rule if asked is None else asked.strip().casefold()
    if kind not in TRIGGER_KINDS:
        known = ", ".join(sorted(TRIGGER_KINDS))
        raise BadInput("data.customProperties.trigger_kind", f"is {kind!r}, known are {known}")
    value = "" if alert.value is None else f" (value {alert.value:g})"
    what = f"alert rule {alert.rule!r} {alert.condition.lower()}"
    return Trigger(
        kind=kind,
        # one id comes in capitals and in small letters, even within one payload
        key=alert.alert_id.casefold(),
        alert_id=alert.alert_id,
        fired_at=alert.fired_at,
        reason=f"{kind}: {what}, {alert.severity}{value}",
    )
