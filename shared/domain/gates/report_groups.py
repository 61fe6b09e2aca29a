"""The rows in parts: the groups of each declared attribute, and the declared slices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shared.domain.gates.fairness import favoured
from shared.domain.gates.measures import rmse

if TYPE_CHECKING:
    import numpy.typing as npt

    from shared.catalogue import Model
    from shared.domain.gates.evidence import Evidence

    Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Group:
    """One group; rates are shares of its rows, None over no rows.

    Attributes:
        compared: it is large enough for the fairness gate.
        predicted: the rows predicted the favourable outcome.
        actual: the rows that had it.
        true_positive: of those that had it, the ones predicted it.
        false_positive: of those that had it not, the ones predicted it.
    """

    name: str
    n: int
    compared: bool
    predicted: float | None
    actual: float | None
    true_positive: float | None
    false_positive: float | None


@dataclass(frozen=True)
class Slice:
    """One slice: its root mean squared errors; the champion's is None where it did not answer."""

    name: str
    n: int
    candidate: float
    champion: float | None


def groups(evidence: Evidence, model: Model, attribute: str) -> tuple[Group, ...]:
    """Give an attribute's groups, the largest first; none where the candidate has no answers."""
    rows = evidence.attributes.get(attribute)
    if rows is None or evidence.candidate.size != evidence.n:
        return ()
    gate = model.gates.fairness
    above = 0.5 if evidence.task == "classification" else gate.positive_above
    actual, predicted = evidence.actual > above, favoured(evidence.candidate, gate)
    names, place, counts = np.unique(rows, return_inverse=True, return_counts=True)
    return tuple(
        _group(str(names[each]), place == each, actual, predicted, gate.min_group)
        for each in np.argsort(-counts, kind="stable")
    )


def slices(evidence: Evidence, column: str) -> tuple[Slice, ...]:
    """Give a column's slices, the largest first; none where the candidate has no answers."""
    rows = evidence.slices.get(column)
    if rows is None or evidence.candidate.size != evidence.n:
        return ()
    names, place, counts = np.unique(rows, return_inverse=True, return_counts=True)
    return tuple(
        _slice(evidence, str(names[each]), place == each)
        for each in np.argsort(-counts, kind="stable")
    )


def _slice(evidence: Evidence, name: str, own: Flags) -> Slice:
    actual, beside = evidence.actual[own], evidence.champion
    champion = None if beside is None else rmse(actual, beside[own])
    return Slice(name, int(own.sum()), rmse(actual, evidence.candidate[own]), champion)


def _group(name: str, own: Flags, actual: Flags, predicted: Flags, least: int) -> Group:
    had, given = actual[own], predicted[own]
    return Group(
        name=name,
        n=int(own.sum()),
        compared=int(own.sum()) >= least,
        predicted=_share(given),
        actual=_share(had),
        true_positive=_share(given[had]),
        false_positive=_share(given[~had]),
    )


def _share(flags: Flags) -> float | None:
    return float(flags.mean()) if flags.size else None
