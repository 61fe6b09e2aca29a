"""Runs, locks, ledger rows and chain ends as table entities, and back.

What is stored under which key, and what one transaction can hold, is said here and nowhere else.
Properties beside ``document`` are there to be filtered on; ``document`` is the whole.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any, Final

from shared.domain.audit import AuditRow, Head, canonical, document_of
from shared.domain.run import Lock, Run, State, Suppression, Trigger
from shared.errors import BadInput, DataError
from shared.ports import Commit, Snapshot

Entity = dict[str, Any]

HEAD: Final = "head"
LOCK: Final = "lock"
PROJECTED: Final = "lock:projected"
"""How far the chain is projected; no decision rests on it, so that it has no ETag in any."""
SUPPRESSION: Final = "lock:suppression"
"""Sorts between lock and run, so that one range holds all that every decision needs."""
RUNS: Final = "run:"
ROWS: Final = "audit:"
MAX_ENTITIES: Final = 100
"""Entities one transaction may hold. Source: Table storage, entity group transactions."""
MAX_DOCUMENT: Final = 30_000
"""UTF-16 units of one document; a property holds 32,767. Source: Table storage, data model."""
NEVER_TAKEN: Final = Lock(run_id="", fence=0, expires_at=datetime(1970, 1, 1, tzinfo=UTC))

_SCHEMA: Final = 1
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,253}")
_TIMES: Final = (
    "created_at",
    "updated_at",
    "intent_at",
    "deadline",
    "notified_at",
    "asked_at",
    "due_at",
)
_RUN_FIELDS: Final = frozenset(field.name for field in fields(Run))


def partition_of(model: str) -> str:
    """Give a model's partition key.

    Raises:
        BadInput: the name has a character that keys or addresses cannot carry.
    """
    return _key("model", model)


def run_key(run_id: str) -> str:
    """Give a run's row key; BadInput as in ``partition_of``."""
    return RUNS + _key("run_id", run_id)


def row_key(sequence: int) -> str:
    """Give a ledger row's key: twelve digits, so that text order is number order."""
    return f"{ROWS}{sequence:012d}"


def time_text(moment: datetime) -> str:
    """Write a time so that text order is time order.

    Text and not the table's own time type, because Azurite compares that in whole milliseconds.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def run_entity(run: Run) -> Entity:
    """Write a run.

    ``settled`` is what the sweeper filters on: at rest, and its outcome told.

    Raises:
        DataError: the run carries more than a property can hold.
    """
    return {
        "PartitionKey": partition_of(run.model),
        "RowKey": run_key(run.run_id),
        "state": run.state.value,
        "active": run.active,
        "settled": not run.active and run.notified_at is not None,
        "created_at": time_text(run.created_at),
        "updated_at": time_text(run.updated_at),
        "document": _bounded(encode_run(run), run.run_id),
    }


def run_of(entity: Mapping[str, Any]) -> Run:
    return decode_run(entity["document"])


def encode_run(run: Run) -> str:
    """Write a run as JSON; in ASCII, so that an alert's stray surrogate cannot stop a write."""
    document = asdict(run)
    document["trigger"]["fired_at"] = time_text(run.trigger.fired_at)
    document |= {name: time_text(document[name]) for name in _TIMES if document[name] is not None}
    return json.dumps({"schema_version": _SCHEMA, **document}, allow_nan=False)


def decode_run(text: str) -> Run:
    """Read a run; fields that only a newer version of the app knows are passed over.

    Raises:
        DataError: this is no run, or one of another schema.
    """
    try:
        document = json.loads(text)
        if document["schema_version"] != _SCHEMA:
            raise DataError(f"a run of schema {document['schema_version']} cannot be read")
        known = {name: value for name, value in document.items() if name in _RUN_FIELDS}
        known |= {name: _moment(known[name]) for name in _TIMES if known.get(name) is not None}
        trigger = document["trigger"]
        trigger["fired_at"] = _moment(trigger["fired_at"])
        return Run(**{**known, "state": State(known["state"]), "trigger": Trigger(**trigger)})
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"a stored run cannot be read: {error!r}") from error


def lock_entity(model: str, lock: Lock) -> Entity:
    return {
        "PartitionKey": partition_of(model),
        "RowKey": LOCK,
        "run_id": lock.run_id,
        "fence": lock.fence,
        "expires_at": time_text(lock.expires_at),
    }


def lock_of(entity: Mapping[str, Any] | None) -> Lock:
    if entity is None:
        return NEVER_TAKEN
    return Lock(entity["run_id"], entity["fence"], _moment(entity["expires_at"]))


def suppression_entity(model: str, suppression: Suppression) -> Entity:
    times = {name: time_text(getattr(suppression, name)) for name in ("until", "since")}
    document = json.dumps({"schema_version": _SCHEMA, **asdict(suppression), **times})
    return {
        "PartitionKey": partition_of(model),
        "RowKey": SUPPRESSION,
        "until": times["until"],
        "document": _bounded(document, f"{model}: suppression"),
    }


def suppression_of(entity: Mapping[str, Any] | None) -> Suppression | None:
    if entity is None:
        return None
    found = json.loads(entity["document"])
    until, since = _moment(found["until"]), _moment(found["since"])
    return Suppression(until, found["reason"], found["actor"], since)


def head_entity(model: str, head: Head) -> Entity:
    return {
        "PartitionKey": partition_of(model),
        "RowKey": HEAD,
        "sequence": head.sequence,
        "hash_self": head.hash_self,
    }


def head_of(entity: Mapping[str, Any] | None) -> Head:
    return Head() if entity is None else Head(entity["sequence"], entity["hash_self"])


def projected_entity(chain: str, sequence: int) -> Entity:
    return {"PartitionKey": partition_of(chain), "RowKey": PROJECTED, "sequence": sequence}


def projected_of(entity: Mapping[str, Any] | None) -> int:
    return 0 if entity is None else int(entity["sequence"])


def row_entity(row: AuditRow) -> Entity:
    """Write a ledger row.

    Raises:
        DataError: its context is too large: that is evidence, and belongs into the evidence store.
    """
    return {
        "PartitionKey": partition_of(row.chain),
        "RowKey": row_key(row.sequence),
        "sequence": row.sequence,
        "action": row.entry.action,
        "run_id": row.entry.run_id,
        "hash_self": row.hash_self,
        "document": _bounded(canonical(document_of(row)), row.audit_id),
    }


def row_document(entity: Mapping[str, Any]) -> dict[str, Any]:
    """Give a ledger row as ``document_of`` wrote it.

    Raises:
        DataError: somebody has made it something else.
    """
    try:
        document = json.loads(entity["document"])
    except (KeyError, TypeError, ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        where = f"{entity.get('PartitionKey')}, {entity.get('RowKey')}"
        raise DataError(f"the ledger's row at {where} cannot be read")
    return document


def check_commit(snapshot: Snapshot, commit: Commit) -> None:
    """Refuse what could only damage the partition, before anything is sent.

    Raises:
        BadInput: too much for one transaction, another model's part, or rows that do not go on
            where the snapshot's chain ends.
    """
    optional = (commit.run, commit.lock, commit.suppression)
    parts = 1 + len(commit.rows) + sum(part is not None for part in optional)
    if parts > MAX_ENTITIES:
        raise BadInput("rows", f"{parts} entities, a transaction holds {MAX_ENTITIES}")
    _check_run(snapshot, commit.run)
    _check_rows(snapshot, commit)


def _check_run(snapshot: Snapshot, run: Run | None) -> None:
    if run is None:
        return
    if run.model != snapshot.model:
        raise BadInput("run", f"belongs to {run.model}, not to {snapshot.model}")
    if snapshot.run is not None and snapshot.run.run_id != run.run_id:
        raise BadInput("run", f"{run.run_id} is not {snapshot.run.run_id}, which was read")


def _check_rows(snapshot: Snapshot, commit: Commit) -> None:
    end = snapshot.head
    for row in commit.rows:
        if (row.chain, row.sequence, row.hash_prev) != (
            snapshot.model,
            end.sequence + 1,
            end.hash_self,
        ):
            raise BadInput("rows", f"{row.audit_id} does not follow row {end.sequence}")
        end = Head(row.sequence, row.hash_self)
    if commit.head != end:
        raise BadInput("head", f"names row {commit.head.sequence}, the rows end at {end.sequence}")


def _key(field: str, text: str) -> str:
    # Table storage forbids / \ # ? and control characters; the rest of this is for addresses
    if not _KEY.fullmatch(text):
        raise BadInput(field, f"{text!r} is not made of letters, digits and ._- alone")
    return text


def _bounded(text: str, subject: str) -> str:
    size = len(text.encode("utf-16-le", "surrogatepass")) // 2
    if size > MAX_DOCUMENT:
        message = f"{subject}: {size} characters, a table property holds {MAX_DOCUMENT}"
        raise DataError(message, subject=subject)
    return text


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
