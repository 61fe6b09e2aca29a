"""The lakehouse: a model's rows, the app's tables, and the log that alert rules read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from shared.catalogue import Model

    Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Window:
    """Rows of one time window.

    Attributes:
        features: one column a feature, in the catalogue's order.
        prediction: NaN where missing.
        actual: NaN where it has not arrived.
        attributes: the columns that part a holdout's rows (``gates.group_columns``), as text.
        times: of each row, datetime64 in UTC, ascending.
        ids: of a holdout's rows, as text; each once, but for the empty one of rows without.
        digests: of a holdout's rows, equal where actual, features and attributes are equal.
    """

    start: datetime
    end: datetime
    features: pa.Table
    prediction: Floats
    actual: Floats
    attributes: Mapping[str, npt.NDArray[np.str_]] = field(default_factory=dict)
    times: npt.NDArray[np.datetime64] | None = None
    ids: npt.NDArray[np.str_] | None = None
    digests: npt.NDArray[np.uint64] | None = None

    @property
    def rows(self) -> int:
        return int(self.features.num_rows)

    def only(self, kept: npt.NDArray[np.bool_]) -> Window:
        """Give some of the rows alone."""
        return replace(
            self,
            features=self.features.filter(kept),
            prediction=self.prediction[kept],
            actual=self.actual[kept],
            attributes={name: values[kept] for name, values in self.attributes.items()},
            times=None if self.times is None else self.times[kept],
            ids=None if self.ids is None else self.ids[kept],
            digests=None if self.digests is None else self.digests[kept],
        )


@dataclass(frozen=True, eq=False)
class Answers:
    """What a version answered for some rows, and what became true; NaN where it is not known."""

    prediction: Floats
    actual: Floats


@dataclass(frozen=True, eq=False)
class Groups:
    """What a version answered for some rows, and the group of each row by attribute, as text."""

    prediction: Floats
    attributes: Mapping[str, npt.NDArray[np.str_]]


class Windows(Protocol):
    """Reads a model's rows. Raises NoTable, and DataError for a column that is not there."""

    def served(self, model: Model, version: str, start: datetime, end: datetime) -> Window:
        """Give what a version answered for rows in [start, end), with the actuals known.

        A feature that is no column of the table is a column of type null: that it vanished is for
        the drift check to say.
        """

    def answers(self, model: Model, version: str, start: datetime, end: datetime) -> Answers:
        """Give the same rows' predictions and actuals, without reading a feature."""

    def groups(self, model: Model, version: str, start: datetime, end: datetime) -> Groups:
        """Give the same rows' predictions and the columns of ``drift.parity_attributes``."""

    def holdout(self, model: Model, until: datetime, *, version: int | None = None) -> Window:
        """Give the rows set aside before ``until`` (the last ``gates.holdout_days`` of them).

        ``version`` is the table's, as it was committed; None: the newest.

        Raises:
            NoTable: there is no such table, or it keeps that version no more.
        """


class Tables(Protocol):
    """Appends to the lakehouse's tables, each batch exactly once."""

    def append(
        self,
        table: str,
        rows: Sequence[Mapping[str, Any]],
        *,
        writer: str,
        batch: int,
        after: int | None = None,
    ) -> bool:
        """Append rows as batch number ``batch`` of ``writer``.

        Batches of a writer only grow. Gives False, and writes nothing, where this batch or a
        later one is there already, or where ``after`` is given and is not the writer's last.

        Raises:
            Refused: the rows do not fit the table's columns.
        """

    def update(self, table: str, where: Mapping[str, str], changes: Mapping[str, str]) -> int:
        """Set text columns of the rows whose columns equal the given texts; gives their number.

        Raises:
            NoTable: the table does not exist.
            Refused: the table's columns are not updated in place, or one asked for holds no text.
        """

    def last_batch(self, table: str, writer: str) -> int:
        """Give the last batch a writer appended, 0 for none."""

    def values(self, table: str, column: str) -> Sequence[str]:
        """Give what a text column holds, each text once, sorted; null counts as empty.

        Raises:
            NoTable: the table does not exist.
            Refused: it has no text column of this name.
        """

    def columns(self, table: str) -> Mapping[str, str]:
        """Give the columns that a table has, with their types by Spark SQL's names.

        Raises:
            NoTable: the table does not exist.
        """

    def read(
        self,
        table: str,
        where: Mapping[str, str] | None = None,
        *,
        since: tuple[str, datetime] | None = None,
    ) -> list[dict[str, Any]]:
        """Give the rows whose columns equal the given texts, and whose time is not before.

        Raises:
            NoTable: the table does not exist.
        """


class RowCounts(Protocol):
    """Counts rows a model could learn from, without reading them."""

    def known(self, model: Model, start: datetime, end: datetime) -> int:
        """Give how many actuals became known in [start, end), each id once.

        Where the actuals carry no time, rows served in that time count instead.

        Raises:
            NoTable, DataError: the table or a column of it is not there.
        """


class MetricSink(Protocol):
    """Where Azure Monitor's alert rules read: the custom log table."""

    def upload(self, rows: Sequence[Mapping[str, Any]]) -> None: ...
