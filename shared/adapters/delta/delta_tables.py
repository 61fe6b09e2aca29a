"""Appends to and reads from the lakehouse's tables: the Tables port on delta-rs.

Rows become Arrow here, checked against ``shared/domain/tables.py``. Exactly once rests on Delta's
application transactions: a commit carries (writer, batch), the last batch of each writer is part of
the table's state, and delta-rs refuses a commit of a writer that has committed since the state was
loaded. So the state that is checked and the state that is written on must be the same object.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from shared.adapters.delta.lakehouse import Lakehouse, delta_errors
from shared.adapters.delta.table_rows import arrow_schema, arrow_table
from shared.domain.tables import TABLES, Table
from shared.errors import NoTable, Refused, Unavailable

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

_ATTEMPTS = 20
"""Lost races before giving up. Only the creation of a table and the same writer in two places
bring a race here: appends of different writers are sorted out by delta-rs."""
_CHECKPOINT_COMMITS = 10
"""Commits between two checkpoints of a table's log. delta-rs' 100 makes an append read up to 100
commits again, which takes twice as long as 10. Source: Delta protocol's default, 10."""


class DeltaTables:
    """The Tables port. NaN is stored as null: the notebooks' readers know no NaN."""

    def __init__(self, lakehouse: Lakehouse) -> None:
        self._lakehouse = lakehouse

    def append(
        self,
        table: str,
        rows: Sequence[Mapping[str, Any]],
        *,
        writer: str,
        batch: int,
        after: int | None = None,
    ) -> bool:
        """Append as the port says; a commit whose answer was lost is found by the next call."""
        schema = known_table(table)
        if batch < 1:
            raise Refused(f"{table}: batch {batch} is below 1", code="InvalidBatch", subject=table)
        data = arrow_table(schema, rows)
        for _ in range(_ATTEMPTS):
            target = self._open_or_create(schema)
            last = target.transaction_version(writer) or 0
            if last >= batch or after not in (None, last):
                return False
            if _commit(target, schema, data, writer, batch):
                return True
        raise Unavailable(f"{table}: lost {_ATTEMPTS} races to append", subject=table)

    def update(self, table: str, where: Mapping[str, str], changes: Mapping[str, str]) -> int:
        """Update as the port says; lost races are run again on what is there then."""
        require_texts(table, where, changes)
        for _ in range(_ATTEMPTS):
            changed = _update(self._lakehouse.open(table), table, where, changes)
            if changed is not None:
                return changed
        raise Unavailable(f"{table}: lost {_ATTEMPTS} races to update", subject=table)

    def last_batch(self, table: str, writer: str) -> int:
        try:
            return self._lakehouse.open(table).transaction_version(writer) or 0
        except NoTable:
            return 0

    def values(self, table: str, column: str) -> Sequence[str]:
        """Give them as the port says; no other column is read."""
        source = self._lakehouse.open(table)
        with delta_errors(table):
            dataset = source.to_pyarrow_dataset()
            _condition(table, dataset.schema, {column: ""})  # refuses what is no text
            found = dataset.to_table(columns=[column])[column].unique().to_pylist()
        return sorted({value or "" for value in found})

    def columns(self, table: str) -> Mapping[str, str]:
        source = self._lakehouse.open(table)
        with delta_errors(table):
            return {field.name: _sql_type(field.type) for field in source.schema().fields}

    def read(
        self,
        table: str,
        where: Mapping[str, str] | None = None,
        *,
        since: tuple[str, datetime] | None = None,
    ) -> list[dict[str, Any]]:
        """Read as the port says; only text columns can be asked for, and times with a zone.

        Raises:
            Refused: a column asked for is not there, or holds no text or no time.
        """
        source = self._lakehouse.open(table)
        with delta_errors(table):
            dataset = source.to_pyarrow_dataset()
            condition = _condition(table, dataset.schema, where or {})
            if since is not None:
                condition &= _not_before(table, dataset.schema, *since)
            rows: list[dict[str, Any]] = dataset.to_table(filter=condition).to_pylist()
        return rows

    def _open_or_create(self, schema: Table) -> "DeltaTable":
        with suppress(NoTable):
            return self._lakehouse.open(schema.name)
        try:
            self._create(schema)
            return self._lakehouse.open(schema.name)
        except NoTable as error:
            message = f"{schema.name}: cannot be created"
            raise Unavailable(message, subject=schema.name) from error

    def _create(self, schema: Table) -> None:
        from deltalake import DeltaTable
        from deltalake.exceptions import CommitFailedError

        uri, options = self._lakehouse.uri(schema.name), self._lakehouse.storage_options()
        with delta_errors(schema.name):
            try:
                DeltaTable.create(
                    uri,
                    arrow_schema(schema),
                    mode="ignore",
                    configuration=table_properties(schema),
                    storage_options=options,
                )
            except CommitFailedError:
                # somebody created it meanwhile; the caller opens what is there now
                return


def table_properties(schema: Table) -> dict[str, str | None]:
    """Give the Delta properties that a table is created with."""
    properties: dict[str, str | None] = {"delta.checkpointInterval": str(_CHECKPOINT_COMMITS)}
    if schema.append_only:
        properties["delta.appendOnly"] = "true"
    return properties


def _sql_type(kind: Any) -> str:
    """Name a Delta type as Spark SQL does; one that is no primitive by its own name."""
    name = str(getattr(kind, "type", kind))
    return _SQL_TYPES.get(name, name.upper())


_SQL_TYPES = {"integer": "INT", "long": "BIGINT"}
"""Delta's names of primitive types that are not Spark SQL's."""


def known_table(name: str) -> Table:
    """Give the schema of a table that the app writes.

    Raises:
        Refused: the app writes no such table.
    """
    table = TABLES.get(name)
    if table is None:
        raise Refused(f"{name}: not a table the app writes", code="UnknownTable", subject=name)
    return table


def _commit(target: "DeltaTable", schema: Table, data: "pa.Table", writer: str, batch: int) -> bool:
    """Write one batch; False where somebody was faster and the state must be read again."""
    import pyarrow as pa
    from deltalake import CommitProperties, Transaction, write_deltalake
    from deltalake.exceptions import CommitFailedError

    stored = pa.schema(target.schema().to_arrow())
    _require_same_types(schema.name, stored, data.schema)
    # a table made before this version of the app gets the columns it lacks
    mode: Literal["merge"] | None = "merge" if set(stored.names) != set(data.schema.names) else None
    commit = CommitProperties(app_transactions=[Transaction(writer, batch)])
    with delta_errors(schema.name):
        try:
            write_deltalake(target, data, mode="append", schema_mode=mode, commit_properties=commit)
        except CommitFailedError:
            return False
    return True


def _update(
    target: "DeltaTable", table: str, where: Mapping[str, str], changes: Mapping[str, str]
) -> int | None:
    """Update once; None where somebody was faster."""
    from deltalake.exceptions import CommitFailedError

    chosen = " AND ".join(f"{name} = {_literal(value)}" for name, value in where.items())
    # as expressions: delta-rs puts quotes around ``new_values`` and escapes none within
    written = {name: _literal(value) for name, value in changes.items()}
    with delta_errors(table):
        try:
            found = target.update(updates=written, predicate=chosen)
        except CommitFailedError:
            return None
    return int(found["num_updated_rows"])


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def require_texts(table: str, where: Mapping[str, str], changes: Mapping[str, str]) -> None:
    """Refuse what is no update of texts: names go into a predicate, and may only be known ones."""
    schema = known_table(table)
    if not where or not changes or not set(changes) <= set(schema.updated):
        message = f"{table}: only {', '.join(schema.updated) or 'appending'} is allowed, by a text"
        raise Refused(message, code="InvalidUpdate", subject=table)
    for name in (*where, *changes):
        column = schema.column(name)
        if column is None or column.type != "STRING":
            message = f"{table}.{name}: no text column of this name"
            raise Refused(message, code="InvalidColumn", subject=table)


def _require_same_types(table: str, stored: "pa.Schema", ours: "pa.Schema") -> None:
    """Refuse what delta-rs would cast or fail on with an untyped exception."""
    for field in ours:
        there = stored.field(field.name) if field.name in stored.names else field
        if there.type != field.type:
            message = f"{table}.{field.name}: the table has {there.type}, the app writes"
            raise Refused(f"{message} {field.type}", code="SchemaMismatch", subject=table)


def _condition(table: str, schema: "pa.Schema", where: Mapping[str, str]) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    condition = pc.scalar(True)  # noqa: FBT003 - the neutral element, not a flag
    for name, value in where.items():
        if name not in schema.names or not pa.types.is_string(schema.field(name).type):
            message = f"{table}.{name}: no text column of this name"
            raise Refused(message, code="InvalidColumn", subject=table)
        # files that an update has rewritten hold string views, which Arrow cannot compare
        updated = table in TABLES and TABLES[table].updated
        field = pc.field(name).cast(pa.string()) if updated else pc.field(name)
        condition = condition & (field == value)
    return condition


def _not_before(table: str, schema: "pa.Schema", name: str, moment: datetime) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = schema.field(name).type if name in schema.names else None
    if kind is None or not pa.types.is_timestamp(kind):
        message = f"{table}.{name}: no time column of this name"
        raise Refused(message, code="InvalidColumn", subject=table)
    return pc.field(name) >= pa.scalar(moment, kind)
