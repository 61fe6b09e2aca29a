"""One whole judgement: what was judged, on which evidence, and what came of it. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.domain.audit import canonical
from shared.domain.gates.judge import decide
from shared.domain.gates.rows import Judged, report

if TYPE_CHECKING:
    from shared.catalogue import Model
    from shared.domain.gates.evidence import Evidence
    from shared.domain.gates.result import GateResult, Verdict


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a page or a table of a judgement is made from.

    Attributes:
        results: of every gate, in the order in which they ran.
    """

    model: Model
    judged: Judged
    results: tuple[GateResult, ...]
    evidence: Evidence

    @property
    def verdict(self) -> Verdict:
        return decide(self.results)

    @property
    def document(self) -> dict[str, Any]:
        """Give the judgement in JSON types."""
        return report(self.judged, self.results)

    @property
    def content(self) -> bytes:
        """Give the document's bytes: the same for the evidence store and the artifact."""
        return canonical(self.document).encode()


def evidence_name(judged: Judged) -> str:
    """Give the name under which a judgement's document is kept as evidence."""
    return f"{judged.run_id}/gates-{judged.judged_at:%Y%m%dT%H%M%S%f}.json"
