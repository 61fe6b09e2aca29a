"""Two files compared by the app's drift engine: profiles, measures, one judgement over all.

One column of both files is in memory at a time; what is kept of it is small.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from local.drift_report.accuracy import measure_errors
from local.drift_report.pictures import Picture, category_picture, numeric_picture
from local.drift_report.reading import Source
from local.drift_report.selection import Kind, Request, Selection, select
from shared.domain.drift import statistics
from shared.domain.drift.columns import Scratch
from shared.domain.drift.features import (
    Profile,
    categorical_measures,
    numeric_measures,
    prediction_measures,
)
from shared.domain.drift.measures import ADVICE, PREDICTION, WATCHED, Measure, Metric
from shared.domain.drift.profile import (
    CategoricalProfile,
    reference_categorical,
    reference_numeric,
)
from shared.domain.drift.quality import odd_column
from shared.domain.drift.verdict import CORE, SHIFTED, Finding, Verdict, conclude, judge
from shared.sections.drift import DriftSettings

GRAVE = ("SEVERE", "SIGNIFICANT", "DRIFT", "MODERATE")
"""The statuses of a finding that make the column's, the gravest first."""
DARK = ("UNKNOWN", "INSUFFICIENT_DATA")
"""The statuses of a shift that was not judged."""
LOST = frozenset({Metric.ALL_MISSING, Metric.COLUMN_VANISHED, Metric.TYPE_CHANGED})
"""Findings of a column that cannot be used any more."""
ORDER = (*GRAVE, *DARK, "NO_DRIFT")
"""A column's statuses in the order they are shown in."""


@dataclass(frozen=True, eq=False)
class Measured:
    """A column's measures, before they are judged."""

    name: str
    kind: Kind
    measures: Sequence[Measure]
    ks_bound: float | None
    missing_reference: float
    missing_current: float
    picture: Picture | None


@dataclass(frozen=True, eq=False)
class Column:
    """A column and what is thought of it."""

    measured: Measured
    findings: Sequence[Finding]

    @property
    def core(self) -> Finding:
        """The finding on the shift itself; each column has one."""
        return next(f for f in self.findings if f.measure.metric in CORE)

    @property
    def status(self) -> str:
        """The gravest finding's; what is only watched is moderate, for it decides nothing."""
        decides = [f for f in self.findings if f.measure.metric not in ADVICE | WATCHED]
        found: set[str] = {f.status for f in decides}
        if any(f.stands for f in self.findings if f.measure.metric in WATCHED):
            found.add("MODERATE")
        grave = next((status for status in GRAVE if status in found), None)
        return grave or (self.core.status if self.core.status in DARK else "NO_DRIFT")

    @property
    def drifts(self) -> bool:
        return self.status in SHIFTED

    @property
    def strength(self) -> float:
        """How far the worst finding is over its floor; 0 where nothing was judged."""
        judged = (f.measure for f in self.findings if f.p_adjusted is not None)
        return max(
            (m.effect / m.floor for m in judged if m.effect and m.metric not in ADVICE | WATCHED),
            default=0.0,
        )

    @property
    def rank(self) -> tuple[int, float, str]:
        """Sort the worst first; a column that is lost is as bad as a severe one."""
        lost = any(f.stands and f.measure.metric in LOST for f in self.findings)
        return (0 if lost else ORDER.index(self.status), -self.strength, self.measured.name)

    def find(self, metric: Metric) -> Finding | None:
        return next((f for f in self.findings if f.measure.metric == metric), None)

    @property
    def note(self) -> str:
        """Say what makes the status, or why there is none."""
        standing = [_reason(f) for f in self.findings if f.stands]
        return "; ".join(filter(None, [*standing, self.dark]))

    @property
    def dark(self) -> str:
        """Say why the shift was not judged; empty where it was."""
        return self.core.measure.note if self.core.p_adjusted is None else ""


def _reason(finding: Finding) -> str:
    measure = finding.measure
    detail = f" ({measure.note})" if measure.note else ""
    return f"{measure.metric} effect {measure.effect:.4g}, floor {measure.floor:.4g}{detail}"


@dataclass(frozen=True, eq=False)
class Report:
    """All that is known of two files.

    Attributes:
        columns: the inputs and the predictions, the worst first.
        performance: errors on both sides; empty where no actuals are named.
    """

    reference: str
    current: str
    n_reference: int
    n_current: int
    settings: DriftSettings
    columns: Sequence[Column]
    performance: Sequence[Finding]
    skipped: Mapping[str, str]
    verdict: Verdict


def compare(reference: Source, current: Source, request: Request, *, pictures: bool) -> Report:
    """Compare two files as one window against its reference."""
    selection = select(reference, current, request)
    measured = list(_measured(reference, current, selection, request, pictures=pictures))
    performance = measure_errors(reference, current, request)
    measures = [measure for column in measured for measure in column.measures]
    findings = judge([*measures, *performance], request.drift)
    columns, rest = _split(measured, findings)
    return Report(
        reference=str(reference.path),
        current=str(current.path),
        n_reference=reference.rows,
        n_current=current.rows,
        settings=request.drift,
        columns=sorted(columns, key=lambda column: column.rank),
        performance=rest,
        skipped=selection.skipped,
        verdict=conclude([findings], request.drift),
    )


def _split(
    measured: Sequence[Measured], findings: Sequence[Finding]
) -> tuple[list[Column], Sequence[Finding]]:
    """Give each column its findings; what is left over is the performance."""
    columns, place = [], 0
    for column in measured:
        following = place + len(column.measures)
        columns.append(Column(column, findings[place:following]))
        place = following
    return columns, findings[place:]


def _measured(
    reference: Source, current: Source, selection: Selection, request: Request, *, pictures: bool
) -> Iterator[Measured]:
    bench = _Bench(request.drift, Scratch(), pictures)
    rows = reference.rows, current.rows
    for name, kind in selection.kinds.items():
        found = bench.measure(name, kind, *_pair(name, kind, reference, current))
        odd = odd_column(name, rows, selection.odd[name], request.drift)
        yield replace(found, measures=[*found.measures, *odd])
    if request.prediction:
        before, after = _pair(request.prediction, "prediction", reference, current)
        yield bench.measure(PREDICTION, "prediction", before, after)


def _pair(name: str, kind: Kind, reference: Source, current: Source) -> tuple[Any, Any]:
    """Read a column of both files; one that has vanished reads as all missing."""
    if name not in current.types:
        return reference.column(name), pa.nulls(current.rows)
    if kind == "categorical" and reference.types[name] != current.types[name]:
        # one side was guessed to be numbers or dates: as text 01 and true stay what they are
        return reference.texts(name), current.texts(name)
    return reference.column(name), current.column(name)


@dataclass(frozen=True, eq=False)
class _Bench:
    """What measuring a column needs, beside the column."""

    settings: DriftSettings
    scratch: Scratch
    pictures: bool

    def measure(self, name: str, kind: Kind, before: Any, after: Any) -> Measured:
        if kind == "categorical":
            reference = reference_categorical(before)
            return self._categorical(name, reference, reference.on(after))
        numbers = reference_numeric(before, self.settings.bins, self.scratch)
        current = numbers.on(after, self.scratch)
        inputs = kind == "numeric"
        measures = (
            numeric_measures(name, numbers, current, self.settings)
            if inputs
            else prediction_measures(numbers, current, self.settings)
        )
        both = bool(numbers.finite and current.finite)
        bound = statistics.kolmogorov_smirnov(numbers, current).bound if inputs and both else None
        picture = numeric_picture(before, after) if self.pictures else None
        return Measured(name, kind, measures, bound, *_missing(numbers, current), picture)

    def _categorical(
        self, name: str, reference: CategoricalProfile, current: CategoricalProfile
    ) -> Measured:
        measures = categorical_measures(name, reference, current, self.settings)
        picture = category_picture(reference, current) if self.pictures else None
        missing = _missing(reference, current)
        return Measured(name, "categorical", measures, None, *missing, picture)


def _missing(reference: Profile, current: Profile) -> tuple[float, float]:
    return reference.missing / reference.rows, current.missing / current.rows
