"""Which rows of the holdout training cannot have seen, by what the version has on record.

A row is proven unseen when it is not before the training's end, or when it stood in the holdout
table at the version that training read to keep those rows out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from datetime import datetime

    import numpy.typing as npt

    Flags = npt.NDArray[np.bool_]
    Times = npt.NDArray[np.datetime64]


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of the holdout table at one moment, each id once.

    Attributes:
        ids: as text; empty where a row has none.
        times: in UTC.
        digests: equal for rows whose actual, features and groups are equal.
    """

    ids: npt.NDArray[np.str_]
    times: Times
    digests: npt.NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Unseen:
    """What a comparison found.

    Attributes:
        proven: of each row now, whether training cannot have seen it.
        changed: rows of then that are not there now, or are there with other values.
    """

    proven: Flags
    changed: int


def unseen(now: Rows, then: Rows, training_end: datetime) -> Unseen:
    """Compare the holdout as it is with the holdout as training read it.

    A row without an id cannot be found again: only its time proves it.
    """
    known = dict(zip(then.ids.tolist(), then.digests.tolist(), strict=True))
    held = dict(zip(now.ids.tolist(), now.digests.tolist(), strict=True))
    known.pop("", None)
    changed = sum(held.get(row) != digest for row, digest in known.items())
    end = np.datetime64(training_end.astimezone(UTC).replace(tzinfo=None))
    set_aside = np.isin(now.ids, then.ids) & (now.ids != "")
    return Unseen(set_aside | (now.times >= end), changed)
