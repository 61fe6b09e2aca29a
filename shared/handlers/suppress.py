"""A person wants a model left alone for a while, or no longer."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.catalogue import Catalogue
from shared.domain.actor import Actor
from shared.domain.audit import AuditEntry
from shared.domain.run import Suppression
from shared.errors import BadInput
from shared.handlers.journal import Change, Journal
from shared.handlers.request_retrain import find_model
from shared.ports import Snapshot

NO_RUN = "no-run"
"""Stands for a run's id where a fact belongs to none; a run's own begins with ``run-``."""


@dataclass(frozen=True)
class Suppress:
    """Suppresses a model's triggers: they are recorded, and not acted on."""

    catalogue: Catalogue
    journal: Journal

    def __call__(self, model_name: str, until: datetime, reason: str, actor: Actor) -> Suppression:
        """Suppress until a moment; the last word counts, and the same word again changes nothing.

        Raises:
            NotFound: the model is not in the catalogue.
            BadInput: the moment has passed, or is further off than the policy allows.
            Unavailable: the store did not answer; ask again.
        """
        model = find_model(self.catalogue, model_name)
        now = self.journal.clock.now()
        latest = now + timedelta(days=model.policy.suppress_max_days)
        if not now < until <= latest:
            raise BadInput("until", f"must be after now and not after {latest:%Y-%m-%dT%H:%M:%SZ}")
        wanted = Suppression(until.astimezone(UTC), reason, actor.name, since=now)

        def decide(snapshot: Snapshot) -> Change | None:
            if _same(snapshot.suppression, wanted):
                return None
            return _change(snapshot.model, "model.suppressed", wanted, actor)

        self.journal.apply(model.name, NO_RUN, decide)
        return wanted

    def lift(self, model_name: str, reason: str, actor: Actor) -> bool:
        """End a suppression now; gives whether there was one.

        Raises:
            NotFound, Unavailable: as above.
        """
        model = find_model(self.catalogue, model_name)
        now = self.journal.clock.now()
        over = Suppression(now, reason, actor.name, since=now)

        def decide(snapshot: Snapshot) -> Change | None:
            if snapshot.suppression is None or not snapshot.suppression.holds(now):
                return None
            return _change(snapshot.model, "model.unsuppressed", over, actor)

        return self.journal.apply(model.name, NO_RUN, decide).changed

    def standing(self, model_name: str) -> Suppression | None:
        """Give the suppression that holds now, if any."""
        model = find_model(self.catalogue, model_name)
        found = self.journal.store.snapshot(model.name, NO_RUN).suppression
        return found if found is not None and found.holds(self.journal.clock.now()) else None


def _same(found: Suppression | None, wanted: Suppression) -> bool:
    return found is not None and (found.until, found.reason, found.actor) == (
        wanted.until,
        wanted.reason,
        wanted.actor,
    )


def _change(model: str, action: str, suppression: Suppression, actor: Actor) -> Change:
    noted = AuditEntry(
        action=action,
        outcome="success",
        event_ts=suppression.since,
        resource=f"models/{model}",
        resource_type="model",
        reason=suppression.reason,
        context={"until": suppression.until.isoformat()},
        subject=actor.name,
        subject_type=actor.kind,
    )
    return Change(entries=(noted,), suppression=suppression)
