"""A Scorer that asks plain functions."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from shared.adapters.scoring.scoring_probe import PROBES, held, importances, sampled
from shared.errors import DataError
from shared.ports import ModelVersion, Probe, Scored
from tests.fakes.faults import Faults

Answer = Callable[[pa.Table], Sequence[Any]]


class FakeScorer:
    """Versions answer by the function a test gave them; ``faults`` as in the other fakes.

    A function that raises stands for a model that raises; a version without one is not there.
    Every single-row call takes ``latency_ms``.
    """

    def __init__(self, *, latency_ms: float = 1.0) -> None:
        self.latency_ms = latency_ms
        self.faults = Faults()
        self._answers: dict[tuple[str, str], Answer] = {}

    def answers(self, model: str, version: str, answer: Answer) -> None:
        self._answers[model, version] = answer

    def score(
        self,
        version: ModelVersion,
        rows: pa.Table,
        *,
        single_calls: int = 0,
        probe: Probe | None = None,
    ) -> Scored:
        self.faults.before()
        if not rows.num_rows:
            raise DataError("there are no rows to score", subject=version.name)
        answer = self._answers.get((version.name, version.version))
        if answer is None:
            raise _fault(version, "could not be loaded: it is not there")
        try:
            given = list(answer(rows))
        except (ValueError, ArithmeticError, LookupError) as error:
            message = f"could not predict: {type(error).__name__}: {error}"
            raise _fault(version, message) from error
        predictions = _numbers(version, given, rows)
        latencies = np.full(single_calls, self.latency_ms)
        return Scored(predictions, latencies, *_probed(version, answer, rows, probe))


def _probed(
    version: ModelVersion, answer: Answer, rows: pa.Table, probe: Probe | None
) -> tuple[dict[str, float], dict[str, str]]:
    if probe is None:
        return {}, {}

    def predict(frame: pd.DataFrame) -> Any:
        # a model finds its columns by name, as one with a signature does
        table = pa.Table.from_pandas(frame[rows.column_names], preserve_index=False)
        return _numbers(version, list(answer(table)), table)

    frame, actual = sampled(rows.to_pandas(), probe)
    found = {name: held(name, predict, frame, probe) for name in PROBES}
    return dict(importances(predict, frame, actual, probe)), found


def _numbers(version: ModelVersion, given: list[Any], rows: pa.Table) -> Any:
    if len(given) != rows.num_rows:
        raise _fault(version, f"gave {len(given)} values for {rows.num_rows} rows")
    strange = [item for item in given if not isinstance(item, (int, float, np.number, type(None)))]
    if strange:
        name = type(strange[0]).__name__
        raise _fault(version, f"gave something else than numbers: {name}")
    return np.array([np.nan if item is None else item for item in given], dtype=np.float64)


def _fault(version: ModelVersion, message: str) -> DataError:
    subject = f"models/{version.name}/versions/{version.version}"
    return DataError(f"version {version.version} {message}", subject=subject)
