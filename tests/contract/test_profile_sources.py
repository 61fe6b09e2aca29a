"""What any ProfileSource does: rows in memory and in Delta tables give the same counts."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.adapters.delta.lakehouse import Lakehouse
from shared.adapters.delta.window_columns import Between
from shared.adapters.profiles import delta_profiles
from shared.adapters.profiles.delta_profiles import DeltaProfiles, _Predictions
from shared.adapters.profiles.memory_profiles import MemoryProfiles
from shared.domain.drift.edges import Edges
from shared.domain.drift.profile import NumericProfile
from shared.domain.drift.spec import ProfileSpec
from shared.domain.drift.window import WindowProfile
from shared.errors import DataError, NoTable, Unavailable
from shared.ports import ProfileSource
from tests.contract.windows_worlds import PREDICTIONS, START, model

DAY = timedelta(days=1)
FIRST = START.date()
REFERENCE = (START - 30 * DAY, START)
MODEL = model(
    features=[
        {"name": "temp", "kind": "numeric"},
        {"name": "people", "kind": "numeric"},
        {"name": "origin", "kind": "categorical"},
    ]
)
TIME = pa.timestamp("us", tz="UTC")
COLUMNS = pa.schema(
    [
        ("flight_id", pa.string()),
        ("ts", TIME),
        ("origin", pa.string()),
        ("temp", pa.float64()),
        ("people", pa.int64()),
        ("p", pa.float64()),
        ("model_version", pa.string()),
    ]
)


class World(Protocol):
    """A ProfileSource and a way to give it rows."""

    def source(self, rows: pa.Table, **options: Any) -> ProfileSource: ...


class MemoryWorld:
    def source(self, rows: pa.Table, **_: Any) -> ProfileSource:
        return MemoryProfiles(rows)


class DeltaWorld:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def source(self, rows: pa.Table, **options: Any) -> ProfileSource:
        path = self.folder / PREDICTIONS.replace(".", "/")
        write_deltalake(path, rows, mode="overwrite", schema_mode="overwrite", **options)
        return DeltaProfiles(Lakehouse(f"{self.folder}/{{lakehouse}}"), memory_mb=64)


@pytest.fixture(params=["memory", "delta"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return MemoryWorld() if request.param == "memory" else DeltaWorld(tmp_path)


def row(number: int, at: datetime, **changes: Any) -> dict[str, Any]:
    base = {"flight_id": f"f{number}", "ts": at, "origin": "JFK", "temp": 1.0 * number}
    return {**base, "people": number % 3, "p": float(number), "model_version": "1", **changes}


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=COLUMNS)


def usual(rows: int = 300) -> pa.Table:
    """Ten rows a day, the reference's 30 days and on."""
    origins = ("JFK", "LGA", "EWR")
    start = REFERENCE[0]
    made = [row(n, start + n * DAY / 10, origin=origins[n % 3]) for n in range(rows + 100)]
    return table(made)


def profile_of(source: ProfileSource, at: date = FIRST, version: str = "1") -> WindowProfile:
    spec = source.reference(MODEL, version, *REFERENCE).spec
    (found,) = source.days(MODEL, version, spec, at, at + DAY)
    return found.profile


# --- each source -----------------------------------------------------------------------------


def test_the_reference_has_its_own_edges_and_categories(world: World):
    reference = world.source(usual()).reference(MODEL, "1", *REFERENCE)

    assert (reference.start, reference.end, reference.bins) == (*REFERENCE, 10)
    assert reference.profile.rows == reference.profile.features["temp"].rows == 300
    assert reference.profile.features["origin"].categories == ("EWR", "JFK", "LGA")
    assert reference.profile.prediction.bins().tolist() == [30] * 10
    assert reference.fits(MODEL, *REFERENCE)


def test_each_day_has_a_profile_and_one_without_rows_a_blank_one(world: World):
    source = world.source(usual())
    spec = source.reference(MODEL, "1", *REFERENCE).spec

    days = list(source.days(MODEL, "1", spec, FIRST + 8 * DAY, FIRST + 12 * DAY))

    assert [(found.day - FIRST).days for found in days] == [8, 9, 10, 11]
    assert [found.profile.rows for found in days] == [10, 10, 0, 0]
    assert days[0].profile.features["temp"].minimum == 380.0
    assert days[2].profile.odd == {}


def test_no_day_asked_for_is_none_given(world: World):
    source = world.source(usual())
    spec = source.reference(MODEL, "1", *REFERENCE).spec

    assert list(source.days(MODEL, "1", spec, FIRST, FIRST)) == []


def test_midnight_belongs_to_the_day_it_begins(world: World):
    moments = [START - DAY, START - timedelta(microseconds=1), START, START + DAY]

    source = world.source(table([row(n, at) for n, at in enumerate(moments)]))

    assert profile_of(source).features["temp"].minimum == 2.0
    assert profile_of(source).rows == 1


def test_only_the_version_asked_for_is_counted(world: World):
    rows = [row(1, START), row(2, START, model_version="2")]

    source = world.source(table(rows))

    assert profile_of(source, version="2").prediction.minimum == 2.0
    assert profile_of(source, version="3").rows == 0


def test_of_rows_with_one_id_the_last_counts_and_rows_without_all(world: World):
    late, early = START + timedelta(hours=3), START + timedelta(hours=1)
    rows = [row(1, late, temp=9.0), row(1, early, temp=3.0), row(2, early, temp=5.0)]
    nameless = [row(n, early, flight_id=None, temp=7.0) for n in (3, 4)]

    found = profile_of(world.source(table([*rows, *nameless])))

    temp = found.features["temp"]
    assert (found.rows, temp.minimum, temp.maximum, temp.mean) == (4, 5.0, 9.0, 7.0)


def test_what_is_no_value_is_counted_apart(world: World):
    values = [None, np.nan, np.inf, np.inf, -np.inf, 1.0]
    rows = [row(n, START, temp=value, p=value) for n, value in enumerate(values)]

    found = profile_of(world.source(table(rows)))

    for column in (found.features["temp"], found.prediction):
        assert (column.missing, column.above, column.below, column.finite) == (2, 2, 1, 1)


def test_categories_that_the_reference_does_not_have_are_unseen_and_named(world: World):
    texts = ["JFK", "x", "", None, "a", "b", "c", "d", "日本"]
    rows = [row(n, START, origin=text) for n, text in enumerate(texts)]
    rows += [row(n + 50, START - DAY) for n in range(2)]

    found = profile_of(world.source(table(rows))).features["origin"]

    assert (found.counts.tolist(), found.missing, found.unseen) == ([1], 1, 7)
    assert found.examples == ("", "a", "b", "c", "d")


def test_a_column_that_vanished_is_missing_in_every_row_and_named(world: World):
    found = profile_of(world.source(usual().drop_columns(["temp"])))

    assert (found.features["temp"].missing, found.rows) == (10, 10)
    assert found.odd == {"temp": "the column is not there"}


def test_a_column_of_another_type_is_missing_and_named(world: World):
    rows = usual()
    words = pa.array(["warm"] * rows.num_rows)

    found = profile_of(world.source(rows.set_column(3, "temp", words)))

    assert found.features["temp"].missing == 10
    assert found.odd == {"temp": "the column holds string, not numbers"}


def test_texts_that_are_numbers_count_one_by_one(world: World):
    rows = usual(0)
    texts = pa.array(["1.5", "x", "", None, "-inf", "1e3", "nan", " 2"] * (rows.num_rows // 8 + 1))
    start = START - DAY / 2

    source = world.source(rows.set_column(3, "temp", texts[: rows.num_rows]))
    found = source.reference(MODEL, "1", REFERENCE[0], start).profile.features["temp"]

    assert (found.rows, found.finite, found.below) == (100, 25, 12)


@pytest.mark.parametrize("missing", ["ts", "flight_id", "p", "model_version"])
def test_a_column_that_a_row_cannot_do_without_is_named(world: World, missing: str):
    source = world.source(usual().drop_columns([missing]))

    with pytest.raises(DataError, match=f"{PREDICTIONS}: no column {missing}"):
        source.reference(MODEL, "1", *REFERENCE)


def test_a_prediction_that_is_no_number_is_named(world: World):
    rows = usual()
    source = world.source(rows.set_column(5, "p", pa.array(["much"] * rows.num_rows)))

    with pytest.raises(DataError, match=rf"{PREDICTIONS}\.p: string is not a number"):
        source.reference(MODEL, "1", *REFERENCE)


# --- the same to the last count --------------------------------------------------------------

numbers = st.one_of(
    st.none(), st.floats(), st.integers(-3, 3).map(float), st.sampled_from([0.0, -0.0, 1e308])
)
rows_of_any_kind = st.lists(
    st.fixed_dictionaries(
        {
            "flight_id": st.one_of(st.none(), st.integers(0, 20).map(str)),
            "minute": st.integers(-3 * 1440, 3 * 1440 - 1),
            "origin": st.one_of(st.none(), st.text(max_size=3), st.sampled_from("abc")),
            "temp": numbers,
            "people": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
            "p": numbers,
            "model_version": st.sampled_from(["1", "1", "1", "2"]),
        }
    ),
    max_size=60,
)


def any_table(rows: list[dict[str, Any]]) -> pa.Table:
    """Make rows of which no two have both the same id and the same time."""
    made: dict[Any, dict[str, Any]] = {}
    for place, given_row in enumerate(rows):
        minute, rest = given_row["minute"], {k: v for k, v in given_row.items() if k != "minute"}
        key = (rest["flight_id"], minute) if rest["flight_id"] else place
        made[key] = {**rest, "ts": START + timedelta(minutes=minute)}
    return table(list(made.values()))


def same(one: WindowProfile, two: WindowProfile) -> None:
    assert (one.rows, one.odd, list(one.features)) == (two.rows, two.odd, list(two.features))
    same_column(one.prediction, two.prediction)
    for name, column in one.features.items():
        same_column(column, two.features[name])


def same_column(one: Any, two: Any) -> None:
    assert one.counts.tolist() == two.counts.tolist()
    assert (one.rows, one.missing) == (two.rows, two.missing)
    if isinstance(one, NumericProfile):
        assert one.edges.cuts.tobytes() == two.edges.cuts.tobytes()
        assert one.edges.coarse.tolist() == two.edges.coarse.tolist()
        assert (one.above, one.below) == (two.above, two.below)
        assert (one.minimum, one.maximum) == (two.minimum, two.maximum)
        with np.errstate(over="ignore", invalid="ignore"):
            assert np.allclose(one.sums, two.sums, rtol=1e-9, atol=1e-9, equal_nan=True)
    else:
        assert (one.categories, one.unseen, one.examples) == (
            two.categories,
            two.unseen,
            two.examples,
        )


@pytest.fixture(scope="module")
def delta() -> Iterator[DeltaWorld]:
    with TemporaryDirectory() as folder:
        yield DeltaWorld(Path(folder))


@given(rows_of_any_kind)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_memory_and_delta_count_the_same(delta: DeltaWorld, rows: list[dict[str, Any]]):
    made = any_table(rows)
    sources = MemoryWorld().source(made), delta.source(made)

    one, two = (s.reference(MODEL, "1", REFERENCE[0], START + DAY / 3) for s in sources)
    span = FIRST - 2 * DAY, FIRST + 3 * DAY
    days = [source.days(MODEL, "1", one.spec, *span) for source in sources]

    same(one.profile, two.profile)
    assert one.spec.digest == two.spec.digest
    for left, right in zip(*days, strict=True):
        assert left.day == right.day
        same(left.profile, right.profile)


def many(rows: int, days: int) -> pa.Table:
    """Make continuous columns, in random order, over so many days from the start on."""
    chance = np.random.default_rng(rows)
    seconds = chance.integers(0, days * 86_400, size=rows)
    return pa.table(
        {
            "flight_id": pa.array(chance.permutation(rows)).cast(pa.string()),
            "ts": pa.array([START + timedelta(seconds=int(s)) for s in seconds], TIME),
            "origin": pa.array(chance.choice(["JFK", "LGA", "EWR"], size=rows)),
            "temp": pa.array(chance.lognormal(size=rows)),
            "people": pa.array(chance.poisson(40, size=rows)),
            "p": pa.array(chance.normal(size=rows)),
            "model_version": pa.array(np.full(rows, "1")),
        }
    )


def test_a_reference_with_more_values_than_cuts_has_the_same_edges_everywhere(tmp_path: Path):
    made = many(150_000, 2)
    span = START, START + 2 * DAY

    worlds = MemoryWorld(), DeltaWorld(tmp_path)
    one, two = (world.source(made).reference(MODEL, "1", *span) for world in worlds)

    same(one.profile, two.profile)
    assert len(one.profile.prediction.edges.cuts) > 4000


def test_pandas_and_numpy_count_like_arrow():
    made = usual()
    frame = made.to_pandas()
    arrays = {name: frame[name].to_numpy() for name in frame.columns}
    arrays["ts"] = frame["ts"].dt.tz_localize(None).to_numpy()

    for rows in (frame, arrays):
        same(profile_of(MemoryProfiles(made)), profile_of(MemoryProfiles(rows)))


# --- Delta only ------------------------------------------------------------------------------


def test_a_table_that_is_not_there_is_no_table(tmp_path: Path):
    source = DeltaProfiles(Lakehouse(f"{tmp_path}/{{lakehouse}}"), memory_mb=64)

    with pytest.raises(NoTable):
        source.reference(MODEL, "1", *REFERENCE)


def test_other_days_files_and_other_columns_are_not_opened(tmp_path: Path):
    world, made = DeltaWorld(tmp_path), many(2000, 3)
    days = pa.array([moment.date().isoformat() for moment in made["ts"].to_pylist()])
    source = world.source(made.append_column("day", days), partition_by=["day"])
    spec = source.reference(MODEL, "1", START, START + DAY).spec
    for file in tmp_path.rglob("*.parquet"):
        if "day=2013-07-02" not in str(file):
            file.write_bytes(b"not to be read")

    (found,) = source.days(MODEL, "1", spec, FIRST + DAY, FIRST + 2 * DAY)

    assert found.profile.rows > 500


def test_a_file_that_cannot_be_read_is_unavailable(tmp_path: Path):
    source = DeltaWorld(tmp_path).source(usual())
    for file in tmp_path.rglob("*.parquet"):
        file.write_bytes(b"broken")

    with pytest.raises(Unavailable):
        source.reference(MODEL, "1", *REFERENCE)


def test_what_does_not_fit_into_memory_is_sorted_on_disk(tmp_path: Path):
    source = DeltaWorld(tmp_path).source(doubled := pa.concat_tables([many(200_000, 1)] * 2))

    reference = source.reference(MODEL, "1", START, START + DAY)

    assert doubled.nbytes > 2 * 2**23
    assert reference.profile.rows == 200_000


def scans(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the scans of a source's table, each with the days it spans."""
    found: list[int] = []
    real = _Predictions._scan

    def counted(self: _Predictions, names: list[str], span: Between) -> pa.RecordBatchReader:
        found.append((span.end - span.start) // DAY)
        return real(self, names, span)

    monkeypatch.setattr(_Predictions, "_scan", counted)
    return found


def shuffled(made: pa.Table) -> pa.Table:
    return made.take(np.random.default_rng(3).permutation(made.num_rows))


def all_days(source: ProfileSource, spec: Any, days: int) -> list[Any]:
    return list(source.days(MODEL, "1", spec, FIRST, FIRST + days * DAY))


def test_many_days_are_looked_through_for_doubles_and_then_counted_in_one_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    made = shuffled(many(5000, 6))
    source = DeltaWorld(tmp_path).source(made)
    spec = MemoryProfiles(made).reference(MODEL, "1", START, START + 6 * DAY).spec
    seen = scans(monkeypatch)

    found = all_days(source, spec, 7)

    assert seen == [7, 7]
    for one, two in zip(found, all_days(MemoryProfiles(made), spec, 7), strict=True):
        assert one.day == two.day
        same(one.profile, two.profile)
    assert found[-1].profile.rows == 0


def test_an_id_that_comes_again_on_another_day_is_no_double(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    made = pa.concat_tables([table([row(n, START + d * DAY) for n in range(50)]) for d in range(4)])
    source = DeltaWorld(tmp_path).source(made)
    spec = MemoryProfiles(made).reference(MODEL, "1", START, START + DAY).spec
    seen = scans(monkeypatch)

    found = all_days(source, spec, 4)

    assert seen == [4, 4]
    assert [each.profile.rows for each in found] == [50] * 4


def test_an_id_that_comes_again_on_a_day_has_the_days_counted_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    rows = [row(n, START + d * DAY) for d in range(3) for n in range(50)]
    made = table([*rows, row(7, START + DAY + timedelta(hours=3), temp=99.0)])
    source = DeltaWorld(tmp_path).source(made)
    spec = MemoryProfiles(made).reference(MODEL, "1", START, START + DAY).spec
    seen = scans(monkeypatch)

    found = all_days(source, spec, 3)

    assert seen == [3, 1, 1, 1, 1, 1, 1]
    for one, two in zip(found, all_days(MemoryProfiles(made), spec, 3), strict=True):
        same(one.profile, two.profile)


def test_no_more_days_are_counted_at_a_time_than_the_memory_has_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    made = shuffled(many(5000, 6))
    source = DeltaWorld(tmp_path).source(made)
    spec = MemoryProfiles(made).reference(MODEL, "1", START, START + 6 * DAY).spec
    monkeypatch.setattr(delta_profiles, "_days_at_once", lambda *_: 4)
    seen = scans(monkeypatch)

    found = all_days(source, spec, 6)

    assert seen == [4, 4, 2, 2]
    assert [each.day for each in found] == [FIRST + n * DAY for n in range(6)]
    for one, two in zip(found, all_days(MemoryProfiles(made), spec, 6), strict=True):
        same(one.profile, two.profile)


def test_days_are_fewer_at_a_time_the_more_is_counted():
    def edges(cuts: int) -> Edges:
        return Edges(np.arange(float(cuts)), np.arange(2))

    small = ProfileSpec({"temp": edges(9), "origin": ("JFK",)}, edges(9))
    large = ProfileSpec({f"f{n}": edges(4096) for n in range(100)}, edges(4096))

    assert delta_profiles._days_at_once(small, 64) > 3660
    assert delta_profiles._days_at_once(large, 64) == 2
    assert delta_profiles._days_at_once(large, 1) == 1


@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("us")], ids=str)
def test_days_of_dates_and_of_times_without_a_zone_are_told_apart(tmp_path: Path, kind: Any):
    made = shuffled(many(3000, 3))
    times = made["ts"].cast(pa.timestamp("us")).cast(kind, safe=False)
    source = DeltaWorld(tmp_path).source(
        made.set_column(made.column_names.index("ts"), "ts", times)
    )
    spec = MemoryProfiles(made).reference(MODEL, "1", START, START + 3 * DAY).spec

    found = all_days(source, spec, 3)

    for one, two in zip(found, all_days(MemoryProfiles(made), spec, 3), strict=True):
        same(one.profile, two.profile)
