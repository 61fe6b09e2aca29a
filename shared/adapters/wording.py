"""Figures and foreign texts as a person reads them, on a terminal and on a page."""

import math
from typing import Any

LONGEST = 120
NONE = "\N{EN DASH}"


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


def percent(share: float | None) -> str:
    """Write a share in percent; a trace is never rounded to none, nor to all."""
    if share is None:
        return NONE
    if 0 < share < 0.0005:  # noqa: PLR2004 - would be 0.0 %
        return "<0.1 %"
    if 0.9995 <= share < 1:  # noqa: PLR2004 - would be 100.0 %
        return ">99.9 %"
    return f"{share:.1%}".replace(".0%", "%").replace("%", " %")
