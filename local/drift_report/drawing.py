"""Pictures as coordinates of an SVG: what a page puts in, nothing of how it looks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from local.drift_report.pictures import Bar, CategoryPicture, NumericPicture, Picture
from local.drift_report.wording import figure, named, percent

WIDTH = 400
TOP = 6
BASE = 116
HEIGHT = 136
ROW = 26
BARS_FROM = 132
BARS_WIDE = 150
LABEL = 19
"""Characters of a category that fit left of its bars."""


@dataclass(frozen=True)
class NumericDrawing:
    """Two outlines on one axis."""

    reference: str
    current: str
    means: Sequence[tuple[str, float]]
    ticks: Sequence[tuple[float, str, str]]
    caption: str
    spoken: str
    width: int = WIDTH
    height: int = HEIGHT
    base: int = BASE
    top: int = TOP
    shape: str = "numeric"


@dataclass(frozen=True)
class CategoryRow:
    """Two bars of one category."""

    y: int
    label: str
    title: str
    reference: float
    current: float
    shares: str
    rest: bool


@dataclass(frozen=True)
class CategoryDrawing:
    """A pair of bars for each category."""

    rows: Sequence[CategoryRow]
    caption: str
    spoken: str
    height: int
    width: int = WIDTH
    left: int = BARS_FROM
    shape: str = "categorical"


def draw(picture: Picture | None) -> NumericDrawing | CategoryDrawing | None:
    """Lay out a picture; without one there is nothing to draw."""
    match picture:
        case None:
            return None
        case NumericPicture():
            return _numeric(picture)
        case CategoryPicture():
            return _categories(picture)


def _numeric(picture: NumericPicture) -> NumericDrawing:
    highest = max([*picture.reference, *picture.current]) or 1.0
    low, high = picture.ends
    before, after = (figure(mean) for mean in picture.means)
    caption = f"mean {before} → {after}"
    if any(picture.outside):
        outside = " → ".join(percent(share) for share in picture.outside)
        caption += f"; outside the picture {outside}"
    return NumericDrawing(
        reference=_outline(picture.reference, highest),
        current=_outline(picture.current, highest),
        means=list(_means(picture)),
        ticks=[
            (0, figure(low), "start"),
            (WIDTH / 2, figure(low + (high - low) / 2), "middle"),
            (WIDTH, figure(high), "end"),
        ],
        caption=caption,
        spoken=f"Distribution of the reference and of the current values, {caption}",
    )


def _outline(shares: Sequence[float], highest: float) -> str:
    """Walk along the tops of the bars, from the base and back to it."""
    step = WIDTH / len(shares)
    path, level = [f"M0 {BASE}"], float(BASE)
    for place, share in enumerate(shares):
        top = round(BASE - (BASE - TOP) * share / highest, 1)
        if top != level:
            path.append(f"H{place * step:.5g}V{top:g}")
            level = top
    return f"{''.join(path)}H{WIDTH}V{BASE}"


def _means(picture: NumericPicture) -> Iterator[tuple[str, float]]:
    low, high = picture.edges
    for side, mean in zip(("reference", "current"), picture.means, strict=True):
        if mean is not None and low <= mean <= high:
            yield side, round(WIDTH * (mean - low) / (high - low), 1)


def _categories(picture: CategoryPicture) -> CategoryDrawing:
    # many small ones together would dwarf those that have bars of their own
    highest = max(max(bar.reference, bar.current) for bar in picture.bars if bar.drawn) or 1.0
    rows = [_row(place, bar, highest) for place, bar in enumerate(picture.bars)]
    spoken = "; ".join(f"{row.title} {row.shares}" for row in rows)
    return CategoryDrawing(rows, "", f"Shares before and now: {spoken}", ROW * len(rows))


def _row(place: int, bar: Bar, highest: float) -> CategoryRow:
    return CategoryRow(
        y=place * ROW,
        label=named(bar.label, LABEL),
        title=named(bar.label),
        reference=_length(bar.reference, bar, highest),
        current=_length(bar.current, bar, highest),
        shares=f"{percent(bar.reference)} → {percent(bar.current)}",
        rest=bar.rest,
    )


def _length(share: float, bar: Bar, highest: float) -> float:
    return round(BARS_WIDE * share / highest, 1) if bar.drawn else 0.0
