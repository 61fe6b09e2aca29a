"""Reads what is on record of how a version was made, and which rows its training cannot have seen.

The version's tags name the holdout table's version that training read to keep those rows out. That
version is read again and compared with the table as it is now.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from shared.catalogue import Model
from shared.domain.gates.evidence import Lineage
from shared.domain.gates.lineage import HOLDOUT_VERSION, missing_tags, training_end
from shared.domain.gates.unseen import Rows, unseen
from shared.errors import DataError, NotFound
from shared.ports import ModelVersion, Window, Windows

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Traced:
    """What was found, and which rows may be judged on.

    Attributes:
        kept: one a row. All of them where too little is proven: the lineage gate then fails, and
            the others still say what they can.
    """

    lineage: Lineage
    kept: "npt.NDArray[np.bool_]"


@dataclass(frozen=True)
class TraceLineage:
    """Compares the holdout with what training knew of it."""

    windows: Windows

    def __call__(
        self, model: Model, candidate: ModelVersion, holdout: Window, run_id: str
    ) -> Traced:
        """Trace; what is not on record is the gate's to judge, never an error here.

        Raises:
            Unavailable: the lakehouse did not answer.
        """
        found = Lineage(run_id, candidate.tags, model.data.holdout, rows=holdout.rows)
        everything = np.ones(holdout.rows, dtype=bool)
        end = training_end(candidate.tags)
        if missing_tags(candidate.tags) or end is None:
            return Traced(found, everything)
        try:
            then = self._then(model, candidate, holdout.end)
        except (DataError, NotFound) as error:
            return Traced(replace(found, fault=str(error)), everything)
        compared = unseen(rows_of(holdout), rows_of(then), end)
        proven = int(np.count_nonzero(compared.proven))
        found = replace(found, unproven=holdout.rows - proven, changed=compared.changed)
        enough = found.unproven <= model.gates.lineage.max_unproven * holdout.rows
        return Traced(found, compared.proven if enough else everything)

    def _then(self, model: Model, candidate: ModelVersion, until: datetime) -> Window:
        version = int(candidate.tags[HOLDOUT_VERSION])
        return self.windows.holdout(model, until, version=version)


def rows_of(window: Window) -> Rows:
    """Give a holdout's rows as they are compared.

    Raises:
        ValueError: the window is no holdout.
    """
    if window.ids is None or window.times is None or window.digests is None:
        raise ValueError("only a holdout has ids, times and digests")
    return Rows(window.ids, window.times, window.digests)
