"""The ledger: one chain of rows a model, each carrying the hash of the one before.

``hash_self = SHA-256(canonical JSON of the row + hash_prev)``, where the canonical JSON has sorted
keys, no spaces, and leaves out ``hash_prev``, ``hash_self`` and ``received_ts``. The first row's
``hash_prev`` is 64 zeros. A sequence number orders the chain, never a time: times tie.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from shared.domain.retention import REGULATED

GENESIS = "0" * 64
SCHEMA_VERSION = 1
NOT_HASHED = frozenset({"hash_prev", "hash_self", "received_ts"})

Outcome = Literal["success", "failure", "denied", "partial", "intent"]
SubjectType = Literal["user", "service_principal", "managed_identity", "system"]


@dataclass(frozen=True)
class AuditEntry:
    """One decision or act, before it has a place in the chain.

    Attributes:
        action: a canonical verb, such as ``run.requested`` or ``model.staged``.
        outcome: ``intent`` before acting, one of the others after.
        resource: what was acted on, such as ``runs/run-1`` or ``models/m/versions/2``.
        reason: one sentence for a person.
        context: the numbers behind the decision; JSON types only.
        from_stage, to_stage, model_version: filled where a version changes its role.
        retention_class: for how long the row is kept at least, ``domain/retention.py``; the
            journal writes the chain's own.
    """

    action: str
    outcome: Outcome
    event_ts: datetime
    resource: str
    resource_type: str
    reason: str
    run_id: str = ""
    subject: str = "retrain-loop"
    subject_type: SubjectType = "system"
    context: Mapping[str, Any] = field(default_factory=dict)
    model_version: str = ""
    from_stage: str = ""
    to_stage: str = ""
    retention_class: str = REGULATED.name


@dataclass(frozen=True)
class AuditRow:
    """One entry in its place: what is stored, hashed and projected."""

    chain: str
    sequence: int
    audit_id: str
    hash_prev: str
    hash_self: str
    received_ts: datetime
    entry: AuditEntry
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class Head:
    """The end of a chain: the last sequence number (0: empty) and its hash."""

    sequence: int = 0
    hash_self: str = GENESIS


def canonical(document: Mapping[str, Any]) -> str:
    """Write JSON so that equal documents give equal bytes."""
    return json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def timestamp(moment: datetime) -> str:
    """Write a time in UTC with microseconds, always the same way."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def document_of(row: AuditRow) -> dict[str, Any]:
    """Flatten a row to JSON types: what is stored and what is hashed."""
    entry = asdict(row.entry)
    entry["event_ts"] = timestamp(row.entry.event_ts)
    entry["context"] = dict(row.entry.context)
    return {
        "chain": row.chain,
        "sequence": row.sequence,
        "audit_id": row.audit_id,
        "hash_prev": row.hash_prev,
        "hash_self": row.hash_self,
        "received_ts": timestamp(row.received_ts),
        "schema_version": row.schema_version,
        **entry,
    }


def row_of(document: Mapping[str, Any]) -> AuditRow:
    """Read back what ``document_of`` wrote."""
    rest = dict(document)
    placed = {
        name: rest.pop(name)
        for name in ("chain", "sequence", "audit_id", "hash_prev", "hash_self", "schema_version")
    }
    received = datetime.fromisoformat(rest.pop("received_ts"))
    rest["event_ts"] = datetime.fromisoformat(rest["event_ts"])
    return AuditRow(**placed, received_ts=received, entry=AuditEntry(**rest))


def hash_of(document: Mapping[str, Any], hash_prev: str) -> str:
    """Hash one row's document onto the hash before it."""
    body = {name: value for name, value in document.items() if name not in NOT_HASHED}
    return hashlib.sha256((canonical(body) + hash_prev).encode()).hexdigest()


def extend(
    chain: str, head: Head, entries: Sequence[AuditEntry], received: datetime
) -> tuple[tuple[AuditRow, ...], Head]:
    """Place entries at the end of a chain; gives the rows and the new head."""
    rows: list[AuditRow] = []
    for entry in entries:
        row = _place(chain, head, entry, received)
        head = Head(row.sequence, row.hash_self)
        rows.append(row)
    return tuple(rows), head


def _place(chain: str, head: Head, entry: AuditEntry, received: datetime) -> AuditRow:
    sequence = head.sequence + 1
    draft = AuditRow(
        chain=chain,
        sequence=sequence,
        audit_id=f"{chain}/{sequence}",
        hash_prev=head.hash_self,
        hash_self="",
        received_ts=received,
        entry=entry,
    )
    digest = hash_of(document_of(draft), head.hash_self)
    return AuditRow(
        chain=draft.chain,
        sequence=draft.sequence,
        audit_id=draft.audit_id,
        hash_prev=draft.hash_prev,
        hash_self=digest,
        received_ts=received,
        entry=entry,
    )


@dataclass(frozen=True)
class Breach:
    """One place where a chain does not hold."""

    sequence: int
    reason: str


def verify(
    documents: Iterable[Mapping[str, Any]], head: Head | None = None, *, chain: str = ""
) -> Iterator[Breach]:
    """Recompute a chain from its first row; yields every breach (none: the chain holds).

    Args:
        documents: the rows as ``document_of`` wrote them, in stored order.
        head: the stored end of the chain, to find rows cut off at the end.
        chain: the chain's name, to find rows copied from another; empty takes the first row's.
    """
    last = Head()
    for document in documents:
        chain = chain or str(document.get("chain", ""))
        yield from _breaches(document, last, chain)
        sequence = document.get("sequence")
        place = sequence if isinstance(sequence, int) else last.sequence + 1
        last = Head(place, str(document.get("hash_self", "")))
    if head is not None and head != last:
        yield Breach(last.sequence + 1, f"the head names row {head.sequence}, the rows end before")


def _breaches(document: Mapping[str, Any], last: Head, chain: str) -> Iterator[Breach]:
    expected = last.sequence + 1
    sequence = document.get("sequence")
    if sequence != expected:
        yield Breach(expected, f"row {sequence} stands here: one is missing, added or moved")
    if document.get("chain") != chain:
        yield Breach(expected, f"belongs to the chain {document.get('chain')!r}, not {chain!r}")
    if document.get("hash_prev") != last.hash_self:
        yield Breach(expected, "does not carry the hash of the row before")
    if not _holds(document):
        yield Breach(expected, "was changed after it was written")


def _holds(document: Mapping[str, Any]) -> bool:
    try:
        digest = hash_of(document, str(document.get("hash_prev", "")))
    except (TypeError, ValueError, RecursionError):
        return False  # what JSON or UTF-8 cannot say was never hashed
    return bool(document.get("hash_self") == digest)
