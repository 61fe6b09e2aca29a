"""A drift report in words: its statuses and verdicts, and p-values."""

from shared.adapters.wording import NONE, clipped, figure, named, percent, printable

__all__ = ["clipped", "figure", "named", "percent", "printable", "probability"]

SMALLEST_P = 1e-4


def probability(value: float | None) -> str:
    """Write a p-value; the very small ones by their bound."""
    if value is None:
        return NONE
    return "<0.0001" if value < SMALLEST_P else f"{value:.4f}"


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
