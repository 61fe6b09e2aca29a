"""What the scorer and its process hand each other, as files in the folder they share.

Data alone crosses: JSON, Arrow and plain numpy arrays; nothing read here can run code.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shared.adapters.scoring import scoring_child as child
from shared.adapters.scoring.scoring_probe import PROBES
from shared.ports import Scored

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa

    from shared.ports import Probe


def asked(probe: Probe | None) -> dict[str, Any] | None:
    """Give a probe as the task holds it, without its actuals."""
    if probe is None:
        return None
    return {
        "repeats": probe.repeats,
        "seed": probe.seed,
        "task": probe.task,
        "rows": probe.rows,
        "tolerance": probe.tolerance,
    }


def write_rows(rows: pa.Table, path: Path) -> None:
    import pyarrow as pa

    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, rows.schema) as writer:
        writer.write_table(rows)


def write_actual(probe: Probe, path: Path) -> None:
    import numpy as np

    np.save(path, np.asarray(probe.actual, dtype=np.float64), allow_pickle=False)


def read_answer(folder: Path, features: Sequence[str], why: str) -> Scored:
    """Read what the process left; what it did not come to is put down to ``why`` it ended.

    ``features`` are those whose importance was asked for; with none, nothing was probed.
    """
    import numpy as np

    with np.load(folder / child.ANSWER, allow_pickle=False) as answer:
        predictions, latencies = answer["predictions"], answer["latencies_ms"]
    if not features:
        return Scored(predictions, latencies)
    found = _found(folder / child.PROBED)
    missed = float("nan")
    losses = {name: float(found["importances"].get(name, missed)) for name in features}
    probes = {name: str(found["probes"].get(name, f"no answer: {why}")) for name in PROBES}
    return Scored(predictions, latencies, losses, probes)


def _found(path: Path) -> dict[str, dict[str, Any]]:
    if not path.is_file():
        return {"importances": {}, "probes": {}}
    found: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return found
