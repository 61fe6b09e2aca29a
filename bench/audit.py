"""What one more decision costs the audit: ``python -m bench.audit``, everything in one run.

Worlds of 100 and of 20,000 rows are measured in turns, each on an Azurite of its own: an emulator
looks through a whole table, so one world's rows would slow the other's. The same storage requests
are made without the app as well, to tell its cost from the emulator's. Ends with 1 where an aim is
missed. Needs nothing but this machine.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from azure.data.tables import TableClient, UpdateMode

from bench.ingress import Report
from local.azurite import start_azurite
from local.node import tools_folder
from shared.adapters.clock import SystemClock
from shared.adapters.delta.delta_tables import DeltaTables
from shared.adapters.delta.lakehouse import Lakehouse
from shared.adapters.storage.run_codec import HEAD, LOCK, MAX_ENTITIES
from shared.adapters.storage.table_store import TABLE, TableRunStore
from shared.domain.run import Run, State, Trigger
from shared.handlers.journal import Change, Journal, entry
from shared.handlers.project_audit import AUDIT_TABLE, ProjectAudit, Provenance
from shared.ports import Snapshot
from tests.fakes.duel import duel, live
from tests.fakes.fuse import Fuse
from tests.fakes.samples import MODEL

FEW, MANY = 100, int(os.environ.get("ROWS", "20000"))
MODELS = 20
"""Among how many chains the rows are spread, in the world that is like a catalogue."""
ROUNDS = 25
DECISIONS = 4
"""Decisions between two projections: about what a run writes from one outcome to the next."""
COST_AIM, COMMITS_AIM = 1.5, 0.05
GROUNDS = {"evidence_sha256": "0" * 64, "champion_version": "11", "candidate_r2": 0.8123}
NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = "run-1"


@dataclass(frozen=True)
class World:
    """A ledger of some chains with its audit table; the first chain is decided on."""

    name: str
    rows: int
    chains: tuple[str, ...]
    table: TableClient
    store: TableRunStore
    project: ProjectAudit
    lakehouse: Lakehouse
    numbers: Iterator[int] = field(default_factory=count)

    def decide(self, chain: str = "", entries: int = 1) -> None:
        """Write a run and what explains it, as every decision does."""
        run = run_of(chain or self.chains[0])

        def change(_: Snapshot) -> Change:
            noted = entry(run, "run.looked_at", NOW, context=dict(GROUNDS))
            return Change(run=run, entries=(noted,) * entries)

        Journal(self.store, SystemClock()).apply(run.model, RUN, change)

    def fill(self) -> None:
        """Write the rows there are from the start: as many a transaction as it takes."""
        most = MAX_ENTITIES - 2  # beside the rows: the run and the chain's head
        for chain in self.chains:
            while left := self.rows // len(self.chains) - self.store.head(chain).sequence:
                self.decide(chain, min(most, left))

    def project_all(self) -> None:
        for chain in self.chains:
            self.project(chain)

    def commits(self) -> int:
        return int(self.lakehouse.open(AUDIT_TABLE).version())

    def bare(self) -> None:
        """Make a decision's storage requests, with nothing around them."""
        part, large = {"PartitionKey": self.chains[0]}, {"document": "x" * 900}
        chosen = {"model": part["PartitionKey"], "first": HEAD, "end": LOCK + ";"}
        where = "PartitionKey eq @model and RowKey ge @first and RowKey lt @end"
        list(self.table.query_entities(where, parameters=chosen))
        self.table.get_entity(part["PartitionKey"], f"run:{RUN}")
        row = {**part, **large, "RowKey": f"bare:{next(self.numbers):012d}"}
        how = {"mode": UpdateMode.REPLACE}
        kept = [{**part, **large, "RowKey": key} for key in ("bare:head", "bare:run")]
        changes: list[Any] = [("upsert", entity, how) for entity in kept]
        self.table.submit_transaction([*changes, ("create", row)])


def run_of(chain: str) -> Run:
    trigger = Trigger("drift", "alert-1", "", NOW, "PSI 0.31 of distance, 0.2 is allowed")
    return Run(chain, RUN, State.RUNNING, trigger, NOW, NOW, reason="job 1 has started")


@contextmanager
def world(name: str, rows: int, chains: int = 1) -> Iterator[World]:
    with TemporaryDirectory() as folder, start_azurite(None, tools_folder()) as azurite:
        table = TableClient.from_connection_string(azurite.connection_string, TABLE)
        store, names = TableRunStore(table), tuple(f"model-{n:02d}" for n in range(chains))
        lakehouse = Lakehouse(str(Path(folder) / "{lakehouse}"), None)
        provenance = Provenance("c0ffee", "main")
        project = ProjectAudit(store, DeltaTables(lakehouse), provenance, SystemClock())
        yield World(name, rows, names, table, store, project, lakehouse)
        store.close()


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def prepare(report: Report, each: World) -> None:
    """Fill a world and project it, and hold its commits against its rows."""
    filling, projecting = seconds(each.fill), seconds(each.project_all)
    report.line(each.name, f"filled in {filling:.0f} s, projected in {projecting:.1f} s")
    if each.rows > FEW:
        share, shown = each.commits() / each.rows, f"{each.commits()} ({each.rows:,} rows)"
        aim, met = f"<= {COMMITS_AIM:.0%} of the rows", share <= COMMITS_AIM
        report.line("  commits of the audit table", shown, aim=aim, met=met)


@dataclass(frozen=True)
class Cost:
    """Seconds of one decision, medians.

    Attributes:
        write: its own transaction, with what is read before.
        share: of a projection.
        bare: its storage requests alone.
    """

    write: float
    share: float
    bare: float

    @property
    def whole(self) -> float:
        return self.write + self.share


def measured(worlds: Sequence[World]) -> list[Cost]:
    """Measure all of them in turns, so that a busy moment of the machine falls on each."""
    found: list[tuple[list[float], list[float], list[float]]] = [([], [], []) for _ in worlds]
    for _ in range(ROUNDS):
        for each, (writes, projections, bare) in zip(worlds, found, strict=True):
            for _ in range(DECISIONS):
                writes.append(seconds(each.decide))
                bare.append(seconds(each.bare))
            projections.append(seconds(partial(each.project, each.chains[0])) / DECISIONS)
    return [Cost(*map(statistics.median, lists)) for lists in found]


def cost(report: Report, worlds: Sequence[World]) -> None:
    print(f"\none more decision, median of {ROUNDS} rounds, a projection every {DECISIONS}")
    few, spread, chain = costs = measured(worlds)
    for each, found in zip(worlds, costs, strict=True):
        shown = f"{found.write * 1000:.1f} + {found.share * 1000:.1f} ms"
        report.line(f"{each.name}: ledger + share of a projection", shown)
        report.line("  its storage requests alone", f"{found.bare * 1000:.1f} ms")
    aimed(report, "20 chains to 100 rows", spread.whole / few.whole)
    report.line("one chain to 100 rows, the emulator's lookups with it", times(chain, few))
    own = (chain.whole - (chain.bare - few.bare)) / few.whole
    aimed(report, "  less what the same requests alone take longer", own)


def times(one: Cost, other: Cost) -> str:
    return f"{one.whole / other.whole:.2f}"


def aimed(report: Report, what: str, ratio: float) -> None:
    report.line(what, f"{ratio:.2f}", aim=f"<= {COST_AIM}", met=ratio <= COST_AIM)


class Commits(Fuse):
    """Counts the commits to the audit table."""

    count = 0

    def call(self, name: str, method: Any, args: Any, named: Any) -> Any:
        done = super().call(name, method, args, named)
        self.count += name == "tables.append" and args[0] == AUDIT_TABLE and done
        return done


def life(report: Report) -> None:
    """Print how many commits a model's way to Production takes, as its messages come."""
    commits = Commits()
    loop = duel(fuse=commits)
    live(loop, 3)
    loop.drain()
    rows = loop.ports.store.head(MODEL).sequence
    print("\nfrom the alert to Production, on fakes")
    report.line("rows of the ledger, commits of the table", f"{rows}, {commits.count}")


def main() -> int:
    report = Report()
    with ExitStack() as stack:
        worlds = [
            stack.enter_context(world(f"{FEW} rows, one chain", FEW)),
            stack.enter_context(world(f"{MANY:,} rows, {MODELS} chains", MANY, MODELS)),
            stack.enter_context(world(f"{MANY:,} rows, one chain", MANY)),
        ]
        print("the ledger and its table")
        for each in worlds:
            prepare(report, each)
        cost(report, worlds)
    life(report)
    for what in report.missed:
        print(f"missed: {what}")
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(main())
