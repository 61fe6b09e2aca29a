"""Recomputes every hash of the ledger and holds the audit table and the evidence against it.

What was changed, removed, added, doubled or put in another order is named by chain, row and field.
The nightly check leaves each chain's end in a chain of its own, so that one that is cut off at its
end, head and all, is found against the night before.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from shared.domain.audit import AuditEntry, Head, verify
from shared.errors import DataError, LoopError, NotFound
from shared.handlers.journal import Change, Journal
from shared.handlers.project_audit import AUDIT_TABLE, Provenance, audit_row
from shared.ports import EvidenceStore, Notice, Notifier, Tables

log = logging.getLogger(__name__)

CHECKS = "audit.checks"
"""The chain that the nightly checks write to."""
OF_THE_PROJECTION = frozenset({"git_sha", "git_branch", "_audit_inserted_at"})
"""Columns that say who projected a row and when: the ledger does not know them."""
SHOWN = 20
"""Breaches that an entry or a notice names; the count is of all."""


@dataclass(frozen=True)
class Found:
    """One place where the audit does not hold.

    Attributes:
        place: ledger, table or evidence.
        field: the column that differs, empty where it is the row.
    """

    chain: str
    sequence: int
    place: str
    reason: str
    field: str = ""

    def __str__(self) -> str:
        column = f", {self.field}" if self.field else ""
        return f"{self.chain}: {self.place} row {self.sequence}{column}: {self.reason}"


@dataclass(frozen=True)
class Checked:
    """What a check of one chain came to.

    Attributes:
        projected: how many of its rows the audit table holds.
        end: what the next check holds the chain against: its head, or, where that is not what it
            was, still the one before.
    """

    chain: str
    head: Head
    projected: int
    breaches: tuple[Found, ...]
    end: Head


@dataclass(frozen=True)
class VerifyAudit:
    """Checks chains; changes none of them."""

    journal: Journal
    tables: Tables
    evidence: EvidenceStore
    notifier: Notifier

    def __call__(self, chain: str) -> Checked:
        """Check one chain, also against the end that the last night's check has left.

        Raises:
            Unavailable: ledger, table or evidence did not answer; nothing is known.
        """
        (checked,) = self._each(chain, self._ends().get(chain))
        return checked

    def chains(self) -> tuple[str, ...]:
        """Name every chain there is, and those that were there at the last check."""
        return tuple(sorted({*self.journal.store.chains(), *self._ends()}))

    def strangers(self) -> tuple[Checked, ...]:
        """Name what the audit table holds of chains that the ledger does not have."""
        try:
            names = self.tables.values(AUDIT_TABLE, "chain")
        except NotFound:
            return ()
        return tuple(_stranger(name) for name in sorted(set(names) - set(self.chains())))

    def _each(self, chain: str, before: Head | None) -> tuple[Checked, ...]:
        store = self.journal.store
        # in this order: a row that is projected meanwhile is neither missing nor added. The
        # ledger's mark: a table that is gone, or was made anew, knows of no batch
        last = max(store.projected(chain), self.tables.last_batch(AUDIT_TABLE, f"ledger:{chain}"))
        rows = self._projected(chain)
        head = store.head(chain)
        every, unread = _read(chain, store.chain(chain))
        # last: what a decision has added meanwhile is before this end, what nobody decided is not
        end = store.head(chain).sequence
        documents = [row for row in every if _number(row) <= head.sequence]
        gone = [] if before is None else _gone(chain, every, before)
        found = (
            *unread,
            *_ledger(chain, documents, head),
            *_beyond(chain, every, end),
            *self._evidence(chain, documents),
            *_table(chain, documents, rows, last),
            *gone,
        )
        return (Checked(chain, head, len(rows), found, before if before and gone else head),)

    def all(self) -> tuple[Checked, ...]:
        """Check every chain, and each end against the last night's; leaves the ends on record.

        Raises:
            LoopError: a chain could not be checked, or people could not be told of a breach; the
                others were checked.
        """
        checked: list[Checked] = []
        troubles: list[LoopError] = []
        before = self._ends()
        parts: list[Callable[[], tuple[Checked, ...]]] = [
            partial(self._each, chain, before.get(chain)) for chain in self.chains()
        ]
        for part in (*parts, self.strangers):
            try:
                checked.extend(part())
            except LoopError as error:
                log.exception("a part of the audit could not be checked")
                troubles.append(error)
        self._note(checked, before, [str(error) for error in troubles])
        self._tell([breach for one in checked for breach in one.breaches])
        if troubles:
            raise troubles[0]
        return tuple(checked)

    def _projected(self, chain: str) -> list[dict[str, Any]]:
        try:
            return self.tables.read(AUDIT_TABLE, {"chain": chain})
        except NotFound:
            return []

    def _evidence(self, chain: str, documents: Iterable[Mapping[str, Any]]) -> Iterator[Found]:
        for row in documents:
            context = row.get("context")
            named = context.get("evidence") if isinstance(context, Mapping) else None
            if not named or not isinstance(context, Mapping):
                continue
            try:
                digest = hashlib.sha256(self.evidence.get(str(named))).hexdigest()
            except NotFound:
                yield Found(chain, _number(row), "evidence", f"{named} is gone")
                continue
            if digest != context.get("evidence_sha256"):
                yield Found(chain, _number(row), "evidence", f"{named} was changed")

    def _ends(self) -> dict[str, Head]:
        """Give the ends that the last check has left on record."""
        last = self.journal.store.head(CHECKS).sequence
        rows = _read(CHECKS, self.journal.store.chain(CHECKS, after=last - 1))[0] if last else []
        try:
            ends = rows[-1]["context"]["ends"] if rows else {}
            return {chain: Head(int(place), str(digest)) for chain, (place, digest) in ends.items()}
        except (KeyError, TypeError, ValueError, AttributeError):
            return {}  # the check of that chain itself names the row

    def _note(
        self, checked: list[Checked], before: Mapping[str, Head], troubles: list[str]
    ) -> None:
        # a chain that could not be read keeps its end: it may be cut before it can
        ends = {**before, **{one.chain: one.end for one in checked if one.end.sequence}}
        breaches = [str(breach) for one in checked for breach in one.breaches]
        entry = AuditEntry(
            action="audit.verified",
            outcome="failure" if breaches else "partial" if troubles else "success",
            event_ts=self.journal.clock.now(),
            resource="ledger",
            resource_type="ledger",
            reason=f"{len(breaches)} breaches in {len(checked)} chains, "
            f"{len(troubles)} could not be checked",
            context={
                "ends": {chain: [end.sequence, end.hash_self] for chain, end in ends.items()},
                "breaches": breaches[:SHOWN],
                "troubles": troubles[:SHOWN],
            },
        )
        self.journal.apply(CHECKS, "no-run", lambda _: Change(entries=(entry,)))

    def _tell(self, breaches: list[Found]) -> None:
        if not breaches:
            return
        shown = "\n".join(str(breach) for breach in breaches[:SHOWN])
        title = f"The audit does not hold: {len(breaches)} breaches"
        self.notifier.send(Notice(title=title, text=shown))


def _stranger(chain: str) -> Checked:
    found = Found(chain, 0, "table", "is of no chain of the ledger")
    return Checked(chain, Head(), 0, (found,), Head())


def _read(
    chain: str, rows: Iterable[dict[str, Any]]
) -> tuple[list[dict[str, Any]], tuple[Found, ...]]:
    """Read a chain as far as it can be read, and name the row that it ends before."""
    read: list[dict[str, Any]] = []
    try:
        read.extend(rows)
    except DataError as error:
        place = _number(read[-1]) + 1 if read else 1
        return read, (Found(chain, place, "ledger", str(error)),)
    return read, ()


def _ledger(chain: str, documents: list[dict[str, Any]], head: Head) -> Iterator[Found]:
    for breach in verify(documents, head, chain=chain):
        yield Found(chain, breach.sequence, "ledger", breach.reason)


def _beyond(chain: str, documents: Iterable[Mapping[str, Any]], end: int) -> Iterator[Found]:
    for row in documents:
        if _number(row) > end:
            yield Found(chain, _number(row), "ledger", f"was added: the chain ends at row {end}")


def _gone(chain: str, documents: Iterable[Mapping[str, Any]], before: Head) -> list[Found]:
    """Name the end of the last check, where it is not there as it was."""
    there = [row for row in documents if _number(row) == before.sequence]
    if not before.sequence or any(row.get("hash_self") == before.hash_self for row in there):
        return []
    now = "is another row than at the last check"
    reason = now if there else "was there at the last check and is gone"
    return [Found(chain, before.sequence, "ledger", reason)]


def _number(row: Mapping[str, Any]) -> int:
    """Give a row's place; 0, which no row has, where it was made something else."""
    sequence = row.get("sequence")
    return sequence if isinstance(sequence, int) else 0


def _table(
    chain: str, documents: list[dict[str, Any]], rows: list[dict[str, Any]], last: int
) -> Iterator[Found]:
    """Compare the projection with the ledger; up to the last that was projected none is missing.

    A Delta table gives its rows in no order: the sequence number is a row's only place.
    """
    wanted = {_number(row): row for row in documents if _number(row)}
    seen: set[int] = set()
    for row in sorted(rows, key=_number):
        sequence = _number(row)
        if sequence in seen:
            yield Found(chain, sequence, "table", "is there twice")
        elif sequence not in wanted:
            yield Found(chain, sequence, "table", "is not in the ledger")
        else:
            yield from _differences(chain, wanted[sequence], row)
        seen.add(sequence)
    for sequence in sorted(set(wanted) - seen):
        if sequence <= last:
            yield Found(chain, sequence, "table", "is missing")


def _differences(
    chain: str, document: Mapping[str, Any], row: Mapping[str, Any]
) -> Iterator[Found]:
    try:
        expected = audit_row(document, Provenance("", ""))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # the ledger's own check has named the row; there is nothing left to compare with
        reason = f"the ledger's row cannot be read: {type(error).__name__}"
        yield Found(chain, _number(row), "ledger", reason)
        return
    for name in sorted({*expected, *row} - OF_THE_PROJECTION):
        if _plain(expected.get(name)) != _plain(row.get(name)):
            yield Found(chain, _number(row), "table", "differs from the ledger", name)


def _plain(value: Any) -> Any:
    """Bring times to one zone: a table gives them back in its own."""
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return value
