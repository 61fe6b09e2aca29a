"""Which columns of two files are compared, and as what. Looks at names and types only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow.types as pt

from local.drift_report.reading import Source
from local.drift_report.wording import clipped
from shared.catalogue import Task
from shared.domain.drift.columns import holds_numbers
from shared.domain.drift.measures import PERFORMANCE, PREDICTION, SUMMARY
from shared.domain.drift.quality import ABSENT
from shared.errors import BadInput, DataError
from shared.sections.drift import DriftSettings

Kind = Literal["numeric", "categorical", "prediction"]
RESERVED = frozenset({PREDICTION, PERFORMANCE, SUMMARY})


@dataclass(frozen=True)
class Request:
    """What is asked for. Names of columns may stand alone or as a list with commas."""

    drift: DriftSettings
    columns: Sequence[str] = ()
    exclude: Sequence[str] = ()
    numeric: Sequence[str] = ()
    categorical: Sequence[str] = ()
    prediction: str | None = None
    actual: str | None = None
    task: Task | None = None


@dataclass(frozen=True)
class Selection:
    """What is compared.

    Attributes:
        kinds: the inputs, in the reference's order.
        odd: what is wrong with each input in the reference and in the current file; empty: nothing.
        skipped: what is not compared, and why.
    """

    kinds: Mapping[str, Kind]
    odd: Mapping[str, tuple[str, str]]
    skipped: Mapping[str, str]


def select(reference: Source, current: Source, request: Request) -> Selection:
    """Choose the columns.

    Raises:
        BadInput: an option names a column that is not there, or not of its kind.
        DataError: nothing is left to compare.
    """
    known = _known(reference, current)
    forced = _forced(request, known)
    _check_outcome(reference, current, request)
    asked = _asked(reference, request, known)
    kinds: dict[str, Kind] = {}
    skipped: dict[str, str] = {}
    for name in asked or _rest(request, known):
        why = _not_comparable(name, reference, current, asked=name in asked)
        kind = forced.get(name) or _kind(known[name])
        if why or kind is None:
            skipped[name] = why or f"holds {known[name]}"
        else:
            kinds[name] = kind
    if not kinds and not request.prediction:
        raise DataError(_nothing(reference, current, skipped))
    odd = {
        name: (_complaint(name, kind, reference), _complaint(name, kind, current))
        for name, kind in kinds.items()
    }
    return Selection(kinds, odd, skipped)


def _known(reference: Source, current: Source) -> dict[str, Any]:
    """Give all columns' types; a column the reference has no value of goes by the other file's."""
    blank = {
        name: current.types[name]
        for name, kind in reference.types.items()
        if pt.is_null(kind) and name in current.types
    }
    # the first names keep their places, the last types count
    return {**reference.types, **current.types, **reference.types, **blank}


def _asked(reference: Source, request: Request, known: Mapping[str, Any]) -> list[str]:
    asked = _names(request.columns, known, "--columns")
    absent = next((name for name in asked if name not in reference.types), None)
    if absent is not None:
        raise BadInput("--columns", f"{clipped(absent)!r} is not in the reference")
    return asked


def _rest(request: Request, known: Mapping[str, Any]) -> list[str]:
    excluded = {*_names(request.exclude, known, "--exclude"), request.prediction, request.actual}
    return [name for name in known if name not in excluded]


def _nothing(reference: Source, current: Source, skipped: Mapping[str, str]) -> str:
    if not set(reference.types) & set(current.types):
        ours, theirs = (
            ", ".join(clipped(name, 40) for name in list(source.types)[:5])
            for source in (reference, current)
        )
        return f"the files have no column in common: {ours} … against {theirs} …"
    reasons = "; ".join(f"{clipped(name, 40)} {why}" for name, why in list(skipped.items())[:5])
    return f"no column is left to compare: {reasons or 'all are excluded'}"


def _names(given: Sequence[str], known: Mapping[str, Any], option: str) -> list[str]:
    """Resolve what an option lists: a column's whole name goes before a list with commas."""
    found: dict[str, None] = {}
    for text in given:
        for name in [text] if text in known else [part.strip() for part in text.split(",")]:
            if name not in known:
                raise BadInput(option, f"no column is named {clipped(name)!r}")
            found[name] = None
    return list(found)


def _forced(request: Request, known: Mapping[str, Any]) -> dict[str, Kind]:
    numeric = _names(request.numeric, known, "--numeric")
    categorical = _names(request.categorical, known, "--categorical")
    for name in numeric:
        if name in categorical:
            raise BadInput("--numeric", f"{clipped(name)!r} is also in --categorical")
        if pt.is_temporal(known[name]) or pt.is_nested(known[name]):
            raise BadInput("--numeric", f"{clipped(name)!r} holds {known[name]}")
    for name in categorical:
        if pt.is_nested(known[name]):
            raise BadInput("--categorical", f"{clipped(name)!r} holds {known[name]}")
    return {**dict.fromkeys(numeric, "numeric"), **dict.fromkeys(categorical, "categorical")}


def _check_outcome(reference: Source, current: Source, request: Request) -> None:
    """Check the columns that hold predictions and actuals: both files need them, as numbers."""
    if request.actual and not request.prediction:
        raise BadInput("--actual", "needs --prediction: errors are between the two")
    if request.task and not request.actual:
        raise BadInput("--task", "needs --actual: it says which errors are measured")
    named = (("--prediction", request.prediction), ("--actual", request.actual))
    for option, name in named:
        for source, side in ((reference, "reference"), (current, "current file")):
            if name is None:
                continue
            if name not in source.types:
                raise BadInput(option, f"{clipped(name)!r} is not in the {side}")
            if not holds_numbers(source.types[name]):
                kind = source.types[name]
                raise BadInput(option, f"{clipped(name)!r} in the {side} holds {kind}, not numbers")


def _not_comparable(name: str, reference: Source, current: Source, *, asked: bool) -> str:
    """Say why a column is left out; one that was asked for and has vanished is compared."""
    if name in RESERVED:
        return "has a name that the report needs itself"
    if name not in reference.types:
        return "is only in the current file"
    if name not in current.types and not asked:
        return "is only in the reference; --columns makes a vanished column count"
    return ""


def _kind(arrow: Any) -> Kind | None:
    texts = pt.is_string(arrow) or pt.is_large_string(arrow) or pt.is_string_view(arrow)
    if texts or pt.is_boolean(arrow) or pt.is_dictionary(arrow):
        return "categorical"
    return "numeric" if holds_numbers(arrow) or pt.is_null(arrow) else None


def _complaint(name: str, kind: Kind, source: Source) -> str:
    """Say what is wrong with a column, in the engine's words.

    One cell that is no number makes a CSV's column a text: there each cell counts for itself.
    """
    if name not in source.types:
        return ABSENT
    if kind == "numeric" and source.typed and not holds_numbers(source.types[name]):
        return f"the column holds {source.types[name]}, not numbers"
    return ""
