"""A RunStore in memory."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Lock as Mutex
from typing import Any

from shared.adapters.storage import run_codec as codec
from shared.domain.audit import Head
from shared.domain.run import Lock, Run, State, Suppression
from shared.errors import Conflict
from shared.ports import Commit, Snapshot
from tests.fakes.faults import Faults


@dataclass(frozen=True)
class _Partition:
    """One model's whole state; a commit puts a new one in its place."""

    version: int = 0
    runs: dict[str, Run] = field(default_factory=dict)
    lock: Lock = codec.NEVER_TAKEN
    suppression: Suppression | None = None
    head: Head = field(default_factory=Head)
    documents: tuple[dict[str, Any], ...] = ()
    projected: int = 0


class FakeRunStore:
    """Keeps everything in memory, with the real one's conflicts, limits and encodings.

    ``faults.order(Unavailable("gone"), done=True)`` makes the next commit happen and its answer
    get lost. ``commits`` lists what was written, oldest first.
    """

    def __init__(self) -> None:
        self._partitions: dict[str, _Partition] = defaultdict(_Partition)
        self._mutex = Mutex()
        self.faults = Faults()
        self.commits: list[Commit] = []

    def snapshot(self, model: str, run_id: str) -> Snapshot:
        codec.run_key(run_id)
        found = self._of(model)
        run = found.runs.get(run_id)
        return Snapshot(model, run, found.lock, found.head, found.version, found.suppression)

    def commit(self, snapshot: Snapshot, commit: Commit) -> None:
        codec.check_commit(snapshot, commit)
        fault = self.faults.before()
        with self._mutex:
            before = self._of(snapshot.model)
            after = _applied(before, commit)
            if before.version != snapshot.tag or _taken(before, snapshot, commit):
                raise Conflict(f"{snapshot.model}: written to since it was read")
            self._partitions[snapshot.model] = after
            self.commits.append(commit)
        self.faults.after(fault)

    def runs(
        self,
        model: str,
        *,
        since: datetime | None = None,
        states: Collection[State] | None = None,
    ) -> Sequence[Run]:
        found = sorted(self._of(model).runs.values(), key=lambda run: (run.created_at, run.run_id))
        wanted = [run for run in found if since is None or run.created_at >= since]
        return [run for run in wanted if states is None or run.state in states]

    def unsettled(self, model: str) -> Sequence[Run]:
        return [run for run in self.runs(model) if run.active or run.notified_at is None]

    def chain(self, model: str, *, after: int = 0) -> Iterator[dict[str, Any]]:
        for document in self._of(model).documents[after:]:
            yield dict(document)

    def head(self, model: str) -> Head:
        return self._of(model).head

    def chains(self) -> Sequence[str]:
        return sorted(name for name, found in self._partitions.items() if found.documents)

    def unprojected(self) -> Sequence[str]:
        found = self._partitions
        return [name for name in self.chains() if found[name].head.sequence > found[name].projected]

    def projected(self, chain: str) -> int:
        return self._of(chain).projected

    def note_projected(self, chain: str, sequence: int) -> None:
        with self._mutex:
            noted = replace(self._of(chain), projected=sequence)
            self._partitions[codec.partition_of(chain)] = noted

    def _of(self, model: str) -> _Partition:
        return self._partitions.get(codec.partition_of(model), _Partition())


def _taken(before: _Partition, snapshot: Snapshot, commit: Commit) -> bool:
    added = commit.run if snapshot.run is None else None
    return added is not None and added.run_id in before.runs


def _applied(before: _Partition, commit: Commit) -> _Partition:
    runs = dict(before.runs)
    if commit.run is not None:
        runs[commit.run.run_id] = codec.run_of(codec.run_entity(commit.run))
    rows = tuple(codec.row_document(codec.row_entity(row)) for row in commit.rows)
    return replace(
        before,
        version=before.version + 1,
        runs=runs,
        lock=before.lock if commit.lock is None else commit.lock,
        suppression=_suppression(before, commit),
        head=commit.head,
        documents=before.documents + rows,
    )


def _suppression(before: _Partition, commit: Commit) -> Suppression | None:
    if commit.suppression is None:
        return before.suppression
    entity = codec.suppression_entity("model", commit.suppression)
    return codec.suppression_of(entity)
