"""What a check is and what it finds; how checks run beside each other. Knows nothing of Azure."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final

from shared.errors import ConfigError, LoopError, NotFound, Refused, Throttled, Unavailable

AT_ONCE: Final = 16
"""Checks that run beside each other: a catalogue of hundreds must not be throttled. House rule."""


class Status(StrEnum):
    """How a check ended; only FAIL makes a deployment unfit."""

    OK = "OK"
    WARN = "WARN"
    SKIP = "SKIP"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """What one check says.

    Attributes:
        detail: what was seen, or what went wrong; no secrets.
        remedy: what to do about it; empty where nothing is to be done.
        seconds: how long it took.
    """

    group: str
    name: str
    status: Status
    detail: str
    remedy: str = ""
    seconds: float = 0.0


class Verdict(Exception):
    """Ends a check with something else than OK."""

    def __init__(self, status: Status, detail: str, remedy: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.remedy = remedy


def skip(reason: str) -> Verdict:
    return Verdict(Status.SKIP, reason)


def warn(detail: str, remedy: str) -> Verdict:
    return Verdict(Status.WARN, detail, remedy)


def fail(detail: str, remedy: str) -> Verdict:
    return Verdict(Status.FAIL, detail, remedy)


@dataclass(frozen=True)
class Check:
    """One question to a deployment.

    Attributes:
        look: gives what was seen; raises a Verdict or any error.
        refused: what to do where the other side says no: mostly a role that is missing.
        missing: what to do where it says that there is no such thing.
    """

    group: str
    name: str
    look: Callable[[], str]
    refused: str = ""
    missing: str = ""


def examine(
    checks: Sequence[Check], *, seconds: float, timer: Callable[[], float] = time.perf_counter
) -> list[Finding]:
    """Run checks beside each other; gives their findings in the checks' order.

    Args:
        checks: what to look at; one's trouble is no other's.
        seconds: how long each may take; one that takes longer is left behind.
        timer: counts seconds.
    """
    work = _Round(checks, seconds, timer)
    while work.waiting or work.running:
        work.begin()
        work.collect()
    return [work.found[number] for number in range(len(checks))]


@dataclass
class _Round:
    """Checks that wait, run and have ended, by their numbers.

    Attributes:
        running: when each began.
    """

    checks: Sequence[Check]
    seconds: float
    timer: Callable[[], float]
    running: dict[int, float] = field(default_factory=dict)
    found: dict[int, Finding] = field(default_factory=dict)
    ended: SimpleQueue[tuple[int, Finding]] = field(default_factory=SimpleQueue)

    def __post_init__(self) -> None:
        self.waiting = deque(range(len(self.checks)))

    def begin(self) -> None:
        """Start as many as may run at once."""
        while self.waiting and len(self.running) < AT_ONCE:
            number = self.waiting.popleft()
            self.running[number] = self.timer()
            # a thread of its own: one that hangs is left behind, and its place is taken
            Thread(target=self._run, args=(number,), daemon=True).start()

    def _run(self, number: int) -> None:
        self.ended.put((number, one(self.checks[number], self.timer)))

    def collect(self) -> None:
        """Wait until one ends, or the oldest has had its time."""
        oldest = min(self.running.values())
        try:
            number, finding = self.ended.get(timeout=max(0.0, oldest + self.seconds - self.timer()))
        except Empty:
            self._leave_behind()
        else:
            if self.running.pop(number, None) is not None:
                self.found[number] = finding

    def _leave_behind(self) -> None:
        now = self.timer()
        late = [n for n, began in self.running.items() if now >= began + self.seconds]
        for number in late:
            del self.running[number]
            self.found[number] = _late(self.checks[number], self.seconds)


def one(check: Check, timer: Callable[[], float] = time.perf_counter) -> Finding:
    """Run one check; raises nothing: what it cannot explain is a finding, too."""
    began = timer()
    try:
        status, detail, remedy = Status.OK, check.look(), ""
    except Verdict as verdict:
        status, detail, remedy = verdict.status, verdict.detail, verdict.remedy
    except LoopError as error:
        status, detail, remedy = Status.FAIL, str(error), _remedy(check, error)
    except Exception as error:  # noqa: BLE001 - a defect of one check must not hide the others
        # without its words: they may hold what was sent
        status, detail = Status.FAIL, f"an error this check does not know: {type(error).__name__}"
        remedy = "report it; the other checks are not touched by it"
    return Finding(check.group, check.name, status, detail, remedy, timer() - began)


def _remedy(check: Check, error: LoopError) -> str:
    match error:
        case Throttled():
            return f"it is busy: try again in {error.retry_after:.0f} s"
        case Unavailable():
            return "is the address right, and can it be reached from here (firewall, private link)?"
        case NotFound():
            return check.missing or check.refused
        case ConfigError():
            return "correct the setting that is named"
        case Refused():
            return check.refused
        case _:
            return check.refused or check.missing


def _late(check: Check, seconds: float) -> Finding:
    detail = f"no answer within {seconds:g} s"
    remedy = "can it be reached from here? --seconds gives each check more time"
    return Finding(check.group, check.name, Status.FAIL, detail, remedy, seconds)


def fit(findings: Iterable[Finding]) -> bool:
    return all(finding.status is not Status.FAIL for finding in findings)
