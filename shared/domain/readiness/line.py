"""One line of the readiness checklist, and how a check answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.catalogue import Model
    from shared.domain.readiness.facts import Facts


class Status(StrEnum):
    """What a check says."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    FAIL = "FAIL"
    SKIP = "SKIP"


@dataclass(frozen=True)
class Answer:
    """What a check found.

    Attributes:
        found: the evidence, or why it fails or is skipped; one sentence.
        remedy: what to do about a FAIL.
    """

    status: Status
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class Check:
    """One line: what it asks, and who answers."""

    name: str
    answer: Callable[[Model, Facts], Answer]


@dataclass(frozen=True)
class Line:
    """One line, answered."""

    name: str
    status: Status
    found: str
    remedy: str = ""


def passed(found: str) -> Answer:
    return Answer(Status.PASS, found)


def failed(found: str, remedy: str = "") -> Answer:
    return Answer(Status.FAIL, found, remedy)


def skipped(why: str) -> Answer:
    return Answer(Status.SKIP, why)


def listed(texts: list[str], most: int = 5) -> str:
    """Name the first few, and how many there are beside them."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more
