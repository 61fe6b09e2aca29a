"""The report on a terminal: the verdict, a table with the worst first, what was left out."""

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from local.drift_report.comparison import Column, Report
from local.drift_report.document import feature, not_judged
from local.drift_report.wording import (
    SEVERITY,
    STATUS,
    VERDICT,
    clipped,
    figure,
    named,
    percent,
    probability,
)

COLOURS = {
    "SEVERE": "bold red",
    "SIGNIFICANT": "red",
    "DRIFT": "yellow",
    "MODERATE": "yellow",
    "UNKNOWN": "magenta",
    "INSUFFICIENT_DATA": "magenta",
    "NO_DRIFT": "green",
}
VERDICT_COLOURS = {"TRIGGER": "bold red", "NO_TRIGGER": "bold green"}
LONGEST_NAME = 60
LONGEST_TEXT = 400
SKIPPED_SHOWN = 10


def show(report: Report, console: Console, top: int) -> None:
    """Print a report; ``top`` columns at most, 0 for all."""
    console.print(_headline(report))
    if shown := report.columns[:top] if top else report.columns:
        console.print(_table(shown))
    if hidden := len(report.columns) - len(shown):
        _say(console, f"{hidden:,} more columns, none worse; --top 0 shows all")
    for finding in report.performance:
        measure = finding.measure
        words = STATUS.get(finding.status, "no drift")
        _say(console, f"{measure.metric} {figure(measure.value)}, {words}: {measure.note}")
    for line in [*report.verdict.reasons, *_warnings(report)]:
        _say(console, line)
    for line in _skipped(report):
        _say(console, line)


def _say(console: Console, text: str) -> None:
    # Text is never read as markup, so that a column cannot colour or hide anything
    console.print(Text(clipped(text, LONGEST_TEXT)), highlight=False)


def _warnings(report: Report) -> list[str]:
    watched = [f"watch, no drift by itself: {text}" for text in report.verdict.warnings]
    return [*watched, *filter(None, [not_judged(report.verdict.findings)])]


def _headline(report: Report) -> Text:
    verdict = report.verdict
    moved = sum(column.drifts for column in report.columns)
    text = Text(VERDICT[verdict.decision], VERDICT_COLOURS.get(verdict.decision, "bold magenta"))
    rows = f"{report.n_reference:,} reference rows, {report.n_current:,} current rows"
    text.append(
        f"  severity {SEVERITY[verdict.severity]}; {moved:,} of {len(report.columns):,} columns"
        f" drift; {rows}",
        "not bold default",
    )
    return text


def _table(columns: Iterable[Column]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("Column", overflow="fold")
    table.add_column("Status", no_wrap=True)
    for name in ("PSI", "KS D", "V", "adj. p", "Missing"):
        table.add_column(name, justify="right", no_wrap=True)
    for column in columns:
        found = feature(column)
        before, after = found["missing_reference"], found["missing_current"]
        missing = percent(after) if before == after else f"{percent(before)} → {percent(after)}"
        table.add_row(
            Text(named(column.measured.name, LONGEST_NAME)),
            Text(STATUS[column.status], COLOURS[column.status]),
            figure(found["psi"]),
            figure(found["ks"]),
            figure(found["cramers_v"]),
            probability(found["p_adjusted"]),
            missing,
        )
    return table


def _skipped(report: Report) -> list[str]:
    """Say what was not compared, columns of the same reason on one line."""
    by_reason: dict[str, list[str]] = {}
    for name, why in report.skipped.items():
        by_reason.setdefault(why, []).append(named(name, LONGEST_NAME))
    return [
        f"not compared: {', '.join(names[:SKIPPED_SHOWN])}"
        f"{f' and {len(names) - SKIPPED_SHOWN:,} more' if len(names) > SKIPPED_SHOWN else ''}"
        f" ({why})"
        for why, names in by_reason.items()
    ]
