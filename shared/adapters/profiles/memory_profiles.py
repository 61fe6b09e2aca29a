"""Profiles of rows in memory: an Arrow table, a pandas frame, or numpy arrays by column.

The plain way to make a profile: each column as a whole. The other sources are held against it.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from shared.adapters.delta.window_columns import (
    Between,
    answer_columns,
    as_floats,
    last_of_each,
    require_columns,
    served_rows,
    with_columns,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date

    import numpy.typing as npt
    import pandas as pd
    import pyarrow as pa

    from shared.catalogue import Model
    from shared.domain.drift.spec import DayProfile, ProfileSpec, Reference
    from shared.domain.drift.window import Unlabelled

DAY = timedelta(days=1)


class MemoryProfiles:
    """The ProfileSource port on one model's predictions in memory; the same columns, no table."""

    def __init__(self, rows: pa.Table | pd.DataFrame | Mapping[str, npt.NDArray[Any]]) -> None:
        self._rows = _arrow(rows)

    def reference(self, model: Model, version: str, start: datetime, end: datetime) -> Reference:
        from shared.domain.drift.columns import Scratch
        from shared.domain.drift.spec import Reference
        from shared.domain.drift.window import profile_reference

        rows = self._served(model, version, Between(start, end))
        profile = profile_reference(model, rows, Scratch())
        return Reference(start, end, model.drift.bins, profile)

    def days(
        self, model: Model, version: str, spec: ProfileSpec, start: date, end: date
    ) -> Iterator[DayProfile]:
        from shared.domain.drift.columns import Scratch
        from shared.domain.drift.spec import DayProfile
        from shared.domain.drift.window import profile_window

        blank, scratch = spec.blank(), Scratch()
        for step in range((end - start).days):
            midnight = datetime.combine(start, time(), UTC) + DAY * step
            rows = self._served(model, version, Between(midnight, midnight + DAY))
            yield DayProfile(midnight.date(), profile_window(model, rows, blank, scratch))

    def _served(self, model: Model, version: str, span: Between) -> Unlabelled:
        from shared.domain.drift.window import Unlabelled

        columns, table = model.columns, model.data.predictions
        require_columns(table, self._rows.schema, answer_columns(columns))
        chosen = self._rows.filter(served_rows(model, self._rows.schema, version, span))
        rows = last_of_each(chosen.sort_by(columns.timestamp), columns.id)
        prediction = as_floats(table, columns.prediction, rows[columns.prediction])
        return Unlabelled(with_columns(rows, model.feature_names), prediction)


def _arrow(rows: Any) -> pa.Table:
    import pyarrow as pa

    if isinstance(rows, pa.Table):
        return rows
    if hasattr(rows, "to_numpy"):
        # a time without a zone is read as UTC; Arrow warns on its own way to those with one
        zoned = {name: rows[name].dt.tz_convert(None) for name in rows.select_dtypes("datetimetz")}
        return pa.Table.from_pandas(rows.assign(**zoned), preserve_index=False)
    return pa.table({name: pa.array(values) for name, values in rows.items()})
