"""What asks for a retrain without an alert: a fixed time, age, new rows, drift nobody answered.

Pure: each function is given what is known and gives a trigger, or None. A trigger's key names its
occurrence, so that the same occurrence asks once however often it is looked at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.domain.actor import Actor
from shared.domain.run import Run, State, Trigger
from shared.sections.policy import Policy

TIMER = Actor("retrain-timer", "system")
"""Who asks."""


@dataclass(frozen=True)
class Trained:
    """What is known of the version that was trained last.

    Attributes:
        end: up to when its training rows go, UTC.
        rows: how many there were; None where the version does not say.
    """

    version: str
    end: datetime
    rows: int | None


@dataclass(frozen=True)
class Past:
    """A model's runs, oldest first, as far back as its policy looks."""

    runs: Sequence[Run]

    @property
    def last_acted(self) -> Run | None:
        """Give the last run that was more than a record of a trigger."""
        acted = (
            run for run in reversed(self.runs) if run.retrains and run.state is not State.SKIPPED
        )
        return next(acted, None)

    def rested(self, policy: Policy, now: datetime) -> bool:
        """Tell whether the last run is long enough ago to ask again for what still stands."""
        last = self.last_acted
        rest = timedelta(hours=policy.schedule.retry_hours)
        return last is None or now - last.created_at >= rest

    @property
    def mark(self) -> str:
        """Name where history stands, so that what still stands after a run asks anew."""
        return self.last_acted.run_id if self.last_acted else "first"


def by_clock(policy: Policy, now: datetime) -> Trigger | None:
    """Give the trigger of the last fixed time; one missed for longer than a replay is left out."""
    occurrence = policy.schedule.latest(now)
    if occurrence is None or now - occurrence > timedelta(hours=policy.stale_after_hours):
        return None
    reason = f"schedule: {policy.schedule.cron} came at {occurrence:%Y-%m-%d %H:%M}Z"
    return _trigger("schedule", f"cron:{occurrence.isoformat()}", occurrence, reason)


def by_age(policy: Policy, trained: Trained, past: Past, now: datetime) -> Trigger | None:
    """Give the trigger of a model that is too old."""
    limit, age = policy.schedule.max_age_days, now - trained.end
    if limit is None or age < timedelta(days=limit):
        return None
    reason = (
        f"schedule: version {trained.version} was trained on rows up to "
        f"{trained.end:%Y-%m-%d}, {age.days} days ago; {limit} are allowed"
    )
    return _trigger("schedule", f"age:{trained.version}:{past.mark}", now, reason)


def by_volume(
    policy: Policy, trained: Trained, new_rows: int, past: Past, now: datetime
) -> Trigger | None:
    """Give the trigger of a model that could learn from many more rows."""
    growth = policy.schedule.volume_growth
    if growth is None or not trained.rows or new_rows < growth * trained.rows:
        return None
    reason = (
        f"volume: {new_rows} rows became known since version {trained.version} was trained on "
        f"{trained.rows}: +{new_rows / trained.rows:.1%}, asked for at +{growth:.1%}"
    )
    return _trigger("volume", f"volume:{trained.version}:{past.mark}", now, reason)


def by_verdict(
    policy: Policy, verdict: Mapping[str, Any] | None, past: Past, now: datetime
) -> Trigger | None:
    """Give the trigger of a drift that still stands though no run has answered its verdict.

    An alert rule fires once an episode: where its alert was skipped, or its run came to nothing,
    no other alert follows while the drift lasts. ``verdict`` is the latest summary row of the
    drift check; the alert has ``answer_hours`` to come by itself.
    """
    if verdict is None or verdict["status"] != "TRIGGER":
        return None
    checked, last = verdict["run_timestamp"], past.last_acted
    waited = timedelta(hours=policy.schedule.answer_hours)
    if now - checked < waited or (last is not None and last.created_at >= checked):
        return None
    reason = (
        f"drift: check {verdict['run_id']} of {checked:%Y-%m-%d %H:%M}Z still says TRIGGER and no "
        f"run has answered it{_skipped(past)}; {verdict['note'] or 'no reasons recorded'}"
    )
    return _trigger("drift", verdict["run_id"], checked, reason[:1000])


def _skipped(past: Past) -> str:
    """Say what became of the last trigger that was passed over since the last run."""
    last = past.runs[-1] if past.runs else None
    if last is None or last.state is not State.SKIPPED:
        return ""
    return f" ({last.run_id} was skipped: {last.reason})"


def _trigger(kind: str, key: str, fired_at: datetime, reason: str) -> Trigger:
    return Trigger(kind, key, "", fired_at, reason, actor=TIMER.name)
