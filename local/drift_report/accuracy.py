"""Errors on both sides: the reference's own are the baseline that the current ones are held to.

A deployed version has its baseline as tags; two files have only each other.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa

from local.drift_report.reading import Source
from local.drift_report.selection import Request
from shared.catalogue import Task
from shared.domain.drift.columns import Floats
from shared.domain.drift.measures import Measure, Metric
from shared.domain.drift.performance import mean_of, performance_measures
from shared.sections.drift import DriftSettings

TAGS = {
    Metric.RMSE_DELTA_PCT: "baseline_rmse",
    Metric.MAPE_DELTA_PCT: "baseline_mape",
    Metric.R2_DELTA: "baseline_r2",
    Metric.AUC_DELTA_PCT: "baseline_auc",
    Metric.ACCURACY_DELTA: "baseline_accuracy",
    Metric.BRIER_DELTA: "baseline_brier",
    Metric.ECE: "baseline_ece",
}
"""The tag that holds each error's baseline."""
NEUTRAL = dict.fromkeys(TAGS, 0.0) | {Metric.AUC_DELTA_PCT: 1.0}
"""Baselines against which a measure's value, added to it, is the figure itself."""


def measure_errors(reference: Source, current: Source, request: Request) -> list[Measure]:
    """Measure the current errors; nothing where no actuals are named."""
    if not request.prediction or not request.actual:
        return []
    before, after = (
        (_floats(source, request.actual), _floats(source, request.prediction))
        for source in (reference, current)
    )
    task = request.task or _task(*before)
    tags = _baseline(task, *before, request.drift)
    found = performance_measures(task, *after, tags, request.drift)
    return [measure if _held(measure, tags) else _bare(measure) for measure in found]


def _held(measure: Measure, tags: Mapping[str, str]) -> bool:
    return measure.value is not None or TAGS.get(measure.metric) in tags


def _bare(measure: Measure) -> Measure:
    return replace(measure, note="the reference gives no baseline to hold it against")


def _floats(source: Source, name: str) -> Floats:
    values = source.column(name).cast(pa.float64(), safe=False)
    return np.asarray(values.to_numpy(), dtype=np.float64)


def _task(actual: Floats, prediction: Floats) -> Task:
    """Tell scores of a yes or no from amounts: actuals of 0 and 1, predictions in between."""
    truth, answer = actual[np.isfinite(actual)], prediction[np.isfinite(prediction)]
    binary = bool(np.isin(truth, (0.0, 1.0)).all())
    scores = bool(((answer >= 0) & (answer <= 1)).all())
    return "classification" if binary and scores else "regression"


def _baseline(
    task: Task, actual: Floats, prediction: Floats, settings: DriftSettings
) -> dict[str, str]:
    """Measure the reference by the same rules; an error that it does not have is left out."""
    neutral = {tag: repr(NEUTRAL[metric]) for metric, tag in TAGS.items()}
    found = {
        TAGS[measure.metric]: NEUTRAL[measure.metric] + measure.value
        for measure in performance_measures(task, actual, prediction, neutral, settings)
        if measure.metric in TAGS and measure.value is not None
    }
    if task == "regression":
        found |= _root_mean_square(actual, prediction)
    return {tag: repr(value) for tag, value in found.items() if math.isfinite(value)}


def _root_mean_square(actual: Floats, prediction: Floats) -> dict[str, float]:
    """Measure RMSE itself: the engine has it relative to a baseline, which none is neutral to."""
    scored = np.isfinite(actual) & np.isfinite(prediction)
    if not scored.any():
        return {}
    with np.errstate(over="ignore"):
        squares = (actual[scored] - prediction[scored]) ** 2
        return {"baseline_rmse": math.sqrt(mean_of(squares).value)}
