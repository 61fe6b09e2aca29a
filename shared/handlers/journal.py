"""One read-decide-write on a model's partition: the only way a run changes.

The decision is a function of the snapshot it is written against. When somebody else wrote first,
it is taken again on what is there now; nothing that was decided on an old reading is ever stored.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from shared.domain.actor import LOOP, Actor
from shared.domain.audit import AuditEntry, AuditRow, Outcome, extend
from shared.domain.retention import REGULATED
from shared.domain.run import Lock, Run, Suppression
from shared.errors import Conflict, Unavailable
from shared.handlers.turns import Turns
from shared.ports import Clock, Commit, RunStore, Snapshot

ATTEMPTS = 60
"""A conflict means that another worker got on, so this is contention, not failure. Against ten
workers that never rest, 60 lost writes in a row happen once in 500 alerts; 20 once in eight."""


@dataclass(frozen=True)
class Change:
    """What a decision writes: run, lock, suppression, and the entries that explain it."""

    run: Run | None = None
    lock: Lock | None = None
    entries: tuple[AuditEntry, ...] = ()
    suppression: Suppression | None = None


@dataclass(frozen=True)
class Applied:
    """What became of a decision.

    Attributes:
        before: the snapshot the decision was taken on.
        run: the run as it now is; None where there is none.
        changed: whether this call wrote; only the one who wrote acts on it.
    """

    before: Snapshot
    run: Run | None
    changed: bool


Decide = Callable[[Snapshot], Change | None]
Told = Callable[[Sequence[AuditRow]], None]


def nobody(rows: Sequence[AuditRow]) -> None:
    """Tell nobody of the rows that were written."""


def longest(_: str) -> str:
    """Name the longest retention class, where nothing is known of a chain."""
    return REGULATED.name


@dataclass(frozen=True)
class Journal:
    """Applies decisions to the store.

    Attributes:
        told: is told of the rows that were just written; raises nothing, decides nothing.
        retention: names the retention class of a chain's rows.
    """

    store: RunStore
    clock: Clock
    turns: Turns = field(default_factory=Turns, repr=False, compare=False)
    told: Told = field(default=nobody, repr=False, compare=False)
    retention: Callable[[str], str] = field(default=longest, repr=False, compare=False)

    def apply(self, model: str, run_id: str, decide: Decide) -> Applied:
        """Decide and write, again as often as another writer was faster.

        Raises:
            Unavailable: the store did not answer, or other writers never let go.
        """
        with self.turns.of(model):
            return self._apply(model, run_id, decide)

    def _apply(self, model: str, run_id: str, decide: Decide) -> Applied:
        for _ in range(ATTEMPTS):
            snapshot = self.store.snapshot(model, run_id)
            change = decide(snapshot)
            if change is None:
                return Applied(snapshot, snapshot.run, changed=False)
            try:
                self._write(snapshot, change)
            except Conflict:
                continue
            return Applied(snapshot, change.run or snapshot.run, changed=True)
        raise Unavailable(f"{model}: lost {ATTEMPTS} writes in a row", subject=run_id)

    def _write(self, snapshot: Snapshot, change: Change) -> None:
        chain = snapshot.model
        kept = [replace(each, retention_class=self.retention(chain)) for each in change.entries]
        rows, head = extend(chain, snapshot.head, kept, self.clock.now())
        commit = Commit(change.run, change.lock, rows, head, change.suppression)
        self.store.commit(snapshot, commit)
        if rows:
            self.told(rows)


def entry(  # noqa: PLR0913 - an audit entry says who, what, when, why
    run: Run,
    action: str,
    now: datetime,
    *,
    outcome: Outcome = "success",
    reason: str = "",
    context: dict[str, object] | None = None,
    from_stage: str = "",
    to_stage: str = "",
    actor: Actor = LOOP,
) -> AuditEntry:
    """Write an entry about a run."""
    return AuditEntry(
        action=action,
        outcome=outcome,
        event_ts=now,
        resource=f"models/{run.model}/versions/{run.version}"
        if to_stage
        else f"models/{run.model}/runs/{run.run_id}",
        resource_type="model_version" if to_stage else "run",
        reason=reason or run.reason,
        run_id=run.run_id,
        context={"state": run.state, "trigger": run.trigger.kind, **(context or {})},
        model_version=run.version,
        from_stage=from_stage,
        to_stage=to_stage,
        subject=actor.name,
        subject_type=actor.kind,
    )
