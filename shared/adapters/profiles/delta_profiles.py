"""Profiles of rows in Delta tables: a folder or OneLake, read in batches, never as a whole.

Only the columns and days asked for are read. A batch is counted and forgotten, so that a larger
table takes longer and no more memory; what has to see all rows at once (their ids, the order of a
reference's values) goes through a database that goes on on disk.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from shared.adapters.delta.lakehouse import delta_errors
from shared.adapters.delta.window_columns import (
    Between,
    answer_columns,
    as_floats,
    require_columns,
    served_rows,
    with_columns,
)
from shared.adapters.profiles.row_database import BATCH, row_database

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    import pyarrow as pa

    from shared.adapters.delta.lakehouse import Lakehouse
    from shared.adapters.profiles.row_database import RowDatabase
    from shared.catalogue import Model
    from shared.domain.drift.edges import Edges
    from shared.domain.drift.spec import DayProfile, ProfileSpec, Reference
    from shared.domain.drift.window import Unlabelled, WindowProfile

PULLED = {"batch_readahead": 1, "fragment_readahead": 1, "use_threads": False}
"""Arrow reads when it is asked: with threads of its own it reads on, up to 1 GiB ahead."""
DAY = timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PROFILES_SHARE = 4
"""Days are counted in one scan as long as their profiles fit into this part of the memory."""
BUCKET_BYTES = 16


class DeltaProfiles:
    """The ProfileSource port on Delta tables.

    Args:
        memory_mb: what sorting may take before it goes on on disk, MiB.
    """

    def __init__(self, lakehouse: Lakehouse, *, memory_mb: int) -> None:
        self._lakehouse = lakehouse
        self._memory_mb = memory_mb

    def reference(self, model: Model, version: str, start: datetime, end: datetime) -> Reference:
        from shared.domain.drift.spec import Reference
        from shared.domain.drift.window import odd_columns

        table = self._table(model, version)
        with row_database(self._memory_mb) as database:
            database.keep(table.plain(table.batches(Between(start, end), database)))
            spec = _spec(model, database)
            kept = database.kept([*model.feature_names, model.columns.prediction])
            profile = _counted(model, spec, map(table.rows, kept))
        odd = odd_columns(model, table.dataset.schema) if profile.rows else {}
        return Reference(start, end, model.drift.bins, replace(profile, odd=odd))

    def days(
        self, model: Model, version: str, spec: ProfileSpec, start: date, end: date
    ) -> Iterator[DayProfile]:
        from shared.domain.drift.spec import DayProfile

        table = self._table(model, version)
        first, last = (datetime.combine(day, time(), UTC) for day in (start, end))
        with row_database(self._memory_mb) as database:
            for span in _stretches(first, last, _days_at_once(spec, self._memory_mb)):
                single = span.end - span.start == DAY
                together = None if single else self._together(table, spec, span, database)
                for day in _days(span):
                    found = together[day.start.date()] if together else None
                    profile = found or self._one_day(table, spec, day, database)
                    yield DayProfile(day.start.date(), profile)

    def _one_day(
        self, table: _Predictions, spec: ProfileSpec, day: Between, database: RowDatabase
    ) -> WindowProfile:
        return _counted(table.model, spec, map(table.rows, table.batches(day, database)))

    def _together(
        self, table: _Predictions, spec: ProfileSpec, span: Between, database: RowDatabase
    ) -> dict[date, WindowProfile] | None:
        """Count all days of a span in one scan; None where an id may occur twice on a day."""
        from shared.domain.drift.columns import Scratch
        from shared.domain.drift.window import merge_windows, profile_window

        blank, scratch = spec.blank(), Scratch()
        with delta_errors(table.model.data.predictions):
            if database.may_have_doubles(table.keys(span)):
                return None
            found = {day.start.date(): blank for day in _days(span)}
            for day, rows in table.by_day(span):
                more = profile_window(table.model, rows, blank, scratch)
                found[day] = merge_windows([found[day], more])
        return found

    def _table(self, model: Model, version: str) -> _Predictions:
        import pyarrow as pa

        name = model.data.predictions
        source = self._lakehouse.open(name)
        with delta_errors(name):
            dataset = source.to_pyarrow_dataset()
        require_columns(name, dataset.schema, answer_columns(model.columns))
        table = _Predictions(model, version, dataset)
        # a prediction that is no number fails here, and not amid a database's stream
        none = pa.chunked_array([], dataset.schema.field(model.columns.prediction).type)
        as_floats(name, model.columns.prediction, none)
        return table


@dataclass(frozen=True)
class _Predictions:
    """One version's rows in the table of the predictions."""

    model: Model
    version: str
    dataset: Any

    @property
    def _features(self) -> list[str]:
        """Name the features that are columns of the table."""
        return [name for name in self.model.feature_names if name in self.dataset.schema.names]

    def batches(self, span: Between, database: RowDatabase) -> pa.RecordBatchReader:
        """Give the rows of a time, of those with one id the last."""
        columns = self.model.columns
        names = list(dict.fromkeys([columns.prediction, *self._features]))
        with delta_errors(self.model.data.predictions):
            if not database.may_have_doubles(self._scan([columns.id], span)):
                return self._scan(names, span)
            wider = list(dict.fromkeys([columns.id, columns.timestamp, *names]))
            key, order = wider.index(columns.id), wider.index(columns.timestamp)
            return database.last_of_each(self._scan(wider, span), key=key, order=order)

    def keys(self, span: Between) -> pa.RecordBatchReader:
        """Give what tells rows apart: the id and its day, as a number."""
        import pyarrow as pa

        columns = self.model.columns
        batches = self._scan([columns.id, columns.timestamp], span)
        schema = pa.schema([batches.schema.field(0), pa.field("day", pa.int64())])
        made = (
            pa.record_batch([batch.column(0), pa.array(_day_numbers(batch.column(1)))], schema)
            for batch in batches
        )
        return pa.RecordBatchReader.from_batches(schema, made)

    def by_day(self, span: Between) -> Iterator[tuple[date, Unlabelled]]:
        """Give the rows of a time, each part of one UTC day; a day may come in many parts."""
        import numpy as np

        columns = self.model.columns
        names = list(dict.fromkeys([columns.prediction, *self._features, columns.timestamp]))
        for batch in filter(len, self._scan(names, span)):
            days = _day_numbers(batch.column(names.index(columns.timestamp)))
            order = np.argsort(days, kind="stable")
            ordered, days = batch.take(order), days[order]
            starts = [0, *(np.flatnonzero(np.diff(days)) + 1), len(days)]
            for start, stop in pairwise(starts):
                day = EPOCH + DAY * int(days[start])
                yield day.date(), self.rows(ordered.slice(start, stop - start))

    def _scan(self, names: list[str], span: Between) -> pa.RecordBatchReader:
        chosen = served_rows(self.model, self.dataset.schema, self.version, span)
        scanner = self.dataset.scanner(names, filter=chosen, batch_size=BATCH, **PULLED)
        reader: pa.RecordBatchReader = scanner.to_reader()
        return reader

    def rows(self, batch: pa.RecordBatch) -> Unlabelled:
        """Give a batch as the rows it is."""
        import pyarrow as pa

        from shared.domain.drift.window import Unlabelled

        rows, name = pa.table(batch), self.model.columns.prediction
        prediction = as_floats(self.model.data.predictions, name, rows[name])
        return Unlabelled(with_columns(rows, self.model.feature_names), prediction)

    def plain(self, batches: Iterable[pa.RecordBatch]) -> pa.RecordBatchReader:
        """Give the features as floats and texts, and the prediction last."""
        import pyarrow as pa

        features = self.model.features
        kinds = [pa.float64() if f.kind == "numeric" else pa.large_string() for f in features]
        kinds.append(pa.float64())
        schema = pa.schema([pa.field(f"c{place}", kind) for place, kind in enumerate(kinds)])
        made = (pa.record_batch(self._plain(batch), schema=schema) for batch in batches)
        return pa.RecordBatchReader.from_batches(schema, made)

    def _plain(self, batch: pa.RecordBatch) -> list[Any]:
        import pyarrow as pa

        from shared.domain.drift.columns import as_numbers, as_texts

        rows = self.rows(batch)
        columns = [
            pa.array(as_numbers(rows.features[feature.name]))
            if feature.kind == "numeric"
            else as_texts(rows.features[feature.name].combine_chunks())
            for feature in self.model.features
        ]
        return [*columns, pa.array(rows.prediction)]


def _days_at_once(spec: ProfileSpec, memory_mb: int) -> int:
    """Give how many days' profiles a part of the memory holds: a count and a sum a bucket."""
    edges = [found for found in spec.features.values() if not isinstance(found, tuple)]
    buckets = sum(len(found.cuts) + 1 for found in (*edges, spec.prediction))
    return max(1, (memory_mb << 20) // PROFILES_SHARE // (buckets * BUCKET_BYTES))


def _stretches(start: datetime, end: datetime, days: int) -> Iterator[Between]:
    """Give [start, end) in stretches of so many days, the last one shorter."""
    while start < end:
        stop = min(end, start + DAY * days)
        yield Between(start, stop)
        start = stop


def _days(span: Between) -> Iterator[Between]:
    """Give the single days of a span."""
    return _stretches(span.start, span.end, 1)


def _day_numbers(times: Any) -> Any:
    """Give the UTC day of each time, or date, as a number of days since 1970."""
    import numpy as np
    import pyarrow as pa

    if pa.types.is_date(times.type):
        return np.asarray(times.cast(pa.date32()).cast(pa.int32()), dtype=np.int64)
    exact = times.cast(pa.timestamp("us", tz=times.type.tz), safe=False)
    return np.asarray(exact.cast(pa.int64())) // (DAY // timedelta(microseconds=1))


def _spec(model: Model, database: RowDatabase) -> ProfileSpec:
    """Make the edges and categories of the kept rows."""
    from shared.domain.drift.spec import ProfileSpec

    bins = model.drift.bins
    features = {
        feature.name: _edges(database, place, bins)
        if feature.kind == "numeric"
        else tuple(sorted(database.texts(place)))
        for place, feature in enumerate(model.features)
    }
    return ProfileSpec(features, _edges(database, len(features), bins))


def _edges(database: RowDatabase, place: int, bins: int) -> Edges:
    from shared.domain.drift.edges import Picked, edges_by_rank

    picked = Picked(database.in_order(place), database.finite(place), bins)
    return edges_by_rank(picked, bins)


def _counted(model: Model, spec: ProfileSpec, parts: Iterable[Unlabelled]) -> WindowProfile:
    """Count batch by batch; what is kept of one does not grow with the rows."""
    from shared.domain.drift.columns import Scratch
    from shared.domain.drift.window import merge_windows, profile_window

    found, scratch = spec.blank(), Scratch()
    with delta_errors(model.data.predictions):
        for rows in parts:
            found = merge_windows([found, profile_window(model, rows, spec.blank(), scratch)])
    return found
