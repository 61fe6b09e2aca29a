"""Pre-flight: the version was made by the job of the run that is judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.domain.gates.result import GateResult, Verdict, error, skip

if TYPE_CHECKING:
    from shared.catalogue import Model
    from shared.domain.gates.evidence import Evidence

GATE = "origin"
TAG = "retrain_run_id"
NO_RUN = "no run asked for the judgement"


def judge(evidence: Evidence, model: Model) -> GateResult:
    """Hold the version's run id against the run's own."""
    lineage = evidence.lineage
    if lineage is None:
        return error(GATE, "nobody looked at the version's tags", source=TAG)
    made_by = lineage.tags.get(TAG, "")
    if not lineage.run_id:
        said = f"{model.name} was judged outside a run; the version names {made_by or 'no run'}"
        return skip(GATE, said, NO_RUN)
    held = made_by == lineage.run_id
    reason = f"the version's {TAG} is {made_by or 'missing'}, the run is {lineage.run_id}"
    return GateResult(
        gate=GATE,
        verdict=Verdict.PASS if held else Verdict.FAIL,
        value=float(held),
        threshold=1.0,
        operator=">=",
        n=1,
        reason=reason,
        hint=""
        if held
        else "a run may stage only what its own job has made; see who registered it",
        source=TAG,
    )
