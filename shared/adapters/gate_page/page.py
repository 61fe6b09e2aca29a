"""A judgement as one HTML file: no scripts, nothing from outside, every foreign text escaped.

Here a judgement becomes words and coordinates; how they are laid out stands in page.html.j2, how
they look in page.css. Every figure that a gate gave stands in the page with all its digits.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.adapters.gate_page.gauge import Gauge, gauge, interval
from shared.adapters.gate_page.pictures import pictures
from shared.adapters.gate_page.tables import LONGEST_NAME, attributes, features, parts
from shared.adapters.html_page import render_page
from shared.adapters.wording import clipped, figure
from shared.domain.gates.report import evidence_name
from shared.domain.gates.result import GateResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.domain.gates.report import Judgement

FOLDER = Path(__file__).parent
LONGEST_TEXT = 1000
TITLES = {
    Verdict.PASS: "Passed",
    Verdict.FAIL: "Failed",
    Verdict.ERROR: "Not judged",
}
SIGNS = {">=": "≥", "<=": "≤"}
MEANINGS = {
    Verdict.PASS: "Every gate passed, or was left out by a rule that allows it.",
    Verdict.FAIL: "At least one gate says no. The version may not be promoted.",
    Verdict.ERROR: "At least one gate does not know, is missing, or was left out without leave. "
    "What is not known does not pass: the version may not be promoted.",
}


@dataclass(frozen=True)
class Line:
    """One gate as the page shows it; figures come with all their digits, and as words."""

    gate: str
    verdict: str
    value: tuple[float | None, str]
    rule: str
    interval: str
    difference: str
    gauge: Gauge | None
    n: str
    reason: str
    hint: str
    source: str
    duration: str
    details: Sequence[tuple[str, str, bool]]


class HtmlGatePage:
    """The GatePage port."""

    def render(self, judgement: Judgement) -> bytes:
        """Make the page; the same judgement gives the same bytes.

        Raises:
            jinja2.TemplateError, OSError: the page's own files are not right.
        """
        # a hostile candidate's answers may be near the largest number there is
        with np.errstate(over="ignore", invalid="ignore"):
            return page(judgement).encode()


def page(judgement: Judgement) -> str:
    verdict = judgement.verdict
    lines = [_line(result) for result in judgement.results]
    return render_page(
        FOLDER,
        verdict=str(verdict),
        title=TITLES[verdict],
        meaning=MEANINGS[verdict],
        lines=lines,
        troubles=_troubles(lines),
        model=_text(judgement.model.name, LONGEST_NAME),
        version=_text(judgement.judged.model_version, LONGEST_NAME),
        tiles=_tiles(judgement),
        plots=pictures(judgement),
        attributes=attributes(judgement),
        parts=parts(judgement),
        features=features(judgement),
        basis=_basis(judgement),
    )


def _troubles(lines: Sequence[Line]) -> list[dict[str, str]]:
    """Give what keeps the version from passing; gates that say the same share an entry."""
    found: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        if line.verdict in (Verdict.FAIL, Verdict.ERROR):
            found.setdefault((line.verdict, line.reason), []).append(line)
    return [
        {
            "gates": ", ".join(line.gate for line in same),
            "verdict": verdict,
            "reason": reason,
            "hint": same[0].hint,
        }
        for (verdict, reason), same in found.items()
    ]


def _tiles(judgement: Judgement) -> list[tuple[str, str]]:
    judged = judgement.judged
    passed = sum(result.verdict is Verdict.PASS for result in judgement.results)
    skipped = sum(result.verdict is Verdict.SKIP for result in judgement.results)
    left_out = f", {skipped} skipped" if skipped else ""
    return [
        ("Version", _text(judged.model_version, LONGEST_NAME)),
        ("Champion", _text(judged.champion_version, LONGEST_NAME) or "none"),
        ("Gates passed", f"{passed} of {len(judgement.results)}{left_out}"),
        ("Rows set aside", f"{judgement.evidence.n:,}"),
        ("Judged", f"{judged.judged_at:%Y-%m-%d %H:%M} UTC"),
    ]


def _basis(judgement: Judgement) -> list[tuple[str, str]]:
    """Say what the judgement rests on, and how this page is held against it."""
    model, judged, evidence = judgement.model, judgement.judged, judgement.evidence
    told = [
        ("Description", model.description),
        ("Task", model.task),
        ("Domain", f"{model.domain}, {'regulated' if model.regulated else 'not regulated'}"),
        ("Owner", model.owner),
        ("Rows from", f"{model.data.holdout}, the last {model.gates.holdout_days:,} days of it"),
        ("Candidate could not be scored", evidence.candidate_fault),
        ("No champion to compare with", evidence.no_champion_reason),
        ("Run", judged.run_id or "none: judged for somebody to look at, nothing was changed"),
        ("Evidence", evidence_name(judged) if judged.run_id else ""),
        ("SHA-256 of gates.json", hashlib.sha256(judgement.content).hexdigest()),
    ]
    return [(name, _text(words)) for name, words in told if words]


def _line(result: GateResult) -> Line:
    value, threshold = apart(result.value, result.threshold)
    own, difference = interval(result), interval(result, "difference_")
    return Line(
        gate=_text(result.gate, LONGEST_NAME),
        verdict=str(result.verdict),
        value=(result.value, value),
        rule=f"{SIGNS.get(result.operator, result.operator)} {threshold}"
        if result.operator
        else "",
        interval=_span(own),
        difference=_difference(result.details.get("difference"), difference),
        gauge=gauge(result),
        n=f"{result.n:,}",
        reason=_text(result.reason),
        hint=_text(result.hint),
        source=_text(result.source),
        duration=figure(round(result.duration_ms, 1)),
        details=[_detail(name, found) for name, found in result.details.items()],
    )


def apart(value: float | None, threshold: float | None) -> tuple[str, str]:
    """Write value and threshold with four digits, or as many as it takes to tell them apart."""
    words = figure(value), figure(threshold)
    if value is None or threshold is None or value == threshold or words[0] != words[1]:
        return words
    return repr(float(value)), repr(float(threshold))


def _span(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f"{figure(ends[0])} to {figure(ends[1])}"


def _difference(difference: Any, ends: tuple[float, float] | None) -> str:
    if not isinstance(difference, int | float):
        return ""
    sign = "+" if difference > 0 else ""
    return f"{sign}{figure(difference)} to the champion{f' ({_span(ends)})' if ends else ''}"


def _detail(name: str, found: Any) -> tuple[str, str, bool]:
    """Give a figure's name, all its digits, and whether it is a number."""
    number = isinstance(found, int | float) and not isinstance(found, bool)
    number = number and math.isfinite(found)
    # float() first: numpy's own numbers write their type beside their digits
    digits = repr(float(found)) if isinstance(found, float) else str(found)
    return _text(name, LONGEST_NAME), digits if number else _text(found), number


def _text(words: Any, most: int = LONGEST_TEXT) -> str:
    return clipped(words, most) if words not in ("", None) else ""
