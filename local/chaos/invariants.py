"""The promises, checked from outside after a storm: in storage, lakehouse and Fabric's own record.

Nothing is taken from a worker's word but what it answered to the senders.
"""

import base64
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueServiceClient

from local.chaos.rig import Rig
from local.chaos.storm import Sent
from shared.domain.audit import verify
from shared.domain.run import DRIVEN, Run, State
from shared.errors import NoTable
from shared.handlers import messages
from shared.handlers.project_audit import AUDIT_TABLE

_NAMES = re.compile(r"run-[0-9a-f]{24}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|: workspaces/.*")
QUEUES = (
    *(messages.RETRAIN_RUNS, messages.GATE_CHECKS, messages.PROMOTIONS),
    *(messages.NOTICES, messages.AUDIT_ROWS),
)
MOST_SHOWN = 5
"""Breaches of one kind that are told one by one."""


@dataclass
class World:
    """Everything there is after the storm, read once."""

    rig: Rig
    sent: list[Sent]
    counts: Counter[str] = field(default_factory=Counter)

    @cached_property
    def runs(self) -> dict[str, Run]:
        store = self.rig.app.store
        return {run.run_id: run for model in self.rig.models for run in store.runs(model)}

    @cached_property
    def chains(self) -> dict[str, list[dict[str, Any]]]:
        store = self.rig.app.store
        return {chain: list(store.chain(chain)) for chain in store.chains()}

    @cached_property
    def jobs(self) -> list[dict[str, Any]]:
        jobs: list[dict[str, Any]] = self.rig.fabric("jobs")["jobs"]
        return jobs

    def breaches(self) -> list[str]:
        """Give every broken promise, the first few of each kind; and count everything."""
        found: list[str] = []
        for check in (
            self._accepted_alerts,
            self._garbage,
            self._jobs,
            self._rest,
            self._ledgers,
            self._projections,
            self._transitions,
            self._poison,
        ):
            broken = list(check())
            found += broken[:MOST_SHOWN]
            if len(broken) > MOST_SHOWN:
                found.append(f"... and {len(broken) - MOST_SHOWN} more like the last")
        self._count()
        return found

    def _accepted_alerts(self) -> Iterator[str]:
        """Every accepted alert has exactly one run, and a row that says what was decided."""
        answers = defaultdict(set)
        for sent in self.sent:
            if sent.delivery.kind == "garbage":
                continue
            self.counts["deliveries of alerts"] += 1
            if not sent.accepted:
                yield f"alert {sent.delivery.alert_id} was never accepted: {sent.status}"
                continue
            answers[sent.delivery.alert_id].add(sent.receipt.get("run_id", ""))
        written = {row["run_id"] for rows in self.chains.values() for row in rows}
        by_alert = Counter(run.trigger.alert_id for run in self.runs.values())
        for alert_id, run_ids in answers.items():
            self.counts["alerts accepted"] += 1
            (run_id,) = run_ids if len(run_ids) == 1 else ("",)
            if run_id not in self.runs or by_alert[alert_id] != 1:
                yield f"alert {alert_id}: runs {sorted(run_ids)}, stored {by_alert[alert_id]}"
            elif run_id not in written:
                yield f"alert {alert_id}: {run_id} has no row in the ledger"

    def _garbage(self) -> Iterator[str]:
        for sent in self.sent:
            if sent.delivery.kind != "garbage":
                continue
            self.counts["garbage"] += 1
            if sent.receipt.get("run_id") or not 200 <= sent.status < 500:  # noqa: PLR2004 - HTTP
                yield f"garbage {sent.delivery.body[:60]!r} was answered {sent.status}"

    def _jobs(self) -> Iterator[str]:
        """At most one job a run, none without a run, and each run has its own."""
        made = defaultdict(list)
        for job in self.jobs:
            made[job["parameters"].get("run_id", "")].append(job["id"])
        for run_id, ids in made.items():
            run = self.runs.get(run_id)
            if run is None or not run.starts:
                yield f"job {ids} has no run that asked for it: {run_id}"
            elif len(ids) > 1:
                yield f"{run_id} has {len(ids)} jobs: {ids}; it is {run.state}: {run.reason}"
            elif run.job_id and run.job_id not in ids:
                yield f"{run_id} has job {run.job_id}, but its own is {ids}"
            elif not run.job_id and run.state is not State.HELD:
                self.counts[f"jobs that runs ended without: {run.state}, {_kind(run.reason)}"] += 1
        owners = Counter(run.job_id for run in self.runs.values() if run.job_id)
        yield from (f"job {job} is owned by {n} runs" for job, n in owners.items() if n > 1)

    def _rest(self) -> Iterator[str]:
        """No run is stuck, each outcome was told, and only a held run keeps its model."""
        for run in self.runs.values():
            if run.state in DRIVEN:
                yield f"{run.run_id} is stuck in {run.state}: {run.reason}"
            elif run.notified_at is None:
                yield f"{run.run_id} is {run.state} and nobody was told"
        for model in self.rig.models:
            holder = self.rig.app.store.snapshot(model, "no-run").lock.run_id
            if holder and self.runs[holder].state is not State.HELD:
                yield f"{model} is locked by {holder}, which is {self.runs[holder].state}"

    def _ledgers(self) -> Iterator[str]:
        for chain, rows in self.chains.items():
            self.counts["ledger rows"] += len(rows)
            for breach in verify(rows, self.rig.app.store.head(chain), chain=chain):
                yield f"{chain}: row {breach.sequence} {breach.reason}"

    def _projections(self) -> Iterator[str]:
        """The audit table holds every row of every ledger once, with the same hash."""
        found = defaultdict(list)
        for row in self._audit_table():
            found[row["chain"]].append((row["sequence"], row["hash_self"]))
        for chain, rows in self.chains.items():
            projected = sorted(found[chain])
            if projected != [(row["sequence"], row["hash_self"]) for row in rows]:
                yield f"{chain}: {len(rows)} rows in the ledger, {len(projected)} projected"

    def _audit_table(self) -> list[dict[str, Any]]:
        try:
            return self.rig.app.tables.read(AUDIT_TABLE)
        except NoTable:
            return []

    def _transitions(self) -> Iterator[str]:
        """The last state that the ledger names of a run is the one it is in."""
        last: dict[str, str] = {}
        for rows in self.chains.values():
            last |= {row["run_id"]: row["context"].get("state", "") for row in rows}
        for run in self.runs.values():
            if last.get(run.run_id) != run.state:
                yield f"{run.run_id} is {run.state}, its ledger says {last.get(run.run_id)}"

    def _poison(self) -> Iterator[str]:
        """A message that was given up is about something that got done all the same."""
        for queue in QUEUES:
            for message in self._left(f"{queue}-poison"):
                self.counts["poison messages, all accounted for"] += 1
                run_id = message.get("run_id")
                run = self.runs.get(run_id) if run_id else None
                if run_id and (run is None or run.state in DRIVEN):
                    yield f"{queue}: given up on {message}, which is not done"

    def _left(self, queue: str) -> Iterator[dict[str, Any]]:
        storage = self.rig.storage.connection_string
        with QueueServiceClient.from_connection_string(storage) as service:
            client = service.get_queue_client(queue)
            try:
                for message in client.receive_messages(visibility_timeout=600):
                    yield _decoded(message.content)
            except ResourceNotFoundError:
                return

    def _count(self) -> None:
        self.counts["runs and decisions"] = len(self.runs)
        self.counts["jobs"] = len(self.jobs)
        self.counts["chains"] = len(self.chains)
        for run in self.runs.values():
            self.counts[f"  {run.state}"] += 1
            self.counts["starts asked for more than once"] += run.starts > 1
            if run.state in (State.HELD, State.START_FAILED, State.CANCELLED):
                self.counts[f"  {run.state}, because {_kind(run.reason)}"] += 1


def _kind(reason: str) -> str:
    """Give a reason without what is different each time."""
    return _NAMES.sub("…", reason)[:90]


def _decoded(content: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(base64.b64decode(content))
    return document
