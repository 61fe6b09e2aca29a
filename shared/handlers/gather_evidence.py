"""Collects what the gates look at: the holdout, and what candidate and champion answer for it."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from shared.catalogue import Model
from shared.domain.gates.evidence import Evidence
from shared.errors import DataError, NoChampion
from shared.ports import ModelVersion, Registry, Scored, Scorer, Window, Windows


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

    def __call__(self, model: Model, candidate: ModelVersion, now: datetime) -> Gathered:
        """Collect; what is wrong with a version is evidence, not an error.

        Raises:
            DataError, NoTable: there is no holdout to judge on.
            Unavailable: registry, tables or artifacts did not answer.
        """
        holdout = self.windows.holdout(model, now)
        calls = model.gates.latency.calls if model.gates.latency.enabled else 0
        answer, fault = self._score(candidate, holdout, calls)
        champion, champion_fault = self._champion(model)
        beside, beside_fault = self._score(champion, holdout, 0) if champion else (None, "")
        evidence = Evidence(
            task=model.task,
            actual=holdout.actual,
            candidate=answer.predictions if answer else np.empty(0),
            champion=beside.predictions if beside else None,
            no_champion_reason=champion_fault or beside_fault,
            latencies_ms=answer.latencies_ms if answer else np.empty(0),
            attributes=holdout.attributes,
            candidate_fault=fault,
        )
        return Gathered(evidence, champion)

    def _champion(self, model: Model) -> tuple[ModelVersion | None, str]:
        try:
            return self.registry.champion(model.name), ""
        except NoChampion as error:
            return None, str(error)

    def _score(
        self, version: ModelVersion, holdout: Window, calls: int
    ) -> tuple[Scored | None, str]:
        try:
            return self.scorer.score(version, holdout.features, single_calls=calls), ""
        except DataError as error:
            return None, str(error)
