"""Whether a trigger starts a run: a pure function of trigger, history, lock, policy and now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.catalogue import Policy
from shared.domain.run import Lock, Run, SkipReason, State, Trigger

HELD_KINDS = {
    "concept": "concept drift needs a person to decide what the model should learn",
    "anomaly": "an anomaly is investigated before anything learns from it",
}
"""Kinds that never start a job by themselves, and why. Source: MLOps anchor."""

DID_NOTHING = frozenset(
    {
        State.SKIPPED,
        State.START_FAILED,
        State.JOB_FAILED,
        State.TIMED_OUT,
        State.CANCELLED,
        State.GATE_ERROR,
    }
)
"""Runs that gave no verdict on a candidate: they do not start a cool-down."""


@dataclass(frozen=True)
class Decision:
    """What becomes of a trigger, and why."""

    state: State
    reason: str
    skip: SkipReason | None = None


def decide(  # noqa: PLR0913 - a decision shows all it depends on
    trigger: Trigger,
    run_id: str,
    *,
    policy: Policy,
    history: Sequence[Run],
    lock: Lock,
    now: datetime,
) -> Decision:
    """Decide on a trigger that has no run yet; the first rule that applies wins."""
    return (
        _stale(trigger, policy, now)
        or _merged(lock, run_id, now)
        or _cooling(trigger, policy, history, now)
        or _held(trigger)
        or Decision(State.REQUESTED, trigger.reason)
    )


def _skip(skip: SkipReason, reason: str) -> Decision:
    return Decision(State.SKIPPED, reason, skip)


def _stale(trigger: Trigger, policy: Policy, now: datetime) -> Decision | None:
    age = now - trigger.fired_at
    if age <= timedelta(hours=policy.stale_after_hours):
        return None
    hours = age.total_seconds() / 3600
    return _skip(
        SkipReason.STALE,
        f"fired {hours:.1f} h ago, over the {policy.stale_after_hours:g} h allowed",
    )


def _merged(lock: Lock, run_id: str, now: datetime) -> Decision | None:
    if not lock.held_by_other(run_id, now):
        return None
    return _skip(SkipReason.MERGED, f"{lock.run_id} is already answering for this model")


def _cooling(
    trigger: Trigger, policy: Policy, history: Sequence[Run], now: datetime
) -> Decision | None:
    rest = timedelta(days=policy.cooldown_days.of(trigger.kind))
    answered = [run for run in history if run.state not in DID_NOTHING]
    last = max(answered, key=lambda run: run.created_at, default=None)
    # a kind without rest never waits, also not for a run that another clock put into the future
    if last is None or not rest or now - last.created_at >= rest:
        return None
    until = last.created_at + rest
    return _skip(
        SkipReason.COOLING_DOWN,
        f"{last.run_id} answered at {last.created_at:%Y-%m-%d %H:%M}Z; "
        f"{trigger.kind} rests until {until:%Y-%m-%d %H:%M}Z",
    )


def _held(trigger: Trigger) -> Decision | None:
    why = HELD_KINDS.get(trigger.kind)
    return None if why is None else Decision(State.HELD, why)
