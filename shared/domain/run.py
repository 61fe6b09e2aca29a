"""One answer to one trigger for one model: its states, and which may follow which."""

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from shared.errors import IllegalTransition


class State(StrEnum):
    """Where a run stands."""

    REQUESTED = "requested"
    SKIPPED = "skipped"
    HELD = "held"
    STARTING = "starting"
    RUNNING = "running"
    JUDGING = "judging"
    STAGED = "staged"
    CHALLENGING = "challenging"
    AWAITING_APPROVAL = "awaiting_approval"
    PROMOTING = "promoting"
    PROMOTED = "promoted"
    LIVE = "live"
    ROLLED_BACK = "rolled_back"
    START_FAILED = "start_failed"
    JOB_FAILED = "job_failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    GATE_ERROR = "gate_error"


class SkipReason(StrEnum):
    """Why a trigger was recorded and not acted on."""

    DUPLICATE = "duplicate"
    MERGED = "merged"
    COOLING_DOWN = "cooling_down"
    SUPPRESSED = "suppressed"
    INSUFFICIENT_DATA = "insufficient_data"
    RESOLVED = "resolved"
    OVER_BUDGET = "over_budget"
    STALE = "stale"


_S = State
NEXT: dict[State, frozenset[State]] = {
    _S.REQUESTED: frozenset({_S.STARTING, _S.SKIPPED, _S.HELD, _S.START_FAILED, _S.CANCELLED}),
    _S.HELD: frozenset({_S.REQUESTED, _S.RUNNING, _S.CANCELLED}),
    _S.STARTING: frozenset({_S.RUNNING, _S.JUDGING, _S.HELD, _S.START_FAILED, _S.CANCELLED}),
    _S.RUNNING: frozenset({_S.JUDGING, _S.JOB_FAILED, _S.TIMED_OUT, _S.CANCELLED}),
    _S.JUDGING: frozenset({_S.STAGED, _S.REJECTED, _S.GATE_ERROR, _S.CANCELLED}),
    _S.STAGED: frozenset({_S.CHALLENGING, _S.REJECTED}),
    _S.CHALLENGING: frozenset({_S.AWAITING_APPROVAL, _S.PROMOTING, _S.REJECTED}),
    _S.AWAITING_APPROVAL: frozenset({_S.PROMOTING, _S.REJECTED}),
    _S.PROMOTING: frozenset({_S.PROMOTED, _S.REJECTED}),
    _S.PROMOTED: frozenset({_S.LIVE, _S.ROLLED_BACK}),
    _S.LIVE: frozenset({_S.ROLLED_BACK}),
}
"""What may follow a state; a state that is missing here is final."""

WORKING = frozenset({_S.REQUESTED, _S.STARTING, _S.RUNNING, _S.JUDGING})
"""States of a retrain that a message must drive on."""

DRIVEN = WORKING | {_S.PROMOTING}
"""States that a message must drive on; one that rests here too long has stalled."""

ACTIVE = WORKING | {_S.HELD}
"""States that hold the model's lock: one run a model. A promotion takes it when its turn comes."""

CANDIDATES = frozenset({_S.STAGED, _S.CHALLENGING, _S.AWAITING_APPROVAL})
"""States in which a run's version may still become the champion."""


class Purpose(StrEnum):
    """What a run that changes the champion is for; a retrain's own promotion is the first."""

    PROMOTION = "promotion"
    ROLLBACK = "rollback"
    BOOTSTRAP = "bootstrap"


PURPOSE = "purpose"
"""Where a run's facts hold its purpose; a run without it is a retrain."""


@dataclass(frozen=True)
class Trigger:
    """What asked for the run.

    Attributes:
        kind: drift, performance, hybrid, concept, volume, anomaly, schedule or manual.
        key: names the occurrence, so that the same alert always names the same run.
        alert_id: the Azure Monitor alert id, or empty.
        fired_at: when the source says it happened, UTC.
        reason: one sentence for the audit.
    """

    kind: str
    key: str
    alert_id: str
    fired_at: datetime
    reason: str
    actor: str = "azure-monitor"


def run_id_of(model: str, trigger: Trigger) -> str:
    """Name the run of a trigger: the same trigger always gives the same id."""
    text = f"{model}\n{trigger.kind}\n{trigger.key}"
    return "run-" + hashlib.sha256(text.encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Run:
    """One run, as it is stored.

    Attributes:
        reason: why it is in this state, for a person.
        intent_at: when the start of the job was first decided, before it was asked for.
        asked_at: when a start was last asked for whose answer is not known; None where none is.
        job_id: the Fabric job instance, once known.
        deadline: when the job counts as lost, UTC.
        polls: how often the job was asked for its status.
        starts: how often a start was asked for and not plainly declined.
        version: the model version the job made, once known.
        fence: the lock's fencing number this run was given.
        notified_at: when the outcome was told, or None while it is still to be told.
        due_at: when the next look is to come; None: at once.
    """

    model: str
    run_id: str
    state: State
    trigger: Trigger
    created_at: datetime
    updated_at: datetime
    reason: str = ""
    intent_at: datetime | None = None
    job_id: str = ""
    deadline: datetime | None = None
    polls: int = 0
    starts: int = 0
    version: str = ""
    fence: int = 0
    notified_at: datetime | None = None
    asked_at: datetime | None = None
    due_at: datetime | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def to(self, state: State, now: datetime, **changes: Any) -> Self:
        """Move to ``state``.

        Raises:
            IllegalTransition: the state machine has no such step.
        """
        if state not in NEXT.get(self.state, frozenset()):
            message = f"a run in {self.state} cannot become {state}"
            raise IllegalTransition(message, subject=self.run_id)
        return replace(self, state=state, updated_at=now, **changes)

    @property
    def active(self) -> bool:
        return self.state in ACTIVE

    @property
    def final(self) -> bool:
        return self.state not in NEXT

    @property
    def purpose(self) -> Purpose:
        return Purpose(self.facts.get(PURPOSE, Purpose.PROMOTION))

    @property
    def retrains(self) -> bool:
        """Tell whether the run answers a trigger; rollback and bootstrap make no new version."""
        return self.purpose is Purpose.PROMOTION


@dataclass(frozen=True)
class Lock:
    """Keeps one run active a model.

    Attributes:
        run_id: the holder, or empty when free.
        fence: grows by one each time the lock changes hands; a holder with an older number
            has lost it.
        expires_at: after this a new run may take it.
    """

    run_id: str
    fence: int
    expires_at: datetime

    def held_by_other(self, run_id: str, now: datetime) -> bool:
        return bool(self.run_id) and self.run_id != run_id and now < self.expires_at


@dataclass(frozen=True)
class Suppression:
    """A person's word that a model is left alone for a while; lifted by one that is over.

    Attributes:
        until: from then on triggers count again, UTC.
        reason: one sentence for the audit.
        actor: who said so.
        since: when it was said.
    """

    until: datetime
    reason: str
    actor: str
    since: datetime

    def holds(self, now: datetime) -> bool:
        return now < self.until
