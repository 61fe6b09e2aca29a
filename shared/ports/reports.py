"""What a judgement looks like to people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from shared.domain.gates.report import Judgement


class GatePage(Protocol):
    """Draws a judgement as one page that needs nothing beside itself."""

    def render(self, judgement: Judgement) -> bytes: ...
