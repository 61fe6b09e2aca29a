"""What is asked of a model beside its predictions: which features matter, and what odd rows do.

Pure: given a way to predict, a table and a ``Probe``. Runs in the scoring process, and in the
tests' fake scorer. numpy and pandas are imported where they are used, after that process has set
its limits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from shared.ports import Probe

    Floats = npt.NDArray[np.float64]
    Predict = Callable[[pd.DataFrame], Floats]

PROBES = ("column_order", "one_row", "missing", "extreme")
"""In the order they are tried: what changes no value first."""
SINGLE_ROWS = 5
"""Rows asked for one by one and held against the batch's answers."""
_HUGE = 1e308
"""Just inside double precision: any sum or square of it overflows."""
_LONGEST = 300


def sampled(frame: pd.DataFrame, probe: Probe) -> tuple[pd.DataFrame, Floats]:
    """Give at most ``probe.rows`` rows and their actuals, drawn with the seed."""
    import numpy as np

    count = min(len(frame), probe.rows)
    chosen = np.random.default_rng(probe.seed).choice(len(frame), count, replace=False)
    return frame.iloc[chosen].reset_index(drop=True), probe.actual[chosen]


def importances(
    predict: Predict, frame: pd.DataFrame, actual: Floats, probe: Probe
) -> Iterator[tuple[str, float]]:
    """Yield each feature's permutation importance (Breiman 2001): the metric's mean loss.

    NaN where the metric has no value: an answer that is no number, or a model that raises.
    """
    import numpy as np

    chance = np.random.default_rng(probe.seed)
    whole = _metric(predict, frame, actual, probe)
    for name in frame.columns:
        losses = []
        for _ in range(probe.repeats):
            order = chance.permutation(len(frame))
            shuffled = frame.assign(**{name: frame[name].take(order).array})
            losses.append(whole - _metric(predict, shuffled, actual, probe))
        yield str(name), float(np.mean(losses)) if losses else float("nan")


def held(name: str, predict: Predict, frame: pd.DataFrame, probe: Probe) -> str:
    """Try one probe; gives what went wrong, or nothing."""
    tried: Mapping[str, Callable[[], str]] = {
        "column_order": lambda: _column_order(predict, frame, probe),
        "one_row": lambda: _one_row(predict, frame, probe),
        "missing": lambda: _odd(predict, _missing(frame)),
        "extreme": lambda: _odd(predict, _extreme(frame)),
    }
    try:
        return tried[name]()
    except Exception as error:  # noqa: BLE001 - a model may raise anything: that is the finding
        return f"{type(error).__name__}: {' '.join(str(error).split())}"[:_LONGEST]


def _metric(predict: Predict, frame: pd.DataFrame, actual: Floats, probe: Probe) -> float:
    import numpy as np

    from shared.domain.gates.measures import metric

    try:
        answers = predict(frame)
    except Exception:  # noqa: BLE001 - a model may raise anything; it then has no metric
        return float("nan")
    if not np.isfinite(answers).all() or np.unique(actual).size < 2:  # noqa: PLR2004 - two differ
        return float("nan")
    return metric(probe.task, actual, answers)


def _column_order(predict: Predict, frame: pd.DataFrame, probe: Probe) -> str:
    turned = predict(frame[frame.columns[::-1]])
    return _differ(predict(frame), turned, probe, "with the columns in another order")


def _one_row(predict: Predict, frame: pd.DataFrame, probe: Probe) -> str:
    import numpy as np

    few = range(min(SINGLE_ROWS, len(frame)))
    single = np.array([predict(frame.iloc[[row]])[0] for row in few])
    return _differ(predict(frame)[: len(few)], single, probe, "asked for alone")


def _differ(batch: Floats, other: Floats, probe: Probe, how: str) -> str:
    import numpy as np

    same = np.isclose(batch, other, rtol=probe.tolerance, atol=probe.tolerance, equal_nan=True)
    if same.all():
        return ""
    row = int(np.argmin(same))
    count = int(np.count_nonzero(~same))
    return (
        f"{count} of {batch.size} rows get another answer {how}: "
        f"{batch[row]:.6g} and {other[row]:.6g}"
    )


def _odd(predict: Predict, cases: Iterator[tuple[str, pd.DataFrame]]) -> str:
    """Give the first case the model raises at, or has no finite number for."""
    import numpy as np

    for what, rows in cases:
        try:
            answers = predict(rows)
        except Exception as error:  # noqa: BLE001 - a model may raise anything: that is the finding
            return f"{what}: {type(error).__name__}: {' '.join(str(error).split())}"[:_LONGEST]
        if not np.isfinite(answers).all():
            return f"{what}: it answers {answers[~np.isfinite(answers)][0]}"
    return ""


def _missing(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield one row with each feature missing in turn, then all; whole numbers cannot be."""
    row = frame.iloc[[0]]
    absent = {name: _absent(row[name]) for name in frame.columns if _may_be_missing(row[name])}
    for name, values in absent.items():
        yield f"with {name} missing", row.assign(**{name: values})
    if absent:
        yield "with every feature missing", row.assign(**absent)


def _may_be_missing(values: pd.Series[Any]) -> bool:
    return values.dtype.kind not in "iub"


def _absent(values: pd.Series[Any]) -> Any:
    import pandas as pd

    return pd.Series([None], index=values.index, dtype=values.dtype)


def _extreme(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield one row with each number at its type's ends or zero in turn, then all of them."""
    import pandas as pd

    row = frame.iloc[[0]]
    numbers = [name for name in frame.columns if row[name].dtype.kind in "iuf"]
    for place, which in enumerate(("least", "greatest", "zero")):
        values = {
            name: pd.Series([_ends(row[name])[place]], index=row.index, dtype=row[name].dtype)
            for name in numbers
        }
        for name, value in values.items():
            yield f"with {name} at {value.iloc[0]}", row.assign(**{name: value})
        if values:
            yield f"with every number at its {which}", row.assign(**values)


def _ends(values: pd.Series[Any]) -> tuple[float, float, float]:
    import numpy as np

    if values.dtype.kind == "f":
        bound = min(_HUGE, float(np.finfo(values.to_numpy().dtype).max))
        return -bound, bound, 0.0
    kind = np.iinfo(values.to_numpy().dtype)
    return int(kind.min), int(kind.max), 0
