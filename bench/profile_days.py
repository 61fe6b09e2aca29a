"""Time of the first build of daily profiles: all days in one scan, and each in scans of its own.

    python bench/profile_days.py [days] [rows a day] [features]

Both ways in one process, on a table whose files follow time and on one whose files do not.
"""

import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import write_deltalake
from profile_memory import DAY, MEMORY_MB, model_of

from shared.adapters.delta.lakehouse import Lakehouse
from shared.adapters.profiles import delta_profiles
from shared.adapters.profiles.delta_profiles import DeltaProfiles

FILES = 10


def write(folder: Path, seconds: np.ndarray, features: int) -> None:
    chance, rows = np.random.default_rng(1), len(seconds)
    made = {f"f{n}": chance.normal(size=rows) for n in range(features)}
    made |= {"c": chance.choice(["a", "b", "d"], size=rows), "p": chance.normal(size=rows)}
    made |= {"id": pa.array(np.arange(rows)).cast(pa.string()), "model_version": ["1"] * rows}
    moments = pa.array(seconds).cast(pa.duration("s"))
    made["at"] = pc.add(pa.scalar(DAY, pa.timestamp("us", tz="UTC")), moments)
    table, step = pa.table(made), -(-rows // FILES)
    for start in range(0, rows, step):
        write_deltalake(folder / "b" / "rows", table.slice(start, step), mode="append")


def measure(folder: Path, days: int, features: int) -> tuple[float, float]:
    """Give the seconds of both ways, in scans a day and in one."""
    source = DeltaProfiles(Lakehouse(f"{folder}/{{lakehouse}}"), memory_mb=MEMORY_MB)
    model, end = model_of(features), DAY + timedelta(days=days)
    spec = source.reference(model, "1", DAY, end).spec

    def build() -> float:
        start = time.perf_counter()
        list(source.days(model, "1", spec, DAY.date(), end.date()))
        return time.perf_counter() - start

    with mock.patch.object(delta_profiles, "_days_at_once", return_value=1):
        alone = build()
    return alone, build()


def main(days: int = 30, rows: int = 20_000, features: int = 10) -> None:
    seconds = np.sort(np.random.default_rng(2).integers(0, days * 86_400, days * rows))
    orders = {"by time": seconds, "any order": np.random.default_rng(3).permutation(seconds)}
    for name, order in orders.items():
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            write(Path(folder), order, features)
            alone, together = measure(Path(folder), days, features)
        print(
            f"files {name:9} {days} days x {rows:,} rows x {features} features: a day at a time "
            f"{alone:5.2f} s, in one scan {together:5.2f} s, {alone / together:.1f}x",
            flush=True,
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
