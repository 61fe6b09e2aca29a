"""Gate 5, calibration: a prediction means what it says, over its whole range."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shared.domain.gates.checks import unfinite, unfit
from shared.domain.gates.resampling import Interval, intervals, ratio
from shared.domain.gates.result import Detail, GateResult, Rule, error

if TYPE_CHECKING:
    import numpy.typing as npt

    from shared.catalogue import Model
    from shared.domain.gates.evidence import Evidence, Floats

GATE = "calibration"
SOURCE = "gates.calibration.max_error"


def judge(evidence: Evidence, model: Model) -> GateResult:
    """Hold the expected calibration error against the largest allowed."""
    refusal = unfit(GATE, evidence, model) or unfinite(GATE, evidence) or _no_shares(evidence)
    if refusal:
        return refusal
    bins = bins_of(evidence.candidate, model.gates.calibration.bins)
    value = calibration_error(evidence.actual, evidence.candidate, bins)
    if evidence.task == "regression":
        value /= float(np.abs(evidence.actual).mean())
    own = _interval(evidence, bins)
    rule = Rule(
        gate=GATE,
        measure="expected calibration error",
        operator="<",
        threshold=model.gates.calibration.max_error,
        source=SOURCE,
        hint="calibrate on rows apart from training (isotonic or Platt), then train again",
    )
    details: dict[str, Detail] = {"bins": int(bins.max()) + 1, "low": own.low, "high": own.high}
    figure = own.high if model.gates.certainty == "interval" else value
    note = f"measured {value:.4g}, 95 % {own}" if figure != value else f"95 % {own}"
    return rule.result(figure, evidence.n, details, note=note)


def _interval(evidence: Evidence, bins: npt.NDArray[np.intp]) -> Interval:
    """Resample the rows; the bins stay those of all rows.

    A mean of absolute gaps is never below 0 and grows with noise, so the interval lies somewhat
    above the value of a well calibrated model.
    """
    gaps = np.zeros((evidence.n, int(bins.max()) + 1))
    gaps[np.arange(evidence.n), bins] = evidence.candidate - evidence.actual
    regression = evidence.task == "regression"
    size = np.abs(evidence.actual) if regression else np.ones(evidence.n)

    def measure(weights: Floats) -> Floats:
        return ratio(np.abs(weights @ gaps).sum(axis=1), weights @ size)[:, None]

    return intervals(measure, evidence.n, evidence.seed)[0]


def bins_of(prediction: Floats, bins: int) -> npt.NDArray[np.intp]:
    """Number each prediction's quantile bin, from 0; equal predictions share a bin.

    Where there are no more distinct predictions than bins, each has its own: quantiles would
    merge a rare class of hard labels with the common one and hide its error.
    """
    values = np.unique(prediction)
    if values.size <= bins:
        edges = values[:-1]
    else:
        shares = np.arange(1, bins) / bins
        edges = np.unique(np.quantile(prediction, shares, method="inverted_cdf"))
    used = np.searchsorted(edges, prediction, side="left")
    return np.unique(used, return_inverse=True)[1]


def calibration_error(actual: Floats, prediction: Floats, bins: npt.NDArray[np.intp]) -> float:
    """Give the bins' |mean prediction - mean actual|, weighted by their rows.

    For a classification this is the ECE. The regression form divides it by the mean of |actual|.
    """
    gaps = np.bincount(bins, weights=prediction - actual)
    return float(np.abs(gaps).sum() / actual.size)


def _no_shares(evidence: Evidence) -> GateResult | None:
    """Refuse a classification whose predictions are no probabilities."""
    if evidence.task == "regression":
        return None
    outside = int(np.count_nonzero((evidence.candidate < 0) | (evidence.candidate > 1)))
    if not outside:
        return None
    reason = f"{outside} of {evidence.n} predictions are not between 0 and 1"
    hint = 'log the model with pyfunc_predict_fn="predict_proba"'
    return error(GATE, reason, hint=hint, n=evidence.n, source=SOURCE)
