"""A trigger arrived, from an alert, a person or a timer: decide, record, have the run driven on.

Every trigger enters here, and starts nothing itself: it leaves one run, one lock, one fact and one
message behind.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.catalogue import Catalogue, Model
from shared.domain import policy
from shared.domain.actor import LOOP, Actor
from shared.domain.run import Lock, Run, State, Trigger, run_id_of
from shared.errors import NotFound
from shared.handlers import messages
from shared.handlers.journal import Change, Journal, entry
from shared.ports import Queues, Snapshot

LOCK_MARGIN = timedelta(hours=6)
"""What gates and promotion may take after the job's deadline before a lock counts as lost."""

ASKED_BY = "asked_by_id"
"""The fact of a run that a person asked for: the object id that the person has proven."""

SEEN_FIRING = "seen_firing"
"""The fact of a run that a resolution made: whether the firing has come since."""


@dataclass(frozen=True)
class Receipt:
    """What the sender is told."""

    decision: str
    reason: str
    model: str = ""
    run_id: str = ""
    state: str = ""


@dataclass(frozen=True)
class RequestRetrain:
    """Takes triggers."""

    catalogue: Catalogue
    journal: Journal
    queues: Queues

    def __call__(self, model: Model, trigger: Trigger, actor: Actor = LOOP) -> Receipt:
        """Give a receipt once the decision is stored; the same trigger again is a duplicate.

        Raises:
            Unavailable: it could not be stored or queued; the sender should come again.
        """
        run_id = run_id_of(model.name, trigger)
        applied = self.journal.apply(
            model.name, run_id, lambda snapshot: self._decide(model, trigger, actor, snapshot)
        )
        run = applied.run
        if run is None:  # the decision always writes a run
            raise AssertionError(run_id)
        if run.state is State.REQUESTED:
            self.queues.send(messages.RETRAIN_RUNS, messages.run_message(run))
        elif run.state is State.HELD and run.notified_at is None:
            self.queues.send(messages.NOTICES, messages.run_message(run))
        known = applied.before.run is not None and not _comes_late(applied.before.run)
        decision = "duplicate" if known else _decision_of(run)
        return Receipt(decision, run.reason, model.name, run.run_id, run.state)

    def by_hand(self, model_name: str, reason: str, actor: Actor, key: str) -> Receipt:
        """Take a person's word; the same key again names the same run.

        Raises:
            NotFound: the model is not in the catalogue.
            Unavailable: as above.
        """
        model = find_model(self.catalogue, model_name)
        now = self.journal.clock.now()
        said = f"manual: {actor.name} asked: {reason}"
        trigger = Trigger("manual", key, "", now, said, actor=actor.name)
        return self(model, trigger, actor)

    def foresee(self, model: Model, trigger: Trigger) -> policy.Decision:
        """Decide and write nothing: what would become of a trigger that has no run yet."""
        snapshot = self.journal.store.snapshot(model.name, run_id_of(model.name, trigger))
        return self._judge(model, trigger, snapshot, self.journal.clock.now())

    def _decide(self, model: Model, trigger: Trigger, actor: Actor, snapshot: Snapshot) -> Change:
        now = self.journal.clock.now()
        if snapshot.run is not None:
            return _again(snapshot.run, trigger, actor, now)
        decision = self._judge(model, trigger, snapshot, now)
        return _new_run(model, trigger, decision, actor=actor, lock=snapshot.lock, now=now)

    def _judge(
        self, model: Model, trigger: Trigger, snapshot: Snapshot, now: datetime
    ) -> policy.Decision:
        since = policy.history_since(model.policy, now)
        return policy.decide(
            trigger,
            run_id_of(model.name, trigger),
            policy=model.policy,
            history=self.journal.store.runs(model.name, since=since),
            lock=snapshot.lock,
            now=now,
            suppression=snapshot.suppression,
        )


def find_model(catalogue: Catalogue, name: str) -> Model:
    """Give a model by its name; NotFound where the catalogue has none."""
    model = catalogue.find(name)
    if model is None:
        raise NotFound(f"model {name[:100]!r} is not in the catalogue", subject=name[:100])
    return model


def _again(run: Run, trigger: Trigger, actor: Actor, now: datetime) -> Change:
    if _comes_late(run):
        seen = replace(run, facts={**run.facts, SEEN_FIRING: True})
        return Change(run=seen, entries=(entry(seen, f"run.{seen.state}", now, actor=actor),))
    what = "alert" if trigger.alert_id else "trigger"
    reason = f"{what} came again; {run.run_id} is {run.state}"
    return Change(entries=(entry(run, f"{what}.duplicate", now, reason=reason, actor=actor),))


def _comes_late(run: Run) -> bool:
    """Tell whether this is the first firing of an alert whose resolution came before it."""
    return run.facts.get(SEEN_FIRING) is False


def _new_run(  # noqa: PLR0913 - a run is made of all of these
    model: Model,
    trigger: Trigger,
    decision: policy.Decision,
    *,
    actor: Actor,
    lock: Lock,
    now: datetime,
) -> Change:
    run = Run(
        model=model.name,
        run_id=run_id_of(model.name, trigger),
        state=decision.state,
        trigger=trigger,
        created_at=now,
        updated_at=now,
        reason=f"{decision.skip}: {decision.reason}" if decision.skip else decision.reason,
        fence=lock.fence + 1 if decision.acts else 0,
        notified_at=None if decision.acts else now,
        facts={ASKED_BY: actor.object_id} if actor.proven else {},
    )
    taken = lock_for(model, run, now) if decision.acts else None
    context: dict[str, object] = {"alert_id": trigger.alert_id[:500], "asked_by": trigger.actor}
    return Change(run, taken, (entry(run, f"run.{run.state}", now, context=context, actor=actor),))


def lock_for(model: Model, run: Run, now: datetime) -> Lock:
    """Give the lock of a run that begins now, for as long as it may take."""
    deadline = timedelta(minutes=model.policy.job_deadline_minutes) + LOCK_MARGIN
    return Lock(run.run_id, run.fence, now + deadline)


def _decision_of(run: Run) -> str:
    return "accepted" if run.state is State.REQUESTED else str(run.state)
