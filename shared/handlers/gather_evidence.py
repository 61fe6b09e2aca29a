"""Collects what the gates look at: the holdout, and what candidate and champion answer for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import numpy as np

from shared.catalogue import Model
from shared.domain.gates import explanation
from shared.domain.gates.evidence import Evidence
from shared.errors import DataError, NoChampion
from shared.handlers.trace_lineage import TraceLineage
from shared.ports import ModelVersion, Probe, Registry, Scored, Scorer, Window, Windows


@dataclass(frozen=True)
class Gathered:
    """The evidence, and the version it compares with (None: there is none)."""

    evidence: Evidence
    champion: ModelVersion | None


@dataclass(frozen=True)
class GatherEvidence:
    """Reads the holdout and has both versions answer for the same rows."""

    registry: Registry
    windows: Windows
    scorer: Scorer

    @property
    def trace(self) -> TraceLineage:
        return TraceLineage(self.windows)

    def __call__(
        self, model: Model, candidate: ModelVersion, now: datetime, *, run_id: str = ""
    ) -> Gathered:
        """Collect; what is wrong with a version is evidence, not an error.

        ``run_id`` is the run that asks; empty where somebody judges outside a run.

        Raises:
            DataError, NoTable: there is no holdout to judge on.
            Unavailable: registry, tables or artifacts did not answer.
        """
        whole = self.windows.holdout(model, now)
        traced = self.trace(model, candidate, whole, run_id)
        holdout = whole.only(traced.kept)
        seed = _seed(run_id or candidate.version)
        answer, fault = self._score(candidate, holdout, _asked(model, holdout, seed))
        champion, champion_fault = self._champion(model)
        beside, beside_fault = self._beside(champion, holdout, _compared(model, holdout, seed))
        evidence = Evidence(
            task=model.task,
            actual=holdout.actual,
            candidate=answer.predictions if answer else np.empty(0),
            champion=beside.predictions if beside else None,
            no_champion_reason=champion_fault or beside_fault,
            latencies_ms=answer.latencies_ms if answer else np.empty(0),
            attributes=_chosen(holdout, model.gates.fairness.attributes),
            candidate_fault=fault,
            lineage=traced.lineage,
            slices=_chosen(holdout, model.gates.slices.columns),
            importances=answer.importances if answer else {},
            champion_importances=beside.importances if beside else {},
            probes=answer.probes if answer else {},
            seed=seed,
        )
        return Gathered(evidence, champion)

    def _champion(self, model: Model) -> tuple[ModelVersion | None, str]:
        try:
            return self.registry.champion(model.name), ""
        except NoChampion as error:
            return None, str(error)

    def _beside(
        self, champion: ModelVersion | None, holdout: Window, asked: dict[str, Any]
    ) -> tuple[Scored | None, str]:
        return self._score(champion, holdout, asked) if champion else (None, "")

    def _score(
        self, version: ModelVersion, holdout: Window, asked: dict[str, Any]
    ) -> tuple[Scored | None, str]:
        try:
            return self.scorer.score(version, holdout.features, **asked), ""
        except DataError as error:
            return None, str(error)


def _asked(model: Model, holdout: Window, seed: int) -> dict[str, Any]:
    """Give what the candidate is asked beside its predictions."""
    asked = _compared(model, holdout, seed)
    if model.gates.robustness.probes and "probe" not in asked:
        asked["probe"] = _probe(model, holdout, seed, repeats=0)
    if model.gates.latency.enabled:
        asked["single_calls"] = model.gates.latency.calls
    return asked


def _compared(model: Model, holdout: Window, seed: int) -> dict[str, Any]:
    """Give what both versions are asked."""
    if not explanation.applies(model):
        return {}
    repeats = model.gates.explanation.repeats
    return {"probe": _probe(model, holdout, seed, repeats=repeats)}


def _probe(model: Model, holdout: Window, seed: int, *, repeats: int) -> Probe:
    rows = model.gates.explanation.rows
    return Probe(holdout.actual, repeats=repeats, seed=seed, task=model.task, rows=rows)


def _chosen(holdout: Window, names: Sequence[str]) -> dict[str, Any]:
    return {name: holdout.attributes[name] for name in names}


def _seed(text: str) -> int:
    """Give a number that is the same whenever the same judgement is made again."""
    return int.from_bytes(sha256(text.encode()).digest()[:4], "big")
