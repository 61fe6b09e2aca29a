"""The ``policy:`` section of a model: when a trigger may start a run, and what asks without one."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, field_validator, model_validator

from shared.sections.base import Days, Section


class Cooldowns(Section):
    """Days after a run in which a trigger of the kind rests. Source: MLOps anchor, 7/14/30."""

    schedule: Annotated[float, Field(ge=0)] = 0.0
    drift: Annotated[float, Field(ge=0)] = 7.0
    performance: Annotated[float, Field(ge=0)] = 14.0
    hybrid: Annotated[float, Field(ge=0)] = 7.0
    concept: Annotated[float, Field(ge=0)] = 30.0
    volume: Annotated[float, Field(ge=0)] = 7.0
    anomaly: Annotated[float, Field(ge=0)] = 7.0
    manual: Annotated[float, Field(ge=0)] = 0.0
    """A person who asks is not made to wait."""

    def of(self, kind: str) -> float:
        """Give the days of a kind; it must be one of the fields."""
        return float(getattr(self, kind))

    @property
    def longest(self) -> float:
        return max(self.of(kind) for kind in type(self).model_fields)


TRIGGER_KINDS = frozenset(Cooldowns.model_fields)
"""What may ask for a retrain."""


TriggerKind = Literal[
    "schedule", "drift", "performance", "hybrid", "concept", "volume", "anomaly", "manual"
]


class Quiet(Section):
    """A stretch of the calendar in which triggers are recorded and not acted on."""

    start: AwareDatetime
    """From here on, with an offset."""
    end: AwareDatetime
    """Up to here."""
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    """Why, for the audit."""
    kinds: tuple[TriggerKind, ...] = ()
    """Which trigger kinds; none named: all of them, a person's too."""

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.start >= self.end:
            raise ValueError("start must be before end")
        return self


class Budget(Section):
    """How many runs may ask for a job in a rolling period; later ones wait for a place in it."""

    runs: Annotated[int, Field(ge=1, le=10_000)] = 10
    """Runs that asked for a job. No source; twice what a cool-down of 7 days lets through."""
    days: Days = 30
    """Length of the period."""


_CRON_FIELD = r"(\*|\d+(-\d+)?|[A-Za-z]{3}(-[A-Za-z]{3})?)(/\d+)?"
_CRON = re.compile(rf"{_CRON_FIELD}(,{_CRON_FIELD})*")
_CRON_FIELDS = 5


class Schedule(Section):
    """What asks for a retrain without any alert; looked at whenever RETRAIN_SCHEDULE comes."""

    cron: str | None = None
    """Minute, hour, day, month and weekday (0: Sunday) in UTC; day AND weekday must both match, as
    in the app's timers. None: no fixed times."""
    max_age_days: Days | None = None
    """A model trained on data that ends longer ago is stale. None: age alone asks for nothing."""
    volume_growth: Annotated[float, Field(gt=0, le=100)] | None = 0.10
    """Newly known rows over the rows of the training. Source: MLOps anchor, +10 %. None: off."""
    retry_hours: Annotated[float, Field(gt=0)] = 24.0
    """How long age, volume and lasting drift wait after a run, whatever became of it."""
    answer_hours: Annotated[float, Field(gt=0)] = 1.0
    """How long a drift verdict waits for its alert before the timer asks itself."""

    @field_validator("cron")
    @classmethod
    def _readable(cls, value: str | None) -> str | None:
        if value is None:
            return None
        fields = value.split()
        if len(fields) != _CRON_FIELDS or not all(map(_CRON.fullmatch, fields)):
            raise ValueError(
                f"{value!r} is no cron expression: minute hour day month weekday, made of numbers, "
                "three-letter names and * , - / alone"
            )
        _require_an_occurrence(value)
        return value

    def latest(self, now: datetime) -> datetime | None:
        """Give the last fixed time that is not after ``now``; None: there is none."""
        if self.cron is None:
            return None
        from croniter import croniter

        # croniter gives what lies strictly before
        clock = croniter(self.cron, now.astimezone(UTC) + timedelta(microseconds=1), day_or=False)
        found: datetime = clock.get_prev(datetime)
        return found


def _require_an_occurrence(expression: str) -> None:
    from croniter import CroniterError, croniter

    try:
        croniter(expression, 0, day_or=False).get_next()
    except CroniterError as error:
        raise ValueError(f"{expression!r} names no time: {error}") from None


class Policy(Section):
    """When a trigger may start a run."""

    cooldown_days: Cooldowns = Cooldowns()
    held_kinds: tuple[TriggerKind, ...] = ("concept", "anomaly")
    """Kinds that a person must release. Source: MLOps anchor: concept drift is reviewed, an anomaly
    is investigated first."""
    quiet: tuple[Quiet, ...] = ()
    """The suppression calendar. Source: MLOps anchor, suppression table with reason and until."""
    suppress_max_days: Days = 90
    """The longest suppression an operator can ask for; one that is forgotten must end."""
    budget: Budget = Budget()
    schedule: Schedule = Schedule()
    stale_after_hours: Annotated[float, Field(gt=0)] = 24.0
    """A fired time older than this is recorded and not acted on (replays)."""
    job_deadline_minutes: Annotated[float, Field(gt=0)] = 240.0
    """A job that has not ended by then is cancelled."""
    start_grace_seconds: Annotated[float, Field(ge=0)] = 120.0
    """How long a lost start is looked for before it is asked for again."""
    start_attempts: Annotated[int, Field(ge=1, le=20)] = 5
    """How often a start is asked for before the run fails."""
