"""A database for one task, in a folder that goes with it: what has to see all rows at once.

Sorting and looking for doubles need every row. DuckDB does both in the memory it is given and goes
on on disk. Columns are known by their place: nothing of a user's table gets into a query.
"""

from __future__ import annotations

from contextlib import contextmanager
from itertools import chain, islice
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from shared.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa
    from duckdb import DuckDBPyConnection

BATCH = 1 << 16
"""Rows a batch: a few MB, whatever the columns."""
PIECE = 8
"""Batches a transaction."""
THREADS = 2
"""Each sorts in memory of its own; a Functions instance has one or two cores."""


class RowDatabase:
    """One DuckDB."""

    def __init__(self, connection: DuckDBPyConnection) -> None:
        self._connection = connection

    def may_have_doubles(self, keys: pa.RecordBatchReader) -> bool:
        """Tell whether a key occurs twice in a stream; a row whose first column is null has none.

        Looks at hashes of 64 bits: two keys may be taken for one, and one never for two. They are
        sorted, since a sort goes on on disk at any size and a grouping does not.
        """
        import numpy as np

        columns = ", ".join(f"c{place}" for place in range(len(keys.schema.names)))
        query = f"SELECT hash({columns}) AS h FROM given WHERE c0 IS NOT NULL ORDER BY h"  # noqa: S608 - no value
        last = np.empty(0, dtype=np.uint64)
        for batch in self._run(keys, query).to_arrow_reader(BATCH):
            hashes = np.concatenate([last, batch.column(0).to_numpy()])
            if (hashes[1:] == hashes[:-1]).any():
                return True
            last = hashes[-1:]
        return False

    def last_of_each(
        self, rows: pa.RecordBatchReader, key: int, order: int
    ) -> pa.RecordBatchReader:
        """Give, of the rows with one key, the last by the column ``order``; without a key all."""
        import pyarrow as pa

        query = f"SELECT * FROM given ORDER BY c{key}, c{order}"  # noqa: S608 - no value
        found = _renamed(self._run(rows, query).to_arrow_reader(BATCH), rows.schema.names)
        return pa.RecordBatchReader.from_batches(found.schema, _ends(found, key))

    def keep(self, rows: pa.RecordBatchReader) -> None:
        """Store rows, for the calls below; in pieces, for a transaction's memory grows."""
        import pyarrow as pa

        def stream(batches: Iterable[pa.RecordBatch]) -> pa.RecordBatchReader:
            return pa.RecordBatchReader.from_batches(rows.schema, batches)

        self._run(stream(()), "CREATE TABLE kept AS SELECT * FROM given")
        left = iter(rows)
        for first in left:
            piece = chain([first], islice(left, PIECE - 1))
            self._run(stream(piece), "INSERT INTO kept SELECT * FROM given")

    def kept(self, names: list[str]) -> pa.RecordBatchReader:
        """Give the kept rows, with their columns' names."""
        return _renamed(self._query("SELECT * FROM kept").to_arrow_reader(BATCH), names)

    def finite(self, place: int) -> int:
        """Count the finite values of a kept column of floats."""
        query = f"SELECT count(*) FROM kept WHERE isfinite(c{place})"  # noqa: S608 - no value
        (count,) = self._query(query).fetchall()[0]
        return int(count)

    def texts(self, place: int) -> set[str]:
        """Give the distinct texts of a kept column."""
        query = f"SELECT DISTINCT c{place} FROM kept WHERE c{place} IS NOT NULL"  # noqa: S608 - no value
        return {text for (text,) in self._query(query).fetchall()}

    def in_order(self, place: int) -> Iterator[Any]:
        """Give the finite values of a kept column in ascending order, as numpy arrays."""
        column = f"c{place}"
        query = f"SELECT {column} FROM kept WHERE isfinite({column}) ORDER BY {column}"  # noqa: S608 - no value
        for batch in self._query(query).to_arrow_reader(BATCH):
            yield batch.column(0).to_numpy()

    def _run(self, rows: pa.RecordBatchReader, query: str) -> DuckDBPyConnection:
        places = [f"c{place}" for place in range(len(rows.schema.names))]
        return self._query(query, _renamed(rows, places))

    def _query(self, query: str, given: pa.RecordBatchReader | None = None) -> DuckDBPyConnection:
        # of its own: a connection that is asked again while its answer is read waits for itself
        cursor = self._connection.cursor()
        if given is not None:
            cursor.register("given", given)
        return cursor.execute(query)


@contextmanager
def row_database(memory_mb: int) -> Iterator[RowDatabase]:
    """Open a database that takes so much memory, and as much disk as it needs.

    Raises:
        Unavailable: the disk is full, or the memory does not do even so.
    """
    import duckdb

    with TemporaryDirectory(prefix="profile-", ignore_cleanup_errors=True) as folder:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{memory_mb}MiB",
            "temp_directory": f"{folder}/spill",
            "threads": THREADS,
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        connection = duckdb.connect(f"{folder}/rows.duckdb", config=settings)
        try:
            yield RowDatabase(connection)
        except duckdb.Error as error:
            raise Unavailable(f"rows cannot be sorted: {error}"[:500]) from error
        finally:
            connection.close()


def _ends(rows: Iterable[pa.RecordBatch], key: int) -> Iterator[pa.RecordBatch]:
    """Give the last row of each run of equal keys; null equals nothing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    held: pa.RecordBatch | None = None
    for batch in filter(len, rows):
        joined = batch if held is None else pa.concat_batches([held, batch])
        keys = joined.column(key)
        differs = pc.fill_null(pc.not_equal(keys[:-1], keys[1:]), fill_value=True)
        yield joined[:-1].filter(differs)
        held = joined[-1:]
    if held is not None:
        yield held


def _renamed(rows: pa.RecordBatchReader, names: list[str]) -> pa.RecordBatchReader:
    import pyarrow as pa

    pairs = zip(names, rows.schema.types, strict=True)
    schema = pa.schema([pa.field(name, kind) for name, kind in pairs])
    batches = (pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in rows)
    return pa.RecordBatchReader.from_batches(schema, batches)
