"""Which pictures a judgement has: by task, and only those that there is something to draw in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.adapters.gate_page.plots import (
    Axis,
    Plot,
    Shape,
    across,
    area,
    dots,
    line,
    steps,
    upright,
    upwards,
)
from shared.adapters.wording import figure, percent
from shared.domain.gates import report_curves as curves

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.domain.gates.report import Judgement
    from shared.domain.gates.report_curves import Band, Curve, Histogram, Latencies

WORDS: dict[curves.Who, str] = {"candidate": "candidate", "champion": "champion"}
FEW_POINTS = 25
"""Up to so many points of a curve are marked one by one."""


def pictures(judgement: Judgement) -> list[Plot]:
    """Give the plots of a judgement; none of a candidate that could not be scored."""
    evidence, model = judgement.evidence, judgement.model
    if evidence.task == "regression":
        found = [_errors(curves.errors(evidence)), _bands(curves.error_bands(evidence))]
    else:
        found = [_roc(curves.roc(evidence))]
    bins = model.gates.calibration.bins
    found.append(_reliability(curves.reliability(evidence, bins)))
    found.append(_latencies(curves.latencies(evidence, model)))
    return [plot for plot in found if plot is not None]


def _errors(found: Histogram | None) -> Plot | None:
    if found is None:
        return None
    x, y, shapes = _bars(found)
    if x.holds(0):
        shapes.append(Shape("guide", upright(x, y, 0)))
    return Plot(
        title="Errors",
        x_name="prediction less actual",
        y_name="share of rows",
        x=x,
        y=y,
        shapes=shapes,
        key=_key(found.shares),
        caption=_outside(found),
        spoken="Distribution of prediction less actual",
    )


def _bands(found: Sequence[Band]) -> Plot | None:
    if not found:
        return None
    at = [band.prediction for band in found]
    levels = [[(band.prediction, band.quantiles[q]) for band in found] for q in range(5)]
    values = [value for band in found for value in band.quantiles]
    x, y = across(min(at), max(at)), upwards(min(*values, 0), max(*values, 0))
    return Plot(
        title="Errors over the prediction",
        x_name="prediction",
        y_name="prediction less actual",
        x=x,
        y=y,
        shapes=[
            Shape("guide", line(x, y, [(x.low, 0), (x.high, 0)])),
            Shape("ninety", area(x, y, levels[0], levels[4])),
            Shape("half", area(x, y, levels[1], levels[3])),
            Shape("candidate line", line(x, y, levels[2])),
            Shape("candidate dots", dots(x, y, levels[2])),
        ],
        key=[("candidate", "median"), ("half", "half of the rows"), ("ninety", "90 % of the rows")],
        caption=f"the candidate's, in {len(found)} bins of about {found[0].n:,} rows",
        spoken="Quantiles of the candidate's errors by what it predicted",
    )


def _roc(found: Sequence[Curve]) -> Plot | None:
    if not found:
        return None
    x, y = across(0, 1), upwards(0, 1)
    words = [(one.who, f"{WORDS[one.who]}, AUC {figure(one.figure)}") for one in found]
    return Plot(
        title="ROC",
        x_name="false positive rate",
        y_name="true positive rate",
        x=x,
        y=y,
        shapes=[_diagonal(x, y), *_curves(x, y, found)],
        key=words,
        caption="dashed: no better than chance",
        spoken=f"ROC: {'; '.join(text for _, text in words)}",
    )


def _reliability(found: Sequence[Curve]) -> Plot | None:
    if not found:
        return None
    ends = [value for one in found for value in (*one.x, *one.y)]
    x, y = across(min(ends), max(ends)), upwards(min(ends), max(ends))
    return Plot(
        title="Reliability",
        x_name="mean prediction",
        y_name="mean actual",
        x=x,
        y=y,
        shapes=[_diagonal(x, y), *_curves(x, y, found)],
        key=[(one.who, WORDS[one.who]) for one in found],
        caption=f"{len(found[0].x)} bins of the prediction; dashed: it means what it says",
        spoken="Mean actual by mean prediction",
    )


def _latencies(found: Latencies | None) -> Plot | None:
    if found is None:
        return None
    x, y, shapes = _bars(found.histogram)
    marks = (("p50", found.p50), ("p99", found.p99), ("limit", found.limit))
    shapes += [Shape(name, upright(x, y, value)) for name, value in marks if x.holds(value)]
    beyond = "" if x.holds(found.limit) else "; the limit lies outside the picture"
    outside = _outside(found.histogram)
    return Plot(
        title="Latency of single rows",
        x_name="milliseconds",
        y_name="share of calls",
        x=x,
        y=y,
        shapes=shapes,
        key=[(name, f"{name} {figure(value)} ms") for name, value in marks],
        caption=(outside + beyond).removeprefix("; "),
        spoken="Distribution of the single-row calls' times",
    )


def _bars(found: Histogram) -> tuple[Axis, Axis, list[Shape]]:
    x = across(found.low, found.high)
    y = upwards(0, max(max(shares) for shares in found.shares.values()))
    # the champion first: the candidate is drawn over it
    order = sorted(found.shares.items(), reverse=True)
    return x, y, [Shape(f"{who} bars", steps(x, y, shares)) for who, shares in order]


def _curves(x: Axis, y: Axis, found: Sequence[Curve]) -> list[Shape]:
    shapes = []
    for one in reversed(found):
        points = list(zip(one.x, one.y, strict=True))
        shapes.append(Shape(f"{one.who} line", line(x, y, points)))
        if len(points) <= FEW_POINTS:
            shapes.append(Shape(f"{one.who} dots", dots(x, y, points)))
    return shapes


def _diagonal(x: Axis, y: Axis) -> Shape:
    return Shape("guide", line(x, y, [(x.low, y.low), (x.high, y.high)]))


def _key(shares: Mapping[curves.Who, object]) -> list[tuple[str, str]]:
    return [(who, WORDS[who]) for who in shares]


def _outside(found: Histogram) -> str:
    left_out = [f"{percent(share)} of the {who}'s" for who, share in found.outside.items() if share]
    return f"outside the picture: {', '.join(left_out)}" if left_out else ""
