"""Counts rows in the lakehouse: the RowCounts port. Only ids and times are read."""

from datetime import datetime
from typing import TYPE_CHECKING

from shared.adapters.delta.lakehouse import Lakehouse, delta_errors
from shared.adapters.delta.window_columns import Between, between, require_columns

if TYPE_CHECKING:
    from shared.catalogue import Model


class DeltaRowCounts:
    """The RowCounts port on Delta tables."""

    def __init__(self, lakehouse: Lakehouse) -> None:
        self._lakehouse = lakehouse

    def known(self, model: "Model", start: datetime, end: datetime) -> int:
        import pyarrow.compute as pc

        columns = model.columns
        table, moment, value = model.data.actuals, columns.actual_timestamp, columns.actual
        if moment is None:
            table, moment, value = model.data.predictions, columns.timestamp, columns.prediction
        source = self._lakehouse.open(table)
        with delta_errors(table):
            dataset = source.to_pyarrow_dataset()
        require_columns(table, dataset.schema, [columns.id, moment, value])
        field = dataset.schema.field(moment)
        chosen = between(table, field, Between(start, end))
        chosen &= pc.field(value).is_valid() & pc.field(columns.id).is_valid()
        with delta_errors(table):
            ids = dataset.to_table(columns=[columns.id], filter=chosen)[columns.id]
        return int(pc.count_distinct(ids).as_py())
