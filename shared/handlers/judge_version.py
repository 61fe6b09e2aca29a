"""Puts any version through the gates as they stand, for somebody to look at. Writes nothing."""

from collections.abc import Callable
from dataclasses import dataclass

from shared.catalogue import Catalogue
from shared.domain.gates.judge import run_gates
from shared.domain.gates.report import Judgement
from shared.domain.gates.rows import Judged
from shared.errors import NotFound
from shared.handlers.gather_evidence import GatherEvidence
from shared.ports import Clock, ModelVersion, Registry


@dataclass(frozen=True)
class JudgeVersion:
    """Judges versions by the rules of the deployed app, on the rows there are now."""

    catalogue: Catalogue
    registry: Registry
    gather: GatherEvidence
    clock: Clock
    timer: Callable[[], float]

    def __call__(self, model_name: str, version: str = "") -> Judgement:
        """Judge a version; the challenger where none is named.

        Raises:
            NotFound: the model, the version, the challenger or a table is not there.
            DataError: there is nothing to judge on.
            Refused, Unavailable: registry or tables said no, or did not answer.
        """
        model = self.catalogue.find(model_name)
        if model is None:
            raise NotFound(f"model {model_name!r} is not in the catalogue", subject=model_name)
        candidate = self._candidate(model.name, version)
        now = self.clock.now()
        gathered = self.gather(model, candidate, now)
        results = run_gates(gathered.evidence, model, self.timer)
        beside = gathered.champion.version if gathered.champion else ""
        # no run asked for it: the tables' rows of a run are those of its own judgement
        judged = Judged("", model.name, candidate.version, beside, now)
        return Judgement(model, judged, results, gathered.evidence)

    def _candidate(self, model: str, version: str) -> ModelVersion:
        if version:
            return self.registry.version(model, version)
        found = self.registry.challenger(model)
        if found is None:
            raise NotFound(f"{model}: no version is the challenger: name one", subject=model)
        return found
