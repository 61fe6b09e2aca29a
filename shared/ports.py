"""Protocols for everything outside: what the handlers may ask of the world.

The adapters under ``shared/adapters`` are the real ones; ``tests/fakes`` holds fakes that pass the
same contract tests. Every method raises ``Unavailable`` when the other side does not answer; what
else it raises stands at the method.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from shared.catalogue import FabricItems, Model
    from shared.domain.audit import AuditRow, Head
    from shared.domain.run import Lock, Run

    Floats = npt.NDArray[np.float64]


class Clock(Protocol):
    """The time: UTC, aware."""

    def now(self) -> datetime: ...


# --- state -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Snapshot:
    """What one model's partition holds about one run, read in one go.

    Attributes:
        run: None where no run has this id yet.
        lock: a free lock with fence 0 where none was ever taken.
        tag: opaque; ``commit`` fails with Conflict when anything in here has changed since.
    """

    model: str
    run: Run | None
    lock: Lock
    head: Head
    tag: Any


@dataclass(frozen=True)
class Commit:
    """What is written in one transaction: all of it or nothing.

    Attributes:
        run: the run's new state, or None to leave it.
        lock: the lock's new state, or None to leave it.
        rows: the audit rows that explain the change, placed after the snapshot's head.
        head: the chain's new end.
    """

    run: Run | None
    lock: Lock | None
    rows: tuple[AuditRow, ...]
    head: Head


class RunStore(Protocol):
    """Runs, locks and ledger: one partition a model, one transaction a decision."""

    def snapshot(self, model: str, run_id: str) -> Snapshot: ...

    def commit(self, snapshot: Snapshot, commit: Commit) -> None:
        """Write it all.

        Raises:
            Conflict: somebody wrote to the run, the lock or the head since the snapshot.
        """

    def runs(self, model: str, *, since: datetime | None = None) -> Sequence[Run]:
        """Give a model's runs created since a time, oldest first."""

    def unsettled(self, model: str) -> Sequence[Run]:
        """Give the runs that still need something: not at rest, or at rest and untold."""

    def chain(self, model: str, *, after: int = 0) -> Iterator[dict[str, Any]]:
        """Give the ledger's documents with a sequence above ``after``, in order."""

    def head(self, model: str) -> Head: ...

    def chains(self) -> Sequence[str]:
        """Give the names of all chains that have a row."""


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


# --- jobs ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Started:
    """An accepted start: the instance id, or None where the answer did not carry one."""

    instance_id: str | None
    retry_after: float


@dataclass(frozen=True)
class JobInstance:
    """One job instance as the service reports it.

    Attributes:
        status: as sent; values that are not known today are to be expected.
        invoke_type: Manual or Scheduled, as sent.
        started_at: UTC; None while the service gives none.
        failure: the failure's code and message, or empty.
        retry_after: seconds the service asks to wait before the next look, or None.
    """

    instance_id: str
    status: str
    invoke_type: str
    started_at: datetime | None
    failure: str = ""
    retry_after: float | None = None


class Jobs(Protocol):
    """Where a retrain runs. Raises Throttled, Refused and Unavailable beside what is named."""

    def start(self, items: FabricItems, parameters: Mapping[str, Any]) -> Started:
        """Ask for a run.

        Raises:
            StartAmbiguous: the request was sent and it is not known whether it took.
        """

    def get(self, items: FabricItems, instance_id: str) -> JobInstance:
        """Look at one.

        Raises:
            NotFound: the service knows no such instance.
        """

    def instances(self, items: FabricItems) -> Sequence[JobInstance]: ...

    def cancel(self, items: FabricItems, instance_id: str) -> None:
        """Ask to cancel; one that has ended already is no error."""

    def failure_text(self, items: FabricItems, instance_id: str) -> str:
        """Give the activities' error texts, which say more than the instance does."""


# --- registry --------------------------------------------------------------------------------


@dataclass(frozen=True)
class ModelVersion:
    """One registered version, the same whatever the store: all ids are text.

    Attributes:
        stage: None, Staging, Production or Archived, as text.
        source: where its artifacts lie.
    """

    name: str
    version: str
    run_id: str
    stage: str
    aliases: frozenset[str]
    tags: Mapping[str, str]
    source: str


class Registry(Protocol):
    """The model registry. NotFound means it answered; Unavailable means it did not."""

    def champion(self, model: str) -> ModelVersion:
        """Give the version that serves.

        Raises:
            NoChampion: the model has none, or does not exist.
        """

    def challenger(self, model: str) -> ModelVersion | None: ...

    def version(self, model: str, version: str) -> ModelVersion:
        """Give one version.

        Raises:
            NotFound: there is none.
        """

    def made_by(self, model: str, run_id: str) -> Sequence[ModelVersion]:
        """Give the versions tagged ``retrain_run_id`` = run_id: one, none, or wrongly more."""

    def stage_candidate(self, model: str, version: str) -> None:
        """Give a version the challenger role (alias, and stage Staging where there are stages)."""

    def annotate(self, model: str, version: str, tags: Mapping[str, str]) -> None: ...

    def capabilities(self) -> Mapping[str, bool]:
        """Say which of ``aliases`` and ``stages`` the server has."""


@dataclass(frozen=True)
class Scored:
    """What a version answered in its own process.

    Attributes:
        predictions: one a row; NaN where it gave none.
        latencies_ms: one a single-row call after warm-up, milliseconds; empty if not asked for.
    """

    predictions: Floats
    latencies_ms: Floats


class Scorer(Protocol):
    """Loads a version apart from this process and lets it answer."""

    def score(self, version: ModelVersion, rows: pa.Table, *, single_calls: int = 0) -> Scored:
        """Predict all rows in one call, then ``single_calls`` rows one by one.

        Raises:
            DataError: it could not be loaded, crashed, hung, or gave something else than one
                number a row; the message says which.
        """


# --- tables ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Window:
    """Rows of one time window.

    Attributes:
        features: one column a feature, in the catalogue's order.
        prediction: NaN where missing.
        actual: NaN where it has not arrived.
        attributes: the declared fairness attributes of a holdout, one text a row.
    """

    start: datetime
    end: datetime
    features: pa.Table
    prediction: Floats
    actual: Floats
    attributes: Mapping[str, npt.NDArray[np.str_]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return int(self.features.num_rows)


class Windows(Protocol):
    """Reads a model's rows. Raises NoTable, and DataError for a column that is not there."""

    def served(self, model: Model, version: str, start: datetime, end: datetime) -> Window:
        """Give what a version answered for rows in [start, end), with the actuals known."""

    def holdout(self, model: Model, until: datetime) -> Window:
        """Give the rows set aside before ``until`` (the last ``gates.holdout_days`` of them)."""


class Tables(Protocol):
    """Appends to the lakehouse's tables, each batch exactly once."""

    def append(
        self,
        table: str,
        rows: Sequence[Mapping[str, Any]],
        *,
        writer: str,
        batch: int,
        after: int | None = None,
    ) -> bool:
        """Append rows as batch number ``batch`` of ``writer``.

        Batches of a writer only grow. Gives False, and writes nothing, where this batch or a
        later one is there already, or where ``after`` is given and is not the writer's last.

        Raises:
            Refused: the rows do not fit the table's columns.
        """

    def last_batch(self, table: str, writer: str) -> int:
        """Give the last batch a writer appended, 0 for none."""

    def read(self, table: str, where: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """Give the rows whose columns equal the given texts.

        Raises:
            NoTable: the table does not exist.
        """


class MetricSink(Protocol):
    """Where Azure Monitor's alert rules read: the custom log table."""

    def upload(self, rows: Sequence[Mapping[str, Any]]) -> None: ...


# --- people ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Notice:
    """One message to people: plain text, escaped by whoever renders it."""

    title: str
    text: str
    facts: Mapping[str, str] = field(default_factory=dict)
    link: str = ""


class Notifier(Protocol):
    """Tells people."""

    def send(self, notice: Notice) -> None: ...
