"""Peak memory and time of counting one day of a Delta table, and of making a reference from it.

    python bench/profile_memory.py [rows] [features]

Runs each in a process of its own, on a table with so many rows a day and on one with ten times as
many. The peak is the process' own, Python and libraries included.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shared.adapters.delta.lakehouse import Lakehouse
from shared.adapters.profiles.delta_profiles import DeltaProfiles
from shared.catalogue import Model
from shared.domain.drift.codec import decode_reference, encode_reference

DAY = datetime(2013, 7, 1, tzinfo=UTC)
CHUNK = 250_000
MEMORY_MB = 64
NO_ID = "00000000-0000-0000-0000-000000000000"


def model_of(features: int) -> Model:
    return Model.model_validate(
        {
            "name": "bench",
            "task": "regression",
            "domain": "bench",
            "regulated": False,
            "owner": "bench",
            "cost_center": "bench",
            "fabric": {"workspace_id": NO_ID, "pipeline_id": NO_ID},
            "data": {"predictions": "b.rows", "actuals": "b.true", "holdout": "b.held"},
            "columns": {"timestamp": "at", "id": "id", "prediction": "p", "actual": "y"},
            "features": [{"name": f"f{n}", "kind": "numeric"} for n in range(features)]
            + [{"name": "c", "kind": "categorical"}],
            "gates": {"performance": {"floor": 0.0}},
        }
    )


def write(folder: Path, rows: int, features: int) -> None:
    from deltalake import write_deltalake

    chance = np.random.default_rng(1)
    for start in range(0, rows, CHUNK):
        size = min(CHUNK, rows - start)
        seconds = pa.array(chance.integers(0, 86_400, size)).cast(pa.duration("s"))
        made = {f"f{n}": chance.normal(size=size) for n in range(features)}
        made |= {"c": chance.choice(["a", "b", "d"], size=size), "p": chance.normal(size=size)}
        table = pa.table({**made, "id": pa.array(np.arange(start, start + size)).cast(pa.string())})
        moments = pc.add(pa.scalar(DAY, pa.timestamp("us", tz="UTC")), seconds)
        table = table.append_column("at", moments)
        table = table.append_column("model_version", pa.array(["1"] * size))
        write_deltalake(folder / "b" / "rows", table, mode="append")


def measure(folder: Path, what: str, features: int) -> None:
    """Do one thing and print seconds and the peak in MiB, as JSON."""
    source = DeltaProfiles(Lakehouse(f"{folder}/{{lakehouse}}"), memory_mb=MEMORY_MB)
    model, kept = model_of(features), folder / "reference.rlp"
    start = time.perf_counter()
    if what == "reference":
        made = source.reference(model, "1", DAY, DAY + timedelta(days=1))
        kept.write_bytes(encode_reference(made))
    else:
        spec = decode_reference(kept.read_bytes(), "reference").spec
        list(source.days(model, "1", spec, DAY.date(), DAY.date() + timedelta(days=1)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": time.perf_counter() - start, "peak": peak}))


def main(rows: int, features: int) -> None:
    for size in (rows, 10 * rows):
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            run("write", Path(folder), size, features)
            for what in ("reference", "day"):
                found = json.loads(run(what, Path(folder), size, features))
                print(
                    f"{what:9} {size:>10,} rows x {features} features: "
                    f"{found['seconds']:6.1f} s, peak {found['peak']:5.0f} MiB",
                    flush=True,
                )


def run(what: str, folder: Path, rows: int, features: int) -> str:
    command = [sys.executable, __file__, what, str(folder), str(rows), str(features)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    if len(sys.argv) > 3:
        task, place, size, width = sys.argv[1:]
        if task == "write":
            write(Path(place), int(size), int(width))
        else:
            measure(Path(place), task, int(width))
    else:
        main(*[int(text) for text in (*sys.argv[1:], "100000", "20")[:2]])
