"""Figures and foreign texts as a person reads them, on a terminal and on a page."""

import math
from typing import Any

LONGEST = 120
NONE = "\N{EN DASH}"
SMALLEST_P = 1e-4


def printable(text: str) -> str:
    """Make control characters, direction marks and lone surrogates visible and harmless."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def clipped(text: Any, most: int = LONGEST) -> str:
    """Give a foreign text on one line, cut where it is too long."""
    # cut first: a category may be a megabyte
    line = printable(str(text)[: most + 1])
    return line if len(line) <= most else line[: most - 1] + "…"


def named(text: str, most: int = LONGEST) -> str:
    """Give a column's or a category's name; a blank one in quotes, or it would look like none."""
    return clipped(text, most) if text.strip() else clipped(repr(text), most)


def figure(value: float | None) -> str:
    """Write a figure with four digits; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return NONE
    size = abs(value)
    if value == int(value) and size < 1e6:  # noqa: PLR2004 - up to here every digit is read
        return f"{int(value):,}"
    return f"{value:.3e}" if size < 1e-3 or size >= 1e6 else f"{value:,.4g}"  # noqa: PLR2004 - plain notation in between


def probability(value: float | None) -> str:
    """Write a p-value; the very small ones by their bound."""
    if value is None:
        return NONE
    return "<0.0001" if value < SMALLEST_P else f"{value:.4f}"


def percent(share: float | None) -> str:
    """Write a share in percent; a trace is never rounded to none, nor to all."""
    if share is None:
        return NONE
    if 0 < share < 0.0005:  # noqa: PLR2004 - would be 0.0 %
        return "<0.1 %"
    if 0.9995 <= share < 1:  # noqa: PLR2004 - would be 100.0 %
        return ">99.9 %"
    return f"{share:.1%}".replace(".0%", "%").replace("%", " %")


STATUS = {
    "SEVERE": "severe",
    "SIGNIFICANT": "significant",
    "DRIFT": "drift",
    "MODERATE": "moderate",
    "UNKNOWN": "unknown",
    "INSUFFICIENT_DATA": "too little data",
    "NO_DRIFT": "no drift",
}
"""A column's statuses, the gravest first, in words."""

VERDICT = {
    "TRIGGER": "Drift",
    "NO_TRIGGER": "No drift",
    "INSUFFICIENT_DATA": "Too little data to tell",
    "UNKNOWN": "Nothing could be judged",
}
"""The verdicts in words."""

SEVERITY = {
    "P1": "P1, severe",
    "P2": "P2, significant",
    "P3": "P3, minor",
    "HEALTHY": "healthy",
    "UNKNOWN": "unknown",
}
"""The severities in words."""

METRIC = {
    "PSI": "PSI",
    "PREDICTION_PSI": "PSI",
    "KS": "KS D",
    "CHI_SQUARE": "Cramér's V",
    "MISSING_RATE": "missing share moved by",
    "UNSEEN_SHARE": "unseen categories",
    "VANISHED_SHARE": "watch, categories gone",
    "OUTSIDE_SHARE": "watch, values outside the reference's range",
    "INFINITE_SHARE": "share of infinite values moved by",
    "CONSTANT": "constant",
    "ALL_MISSING": "all missing",
    "COLUMN_VANISHED": "vanished",
    "TYPE_CHANGED": "changed its type",
    "RMSE_DELTA_PCT": "RMSE, relative growth",
    "MAPE_DELTA_PCT": "MAPE, growth in points",
    "R2_DELTA": "R², change",
    "AUC_DELTA_PCT": "AUC, relative change",
    "ACCURACY_DELTA": "accuracy, change in points",
    "BRIER_DELTA": "Brier score, growth",
    "ECE": "calibration error",
}
"""What can be a finding, or is an error, in words."""
