"""Puts the version that a run's job made through its gates, and stages it where all pass.

What is known to be wrong is a FAIL, what is not known is an ERROR, and neither promotes. A verdict
that promotes is written, with its evidence, before the registry is touched; a run that comes back
finds its verdict and only finishes what is left.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.catalogue import Catalogue, Model
from shared.domain.audit import canonical
from shared.domain.gates import fairness, fairness_rows
from shared.domain.gates.judge import decide, run_gates
from shared.domain.gates.report import Judgement, evidence_name
from shared.domain.gates.result import GateResult, Verdict
from shared.domain.gates.rows import TABLE, Judged, rows, tags
from shared.domain.run import Run, State
from shared.errors import DataError, NotFound, Refused, Unavailable
from shared.handlers.cancel_run import wanted_gone, withdraw
from shared.handlers.gather_evidence import GatherEvidence
from shared.handlers.steps import Steps
from shared.ports import EvidenceStore, ModelVersion, Registry, Tables

ATTEMPTS = 5
"""How often a candidate is judged before the run ends without a verdict; this also bounds a
candidate that takes the worker down with it."""

STAGING = "Staging"

TROUBLE = "trouble"
"""Where a run's facts hold why its last judgement could not be brought to an end."""


@dataclass(frozen=True)
class JudgeCandidate:
    """Judges candidates."""

    catalogue: Catalogue
    steps: Steps
    registry: Registry
    gather: GatherEvidence
    tables: Tables
    evidence: EvidenceStore
    timer: Callable[[], float]
    make_reference: Callable[[Model, ModelVersion], Mapping[str, Any]] | None = None
    attach_report: Callable[[Judgement], Mapping[str, Any]] | None = None

    def __call__(self, model_name: str, run_id: str) -> None:
        """Judge, or finish a judgement; safe to repeat, and to run twice at a time.

        Raises:
            NotFound: the model is not in the catalogue, or has no such run.
            Unavailable: something did not answer; the message comes again.
        """
        model = self.catalogue.find(model_name)
        run = self.steps.journal.store.snapshot(model_name, run_id).run
        if model is None or run is None:
            raise NotFound(f"no run {run_id} of model {model_name!r}", subject=run_id)
        if run.state is not State.JUDGING:
            return
        if wanted_gone(run):
            withdraw(self.steps, run)
            return
        if run.facts.get("verdict") == Verdict.PASS:
            self._finish(run)
        elif run.polls >= ATTEMPTS:
            last = f"; last: {run.facts[TROUBLE]}" if TROUBLE in run.facts else ""
            reason = f"judged {run.polls} times without a verdict{last}"
            self._end(run, State.GATE_ERROR, reason)
        else:
            self._attempt(model, run)

    def _attempt(self, model: Model, run: Run) -> None:
        counted = self.steps.rewrite(run, polls=run.polls + 1)
        if not counted.changed or counted.run is None:
            return
        try:
            self._take(model, counted.run)
        except Refused as error:
            reason = f"the candidate cannot be judged, for something is refused: {error}"
            self._end(counted.run, State.GATE_ERROR, reason)
        except Unavailable as error:
            # the message comes again; the last trouble is the one to tell
            self.steps.rewrite(counted.run, facts={TROUBLE: str(error)[:1000]})
            raise

    def _take(self, model: Model, run: Run) -> None:
        made = self.registry.made_by(model.name, run.run_id)
        if len(made) != 1:
            found = ", ".join(version.version for version in made) or "none"
            reason = f"the job should have made one version with this run's id; it made: {found}"
            self._end(run, State.GATE_ERROR, reason)
            return
        try:
            self._judge(model, run, made[0])
        except (DataError, NotFound) as error:
            reason = f"there is nothing to judge on: {error}"
            self._end(run, State.GATE_ERROR, reason, version=made[0].version)

    def _judge(self, model: Model, run: Run, candidate: ModelVersion) -> None:
        now = self.steps.journal.clock.now()
        gathered = self.gather(model, candidate, now, run_id=run.run_id)
        results = run_gates(gathered.evidence, model, self.timer)
        beside = gathered.champion.version if gathered.champion else ""
        judged = Judged(run.run_id, model.name, candidate.version, beside, now)
        judgement = Judgement(model, judged, results, gathered.evidence)
        self._write_rows(run, judgement)
        self.registry.annotate(model.name, candidate.version, tags(results))
        context = {
            **self._kept(judgement),
            **_facts(candidate, results),
            **_fairness(model, results),
            "report": dict(self.attach_report(judgement)) if self.attach_report else {},
        }
        self._settle(run, candidate, decide(results), results, context)

    def _write_rows(self, run: Run, judgement: Judgement) -> None:
        judged, results = judgement.judged, judgement.results
        for table, found in (
            (TABLE, rows(judged, results)),
            (fairness_rows.TABLE, fairness_rows.fairness_rows(judged, results, judgement.model)),
        ):
            if found:
                self.tables.append(table, found, writer=f"gates:{run.run_id}", batch=run.polls)

    def _kept(self, judgement: Judgement) -> dict[str, Any]:
        name = evidence_name(judgement.judged)
        return {"evidence": name, "evidence_sha256": self.evidence.put(name, judgement.content)}

    def _settle(
        self,
        run: Run,
        candidate: ModelVersion,
        verdict: Verdict,
        results: tuple[GateResult, ...],
        context: dict[str, Any],
    ) -> None:
        if verdict is not Verdict.PASS:
            state = State.REJECTED if verdict is Verdict.FAIL else State.GATE_ERROR
            reason = "; ".join(
                f"{result.gate} {result.verdict}: {result.reason}"
                for result in results
                if result.verdict is verdict
            )
            self._end(run, state, reason, version=candidate.version, context=context)
            return
        stages = (candidate.stage, STAGING)
        reason = f"all gates passed; asked for by {run.trigger.reason}"
        written = self.steps.rewrite(
            run,
            "model.stage",
            context=context,
            stages=stages,
            reason=reason,
            version=candidate.version,
            facts={"verdict": str(verdict), "from_stage": candidate.stage, "context": context},
        )
        if written.changed and written.run is not None:
            self._stage(written.run)

    def _finish(self, run: Run) -> None:
        """Stage what an earlier attempt has passed, if the run still owns its model."""
        counted = self.steps.rewrite(run, polls=run.polls + 1)
        if counted.changed and counted.run is not None:
            self._stage(counted.run)

    def _stage(self, run: Run) -> None:
        try:
            context = {**run.facts["context"], **self._reference(run)}
            self.registry.stage_candidate(run.model, run.version)
        except (NotFound, Refused) as error:
            reason = f"all gates passed, and the version cannot be staged: {error}"
            self._end(run, State.GATE_ERROR, reason, version=run.version)
            return
        self.steps.move(
            run,
            State.STAGED,
            "model.staged",
            reason=run.reason,
            context=context,
            stages=(run.facts["from_stage"], STAGING),
        )

    def _reference(self, run: Run) -> dict[str, Any]:
        """Make what the version's drift is measured from, before anything serves it."""
        model = self.catalogue.find(run.model)
        if self.make_reference is None or model is None:
            return {}
        version = self.registry.version(run.model, run.version)
        return {"reference_profile": dict(self.make_reference(model, version))}

    def _end(
        self,
        run: Run,
        state: State,
        reason: str,
        *,
        version: str = "",
        context: dict[str, Any] | None = None,
    ) -> None:
        self.steps.move(
            run,
            state,
            f"run.{state}",
            reason=reason[:2000],
            outcome="denied" if state is State.REJECTED else "failure",
            context={"blocked": True, **(context or {})},
            version=version,
        )


def _fairness(model: Model, results: tuple[GateResult, ...]) -> dict[str, Any]:
    """Give the limits that groups were held to and who broke one; nothing where nobody looked."""
    (found,) = (result for result in results if result.gate == fairness.GATE)
    if found.verdict is Verdict.SKIP:
        return {}
    limits = model.gates.fairness.model_dump(mode="json")
    return {
        "failed_attributes": str(found.details.get(fairness.FAILED, "")),
        "fairness_thresholds_json": canonical(limits),
    }


def _facts(candidate: ModelVersion, results: tuple[GateResult, ...]) -> dict[str, Any]:
    """Give what the audit's columns are made of."""
    figures = {name: value for result in results for name, value in result.details.items()}
    version = candidate.tags.get("training_data_version", "")
    return {
        "gates": {
            result.gate: {
                "verdict": str(result.verdict),
                "value": result.value,
                "threshold": result.threshold,
                "n": result.n,
            }
            for result in results
        },
        "candidate_r2": figures.get("candidate_r2"),
        "champion_r2": figures.get("champion_r2"),
        "data_version": int(version) if version.isdigit() else None,
    }
