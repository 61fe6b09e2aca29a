"""A model's rows of one time window, read from the lakehouse: the Windows port.

Only the columns and rows asked for are read: partitions and files are left out by their statistics.
What the columns of a user's tables may look like is dealt with in ``window_columns.py``.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.adapters.delta.lakehouse import Lakehouse, delta_errors, gone
from shared.adapters.delta.row_digests import row_digests
from shared.adapters.delta.window_columns import (
    Between,
    answer_columns,
    as_floats,
    as_texts,
    as_times,
    before,
    between,
    last_actuals,
    last_of_each,
    require_columns,
    served_rows,
    with_columns,
)
from shared.errors import DataError, Unavailable
from shared.ports import Answers, Clock, Groups, Window

if TYPE_CHECKING:
    import pyarrow as pa

    from shared.catalogue import Columns, Model


class DeltaWindows:
    """The Windows port on Delta tables.

    Rows come ordered by time and id. Of rows with the same id the last scored one counts. An actual
    counts when it is known now: at the clock's time, not at the window's end, so that late actuals
    of an old window are seen.
    """

    def __init__(self, lakehouse: Lakehouse, clock: Clock) -> None:
        self._lakehouse = lakehouse
        self._clock = clock

    def served(self, model: "Model", version: str, start: datetime, end: datetime) -> Window:
        rows = self._rows(model, version, Between(start, end), model.feature_names)
        found = self._answers(model, rows)
        features = with_columns(rows, model.feature_names)
        times = as_times(rows[model.columns.timestamp])
        return Window(start, end, features, found.prediction, found.actual, times=times)

    def answers(self, model: "Model", version: str, start: datetime, end: datetime) -> Answers:
        return self._answers(model, self._rows(model, version, Between(start, end), ()))

    def groups(self, model: "Model", version: str, start: datetime, end: datetime) -> Groups:
        table, name = model.data.predictions, model.columns.prediction
        attributes = model.drift.parity_attributes
        rows = self._rows(model, version, Between(start, end), attributes)
        require_columns(table, rows.schema, attributes)
        return Groups(
            as_floats(table, name, rows[name]),
            {attribute: as_texts(table, attribute, rows[attribute]) for attribute in attributes},
        )

    def _rows(
        self, model: "Model", version: str, span: Between, features: Sequence[str]
    ) -> "pa.Table":
        columns, table = model.columns, model.data.predictions
        dataset = self._dataset(table, answer_columns(columns))
        chosen = served_rows(model, dataset.schema, version, span)
        there = [name for name in features if name in dataset.schema.names]
        names = [columns.timestamp, columns.id, columns.prediction, *there]
        return _latest(_read(table, dataset, names, chosen), columns)

    def _answers(self, model: "Model", rows: "pa.Table") -> Answers:
        table, name = model.data.predictions, model.columns.prediction
        actual = self._actuals(model, rows[model.columns.id])
        return Answers(as_floats(table, name, rows[name]), actual)

    def holdout(self, model: "Model", until: datetime, *, version: int | None = None) -> Window:
        import numpy as np

        columns, table = model.columns, model.data.holdout
        span = Between(until - timedelta(days=model.gates.holdout_days), until)
        attributes = model.gates.group_columns
        names = [columns.timestamp, columns.id, columns.actual, *model.feature_names, *attributes]
        dataset = self._dataset(table, names, version)
        chosen = between(table, dataset.schema.field(columns.timestamp), span)
        with _kept(table, version):
            rows = _latest(_read(table, dataset, names, chosen), columns)
        features = rows.select(model.feature_names)
        actual = as_floats(table, columns.actual, rows[columns.actual])
        groups = {name: as_texts(table, name, rows[name]) for name in attributes}
        return Window(
            start=span.start,
            end=until,
            features=features,
            prediction=np.full(rows.num_rows, np.nan),
            actual=actual,
            attributes=groups,
            times=as_times(rows[columns.timestamp]),
            ids=as_texts(table, columns.id, rows[columns.id], missing=""),
            digests=row_digests(features, actual, groups),
        )

    def _actuals(self, model: "Model", ids: "pa.ChunkedArray") -> Any:
        """Give the last known actual of each id, NaN where there is none."""
        import numpy as np

        columns, table = model.columns, model.data.actuals
        names = [columns.id, columns.actual]
        names += [columns.actual_timestamp] if columns.actual_timestamp else []
        dataset = self._dataset(table, names)
        if len(ids) == ids.null_count:
            return np.full(len(ids), np.nan)
        rows = _read(table, dataset, names, self._known(table, dataset.schema, columns, ids))
        found = last_actuals(table, rows, columns, ids)
        return as_floats(table, columns.actual, found)

    def _known(
        self, table: str, schema: "pa.Schema", columns: "Columns", ids: "pa.ChunkedArray"
    ) -> Any:
        """Choose rows whose id may be asked for and whose actual is known by now.

        The range of the ids lets files be left out; which ids exactly is settled by the lookup.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        kind = schema.field(columns.id).type
        # texts and numbers are ordered differently, so that a cast would lose rows unseen
        if kind != ids.type and not (pa.types.is_integer(kind) and pa.types.is_integer(ids.type)):
            message = f"{table}.{columns.id}: {kind} cannot be compared with {ids.type}"
            raise DataError(message, subject=f"{table}.{columns.id}")
        ends = pc.min_max(ids)
        low, high = ends["min"], ends["max"]
        chosen = (pc.field(columns.id) >= low) & (pc.field(columns.id) <= high)
        if columns.actual_timestamp:
            field = schema.field(columns.actual_timestamp)
            # one microsecond on: an actual stamped with this very moment is known
            chosen &= before(table, field, self._clock.now() + timedelta(microseconds=1))
        return chosen

    def _dataset(self, table: str, names: Sequence[str], version: int | None = None) -> Any:
        source = self._lakehouse.open(table, version)
        with delta_errors(table):
            dataset = source.to_pyarrow_dataset()
        require_columns(table, dataset.schema, names)
        return dataset


@contextmanager
def _kept(table: str, version: int | None) -> Iterator[None]:
    """Tell files of an old commit that were vacuumed from storage that does not answer."""
    try:
        yield
    except Unavailable as error:
        if version is None or not isinstance(error.__cause__, FileNotFoundError):
            raise
        raise gone(table, version) from error


def _read(table: str, dataset: Any, names: Sequence[str], chosen: Any) -> "pa.Table":
    with delta_errors(table):
        rows: pa.Table = dataset.to_table(columns=_distinct(names), filter=chosen)
    return rows


def _latest(rows: "pa.Table", columns: "Columns") -> "pa.Table":
    order = [(columns.timestamp, "ascending"), (columns.id, "ascending")]
    return last_of_each(rows.sort_by(order), columns.id)


def _distinct(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(names))
