"""What a gate answers: one verdict with the evidence behind it. No gate's own rule stands here."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Operator = Literal[">=", "<=", "<"]
Detail = float | str | int

_WORDS: dict[Operator, str] = {">=": "at or above", "<=": "at or below", "<": "below"}


class Verdict(StrEnum):
    """What a gate says; only PASS, and SKIP where a rule allows it, let a version through."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    FAIL = "FAIL"
    SKIP = "SKIP"
    ERROR = "ERROR"


@dataclass(frozen=True)
class GateResult:
    """One gate's verdict with its evidence.

    Attributes:
        value: what was measured, or None where nothing was.
        threshold: what it was held against, or None where nothing was.
        operator: how they were compared, empty where they were not.
        n: how many rows (latency: calls) the value rests on.
        reason: one sentence for a person.
        hint: what to do about a FAIL or an ERROR.
        source: where in models.yaml the threshold, or the leave to skip, comes from.
        details: further figures, by name.
    """

    gate: str
    verdict: Verdict
    value: float | None
    threshold: float | None
    operator: Operator | Literal[""]
    n: int
    reason: str
    hint: str
    source: str
    duration_ms: float = 0.0
    details: Mapping[str, Detail] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """One comparison of a gate: what is measured, and what it must be.

    Attributes:
        measure: the figure's name, for the reason.
        source: where in models.yaml the threshold stands.
        hint: what to do when it does not hold.
    """

    gate: str
    measure: str
    operator: Operator
    threshold: float
    source: str
    hint: str

    def holds(self, value: float) -> bool:
        return self.margin(value) > 0 or (self.operator != "<" and value == self.threshold)

    def margin(self, value: float) -> float:
        """Give how far the value is on the right side: negative where the rule is broken."""
        return value - self.threshold if self.operator == ">=" else self.threshold - value

    def result(
        self, value: float, n: int, details: Mapping[str, Detail], *, note: str = ""
    ) -> GateResult:
        """Judge a value; ``note`` is added to the reason."""
        held = self.holds(value)
        is_or_must = "is" if held else "must be"
        return GateResult(
            gate=self.gate,
            verdict=Verdict.PASS if held else Verdict.FAIL,
            value=value,
            threshold=self.threshold,
            operator=self.operator,
            n=n,
            reason=f"{self.measure} {value:.4g} {is_or_must} {_WORDS[self.operator]} "
            f"{self.threshold:.4g}{'; ' + note if note else ''}",
            hint="" if held else self.hint,
            source=self.source,
            details=details,
        )


def error(  # noqa: PLR0913 - the parts of a result that an error has, by name
    gate: str,
    reason: str,
    *,
    hint: str = "",
    n: int = 0,
    source: str = "",
    value: float | None = None,
    details: Mapping[str, Detail] | None = None,
) -> GateResult:
    """Say that the gate cannot judge: unknown is never a pass."""
    return GateResult(
        gate=gate,
        verdict=Verdict.ERROR,
        value=value,
        threshold=None,
        operator="",
        n=n,
        reason=reason,
        hint=hint,
        source=source,
        details=details or {},
    )


def skip(gate: str, reason: str, source: str) -> GateResult:
    """Say that a rule, named by ``source``, lets the gate be left out."""
    return GateResult(gate, Verdict.SKIP, None, None, "", 0, reason, "", source)
