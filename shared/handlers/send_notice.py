"""Tells people how a run ended: at least once, or it is on record that nobody could be told."""

from dataclasses import dataclass, replace
from datetime import timedelta

from shared.catalogue import Catalogue
from shared.domain.run import Run, State
from shared.errors import LoopError, NotFound, Refused, Unavailable
from shared.handlers.journal import Change, Journal, entry
from shared.ports import Notice, Notifier, Snapshot

TITLES = {
    State.STAGED: "reached Staging",
    State.REJECTED: "was rejected",
    State.GATE_ERROR: "could not be judged",
    State.HELD: "is held for a person",
    State.START_FAILED: "could not start its job",
    State.JOB_FAILED: "lost its job",
    State.TIMED_OUT: "ran out of time",
    State.CANCELLED: "was cancelled",
    State.AWAITING_APPROVAL: "waits for approval",
    State.PROMOTED: "is the champion",
}


@dataclass(frozen=True)
class SendNotice:
    """Sends the notice of a run that rests, then remembers that it did."""

    catalogue: Catalogue
    journal: Journal
    notifier: Notifier
    patience: timedelta

    def __call__(self, model: str, run_id: str) -> None:
        """Send.

        Raises:
            NotFound: the model has no such run.
            Unavailable: the receiver did not take it; the message comes again, and the sweeper's
                after it, for as long as the patience lasts.
        """
        run = self.journal.store.snapshot(model, run_id).run
        if run is None:
            raise NotFound(f"no run {run_id} of model {model!r}", subject=run_id)
        if run.notified_at is not None or run.state not in TITLES:
            return
        failure = self._send(run)
        self.journal.apply(model, run_id, lambda snapshot: self._told(snapshot, run, failure))

    def _send(self, run: Run) -> LoopError | None:
        """Send; give why it will never be taken, or None where it was."""
        try:
            self.notifier.send(self._notice(run))
        except Refused as error:
            return error
        except Unavailable as error:
            if self.journal.clock.now() - run.updated_at < self.patience:
                raise
            return error
        return None

    def _told(self, snapshot: Snapshot, run: Run, failure: LoopError | None) -> Change | None:
        found, now = snapshot.run, self.journal.clock.now()
        if found is None or found.state is not run.state or found.notified_at is not None:
            return None
        told = replace(found, notified_at=now)
        if failure is None:
            return Change(run=told)
        reason = f"nobody was told of this run: {failure}"
        return Change(
            told, entries=(entry(told, "notice.failed", now, outcome="failure", reason=reason),)
        )

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
