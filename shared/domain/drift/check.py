"""One check of one version: which windows are looked at, and what comes of them.

Windows are whole UTC days, so that one is the sum of its days' profiles, and the next day's check
needs one profile more. Errors are not summed: actuals come late, so the answers of the days are
read again, each row once, though windows overlap.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Protocol

import numpy as np

from shared.catalogue import Model
from shared.domain.audit import timestamp
from shared.domain.drift.columns import Floats
from shared.domain.drift.measures import Measure
from shared.domain.drift.spec import DayProfile, Reference
from shared.domain.drift.verdict import Verdict, conclude, judge
from shared.domain.drift.window import (
    WindowProfile,
    known_pairs,
    measure_window,
    merge_windows,
)
from shared.errors import DataError

TRAINING_END = "training_end"
"""The version's tag that says up to when its training rows go, ISO 8601 with an offset."""


@dataclass(frozen=True)
class Span:
    """The time [start, end)."""

    start: datetime
    end: datetime

    def holds(self, other: "Span") -> bool:
        return self.start <= other.start and other.end <= self.end


@dataclass(frozen=True)
class Plan:
    """What one check of one version reads.

    Attributes:
        windows: whole UTC days, the latest first, each a day before the last.
        answered: the windows that errors are looked for in, one a window, so much earlier as
            actuals take to arrive.
        pieces: what of these is after the training, each to be read once, in order.
    """

    training_end: datetime
    reference: Span
    windows: tuple[Span, ...]
    answered: tuple[Span, ...]
    pieces: tuple[Span, ...]

    @property
    def days(self) -> tuple[date, date]:
        """The first day of all windows, and the one after the last."""
        return self.windows[-1].start.date(), self.windows[0].end.date()


class Answers(Protocol):
    """What was answered for some rows, and what became true: NaN where it is not known."""

    @property
    def prediction(self) -> Floats: ...
    @property
    def actual(self) -> Floats: ...


@dataclass(frozen=True, eq=False)
class Observed:
    """What a plan's check looks at.

    Attributes:
        days: the profiles of the plan's days, on the reference's edges.
        answers: those of the plan's pieces, read as they are needed.
        signals: measures that do not come from the profiles, of each window; empty: there are none.
    """

    reference: Reference
    days: Sequence[DayProfile]
    answers: Iterable[Answers]
    signals: Sequence[Sequence[Measure]] = ()


@dataclass(frozen=True)
class Subject:
    """The version that is checked."""

    model: Model
    version: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Check:
    """One check of one version, done."""

    run_id: str
    subject: Subject
    now: datetime
    plan: Plan
    n_reference: int
    n_current: int
    verdict: Verdict


def training_end(version: str, tags: Mapping[str, str]) -> datetime:
    """Read a version's training cut-off.

    Raises:
        DataError: the tag is missing, or is no time with an offset.
    """
    text = tags.get(TRAINING_END, "")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        message = f"version {version}: the tag {TRAINING_END} is no ISO time: {text!r}"
        raise DataError(message, subject=TRAINING_END) from None
    if moment.tzinfo is None:
        message = f"version {version}: the tag {TRAINING_END} has no offset: {text!r}"
        raise DataError(message, subject=TRAINING_END)
    return moment.astimezone(UTC)


def check_id(model: str, version: str, moment: datetime) -> str:
    """Name a check: the same version, as of the same moment, always gives the same id."""
    text = f"{model}\n{version}\n{timestamp(moment)}"
    return "check-" + hashlib.sha256(text.encode()).hexdigest()[:24]


def reference_span(model: Model, cutoff: datetime) -> Span:
    """Give the time whose rows a version is held against."""
    return Span(cutoff - timedelta(days=model.windows.reference_days), cutoff)


def plan_check(model: Model, cutoff: datetime, now: datetime) -> Plan:
    """Lay out the windows of a check; the day that is not over is in none of them."""
    midnight = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    windows = _windows(model, midnight)
    answered = _windows(model, midnight - timedelta(days=model.windows.actual_lag_days))
    pieces = _pieces(answered, cutoff)
    return Plan(cutoff, reference_span(model, cutoff), windows, answered, pieces)


def _windows(model: Model, end: datetime) -> tuple[Span, ...]:
    length = timedelta(days=model.windows.current_days)
    ends = [end - timedelta(days=step) for step in range(model.drift.windows)]
    return tuple(Span(end - length, end) for end in ends)


def _pieces(windows: Sequence[Span], cutoff: datetime) -> tuple[Span, ...]:
    borders = {moment for window in windows for moment in (window.start, window.end)}
    ordered = sorted(moment for moment in {*borders, cutoff} if moment >= cutoff)
    spans = (Span(*pair) for pair in pairwise(ordered))
    return tuple(span for span in spans if any(window.holds(span) for window in windows))


def run_check(subject: Subject, plan: Plan, now: datetime, found: Observed) -> Check:
    """Check a version, as of ``now``."""
    model, before = subject.model, found.reference.profile
    pairs = [known_pairs(part.prediction, part.actual) for part in found.answers]
    pieces = list(zip(plan.pieces, pairs, strict=True))
    windows = [
        replace(_sum(window, found.days), scored=_scored(answered, pieces))
        for window, answered in zip(plan.windows, plan.answered, strict=True)
    ]
    signals = found.signals or [()] * len(windows)
    judged = [
        judge([*measure_window(model, before, window, subject.tags), *beside], model.drift)
        for window, beside in zip(windows, signals, strict=True)
    ]
    return Check(
        run_id=check_id(model.name, subject.version, now),
        subject=subject,
        now=now,
        plan=plan,
        n_reference=before.rows,
        n_current=windows[0].rows,
        verdict=conclude(judged, model.drift),
    )


def _sum(window: Span, days: Sequence[DayProfile]) -> WindowProfile:
    first, end = window.start.date(), window.end.date()
    return merge_windows([found.profile for found in days if first <= found.day < end])


def _scored(window: Span, pieces: Sequence[tuple[Span, Floats]]) -> Floats:
    return np.concatenate([np.empty((0, 2)), *(p for span, p in pieces if window.holds(span))])
