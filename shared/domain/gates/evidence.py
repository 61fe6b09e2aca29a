"""What the gates look at: the holdout's actuals and what the versions answered for them.

Collected by the handler that judges a run; nothing is computed here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from shared.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from shared.catalogue import Task

    Floats = npt.NDArray[np.float64]
    Texts = npt.NDArray[np.str_]
    Flags = npt.NDArray[np.bool_]


def _none() -> Floats:
    return np.empty(0)


@dataclass(frozen=True)
class Lineage:
    """What is on record of how the candidate was made, and whether training saw the holdout.

    Attributes:
        run_id: the run that is judged; empty where no run asked for the judgement.
        tags: the version's own.
        holdout_table: where the rows were read, as ``lakehouse.table``.
        rows: of the holdout, the unproven ones too.
        unproven: rows before the training's end and not set aside when it began.
        changed: rows that the holdout held then and holds no more, or holds otherwise.
        fault: why nobody can say, empty if it can be said.
    """

    run_id: str
    tags: Mapping[str, str]
    holdout_table: str
    rows: int
    unproven: int = 0
    changed: int = 0
    fault: str = ""


@dataclass(frozen=True, eq=False)
class Evidence:
    """One candidate's answers on the holdout, beside the champion's on the same rows.

    Attributes:
        actual: what became true, one a row.
        candidate: the candidate's predictions, one a row; empty where it could not be scored.
        champion: the champion's predictions, one a row, or None.
        no_champion_reason: why there are none of the champion's.
        latencies_ms: the candidate's single-row calls after warm-up, milliseconds.
        attributes: declared attribute -> the row's group, one a row.
        candidate_fault: why the candidate could not be scored, empty if it could.
        lineage: how the candidate was made; None where nobody looked.
        slices: declared slice column -> the row's slice, one a row.
        importances: the candidate's features and how much its metric falls without each.
        champion_importances: the same of the champion.
        probes: what was tried with odd rows -> what went wrong, empty where nothing did.
        seed: of the resampling.
        unanswered: rows of the holdout left out here, for the candidate gave them no number.

    Raises:
        DataError: the columns are of different lengths.
    """

    task: Task
    actual: Floats
    candidate: Floats
    champion: Floats | None = None
    no_champion_reason: str = ""
    latencies_ms: Floats = field(default_factory=_none)
    attributes: Mapping[str, Texts] = field(default_factory=dict)
    candidate_fault: str = ""
    lineage: Lineage | None = None
    slices: Mapping[str, Texts] = field(default_factory=dict)
    importances: Mapping[str, float] = field(default_factory=dict)
    champion_importances: Mapping[str, float] = field(default_factory=dict)
    probes: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    unanswered: int = 0

    def __post_init__(self) -> None:
        columns: dict[str, Floats | Texts] = {**self.attributes, **self.slices}
        if not self.candidate_fault:
            columns["candidate"] = self.candidate
        if self.champion is not None:
            columns["champion"] = self.champion
        for name, column in columns.items():
            if column.shape != self.actual.shape:
                raise DataError(
                    f"{name} has {column.size} values for {self.actual.size} rows", subject=name
                )

    @property
    def n(self) -> int:
        return int(self.actual.size)

    @property
    def answers(self) -> tuple[Floats, Floats]:
        """Give the actuals and the candidate's predictions."""
        return self.actual, self.candidate

    def only(self, kept: Flags) -> Evidence:
        """Give the evidence of some rows alone."""
        return replace(
            self,
            actual=self.actual[kept],
            candidate=self.candidate if self.candidate_fault else self.candidate[kept],
            champion=None if self.champion is None else self.champion[kept],
            attributes={name: column[kept] for name, column in self.attributes.items()},
            slices={name: column[kept] for name, column in self.slices.items()},
        )
