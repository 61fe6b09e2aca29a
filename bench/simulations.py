"""How often a check is wrong: false alarms where nothing changed, and changes it does not see.

``python bench/simulations.py`` prints the tables of docs/drift.md. Everything runs through the
engine itself: profiles, measures, verdicts. The three windows of a check are drawn apart; in life
they overlap, so a finding lasts more often than here, yet never more often than it is made.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from shared.catalogue import DriftSettings
from shared.domain.drift.columns import Scratch
from shared.domain.drift.features import numeric_measures
from shared.domain.drift.measures import Measure, Metric
from shared.domain.drift.profile import reference_numeric
from shared.domain.drift.verdict import Finding, conclude, judge

SETTINGS = DriftSettings()
FIXED_RULE = 0.2
"""The rule of thumb: any PSI above it is drift, whatever the number of rows."""
SIZES = ((270, 35), (1000, 100), (1000, 300), (10_000, 1000), (1_000_000, 200_000))
WIDTHS = (5, 50)
SHIFTS = (0.3, 0.5, 0.8)
MANY_VALUES = 100_000
"""Rows from which a tenth of the columns is drawn."""

Windows = tuple[list[Measure], ...]


@dataclass(frozen=True)
class Rates:
    """Shares of the windows, and of the checks.

    Attributes:
        judged: windows with data enough for PSI.
        significant: windows in which something is significant, however small.
        finding: windows with a finding.
        trigger: checks in which some finding lasts.
        fixed: windows in which some PSI is above the rule of thumb.
    """

    judged: float
    significant: float
    finding: float
    trigger: float
    fixed: float


def columns(
    chance: np.random.Generator, size: tuple[int, int], shifts: Iterator[float]
) -> Iterator[Windows]:
    """Give column after column: its measures in each window, the latest first."""
    scratch = Scratch()
    for shift in shifts:
        before = reference_numeric(chance.normal(size=size[0]), SETTINGS.bins, scratch)
        yield tuple(
            numeric_measures("x", before, before.on(values, scratch), SETTINGS)
            for values in chance.normal(shift, size=(SETTINGS.windows, size[1]))
        )


def rates(checks: Sequence[Sequence[Windows]]) -> Rates:
    found = np.array([outcome(check) for check in checks])
    return Rates(*found.mean(axis=0).tolist())


def outcome(check: Sequence[Windows]) -> tuple[float, ...]:
    windows = [
        judge([measure for column in check for measure in column[place]], SETTINGS)
        for place in range(SETTINGS.windows)
    ]
    judged, significant, finding, fixed = np.mean([of_window(found) for found in windows], axis=0)
    return judged, significant, finding, conclude(windows, SETTINGS).decision == "TRIGGER", fixed


def of_window(found: Sequence[Finding]) -> tuple[bool, ...]:
    shifts = [finding for finding in found if finding.measure.metric == Metric.PSI]
    return (
        all(finding.measure.readiness == "ready" for finding in shifts),
        any(is_significant(finding) for finding in found),
        any(finding.stands for finding in found),
        any((finding.measure.value or 0) > FIXED_RULE for finding in shifts),
    )


def is_significant(finding: Finding) -> bool:
    return finding.p_adjusted is not None and finding.p_adjusted < SETTINGS.alpha


def grouped(drawn: Sequence[Windows], width: int) -> list[Sequence[Windows]]:
    return [drawn[start : start + width] for start in range(0, len(drawn), width)]


def false_alarms(chance: np.random.Generator, number: int) -> None:
    print(f"\nNothing changed; alpha {SETTINGS.alpha:g}.\n")
    print("| rows | columns | checks | anything significant | any finding | trigger | PSI > 0.2 |")
    print("|---|---|---|---|---|---|---|")
    for size in SIZES:
        drawn = list(columns(chance, size, iter([0.0] * reduced(number, size))))
        for width in WIDTHS:
            checks = grouped(drawn, width)
            line = rates(checks)
            tested = f"{line.significant:.4f}" if line.judged else "not judged"
            print(
                f"| {rows(size)} | {width} | {len(checks):,} | {tested} | {line.finding:.4f} "
                f"| {line.trigger:.4f} | {line.fixed:.3f} |"
            )


def power(chance: np.random.Generator, number: int) -> None:
    print("\nOne of five columns moved.\n")
    print("| rows | moved by, in deviations | checks | any finding | trigger | PSI > 0.2 |")
    print("|---|---|---|---|---|---|")
    for size in SIZES:
        for shift in SHIFTS:
            amount = max(1, reduced(number, size) // (5 * len(SHIFTS)))
            drawn = list(columns(chance, size, iter([shift, 0.0, 0.0, 0.0, 0.0] * amount)))
            line = rates(grouped(drawn, 5))
            found, lasting = f"{line.finding:.3f}", f"{line.trigger:.3f}"
            if not line.judged:
                found = lasting = "insufficient data"
            print(
                f"| {rows(size)} | {shift} | {amount:,} | {found} | {lasting} | {line.fixed:.3f} |"
            )


def reduced(number: int, size: tuple[int, int]) -> int:
    return number if size[0] < MANY_VALUES else number // 10


def rows(size: tuple[int, int]) -> str:
    return f"{size[0]:,} / {size[1]:,}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--columns", type=int, default=10_000, help="columns drawn a size")
    number = parser.parse_args().columns
    chance = np.random.default_rng(1948)
    false_alarms(chance, number)
    power(chance, number)


if __name__ == "__main__":
    main()
