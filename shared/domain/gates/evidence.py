"""What the gates look at: the holdout's actuals and what the versions answered for them.

Collected by the handler that judges a run; nothing is computed here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from shared.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from shared.catalogue import Task

    Floats = npt.NDArray[np.float64]
    Texts = npt.NDArray[np.str_]


def _none() -> Floats:
    return np.empty(0)


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

    def __post_init__(self) -> None:
        columns: dict[str, Floats | Texts] = dict(self.attributes)
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
