"""The Spark notebook, run by Spark on this machine: the same counts as in memory.

Needs pyspark (``make test-spark`` installs it) and Java 17; skipped with the reason without them.
Delta's own Spark reader is not here: the notebook reads the same files as delta-rs names them.
"""

import importlib.util
import math
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from local.notebook_runner import execute
from shared.adapters.delta.delta_tables import DeltaTables
from shared.adapters.delta.lakehouse import Lakehouse
from shared.adapters.profiles.memory_profiles import MemoryProfiles
from shared.adapters.profiles.spark_profiles import SparkProfiles
from shared.catalogue import FabricItems
from shared.domain.drift.profile import CategoricalProfile, NumericProfile
from shared.domain.drift.spec import ProfileSpec
from shared.domain.drift.window import WindowProfile
from shared.errors import Unavailable
from shared.ports import JobInstance, Started
from tests.contract.windows_worlds import ACTUALS, GUID, HOLDOUT, PREDICTIONS, model
from tests.fakes.clock import FakeClock

NOTEBOOK = (
    Path(__file__).parents[2] / "infra" / "fabric" / "profile_days.Notebook" / "notebook-content.py"
)
START = datetime(2013, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)
DATA = {
    "predictions": PREDICTIONS,
    "actuals": ACTUALS,
    "holdout": HOLDOUT,
    "source": "spark",
    "spark": {"pipeline_id": GUID},
}
SCHEMA = pa.schema(
    [
        *[(name, pa.string()) for name in ("flight_id", "origin", "model_version")],
        *[(name, pa.float64()) for name in ("temp", "p")],
        ("late", pa.bool_()),
        ("ts", pa.timestamp("us", tz="UTC")),
    ]
)
FEATURES = [
    {"name": "temp", "kind": "numeric"},
    {"name": "late", "kind": "numeric"},
    {"name": "gone", "kind": "numeric"},
    {"name": "origin", "kind": "categorical"},
]
MODEL = model(data=DATA, features=FEATURES)
HARD = [None, math.nan, math.inf, -math.inf, 0.0, -0.0, 1e308, 5e-324, -1.5]


def java_version() -> int:
    """Give the major version of the Java on the PATH, 0 without one."""
    java = shutil.which("java")
    if java is None:
        return 0
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    return int(told.split('"')[1].split(".")[0]) if '"' in told else 0


MISSING = [
    reason
    for reason, missing in (
        ("pyspark is not installed: make test-spark", not importlib.util.find_spec("pyspark")),
        ("Spark 4 needs Java 17 or newer on the PATH", java_version() < 17),
    )
    if missing
]
pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason="; ".join(MISSING)),
    # what pyspark itself does while it starts and stops is not ours to mend
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    """One small Spark for all tests of this file; its JVM ends with it."""
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    options = {
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "3",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    }
    session = SparkSession.builder.master("local[2]").config(map=options).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    gateway = SparkContext._gateway
    session.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(timeout=60)


class NotebookJobs:
    """The Jobs port, where a start runs the notebook to its end."""

    def __init__(self) -> None:
        self.runs: list[Mapping[str, Any]] = []

    def start(self, items: FabricItems, parameters: Mapping[str, Any]) -> Started:
        assert items.pipeline_id == GUID
        self.runs.append(parameters)
        execute(NOTEBOOK, parameters)
        return Started("1", 0)

    def instances(self, items: FabricItems) -> Sequence[JobInstance]:
        return [JobInstance("1", "Completed", "Manual", None) for _ in self.runs]

    def get(self, items: FabricItems, instance_id: str) -> JobInstance:
        raise NotImplementedError

    def cancel(self, items: FabricItems, instance_id: str) -> None:
        raise NotImplementedError

    def failure_text(self, items: FabricItems, instance_id: str) -> str:
        raise NotImplementedError


class World:
    """A lakehouse in a folder, and the source that counts in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.jobs = NotebookJobs()
        lakehouse = Lakehouse(f"{folder}/{{lakehouse}}")
        self.source = SparkProfiles(DeltaTables(lakehouse), self.jobs, FakeClock(START + 9 * DAY))

    def write(self, rows: list[dict[str, Any]], **options: Any) -> MemoryProfiles:
        table = pa.Table.from_pylist(rows, schema=SCHEMA)
        write_deltalake(self.folder / PREDICTIONS.replace(".", "/"), table, **options)
        return MemoryProfiles(table)

    def reference(self) -> Any:
        with pytest.raises(Unavailable, match="counting"):
            self.source.reference(MODEL, "1", START, START + DAY)
        return self.source.reference(MODEL, "1", START, START + DAY)

    def days(self, spec: ProfileSpec, days: int) -> list[Any]:
        first = START.date()
        with pytest.raises(Unavailable, match="counting"):
            self.source.days(MODEL, "1", spec, first, first + days * DAY)
        return list(self.source.days(MODEL, "1", spec, first, first + days * DAY))


@pytest.fixture
def world(spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("LAKEHOUSE_ROOT", str(tmp_path))
    return World(tmp_path)


def row(flight_id: str | None, at: datetime = START, **changes: Any) -> dict[str, Any]:
    base = {"flight_id": flight_id, "ts": at, "origin": "JFK", "temp": 20.5, "late": True}
    return {**base, "p": 1.0, "model_version": "1", **changes}


def some_rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    chance = np.random.default_rng(seed)
    temps, answers = chance.normal(20, 8, count).tolist(), chance.normal(0, 3, count).tolist()
    origins = chance.choice(["JFK", "EWR", "LGA", ""], count).tolist()
    rows = [
        row(f"id-{i}", START + timedelta(seconds=i), temp=t, origin=o, p=round(p, 1))
        for i, (t, o, p) in enumerate(zip(temps, origins, answers, strict=True))
    ]
    for place, value in enumerate(HARD[: count // 2]):
        rows[place]["temp"] = rows[-1 - place]["p"] = value
        rows[place]["origin"] = [None, "LAX", "日本"][place % 3]
        rows[place]["late"] = [None, False][place % 2]
    return rows


def counts(profile: NumericProfile | CategoricalProfile) -> dict[str, Any]:
    if isinstance(profile, CategoricalProfile):
        return {**vars(profile), "counts": profile.counts.tolist()}
    return {
        "cuts": profile.edges.cuts.tolist(),
        "coarse": profile.edges.coarse.tolist(),
        "counts": profile.counts.tolist(),
        "others": (profile.missing, profile.above, profile.below),
        "range": (profile.minimum, profile.maximum),
    }


def assert_same(found: WindowProfile, wanted: WindowProfile) -> None:
    assert found.rows == wanted.rows
    assert found.odd == wanted.odd
    assert list(found.features) == list(wanted.features)
    pairs = [(found.features[name], wanted.features[name]) for name in wanted.features]
    for one, two in [*pairs, (found.prediction, wanted.prediction)]:
        assert counts(one) == counts(two)
        if isinstance(one, NumericProfile) and isinstance(two, NumericProfile):
            np.testing.assert_allclose(one.sums, two.sums, rtol=1e-12)


@pytest.mark.parametrize("count", [3, 6_000])
def test_a_reference_has_the_edges_and_counts_of_one_in_memory(world: World, count: int):
    memory = world.write(some_rows(count))

    found = world.reference()

    assert_same(found.profile, memory.reference(MODEL, "1", START, START + DAY).profile)


def test_days_are_counted_as_in_memory(world: World):
    rows = some_rows(300)
    later = [{**each, "ts": each["ts"] + 2 * DAY} for each in some_rows(200, seed=1)]
    memory = world.write([*rows, *later], partition_by=["model_version"])
    known = memory.reference(MODEL, "1", START, START + DAY).spec
    spec = ProfileSpec({**known.features, "origin": ("EWR", "JFK")}, known.prediction)

    found = world.days(spec, 3)

    first = START.date()
    wanted = list(memory.days(MODEL, "1", spec, first, first + 3 * DAY))
    assert [day.day for day in found] == [day.day for day in wanted]
    assert [day.profile.rows for day in found] == [300, 0, 200]
    for one, two in zip(found, wanted, strict=True):
        assert_same(one.profile, two.profile)


def test_of_rows_with_one_id_the_last_counts_and_rows_without_one_all_do(world: World):
    rows = [row("a", START + DAY / 2, temp=None), row("a"), row(None), row(None)]
    rows += [row("b", model_version="2"), row("c", START + DAY), row("d", START - DAY)]
    memory = world.write(rows)

    found = world.reference()

    assert found.profile.rows == 3
    assert found.profile.features["temp"].missing == 1
    assert_same(found.profile, memory.reference(MODEL, "1", START, START + DAY).profile)


def test_what_was_counted_is_not_counted_again(world: World):
    world.write(some_rows(50))

    first, second = world.reference(), world.source.reference(MODEL, "1", START, START + DAY)

    assert len(world.jobs.runs) == 1
    assert first.spec.digest == second.spec.digest
