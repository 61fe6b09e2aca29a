"""Runs, locks and ledger in Azure Table storage: one partition a model.

Only the reading and writing lives here; what is stored under which key is in ``run_codec.py``.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock as Mutex
from typing import TYPE_CHECKING, Any, Final

from azure.core import MatchConditions
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableClient, TableEntity, UpdateMode

from shared.adapters.azure_errors import azure_creation, azure_errors, error_code
from shared.adapters.storage import run_codec as codec
from shared.domain.audit import Head
from shared.domain.run import Run, State
from shared.errors import Conflict, NotFound
from shared.ports import Commit, Snapshot

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from shared.config import Settings

TABLE: Final = "retrainloop"
_WHERE: Final = f"table {TABLE}"
_RANGE: Final = "PartitionKey eq @model and RowKey ge @first and RowKey lt @end"
# seconds; an alert's sender waits about ten, and the SDK would wait 300 for one answer. An answer
# of 5xx is not retried here: the SDK would sleep through a Retry-After that the caller should see
_PATIENCE: Final[dict[str, Any]] = {
    "connection_timeout": 2,
    "read_timeout": 5,
    "retry_total": 1,
    "retry_status": 0,
    "retry_backoff_factor": 0.5,
}


@dataclass(frozen=True)
class _Tags:
    """The ETags of what a snapshot read; None for what was not there."""

    run: str | None
    lock: str | None
    head: str | None
    suppression: str | None = None


class TableRunStore:
    """A RunStore on one table, made at the first call.

    Every commit writes the chain's head, changed or not, on the condition that nobody has since
    the snapshot: the head's ETag is the version of the whole partition. Two commits from the same
    state of a model can therefore never both succeed, whichever runs they are about.
    """

    def __init__(self, table: TableClient) -> None:
        self._table = table
        self._making = Mutex()
        self._made = False

    @classmethod
    def connect(cls, settings: "Settings", credential: "TokenCredential") -> "TableRunStore":
        """Make one on the app's storage account; nothing is sent yet."""
        connection = settings.storage_connection.get_secret_value()
        if connection:
            return cls(TableClient.from_connection_string(connection, TABLE, **_PATIENCE))
        return cls(TableClient(settings.table_uri, TABLE, credential=credential, **_PATIENCE))

    def close(self) -> None:
        self._table.close()

    def snapshot(self, model: str, run_id: str) -> Snapshot:
        """Read a run with its model's lock and chain end.

        Two requests, both on the key's index: a filter that names three row keys with ``or`` is one
        request and reads the whole ledger. The head is read first, so that whatever changes
        between the two makes the commit a Conflict.
        """
        key = codec.run_key(run_id)
        ends = {
            entity["RowKey"]: entity for entity in self._range(model, codec.HEAD, codec.LOCK + ";")
        }
        head, lock, run = ends.get(codec.HEAD), ends.get(codec.LOCK), self._find(model, key)
        suppression = ends.get(codec.SUPPRESSION)
        return Snapshot(
            model=model,
            run=None if run is None else codec.run_of(run),
            lock=codec.lock_of(lock),
            head=codec.head_of(head),
            tag=_Tags(_etag(run), _etag(lock), _etag(head), _etag(suppression)),
            suppression=codec.suppression_of(suppression),
        )

    def commit(self, snapshot: Snapshot, commit: Commit) -> None:
        """Write run, lock, head and rows in one entity-group transaction.

        A write whose answer was lost raises Unavailable though it happened, or, where the SDK sent
        it again, Conflict with itself. Either way the caller takes a new snapshot, which shows
        what is there.

        Raises:
            Conflict: somebody wrote to the model's partition since the snapshot.
            BadInput: the commit does not fit the snapshot, or exceeds 100 entities.
            DataError: a run or a row is larger than a table property.
        """
        operations = _operations(snapshot, commit)
        table = self._ready()
        try:
            with azure_errors(_WHERE):
                table.submit_transaction(operations)
        except NotFound as error:
            raise Conflict(f"{snapshot.model}: removed since it was read") from error

    def runs(
        self,
        model: str,
        *,
        since: datetime | None = None,
        states: Collection[State] | None = None,
    ) -> Sequence[Run]:
        """Read as the port says; what is not wanted does not cross the wire."""
        conditions, values = [], {}
        if since is not None:
            conditions.append("created_at ge @since")
            values["since"] = codec.time_text(since)
        if states is not None:
            named = {f"state{place}": state.value for place, state in enumerate(sorted(states))}
            # the spaces: the SDK takes what stands between two as one word
            conditions.append("( " + " or ".join(f"state eq @{name}" for name in named) + " )")
            values |= named
            if not named:
                return []
        condition = " and ".join(conditions)
        return _oldest_first(self._range(model, codec.RUNS, "run;", condition, **values))

    def unsettled(self, model: str) -> Sequence[Run]:
        return _oldest_first(self._range(model, codec.RUNS, "run;", "settled eq false"))

    def chain(self, model: str, *, after: int = 0) -> Iterator[dict[str, Any]]:
        for entity in self._range(model, codec.row_key(after + 1), "audit;"):
            yield codec.row_document(entity)

    def head(self, model: str) -> Head:
        return codec.head_of(self._find(model, codec.HEAD))

    def chains(self) -> Sequence[str]:
        """Give the partitions that begin with a ledger row.

        Steps from partition to partition, one small request each: asking for all heads would read
        the whole table. A ledger's first row sorts before everything else in its partition.
        """
        names: list[str] = []
        last = ""
        while (entity := self._first_after(last)) is not None:
            last = entity["PartitionKey"]
            if entity["RowKey"].startswith(codec.ROWS):
                names.append(last)
        return names

    def unprojected(self) -> Sequence[str]:
        return [chain for chain in self.chains() if self._goes_on(chain)]

    def projected(self, chain: str) -> int:
        return codec.projected_of(self._find(chain, codec.PROJECTED))

    def note_projected(self, chain: str, sequence: int) -> None:
        table = self._ready()
        with azure_errors(_WHERE):
            table.upsert_entity(codec.projected_entity(chain, sequence), mode=UpdateMode.REPLACE)

    def _goes_on(self, chain: str) -> bool:
        ends = {each["RowKey"]: each for each in self._range(chain, codec.HEAD, codec.LOCK + ";")}
        projected = codec.projected_of(ends.get(codec.PROJECTED))
        return codec.head_of(ends.get(codec.HEAD)).sequence > projected

    def _first_after(self, partition: str) -> TableEntity | None:
        table = self._ready()
        with azure_errors(_WHERE):
            return next(
                table.query_entities(
                    "PartitionKey gt @last",
                    parameters={"last": partition},
                    select=["PartitionKey", "RowKey"],
                    results_per_page=1,
                ),
                None,
            )

    def _find(self, model: str, key: str) -> TableEntity | None:
        table = self._ready()
        with azure_errors(_WHERE):
            try:
                return table.get_entity(codec.partition_of(model), key)
            except ResourceNotFoundError as error:
                if error_code(error) == "TableNotFound":
                    raise
                return None

    def _range(
        self, model: str, first: str, end: str, condition: str = "", **values: str
    ) -> Iterator[TableEntity]:
        """Give one range of a partition in key order; a semicolon sorts next after a colon."""
        query = f"{_RANGE} and {condition}" if condition else _RANGE
        keys = {"model": codec.partition_of(model), "first": first, "end": end}
        table = self._ready()
        with azure_errors(_WHERE):
            yield from table.query_entities(query, parameters={**keys, **values})

    def _ready(self) -> TableClient:
        with self._making:
            if not self._made:
                with azure_creation(_WHERE):
                    self._table.create_table()
                self._made = True
        return self._table


def _operations(snapshot: Snapshot, commit: Commit) -> list[Any]:
    codec.check_commit(snapshot, commit)
    tags: _Tags = snapshot.tag
    operations = [_write(codec.head_entity(snapshot.model, commit.head), tags.head)]
    if commit.lock is not None:
        operations.append(_write(codec.lock_entity(snapshot.model, commit.lock), tags.lock))
    if commit.suppression is not None:
        entity = codec.suppression_entity(snapshot.model, commit.suppression)
        operations.append(_write(entity, tags.suppression))
    if commit.run is not None:
        operations.append(_write(codec.run_entity(commit.run), tags.run))
    operations.extend(_write(codec.row_entity(row), None) for row in commit.rows)
    return operations


def _write(entity: codec.Entity, etag: str | None) -> tuple[Any, ...]:
    if etag is None:
        return ("create", entity)
    condition = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
    return ("update", entity, {"mode": UpdateMode.REPLACE, **condition})


def _etag(entity: TableEntity | None) -> str | None:
    return None if entity is None else entity.metadata["etag"]


def _oldest_first(entities: Iterator[Mapping[str, Any]]) -> Sequence[Run]:
    found = [codec.run_of(entity) for entity in entities]
    return sorted(found, key=lambda run: (run.created_at, run.run_id))
