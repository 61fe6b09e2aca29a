"""Backs up the app's tables (state, ledger, marks) to one file, and restores them from it.

One JSON line an entity; the last line holds the count and the SHA-256 of all lines before it. The
ledger's chains are recomputed from the file, so that a backup is known to be whole before it is
needed. Table storage gives no snapshot: stop the app first.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any, BinaryIO, Final

from azure.data.tables import TableServiceClient

from shared.adapters.storage import run_codec as codec
from shared.adapters.storage import table_marks, table_store
from shared.domain.audit import Head, verify
from shared.errors import DataError

TABLES: Final = (table_store.TABLE, table_marks.TABLE)
KINDS: Final = (str, bool, int, float)
"""What properties are made of; the app writes no other, and none would survive JSON as it is."""
MAX_BYTES: Final = 3_000_000
"""Of a transaction's entities as JSON. Source: Table storage takes 4 MiB, with all around it."""
_UNREADABLE: Final = Head(sequence=-1)
"""No chain ends there, so that a head that cannot be read is a breach."""

Entity = Mapping[str, Any]


@dataclass(frozen=True)
class Backup:
    """What a file holds.

    Attributes:
        entities: table to its entities, in the order of their keys.
        chains: chain to the number of its rows.
        breaches: each place where a chain does not hold, in words.
    """

    entities: Mapping[str, Sequence[Entity]]
    chains: Mapping[str, int]
    breaches: tuple[str, ...]


def back_up(service: TableServiceClient, file: Path) -> Backup:
    """Write the tables to a new file and read it back.

    Raises:
        DataError: a property's type would not survive.
        FileExistsError: the file is there already; a backup is never overwritten.
    """
    out = file.open("xb")
    try:
        with out:
            _write(service, out)
    except BaseException:
        file.unlink()  # it would stand in the way of the next try
        raise
    return read(file)


def read(file: Path) -> Backup:
    """Read a backup and check it.

    Raises:
        DataError: the file was cut, changed, or never finished; or it holds something else.
    """
    *lines, last = file.read_bytes().splitlines(keepends=True) or [b""]
    digest = hashlib.sha256(b"".join(lines)).hexdigest()
    if last != _ended({"entities": len(lines), "sha256": digest}):
        raise DataError(f"{file}: not whole: its last line does not fit the others")
    found: dict[str, list[Entity]] = {table: [] for table in TABLES}
    try:
        for line in lines:
            document = json.loads(line)
            found[document["table"]].append(document["entity"])
        chains, breaches = _checked(found[table_store.TABLE])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{file}: no backup of {', '.join(TABLES)}: {error!r}") from None
    return Backup(found, chains, breaches)


def restore(file: Path, service: TableServiceClient) -> Backup:
    """Write a backup into empty tables; made where they are missing.

    Raises:
        DataError: the backup is not whole, a chain of it does not hold, or a table has rows.
    """
    backup = read(file)
    if backup.breaches:
        raise DataError(f"{file}: {backup.breaches[0]}")
    tables = {name: service.create_table_if_not_exists(name) for name in TABLES}
    for name, table in tables.items():
        if any(islice(table.list_entities(results_per_page=1), 1)):
            raise DataError(f"table {name} has rows: a backup is restored into empty tables")
    for name, table in tables.items():
        for batch in _batches(backup.entities[name]):
            table.submit_transaction([("create", dict(entity)) for entity in batch])
    return backup


def _write(service: TableServiceClient, out: BinaryIO) -> None:
    digest, count = hashlib.sha256(), 0
    for table in TABLES:
        for entity in service.get_table_client(table).list_entities():
            line = _line(table, entity)
            digest.update(line)
            out.write(line)
            count += 1
    out.write(_ended({"entities": count, "sha256": digest.hexdigest()}))


def _line(table: str, entity: Entity) -> bytes:
    for name, value in entity.items():
        if not isinstance(value, KINDS):
            key = f"{entity['PartitionKey']}/{entity['RowKey']}"
            raise DataError(f"table {table}, {key}: {name} is a {type(value).__name__}")
    return _ended({"table": table, "entity": dict(entity)})


def _ended(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _checked(entities: Sequence[Entity]) -> tuple[dict[str, int], tuple[str, ...]]:
    """Recompute every chain from its rows and its head."""
    chains: dict[str, int] = {}
    breaches: list[str] = []
    for chain, found in groupby(entities, key=lambda entity: str(entity["PartitionKey"])):
        by_key = {str(each["RowKey"]): each for each in found}
        rows = [_row(each) for key, each in by_key.items() if _is_row(key)]
        head = _head(by_key.get(codec.HEAD))
        if rows or head.sequence:
            chains[chain] = len(rows)
            said = verify(rows, head, chain=chain)
            breaches += [f"{chain}, row {each.sequence}: {each.reason}" for each in said]
    return chains, tuple(breaches)


def _row(entity: Entity) -> Mapping[str, Any]:
    """Read a ledger row; one that cannot be read is empty, and breaks its chain."""
    try:
        return codec.row_document(entity)
    except DataError:
        return {}


def _head(entity: Entity | None) -> Head:
    try:
        return codec.head_of(entity)
    except KeyError:
        return _UNREADABLE


def _is_row(key: str) -> bool:
    return key.startswith(codec.ROWS)


def _batches(entities: Sequence[Entity]) -> Iterator[list[Entity]]:
    """Give runs of one partition, as much at a time as a transaction may hold."""
    for _, found in groupby(entities, key=lambda entity: str(entity["PartitionKey"])):
        batch: list[Entity] = []
        room = MAX_BYTES
        for entity in found:
            size = len(json.dumps(entity))
            if batch and (len(batch) == codec.MAX_ENTITIES or size > room):
                yield batch
                batch, room = [], MAX_BYTES
            batch.append(entity)
            room -= size
        yield batch
