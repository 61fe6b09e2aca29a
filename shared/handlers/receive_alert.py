"""An alert arrived: record it, decide, and have the run driven on. Starts nothing itself."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.catalogue import TRIGGER_KINDS, Catalogue, Model
from shared.domain import policy
from shared.domain.alert import Alert
from shared.domain.audit import AuditEntry
from shared.domain.run import Lock, Run, State, Trigger, run_id_of
from shared.errors import BadInput
from shared.handlers import messages
from shared.handlers.journal import Change, Journal, entry
from shared.ports import Queues, Snapshot

UNROUTED = "unrouted.alerts"
"""The chain of alerts that name no model of the catalogue; no model's name has a dot."""

NO_RUN = "no-run"
"""Stands for a run's id where a fact belongs to none; a run's own begins with ``run-``."""

LOCK_MARGIN = timedelta(hours=6)
"""What gates and promotion may take after the job's deadline before a lock counts as lost."""


@dataclass(frozen=True)
class Receipt:
    """What the sender is told."""

    decision: str
    reason: str
    model: str = ""
    run_id: str = ""
    state: str = ""


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
        model = self.catalogue.find(alert.model)
        if model is None:
            return self._not_ours(alert)
        if alert.condition == "Resolved":
            return self._resolved(model, alert)
        return self._fired(model, alert)

    def _not_ours(self, alert: Alert) -> Receipt:
        named = (
            f"model {alert.model!r} is not in the catalogue" if alert.model else "names no model"
        )
        reason = f"alert rule {alert.rule!r} {named}"
        self._note(UNROUTED, alert, "alert.ignored", reason)
        return Receipt("ignored", reason)

    def _resolved(self, model: Model, alert: Alert) -> Receipt:
        reason = f"alert rule {alert.rule!r} resolved; a resolution starts nothing"
        self._note(model.name, alert, "alert.resolved", reason)
        return Receipt("resolved", reason, model=model.name)

    def _note(self, chain: str, alert: Alert, action: str, reason: str) -> None:
        now = self.journal.clock.now()
        note = AuditEntry(
            action=action,
            outcome="success",
            event_ts=now,
            resource=alert.alert_id[:500],
            resource_type="alert",
            reason=reason[:1000],
            context={"condition": alert.condition, "service": alert.service[:100]},
        )
        self.journal.apply(chain, NO_RUN, lambda _: Change(entries=(note,)))

    def _fired(self, model: Model, alert: Alert) -> Receipt:
        trigger = _trigger(alert)
        run_id = run_id_of(model.name, trigger)
        applied = self.journal.apply(
            model.name, run_id, lambda snapshot: self._decide(model, trigger, snapshot)
        )
        run = applied.run
        if run is None:  # the decision always writes a run
            raise AssertionError(run_id)
        if run.state is State.REQUESTED:
            self.queues.send(messages.RETRAIN_RUNS, messages.run_message(run))
        elif run.state is State.HELD and run.notified_at is None:
            self.queues.send(messages.NOTICES, messages.run_message(run))
        decision = "duplicate" if applied.before.run else _decision_of(run)
        return Receipt(decision, run.reason, model.name, run.run_id, run.state)

    def _decide(self, model: Model, trigger: Trigger, snapshot: Snapshot) -> Change:
        now = self.journal.clock.now()
        if snapshot.run is not None:
            again = f"alert came again; {snapshot.run.run_id} is {snapshot.run.state}"
            return Change(entries=(entry(snapshot.run, "alert.duplicate", now, reason=again),))
        since = now - timedelta(days=model.policy.cooldown_days.longest)
        decision = policy.decide(
            trigger,
            run_id_of(model.name, trigger),
            policy=model.policy,
            history=self.journal.store.runs(model.name, since=since),
            lock=snapshot.lock,
            now=now,
        )
        return _new_run(model, trigger, decision, snapshot.lock, now)


def _trigger(alert: Alert) -> Trigger:
    kind = alert.trigger_kind.casefold()
    if kind not in TRIGGER_KINDS:
        known = ", ".join(sorted(TRIGGER_KINDS))
        raise BadInput("data.customProperties.trigger_kind", f"is {kind!r}, known are {known}")
    value = "" if alert.value is None else f" (value {alert.value:g})"
    return Trigger(
        kind=kind,
        key=alert.alert_id,
        alert_id=alert.alert_id,
        fired_at=alert.fired_at,
        reason=f"{kind}: alert rule {alert.rule!r} fired, {alert.severity}{value}",
    )


def _new_run(
    model: Model, trigger: Trigger, decision: policy.Decision, lock: Lock, now: datetime
) -> Change:
    takes_lock = decision.state is not State.SKIPPED
    run = Run(
        model=model.name,
        run_id=run_id_of(model.name, trigger),
        state=decision.state,
        trigger=trigger,
        created_at=now,
        updated_at=now,
        reason=f"{decision.skip}: {decision.reason}" if decision.skip else decision.reason,
        fence=lock.fence + 1 if takes_lock else 0,
        notified_at=None if takes_lock else now,
    )
    deadline = timedelta(minutes=model.policy.job_deadline_minutes) + LOCK_MARGIN
    taken = Lock(run.run_id, run.fence, now + deadline) if takes_lock else None
    noted = entry(run, f"run.{run.state}", now, context={"alert_id": trigger.alert_id[:500]})
    return Change(run, taken, (noted,))


def _decision_of(run: Run) -> str:
    return "accepted" if run.state is State.REQUESTED else str(run.state)
