"""Tells people how a run ended, at least once."""

from dataclasses import dataclass, replace

from shared.catalogue import Catalogue
from shared.domain.run import Run, State
from shared.errors import NotFound
from shared.handlers.journal import Change, Journal
from shared.ports import Notice, Notifier, Snapshot

TITLES = {
    State.STAGED: "reached Staging",
    State.REJECTED: "was rejected by a gate",
    State.GATE_ERROR: "could not be judged",
    State.HELD: "is held for a person",
    State.START_FAILED: "could not start its job",
    State.JOB_FAILED: "lost its job",
    State.TIMED_OUT: "ran out of time",
    State.CANCELLED: "was cancelled",
}


@dataclass(frozen=True)
class SendNotice:
    """Sends the notice of a run that rests, then remembers that it did."""

    catalogue: Catalogue
    journal: Journal
    notifier: Notifier

    def __call__(self, model: str, run_id: str) -> None:
        """Send.

        Raises:
            NotFound: the model has no such run.
            Refused: the receiver will never take it.
            Unavailable: the receiver did not take it; the message comes again.
        """
        run = self.journal.store.snapshot(model, run_id).run
        if run is None:
            raise NotFound(f"no run {run_id} of model {model!r}", subject=run_id)
        if run.notified_at is not None or run.state not in TITLES:
            return
        self.notifier.send(self._notice(run))
        self.journal.apply(model, run_id, lambda snapshot: self._told(snapshot, run))

    def _told(self, snapshot: Snapshot, run: Run) -> Change | None:
        now = snapshot.run
        if now is None or now.state is not run.state or now.notified_at is not None:
            return None
        return Change(run=replace(now, notified_at=self.journal.clock.now()))

    def _notice(self, run: Run) -> Notice:
        model = self.catalogue.find(run.model)
        version = f" version {run.version}" if run.version else ""
        return Notice(
            title=f"{run.model}{version} {TITLES[run.state]}",
            text=run.reason,
            facts={
                "Run": run.run_id,
                "Trigger": run.trigger.reason,
                "Requested": f"{run.created_at:%Y-%m-%d %H:%M}Z",
                "Owner": model.owner if model else "",
            },
            link=model.runbook if model else "",
        )
