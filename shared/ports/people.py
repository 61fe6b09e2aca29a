"""Who is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Notice:
    """One message to people: plain text, escaped by whoever renders it."""

    title: str
    text: str
    facts: Mapping[str, str] = field(default_factory=dict)
    link: str = ""


class Notifier(Protocol):
    """Tells people."""

    def send(self, notice: Notice) -> None: ...
