"""The ProfileSource port on a table that speaks KQL; who answers the queries is not known here.

Two things KQL cannot tell: a text that is empty from one that is not there (both are missing), and
which of two rows with the same id and time came last (any of them counts).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from shared.adapters.profiles import kql_profile as kql
from shared.adapters.profiles.kql_answers import (
    Cell,
    categorical_profile,
    categories,
    cells_by_feature,
    finite_rows,
    mean,
    numeric_profile,
    rows_counted,
)
from shared.catalogue import Model
from shared.domain.drift.edges import edges_by_rank
from shared.domain.drift.spec import Buckets, DayProfile, ProfileSpec, Reference
from shared.domain.drift.window import WindowProfile
from shared.errors import DataError, NoTable, Refused

UNRESOLVED = "SEM0100"
"""The code of KQL's semantic error for a name that nothing has."""
PREDICTION = ""
"""What the prediction is called in an answer: no column can have this name."""
_IDS = frozenset({"string", "int", "long", "guid"})
_VERSIONS = frozenset({"string", "int", "long"})


class KqlClient(Protocol):
    """Answers KQL. Raises Unavailable, Refused, and DataError for an answer that is not whole."""

    def rows(self, text: str, columns: Mapping[str, str]) -> list[Sequence[Any]]:
        """Give the rows of the only result, which must have these columns, name to type.

        Raises:
            Refused: with the code ``SEM0100`` where a name in the text is not known.
        """


class Place(Protocol):
    """Tells where a model's table is."""

    def open(self, model: Model) -> tuple[KqlClient, str]:
        """Give who answers for a model, and the table's name."""


@dataclass(frozen=True)
class _Table:
    """A model's table, its types known."""

    client: KqlClient
    name: str
    types: Mapping[str, str]

    def read(self, name: str, kind: str) -> kql.Read:
        return kql.Read(name, cast("Any", kind), cast("Any", self.types.get(name)))


class KqlProfiles:
    """The ProfileSource port on KQL."""

    def __init__(self, place: Place, *, limit: int) -> None:
        """Keep what is needed; nothing is asked yet.

        Args:
            place: where the models' tables are.
            limit: characters of one text; a column whose edges need more is asked for alone.
        """
        self._place = place
        self._limit = limit

    def reference(self, model: Model, version: str, start: datetime, end: datetime) -> Reference:
        table = self._open(model)
        rows = _rows_of(model, table, version, start, end)
        shape = self._shape(model, table, rows)
        features = {
            feature.name: self._buckets(model, table, rows, feature.name, shape)
            for feature in model.features
        }
        answered = table.read(model.columns.prediction, "numeric")
        ranked = _RankedColumn(table.client, rows, answered, finite_rows(shape.get(PREDICTION, [])))
        spec = ProfileSpec(features, edges_by_rank(ranked, model.drift.bins))
        centres = {name: mean(cells) for name, cells in shape.items()}
        profile = self._count(model, table, rows, spec, centres)
        return Reference(start, end, model.drift.bins, profile)

    def days(
        self, model: Model, version: str, spec: ProfileSpec, start: date, end: date
    ) -> Iterator[DayProfile]:
        table = self._open(model)
        for step in range((end - start).days):
            day = start + timedelta(days=step)
            begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
            rows = _rows_of(model, table, version, begin, begin + timedelta(days=1))
            yield DayProfile(day, self._count(model, table, rows, spec, {}))

    def _open(self, model: Model) -> _Table:
        client, name = self._place.open(model)
        try:
            found = client.rows(kql.render_schema(name), kql.SCHEMA_COLUMNS)
        except Refused as error:
            if error.code == UNRESOLVED:
                raise NoTable(f"{name}: no such table", subject=name) from error
            raise
        table = _Table(client, name, {str(column): _type(kind) for column, kind in found})
        _check_types(model, table)
        return table

    def _shape(self, model: Model, table: _Table, rows: kql.RowsOf) -> dict[str, list[Cell]]:
        """Count without edges: what is finite, its mean, and which categories there are."""
        legs: list[kql.Leg] = [
            kql.NumericLeg(feature.name, table.read(feature.name, "numeric"), (), 0.0)
            if feature.kind == "numeric"
            else kql.CategoricalLeg(feature.name, table.read(feature.name, "categorical"), None)
            for feature in model.features
        ]
        read = table.read(model.columns.prediction, "numeric")
        legs.append(kql.NumericLeg(PREDICTION, read, (), 0.0))
        return self._cells(table, kql.ProfileQuery(rows, tuple(legs)))

    def _buckets(
        self,
        model: Model,
        table: _Table,
        rows: kql.RowsOf,
        name: str,
        shape: Mapping[str, Sequence[Cell]],
    ) -> Buckets:
        kind = next(feature.kind for feature in model.features if feature.name == name)
        cells = shape.get(name, ())
        if kind == "categorical":
            return categories(cells)
        read = table.read(name, "numeric")
        return edges_by_rank(
            _RankedColumn(table.client, rows, read, finite_rows(cells)), model.drift.bins
        )

    def _count(
        self,
        model: Model,
        table: _Table,
        rows: kql.RowsOf,
        spec: ProfileSpec,
        centres: Mapping[str, float],
    ) -> WindowProfile:
        legs = _legs(model, table, spec, centres)
        cells = self._cells(table, kql.ProfileQuery(rows, tuple(legs.values())))
        counted = rows_counted(cells, tuple(legs))
        if not counted:
            return spec.blank()
        profiles = {name: _profile(leg, cells.get(name, []), spec) for name, leg in legs.items()}
        prediction = profiles.pop(PREDICTION)
        return WindowProfile(
            rows=counted,
            features=profiles,
            prediction=cast("Any", prediction),
            odd=_odd(table, spec),
        )

    def _cells(self, table: _Table, query: kql.ProfileQuery) -> dict[str, list[Cell]]:
        rows = [
            row
            for part in kql.batches(query, self._limit)
            for row in table.client.rows(kql.render_profile(part), kql.PROFILE_COLUMNS)
        ]
        return cells_by_feature(rows)


@dataclass(frozen=True)
class _RankedColumn:
    """A column's finite values in order, where they are: ``domain.drift.edges.Ranked``."""

    client: KqlClient
    rows: kql.RowsOf
    read: kql.Read
    finite: int

    def at(self, ranks: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        wanted = np.unique(ranks)
        query = kql.RankQuery(self.rows, self.read, tuple(wanted.tolist()))
        found = self.client.rows(kql.render_ranks(query), kql.RANK_COLUMNS)
        values = {int(place): float(value) for place, value in found}
        if values.keys() != set(wanted.tolist()):
            message = f"{self.read.name}: {len(values)} of {len(wanted)} ranks were found"
            raise DataError(message, subject=self.read.name)
        return np.array([values[rank] for rank in np.asarray(ranks).tolist()], dtype=np.float64)

    def distinct(self, most: int) -> npt.NDArray[np.float64] | None:
        # one more to see that there are more, and one as 0.0 and -0.0 are two to KQL
        query = kql.DistinctQuery(self.rows, self.read, most + 2)
        found = self.client.rows(kql.render_distinct(query), kql.DISTINCT_COLUMNS)
        values = np.unique(np.array([float(value) for (value,) in found], dtype=np.float64))
        return values if len(values) <= most else None


# --- what is asked for -----------------------------------------------------------------------


def _rows_of(
    model: Model, table: _Table, version: str, start: datetime, end: datetime
) -> kql.RowsOf:
    columns = model.columns
    return kql.RowsOf(
        table.name, columns.timestamp, columns.id, columns.model_version, version, start, end
    )


def _legs(
    model: Model, table: _Table, spec: ProfileSpec, centres: Mapping[str, float]
) -> dict[str, kql.Leg]:
    legs = {
        name: _leg(name, table, name, buckets, centres) for name, buckets in spec.features.items()
    }
    answer = model.columns.prediction
    return {**legs, PREDICTION: _leg(PREDICTION, table, answer, spec.prediction, centres)}


def _leg(
    feature: str, table: _Table, column: str, buckets: Buckets, centres: Mapping[str, float]
) -> kql.Leg:
    if isinstance(buckets, tuple):
        return kql.CategoricalLeg(feature, table.read(column, "categorical"), buckets)
    cuts = tuple(buckets.cuts.tolist())
    centre = centres.get(feature, cuts[len(cuts) // 2] if cuts else 0.0)
    return kql.NumericLeg(feature, table.read(column, "numeric"), cuts, centre)


def _profile(leg: kql.Leg, cells: Sequence[Cell], spec: ProfileSpec) -> Any:
    if isinstance(leg, kql.CategoricalLeg):
        return categorical_profile(cells, leg.categories or ())
    edges = spec.prediction if leg.feature == PREDICTION else spec.features[leg.feature]
    return numeric_profile(cells, cast("Any", edges), leg.centre)


# --- types -----------------------------------------------------------------------------------


def _type(name: Any) -> str:
    return {"double": "real"}.get(str(name), str(name))


def _check_types(model: Model, table: _Table) -> None:
    """Raise DataError for a column without which nothing can be counted."""
    columns = model.columns
    wanted = {
        columns.timestamp: frozenset({"datetime"}),
        columns.id: _IDS,
        columns.model_version: _VERSIONS,
        columns.prediction: kql.NUMBERS,
    }
    for name, types in wanted.items():
        found = table.types.get(name)
        if found not in types:
            needed = f"{name} is {found}, needed {' or '.join(sorted(types))}"
            message = f"{table.name}: {f'no column {name}' if found is None else needed}"
            raise DataError(message, subject=f"{table.name}.{name}")


def _odd(table: _Table, spec: ProfileSpec) -> dict[str, str]:
    found = {}
    for name, buckets in spec.features.items():
        kind = table.types.get(name)
        if kind is None:
            found[name] = "the column is not there"
        elif not isinstance(buckets, tuple) and kind not in kql.NUMBERS:
            found[name] = f"the column holds {kind}, not numbers"
    return found
