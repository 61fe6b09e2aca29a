"""The process a model version answers in: ``python -m``, this module, a mode and a folder.

Started by ``scorer.py`` alone, in a folder of its own. ``fetch`` talks to the registry and runs
nothing of the model's; ``accept`` is its second half, for files that are there already; ``score``
runs the model and is told nothing of the registry. What goes wrong shows as the exit code, the last
stage begun, and what Python writes to stderr. Heavy libraries are imported after the limits are
set, so that what they take counts.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.adapters.scoring import scoring_limits as limits
from shared.adapters.scoring.scoring_probe import PROBES, held, importances, sampled
from shared.adapters.scoring.scoring_sources import carries_code, elsewhere

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

PERMUTING, PROBING = "permuting features", "probing"
"""The stages in which the answer is there already."""

FETCHED = "fetched"
TASK, STAGE, FAULT, ROWS, MODEL, ANSWER, ACTUAL, PROBED = (
    "task.json", "stage.txt", "fault.txt", "rows.arrow", "model", "answer.npz", "actual.npy",
    "probed.json",
)  # fmt: skip
"""The files in the folder, parent and child alike."""

_ABSENT = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "ENDPOINT_NOT_FOUND"})


class Unusable(Exception):
    """The model's answer is not one number a row."""


def main(mode: str, folder: Path) -> int:
    """Do one half of the work; gives the exit code."""
    task = json.loads((folder / TASK).read_text(encoding="utf-8"))
    limits.orphan_guard(task["seconds"])
    if mode in {"fetch", "accept"}:
        return fetch(task, folder) if mode == "fetch" else accept(task, folder, folder / FETCHED)
    limits.limit(**task["limits"])
    limits.leave_network()
    return score(task, folder)


def fetch(task: dict[str, Any], folder: Path) -> int:
    """Copy a version's files into the folder, if it is one that may be loaded."""
    _stage(folder, "importing mlflow")
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    _stage(folder, "asking the registry")
    target = folder / FETCHED
    target.mkdir()
    try:
        strange = _strange_place(task)
        if strange:
            return _fault(folder, strange, NOT_THERE)
        source = Path(download_artifacts(artifact_uri=task["uri"], dst_path=str(target)))
    except FileNotFoundError as error:
        return _fault(folder, str(error), NOT_THERE)
    except MlflowException as error:
        if error.error_code not in _ABSENT:
            raise
        return _fault(folder, error.message, NOT_THERE)
    return accept(task, folder, source)


def accept(task: dict[str, Any], folder: Path, source: Path) -> int:
    """Hold a version's files against what may be loaded, and put them where ``score`` looks."""
    if not (source / "MLmodel").is_file():
        return _fault(folder, "its files hold no MLmodel", NOT_THERE)
    strange = "" if task["allow_pickled"] else _own_code(source)
    if strange:
        return _fault(folder, strange, NOT_THERE)
    source.rename(folder / MODEL)
    return 0


def _strange_place(task: dict[str, Any]) -> str:
    if task["locations"] is None:
        return ""
    from mlflow import MlflowClient

    source = MlflowClient().get_model_version_download_uri(task["name"], task["version"])
    return elsewhere(source, task["locations"])


def _own_code(source: Path) -> str:
    from mlflow.models import Model

    try:
        found = carries_code(source, {"flavors": Model.load(str(source)).flavors})
    except Exception as error:  # noqa: BLE001 - MLmodel is the version's, and so is what it breaks
        return f"its MLmodel cannot be read: {type(error).__name__}: {error}"
    told = f"loading it would run its code, and ALLOW_PICKLED_MODELS is false: {found}"
    return told if found else ""


def score(task: dict[str, Any], folder: Path) -> int:
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
    latencies = np.array(list(_timed(model, frame, task["single_calls"])), dtype=float) / 1e6
    np.savez(folder / f"part-{ANSWER}", predictions=predictions, latencies_ms=latencies)
    (folder / f"part-{ANSWER}").replace(folder / ANSWER)
    if task["probe"]:
        _examine(model, frame, folder, task["probe"])
    return 0


def _examine(model: Any, frame: pd.DataFrame, folder: Path, asked: dict[str, Any]) -> None:
    """Write what the probe finds, after each step: the next one may end this process."""
    import numpy as np

    from shared.ports import Probe

    def predict(rows: pd.DataFrame) -> Floats:
        return numbers(model.predict(rows.copy()), len(rows))

    probe = Probe(np.load(folder / ACTUAL, allow_pickle=False), **asked)
    rows, actual = sampled(frame, probe)
    _stage(folder, PERMUTING)
    found: dict[str, dict[str, Any]] = {"importances": {}, "probes": {}}
    for feature, loss in importances(predict, rows, actual, probe):
        found["importances"][feature] = loss
        _write(folder, found)
    for name in PROBES:
        _stage(folder, f"{PROBING} {name}")
        found["probes"][name] = held(name, predict, rows, probe)
        _write(folder, found)


def _write(folder: Path, found: dict[str, dict[str, Any]]) -> None:
    part = folder / f"part-{PROBED}"
    part.write_text(json.dumps(found), encoding="utf-8")
    part.replace(folder / PROBED)


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


def _stage(folder: Path, name: str) -> None:
    (folder / STAGE).write_text(name, encoding="utf-8")


def _fault(folder: Path, message: str, code: int) -> int:
    (folder / FAULT).write_text(message, encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
