"""One check of one version: which windows are looked at, and what comes of them.

Windows overlap, rows are read once: the windows are cut where any of them begins or ends, each
piece is profiled, and a window is the sum of its pieces.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from shared.catalogue import Model
from shared.domain.audit import timestamp
from shared.domain.drift.columns import Scratch
from shared.domain.drift.verdict import Verdict, conclude, judge
from shared.domain.drift.window import (
    Rows,
    WindowProfile,
    measure_window,
    merge_windows,
    profile_reference,
    profile_window,
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
        windows: the latest first, each a day before the last.
        pieces: what they are made of, each to be read once, in order.
    """

    training_end: datetime
    reference: Span
    windows: tuple[Span, ...]
    pieces: tuple[Span, ...]


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


def check_id(model: str, version: str, window_end: datetime) -> str:
    """Name a check: the same version and window end always give the same id."""
    text = f"{model}\n{version}\n{timestamp(window_end)}"
    return "check-" + hashlib.sha256(text.encode()).hexdigest()[:24]


def plan_check(model: Model, cutoff: datetime, now: datetime) -> Plan:
    """Lay out the windows of a check."""
    length = timedelta(days=model.windows.current_days)
    ends = [now - timedelta(days=step) for step in range(model.drift.windows)]
    windows = tuple(Span(end - length, end) for end in ends)
    start = cutoff - timedelta(days=model.windows.reference_days)
    return Plan(cutoff, Span(start, cutoff), windows, _pieces(windows, cutoff))


def _pieces(windows: Sequence[Span], cutoff: datetime) -> tuple[Span, ...]:
    borders = {moment for window in windows for moment in (window.start, window.end)}
    if min(borders) < cutoff < max(borders):
        borders.add(cutoff)
    ordered = sorted(borders)
    spans = (Span(*pair) for pair in pairwise(ordered))
    return tuple(span for span in spans if any(window.holds(span) for window in windows))


def run_check(
    subject: Subject, plan: Plan, now: datetime, reference: Rows, pieces: Iterable[Rows]
) -> Check:
    """Check a version; ``pieces`` are the rows of the plan's pieces, read as they are needed."""
    scratch, model = Scratch(), subject.model
    before = profile_reference(model, reference, scratch)
    parts = [
        (span, profile_window(model, rows, before, scratch, scored=span.start >= plan.training_end))
        for span, rows in zip(plan.pieces, pieces, strict=True)
    ]
    windows = [_sum(window, parts) for window in plan.windows]
    judged = [
        judge(measure_window(model, before, window, subject.tags), model.drift)
        for window in windows
    ]
    return Check(
        run_id=check_id(model.name, subject.version, plan.windows[0].end),
        subject=subject,
        now=now,
        plan=plan,
        n_reference=before.rows,
        n_current=windows[0].rows,
        verdict=conclude(judged, model.drift),
    )


def _sum(window: Span, parts: Sequence[tuple[Span, WindowProfile]]) -> WindowProfile:
    return merge_windows([profile for span, profile in parts if window.holds(span)])
