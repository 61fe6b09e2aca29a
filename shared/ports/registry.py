"""The model registry, and what lets a version answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from shared.catalogue import Task

    Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ModelVersion:
    """One registered version, the same whatever the store: all ids are text.

    Attributes:
        stage: None, Staging, Production or Archived, as text.
        source: where its artifacts lie.
    """

    name: str
    version: str
    run_id: str
    stage: str
    aliases: frozenset[str]
    tags: Mapping[str, str]
    source: str


class Registry(Protocol):
    """The model registry. NotFound means it answered; Unavailable means it did not."""

    def champion(self, model: str) -> ModelVersion:
        """Give the version that serves.

        Raises:
            NoChampion: the model has none, or does not exist.
        """

    def challenger(self, model: str) -> ModelVersion | None: ...

    def version(self, model: str, version: str) -> ModelVersion:
        """Give one version.

        Raises:
            NotFound: there is none.
        """

    def made_by(self, model: str, run_id: str) -> Sequence[ModelVersion]:
        """Give the versions tagged ``retrain_run_id`` = run_id: one, none, or wrongly more."""

    def stage_candidate(self, model: str, version: str) -> None:
        """Give a version the challenger role (alias, and stage Staging where there are stages)."""

    def promote(self, model: str, version: str) -> None:
        """Make a version the champion; the one before it is archived and kept as ``previous``.

        Safe to repeat from wherever an earlier attempt has ended. Promotions of one model must not
        run at the same time: no registry compares before it sets.

        Raises:
            NotFound: there is no such version.
            Refused: the server knows neither aliases nor stages nor tags.
        """

    def undo_promotion(self, model: str, version: str, *, champion: str, previous: str) -> None:
        """Take back a promotion that was wholly, partly or not at all done; safe to repeat.

        The challenger's role is not given back: the version keeps it where it was not yet lost.

        Args:
            model: whose champion was about to change.
            version: the one that was to be promoted; it may be gone by now.
            champion: who served before; empty: nobody did.
            previous: who was the champion before that one; empty, or gone by now: nobody.

        Raises:
            NotFound: the champion is gone.
            Refused: as ``promote``.
        """

    def previous(self, model: str) -> ModelVersion | None:
        """Give the version that was the champion before; None: there was none."""

    def retire(self, model: str, version: str) -> None:
        """Take the challenger role from a version and archive it; it may not have the role.

        Raises:
            NotFound: there is no such version.
            Refused: it is the champion.
        """

    def annotate(self, model: str, version: str, tags: Mapping[str, str]) -> None: ...

    def attach(self, model: str, version: str, name: str, content: bytes) -> None:
        """Store a file with a version's artifacts, in place of what has the name.

        Raises:
            NotFound: there is no such version.
            Refused: the version has no place for files.
        """

    def capabilities(self) -> Mapping[str, bool]:
        """Say which of ``aliases``, ``stages`` and ``tags`` the server has, asked once."""


@dataclass(frozen=True, eq=False)
class Probe:
    """Asks for what goes beyond predictions: which features matter, and what odd rows do.

    Attributes:
        actual: what became true, one a scored row.
        repeats: how often each feature is permuted.
        seed: the same one gives the same figures; not negative.
        rows: as many are permuted and probed at most, drawn with the seed.
        tolerance: by how much an answer may differ that should not, relative and absolute;
            House rule: the rounding of single precision.
    """

    actual: Floats
    repeats: int = 3
    seed: int = 0
    task: Task = "regression"
    rows: int = 5000
    tolerance: float = 1e-5


@dataclass(frozen=True)
class Scored:
    """What a version answered in its own process.

    Attributes:
        predictions: one a row; NaN where it gave none.
        latencies_ms: one a single-row call after warm-up, milliseconds; empty if not asked for.
        importances: feature -> how much R2 (regression) or AUC (classification) falls when its
            values are shuffled over the rows, on average; NaN where there is no such figure.
            Empty if not asked for.
        probes: ``missing``, ``extreme``, ``column_order`` and ``one_row`` -> empty where the
            version held, else what went wrong. Empty if not asked for.
    """

    predictions: Floats
    latencies_ms: Floats
    importances: Mapping[str, float] = field(default_factory=dict)
    probes: Mapping[str, str] = field(default_factory=dict)


class Scorer(Protocol):
    """Loads a version apart from this process and lets it answer."""

    def score(
        self,
        version: ModelVersion,
        rows: pa.Table,
        *,
        single_calls: int = 0,
        probe: Probe | None = None,
    ) -> Scored:
        """Predict all rows in one call, then ``single_calls`` rows one by one, then ``probe``.

        What the probe finds is in the answer, never an error.

        Raises:
            DataError: it could not be loaded, crashed, hung, or gave something else than one
                number a row; the message says which.
        """
