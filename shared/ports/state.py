"""State: runs, locks and ledger, marks, queues and evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from shared.domain.audit import AuditRow, Head
    from shared.domain.run import Lock, Run, State, Suppression


@dataclass(frozen=True)
class Snapshot:
    """What one model's partition holds about one run, read in one go.

    Attributes:
        run: None where no run has this id yet.
        lock: a free lock with fence 0 where none was ever taken.
        tag: opaque; ``commit`` fails with Conflict when anything in here has changed since.
        suppression: the last one anybody asked for, over or not; None where nobody ever did.
    """

    model: str
    run: Run | None
    lock: Lock
    head: Head
    tag: Any
    suppression: Suppression | None = None


@dataclass(frozen=True)
class Commit:
    """What is written in one transaction: all of it or nothing.

    Attributes:
        run: the run's new state, or None to leave it.
        lock: the lock's new state, or None to leave it.
        rows: the audit rows that explain the change, placed after the snapshot's head.
        head: the chain's new end.
        suppression: the model's new suppression, or None to leave it.
    """

    run: Run | None
    lock: Lock | None
    rows: tuple[AuditRow, ...]
    head: Head
    suppression: Suppression | None = None


class RunStore(Protocol):
    """Runs, locks and ledger: one partition a model, one transaction a decision."""

    def snapshot(self, model: str, run_id: str) -> Snapshot: ...

    def commit(self, snapshot: Snapshot, commit: Commit) -> None:
        """Write it all.

        Raises:
            Conflict: somebody wrote to the run, the lock or the head since the snapshot.
        """

    def runs(
        self,
        model: str,
        *,
        since: datetime | None = None,
        states: Collection[State] | None = None,
    ) -> Sequence[Run]:
        """Give a model's runs created since a time, and in one of some states, oldest first."""

    def unsettled(self, model: str) -> Sequence[Run]:
        """Give the runs that still need something: not at rest, or at rest and untold."""

    def chain(self, model: str, *, after: int = 0) -> Iterator[dict[str, Any]]:
        """Give the ledger's documents with a sequence above ``after``, in order."""

    def head(self, model: str) -> Head: ...

    def chains(self) -> Sequence[str]:
        """Give the names of all chains that have a row."""

    def unprojected(self) -> Sequence[str]:
        """Give the chains with rows after the last that ``note_projected`` named."""

    def projected(self, chain: str) -> int:
        """Give the last sequence that ``note_projected`` named; 0 where it never did."""

    def note_projected(self, chain: str, sequence: int) -> None:
        """Remember how far a chain is projected; a smaller number than it is only costs work."""


class Queues(Protocol):
    """Storage queues: messages carry ids and a schema version, never payloads."""

    def send(self, queue: str, message: Mapping[str, Any], *, delay_seconds: float = 0) -> None: ...


class EvidenceStore(Protocol):
    """Evidence too large for a ledger row; the row carries its hash."""

    def put(self, name: str, content: bytes) -> str:
        """Store and give the SHA-256 hex digest; the same name and content again is no error."""

    def get(self, name: str) -> bytes:
        """Read.

        Raises:
            NotFound: nothing has this name.
        """


class Marks(Protocol):
    """Numbers that only grow: how far something has come, by group and name.

    Groups and names are of small letters, digits and hyphens.
    """

    def get(self, group: str, name: str) -> int:
        """Give a mark; 0 where it was never set."""

    def advance(self, group: str, name: str, value: int) -> bool:
        """Move a mark on; False, and nothing is written, where it is there already or further."""

    def group(self, group: str) -> Mapping[str, int]:
        """Give all marks of a group, by name."""
