"""The process a model version answers in: ``python -m shared.adapters.scoring_child fetch|score``.

Started by ``scoring.py`` alone, in a folder of its own. ``fetch`` talks to the registry and runs
nothing of the model's; ``score`` runs the model and is told nothing of the registry. What goes
wrong shows as the exit code, the last stage begun, and what Python writes to stderr. Heavy
libraries are imported after the limits are set, so that what they take counts.
"""

from __future__ import annotations

import json
import math
import resource
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]

NOT_THERE = 3
"""Exit code of ``fetch``: the registry answered, and has no such version or no files of it."""
UNUSABLE = 4
"""Exit code of ``score``: the model answered something else than one number a row."""
WARM_UP = 20
"""Single-row calls made before any is timed: caches and lazy imports are not the model."""

TASK, STAGE, FAULT, ROWS, MODEL, ANSWER = (
    "task.json", "stage.txt", "fault.txt", "rows.arrow", "model", "answer.npz",
)  # fmt: skip
"""The files in the folder, parent and child alike."""

_ABSENT = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "ENDPOINT_NOT_FOUND"})


class Unusable(Exception):
    """The model's answer is not one number a row."""


def main(mode: str, folder: Path) -> int:
    """Do one half of the work; gives the exit code."""
    task = json.loads((folder / TASK).read_text(encoding="utf-8"))
    _orphan_guard(task["seconds"])
    if mode == "fetch":
        return fetch(task["uri"], folder)
    _limit(task["memory_mb"], task["seconds"])
    return score(folder, single_calls=task["single_calls"])


def fetch(uri: str, folder: Path) -> int:
    """Copy a version's files into the folder."""
    _stage(folder, "importing mlflow")
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    _stage(folder, "asking the registry")
    target = folder / "fetched"
    target.mkdir()
    try:
        source = Path(download_artifacts(artifact_uri=uri, dst_path=str(target)))
    except FileNotFoundError as error:
        return _fault(folder, str(error), NOT_THERE)
    except MlflowException as error:
        if error.error_code not in _ABSENT:
            raise
        return _fault(folder, error.message, NOT_THERE)
    if not (source / "MLmodel").is_file():
        return _fault(folder, "its files hold no MLmodel", NOT_THERE)
    source.rename(folder / MODEL)
    return 0


def score(folder: Path, *, single_calls: int) -> int:
    """Load the fetched model, let it answer, and write what it said."""
    _stage(folder, "loading")
    import mlflow.pyfunc
    import numpy as np
    import pyarrow as pa

    model = mlflow.pyfunc.load_model(str(folder / MODEL))
    with pa.OSFile(str(folder / ROWS)) as file:
        frame = pa.ipc.open_file(file).read_all().to_pandas()
    _stage(folder, "predicting")
    answer = model.predict(frame)
    try:
        predictions = numbers(answer, len(frame))
    except Unusable as error:
        return _fault(folder, str(error), UNUSABLE)
    _stage(folder, "answering single rows")
    latencies = np.array(list(_timed(model, frame, single_calls)), dtype=float) / 1e6
    np.savez(folder / ANSWER, predictions=predictions, latencies_ms=latencies)
    return 0


def numbers(answer: Any, rows: int) -> Floats:
    """Read a model's answer as one number a row.

    An array, a list, a series, or a table of one column. Two columns are taken for a binary
    classifier's probabilities where each row sums to 1, and the second, the positive class's, is
    used. None and missing values become NaN.

    Raises:
        Unusable: it is something else.
    """
    import numpy as np
    import pandas as pd

    if not isinstance(answer, (np.ndarray, list, tuple, pd.Series, pd.DataFrame)):
        raise Unusable(f"gave a {type(answer).__name__} instead of one number a row")
    if np.ndim(answer) > 2:  # noqa: PLR2004 - a table is the most that has rows of values
        raise Unusable(f"gave an array of {np.ndim(answer)} dimensions")
    frame = pd.DataFrame(answer)
    if len(frame) != rows:
        raise Unusable(f"gave {len(frame)} values for {rows} rows")
    columns = [_column(frame.iloc[:, place]) for place in range(frame.shape[1])]
    if len(columns) == 1:
        return columns[0]
    if len(columns) == 2 and np.allclose(columns[0] + columns[1], 1):  # noqa: PLR2004 - binary
        return columns[1]
    raise Unusable(f"gave {len(columns)} values a row instead of one")


def _column(values: pd.Series[Any]) -> Floats:
    import numpy as np
    import pandas as pd

    plain = (int, float, np.integer, np.floating, np.bool_)
    if values.dtype == object:
        if all(isinstance(item, plain) for item in values.dropna()):
            return values.where(values.notna(), np.nan).to_numpy(dtype=np.float64)
    elif pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_complex_dtype(values):
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    strange = next((item for item in values.dropna() if not isinstance(item, plain)), None)
    raise Unusable(f"gave something else than numbers: {type(strange).__name__}")


def _timed(model: Any, frame: pd.DataFrame, calls: int) -> Any:
    """Yield the nanoseconds of each single-row call after the warm-up, rows taken in turn.

    Timed is ``predict`` as a served request calls it, the signature's check included; the row is
    cut out before.
    """
    for turn in range(WARM_UP + calls if calls else 0):
        row = frame.iloc[[turn % len(frame)]]
        started = time.perf_counter_ns()
        model.predict(row)
        taken = time.perf_counter_ns() - started
        if turn >= WARM_UP:
            yield taken


def _limit(memory_mb: int, seconds: float) -> None:
    """Limit address space and processor time, for good: the model cannot lift it again."""
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_CPU, math.ceil(seconds) + 1)
    try:
        _set(resource.RLIMIT_AS, memory_mb * 1024 * 1024)
    except (ValueError, OSError):
        if sys.platform != "darwin":  # macOS knows the name and refuses it
            raise


def _set(what: int, wanted: int) -> None:
    _, hard = resource.getrlimit(what)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(what, (allowed, allowed))


def _orphan_guard(seconds: float) -> None:
    """End this process some time after its limit, should its parent not be there to do so."""
    signal.setitimer(signal.ITIMER_REAL, seconds + 10)


def _stage(folder: Path, name: str) -> None:
    (folder / STAGE).write_text(name, encoding="utf-8")


def _fault(folder: Path, message: str, code: int) -> int:
    (folder / FAULT).write_text(message, encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
