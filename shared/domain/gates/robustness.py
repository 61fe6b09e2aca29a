"""Robustness: odd rows are answered with numbers, and the same row always alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.domain.gates.result import Detail, GateResult, Rule, error, skip

if TYPE_CHECKING:
    from shared.catalogue import Model
    from shared.domain.gates.evidence import Evidence

GATE = "robustness"
SOURCE = "gates.robustness.probes"
OFF = "gates.robustness.probes: none"


def judge(evidence: Evidence, model: Model) -> GateResult:
    """Count the declared probes that the candidate did not withstand."""
    wanted = model.gates.robustness.probes
    if not wanted:
        return skip(GATE, "the model is not probed with odd rows", OFF)
    fault = _fault(evidence, wanted)
    if fault:
        return error(GATE, fault, hint="score the candidate again", source=SOURCE)
    broken = {name: evidence.probes[name] for name in wanted if evidence.probes[name]}
    details: dict[str, Detail] = {name: evidence.probes[name] or "held" for name in wanted}
    rule = Rule(
        gate=GATE,
        measure="probes that failed:",
        operator="<=",
        threshold=0.0,
        source=SOURCE,
        hint="put imputation and clipping into the model itself; where it is served no such row, "
        "leave the probe out of gates.robustness.probes",
    )
    note = "; ".join(f"{name}: {said}" for name, said in broken.items())
    return rule.result(float(len(broken)), len(wanted), details, note=note)


def _fault(evidence: Evidence, wanted: tuple[str, ...]) -> str:
    if evidence.candidate_fault:
        return f"the candidate could not be scored: {evidence.candidate_fault}"
    untried = [name for name in wanted if name not in evidence.probes]
    return f"not tried: {', '.join(untried)}" if untried else ""
