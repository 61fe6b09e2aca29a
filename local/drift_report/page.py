"""The report as one HTML file: no scripts, nothing from outside, every foreign text escaped.

Here the report becomes words and coordinates; how they are laid out stands in page.html.j2, how
they look in page.css.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.drift_report.comparison import ORDER, Column, Report
from local.drift_report.document import feature, not_judged
from local.drift_report.drawing import CategoryDrawing, NumericDrawing, draw
from local.drift_report.wording import (
    METRIC,
    SEVERITY,
    STATUS,
    VERDICT,
    clipped,
    figure,
    named,
    percent,
    probability,
)
from shared.adapters.html_page import render_page
from shared.domain.drift.measures import Measure, Metric
from shared.domain.drift.verdict import Finding

FOLDER = Path(__file__).parent
LONGEST_NAME = 80
LONGEST_TEXT = 400
LONGEST_WHY = 240
SAID_BY_NOTE = (
    *(Metric.CONSTANT, Metric.ALL_MISSING, Metric.COLUMN_VANISHED, Metric.TYPE_CHANGED),
    *(Metric.UNSEEN_SHARE, Metric.VANISHED_SHARE, Metric.OUTSIDE_SHARE),
)
"""Findings whose note says more than their figure."""
STRIP = 1000
"""The width of the strip of statuses, in its own unit."""
GROUPS = (
    ("Drift", ("SEVERE", "SIGNIFICANT", "DRIFT")),
    ("Moderate", ("MODERATE",)),
    ("Not judged", ("UNKNOWN", "INSUFFICIENT_DATA")),
    ("No drift", ("NO_DRIFT",)),
)


@dataclass(frozen=True)
class Card:
    """One column as the page shows it."""

    id: str
    name: str
    kind: str
    status: str
    words: str
    why: str
    figures: Sequence[tuple[str, str]]
    cells: Sequence[str]
    drawing: NumericDrawing | CategoryDrawing | None


@dataclass(frozen=True)
class Slice:
    """How many columns have a status, and its place in the strip."""

    status: str
    words: str
    count: int
    start: float
    width: float


def to_html(report: Report) -> str:
    """Write a report as a page."""
    cards = [_card(place, column) for place, column in enumerate(report.columns)]
    return render_page(
        FOLDER,
        cards=cards,
        groups=[
            (title, [card for card in cards if card.status in statuses])
            for title, statuses in GROUPS
        ],
        slices=_slices(report.columns),
        strip=STRIP,
        heads=HEADS,
        **_summary(report),
    )


def _summary(report: Report) -> dict[str, Any]:
    verdict = report.verdict
    dark = not_judged(verdict.findings)
    watched = [f"watch, no drift by itself: {text}" for text in verdict.warnings]
    return {
        "decision": verdict.decision,
        "verdict": VERDICT[verdict.decision],
        "severity": SEVERITY[verdict.severity],
        "drifting": sum(column.drifts for column in report.columns),
        "reference": clipped(report.reference, LONGEST_TEXT),
        "current": clipped(report.current, LONGEST_TEXT),
        "n_reference": f"{report.n_reference:,}",
        "n_current": f"{report.n_current:,}",
        "reasons": [_reason(text) for text in verdict.reasons],
        "remarks": [clipped(text, LONGEST_TEXT) for text in (*watched, dark) if text],
        "performance": [_error(finding) for finding in report.performance],
        "skipped": [(named(name), clipped(why)) for name, why in report.skipped.items()],
        "settings": report.settings,
    }


def _reason(text: str) -> tuple[str, str]:
    """Cut a reason into its code and what it names."""
    code, _, names = text.partition(": ")
    return code, clipped(names, LONGEST_TEXT)


def _slices(columns: Sequence[Column]) -> list[Slice]:
    found, start = [], 0.0
    statuses = [column.status for column in columns]
    for status in ORDER:
        if count := statuses.count(status):
            width = STRIP * count / len(columns)
            found.append(Slice(status, STATUS[status], count, round(start, 1), round(width, 1)))
            start += width
    return found


def _error(finding: Finding) -> tuple[str, str, str, str]:
    measure = finding.measure
    words = STATUS.get(finding.status, STATUS["NO_DRIFT"])
    return METRIC.get(measure.metric, measure.metric), figure(measure.value), words, measure.note


# --- columns ---------------------------------------------------------------------------------

HEADS = (
    *("PSI", "JS", "KS D", "Wasserstein", "χ²", "Cramér's V"),
    *("p", "adjusted p", "missing", "unseen"),
)


def _card(place: int, column: Column) -> Card:
    found = feature(column)
    return Card(
        id=f"c{place}",
        name=named(column.measured.name, LONGEST_NAME),
        kind=column.measured.kind,
        status=column.status,
        words=STATUS[column.status],
        why=clipped(_why(column), LONGEST_WHY),
        figures=_figures(found),
        cells=_cells(found),
        drawing=draw(column.measured.picture),
    )


def _why(column: Column) -> str:
    standing = [_standing(finding.measure) for finding in column.findings if finding.stands]
    return "; ".join(filter(None, [*standing, column.dark]))


def _standing(measure: Measure) -> str:
    """Say what stands; where the figure is only a yes, the note says it."""
    words = METRIC.get(measure.metric, measure.metric)
    if measure.metric in SAID_BY_NOTE:
        return f"{words}: {measure.note}"
    return f"{words} {figure(measure.effect)}, floor {figure(measure.floor)}"


def _figures(found: dict[str, Any]) -> list[tuple[str, str]]:
    shift = {
        "numeric": [
            ("PSI", figure(found["psi"])),
            ("KS D", figure(found["ks"])),
            ("Wasserstein", figure(found["wasserstein"])),
        ],
        "categorical": [
            ("Cramér's V", figure(found["cramers_v"])),
            ("JS", figure(found["js"])),
            ("unseen", percent(found["unseen_share"])),
        ],
        "prediction": [("PSI", figure(found["psi"]))],
    }[found["kind"]]
    return [*shift, ("adjusted p", probability(found["p_adjusted"])), ("missing", _missing(found))]


def _cells(found: dict[str, Any]) -> list[str]:
    plain = ("psi", "js", "ks", "wasserstein", "chi2", "cramers_v")
    return [
        *(figure(found[name]) for name in plain),
        *(probability(found[name]) for name in ("p_value", "p_adjusted")),
        _missing(found),
        percent(found["unseen_share"]),
    ]


def _missing(found: dict[str, Any]) -> str:
    before, after = percent(found["missing_reference"]), percent(found["missing_current"])
    return after if before == after else f"{before} → {after}"
