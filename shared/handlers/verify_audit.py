"""Recomputes every hash of the ledger and holds the audit table and the evidence against it.

What was changed, removed, added, doubled or put in another order is named by chain, row and field.
The nightly check leaves each chain's end in a chain of its own, so that one that is cut off at its
end, head and all, is found against the night before.
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.domain.audit import AuditEntry, Head, verify
from shared.errors import LoopError, NotFound
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
    """

    chain: str
    head: Head
    projected: int
    breaches: tuple[Found, ...]


@dataclass(frozen=True)
class VerifyAudit:
    """Checks chains; changes none of them."""

    journal: Journal
    tables: Tables
    evidence: EvidenceStore
    notifier: Notifier

    def __call__(self, chain: str) -> Checked:
        """Check one chain.

        Raises:
            Unavailable: ledger, table or evidence did not answer; nothing is known.
        """
        store = self.journal.store
        # first: rows that are projected while the ledger is read are not taken for added ones
        rows = self._projected(chain)
        last = self.tables.last_batch(AUDIT_TABLE, f"ledger:{chain}")
        head = store.head(chain)
        documents = [row for row in store.chain(chain) if row["sequence"] <= head.sequence]
        found = (
            *_ledger(chain, documents, head),
            *self._evidence(chain, documents),
            *_table(chain, documents, rows, last),
        )
        return Checked(chain, head, len(rows), found)

    def all(self) -> tuple[Checked, ...]:
        """Check every chain, and each end against the last night's; leaves the ends on record.

        Raises:
            LoopError: a chain could not be checked, or people could not be told of a breach; the
                others were checked.
        """
        checked, troubles = [], []
        before = self._ends()
        for chain in sorted({*self.journal.store.chains(), *before} - {CHECKS}):
            try:
                checked.append(self._against(self(chain), before.get(chain)))
            except LoopError as error:
                log.exception("the chain %s could not be checked", chain)
                troubles.append(error)
        self._note(checked, [str(error) for error in troubles])
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
                yield Found(chain, row["sequence"], "evidence", f"{named} is gone")
                continue
            if digest != context.get("evidence_sha256"):
                yield Found(chain, row["sequence"], "evidence", f"{named} was changed")

    def _ends(self) -> dict[str, Head]:
        """Give the ends that the last check has left on record."""
        last = self.journal.store.head(CHECKS).sequence
        rows = list(self.journal.store.chain(CHECKS, after=last - 1)) if last else []
        ends = rows[-1]["context"]["ends"] if rows else {}
        return {chain: Head(int(place), str(digest)) for chain, (place, digest) in ends.items()}

    def _against(self, checked: Checked, before: Head | None) -> Checked:
        """Add the breach of a chain that is shorter than it was, or another one."""
        if before is None or not before.sequence:
            return checked
        rows = list(self.journal.store.chain(checked.chain, after=before.sequence - 1))
        if rows and rows[0]["sequence"] == before.sequence:
            if rows[0]["hash_self"] == before.hash_self:
                return checked
            reason = "is another row than at the last check"
        else:
            reason = "was there at the last check and is gone"
        breach = Found(checked.chain, before.sequence, "ledger", reason)
        return Checked(checked.chain, checked.head, checked.projected, (*checked.breaches, breach))

    def _note(self, checked: list[Checked], troubles: list[str]) -> None:
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
                "ends": {one.chain: [one.head.sequence, one.head.hash_self] for one in checked},
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


def _ledger(chain: str, documents: list[dict[str, Any]], head: Head) -> Iterator[Found]:
    for breach in verify(documents, head, chain=chain):
        yield Found(chain, breach.sequence, "ledger", breach.reason)


def _table(
    chain: str, documents: list[dict[str, Any]], rows: list[dict[str, Any]], last: int
) -> Iterator[Found]:
    """Compare the projection with the rows up to the last that was projected.

    A Delta table gives its rows in no order: the sequence number is a row's only place.
    """
    wanted = {row["sequence"]: row for row in documents if row["sequence"] <= last}
    seen: set[int] = set()
    for row in sorted(rows, key=lambda row: int(row["sequence"])):
        sequence = int(row["sequence"])
        if sequence in seen:
            yield Found(chain, sequence, "table", "is there twice")
        elif sequence not in wanted:
            yield Found(chain, sequence, "table", "is not in the ledger")
        else:
            yield from _differences(chain, wanted[sequence], row)
        seen.add(sequence)
    for sequence in sorted(set(wanted) - seen):
        yield Found(chain, sequence, "table", "is missing")


def _differences(
    chain: str, document: Mapping[str, Any], row: Mapping[str, Any]
) -> Iterator[Found]:
    try:
        expected = audit_row(document, Provenance("", ""))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # the ledger's own check has named the row; there is nothing left to compare with
        reason = f"the ledger's row cannot be read: {type(error).__name__}"
        yield Found(chain, int(row["sequence"]), "ledger", reason)
        return
    for name in sorted({*expected, *row} - OF_THE_PROJECTION):
        if _plain(expected.get(name)) != _plain(row.get(name)):
            yield Found(chain, int(row["sequence"]), "table", "differs from the ledger", name)


def _plain(value: Any) -> Any:
    """Bring times to one zone: a table gives them back in its own."""
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return value
