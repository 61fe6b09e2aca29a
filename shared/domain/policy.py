"""Whether a trigger starts a run: a pure function of trigger, history, policy and now.

Nothing here reads, writes or knows the time; ``docs/policy.md`` tells the rules to people.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.domain.run import Lock, Run, SkipReason, State, Suppression, Trigger
from shared.sections.policy import Policy

HELD_KINDS = {
    "concept": "concept drift needs a person to decide what the model should learn",
    "anomaly": "an anomaly is investigated before anything learns from it",
}
"""Why the kinds that are held by default never start a job by themselves. Source: MLOps anchor."""

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

    @property
    def acts(self) -> bool:
        """Tell whether the trigger gets a run of its own, held or not."""
        return self.skip is None


def decide(  # noqa: PLR0913 - a decision shows all it depends on
    trigger: Trigger,
    run_id: str,
    *,
    policy: Policy,
    history: Sequence[Run],
    lock: Lock,
    now: datetime,
    suppression: Suppression | None = None,
) -> Decision:
    """Decide on a trigger that has no run yet; the first rule that applies wins."""
    return (
        _stale(trigger, policy, now)
        or _suppressed(suppression, now)
        or _quiet(trigger, policy, now)
        or _merged(lock, run_id, now)
        or _cooling(trigger, policy, history, now)
        or _over_budget(policy, history, now)
        or _held(trigger, policy)
        or Decision(State.REQUESTED, trigger.reason)
    )


def history_since(policy: Policy, now: datetime) -> datetime:
    """Give how far back the history must go for a decision."""
    return now - timedelta(days=max(policy.cooldown_days.longest, policy.budget.days))


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


def _suppressed(suppression: Suppression | None, now: datetime) -> Decision | None:
    if suppression is None or not suppression.holds(now):
        return None
    return _skip(
        SkipReason.SUPPRESSED,
        f"{suppression.actor} suppressed it until {_minute(suppression.until)}: "
        f"{suppression.reason}",
    )


def _quiet(trigger: Trigger, policy: Policy, now: datetime) -> Decision | None:
    for quiet in policy.quiet:
        if quiet.start <= now < quiet.end and (not quiet.kinds or trigger.kind in quiet.kinds):
            until = _minute(quiet.end)
            reason = f"the calendar keeps it quiet until {until}: {quiet.reason}"
            return _skip(SkipReason.SUPPRESSED, reason)
    return None


def _merged(lock: Lock, run_id: str, now: datetime) -> Decision | None:
    if not lock.held_by_other(run_id, now):
        return None
    return _skip(SkipReason.MERGED, f"{lock.run_id} is already answering for this model")


def _cooling(
    trigger: Trigger, policy: Policy, history: Sequence[Run], now: datetime
) -> Decision | None:
    rest = timedelta(days=policy.cooldown_days.of(trigger.kind))
    answered = [run for run in history if run.retrains and run.state not in DID_NOTHING]
    last = max(answered, key=lambda run: run.created_at, default=None)
    # a kind without rest never waits, also not for a run that another clock put into the future
    if last is None or not rest or now - last.created_at >= rest:
        return None
    return _skip(
        SkipReason.COOLING_DOWN,
        f"{last.run_id} answered at {_minute(last.created_at)}; "
        f"{trigger.kind} rests until {_minute(last.created_at + rest)}",
    )


def _over_budget(policy: Policy, history: Sequence[Run], now: datetime) -> Decision | None:
    budget = policy.budget
    since = now - timedelta(days=budget.days)
    spent = sorted(run.created_at for run in history if run.starts and run.created_at > since)
    if len(spent) < budget.runs:
        return None
    free = spent[-budget.runs] + timedelta(days=budget.days)
    return _skip(
        SkipReason.OVER_BUDGET,
        f"{len(spent)} runs asked for a job in {budget.days} days, {budget.runs} are allowed; "
        f"the next may at {_minute(free)}",
    )


def _held(trigger: Trigger, policy: Policy) -> Decision | None:
    if trigger.kind not in policy.held_kinds:
        return None
    why = HELD_KINDS.get(trigger.kind, f"the policy has a person decide on {trigger.kind}")
    return Decision(State.HELD, why)


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}Z"
