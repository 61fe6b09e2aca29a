"""Projects a chain of the ledger to the table the auditors query, each row exactly once.

What is new in the ledger may also be the answer to a trigger, so triggers are settled on the way.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from shared.errors import Refused
from shared.handlers.settle_triggers import SettleTriggers
from shared.ports import Clock, RunStore, Tables

log = logging.getLogger(__name__)

AUDIT_TABLE = "lh_gold.ml_promotion_audit"
BATCH_ROWS = 1000
"""Rows a commit: few commits keep the table's log short, this bounds memory."""

PROMOTES = frozenset({"Staging", "Production"})
"""Stages that are a promotion; a version that is archived moves too, and is none."""


@dataclass(frozen=True)
class Provenance:
    """What was deployed when the rows were written."""

    git_sha: str
    git_branch: str


@dataclass(frozen=True)
class ProjectAudit:
    """Brings the audit table up to the end of a chain."""

    store: RunStore
    tables: Tables
    provenance: Provenance
    clock: Clock
    triggers: SettleTriggers | None = None

    def __call__(self, chain: str) -> int:
        """Append what is missing; gives the number of rows appended.

        Begins where the ledger's own mark is, which costs a point read; to open the table's log
        costs many. The table knows better, and is asked where it does not go on from there.
        """
        mark = last = self.store.projected(chain)
        appended, asked = 0, False
        while documents := list(islice(self.store.chain(chain, after=last), BATCH_ROWS)):
            if not appended:
                self._settle(chain)  # before: a chain without news is not looked at again
            if self._append(chain, documents, last):
                appended, last = appended + len(documents), int(documents[-1]["sequence"])
            elif asked:
                return appended  # another projection was faster; the sweeper sends what is left
            else:
                last, asked = self.tables.last_batch(AUDIT_TABLE, _writer(chain)), True
        if last != mark:
            self.store.note_projected(chain, last)
        return appended

    def _append(self, chain: str, documents: list[dict[str, Any]], after: int) -> bool:
        now = self.clock.now()
        rows = [audit_row(document, self.provenance, now) for document in documents]
        batch = int(documents[-1]["sequence"])
        writer = _writer(chain)
        return self.tables.append(AUDIT_TABLE, rows, writer=writer, batch=batch, after=after)

    def _settle(self, chain: str) -> None:
        try:
            moved = self.triggers(chain) if self.triggers is not None else 0
        except Refused:
            # the audit must not wait for a table that will never take it
            log.exception("the triggers of %s cannot be settled", chain)
        else:
            log.info("%s: %d triggers moved on", chain, moved)


def _writer(chain: str) -> str:
    return f"ledger:{chain}"


def audit_row(
    document: Mapping[str, Any], provenance: Provenance, inserted_at: datetime | None = None
) -> dict[str, Any]:
    """Flatten a ledger document to the superset of the columns auditors' queries use."""
    event = datetime.fromisoformat(document["event_ts"])
    context = document["context"]
    version = document["model_version"]
    promoted = document["to_stage"] in PROMOTES and document["outcome"] == "success"
    approver = str(context.get("approver") or document["subject"])
    return {
        "event_timestamp": event,
        "model_name": document["chain"],
        "model_version": version,
        "promoted": promoted,
        "from_stage": document["from_stage"],
        "to_stage": document["to_stage"],
        "reason": document["reason"],
        "approver": approver,
        "git_sha": provenance.git_sha,
        "git_branch": provenance.git_branch,
        **_gate_columns(context),
        "_audit_inserted_at": inserted_at,
        "event_id": document["audit_id"],
        "event_time": event,
        "version": int(version) if version.isdigit() else None,
        "actor": document["subject"],
        "rationale": document["reason"],
        "audit_ts": event,
        "block_promotion": "True" if context.get("blocked") else "False" if promoted else None,
        "failed_attributes": context.get("failed_attributes"),
        "fairness_thresholds_json": context.get("fairness_thresholds_json"),
        "audit_id": document["audit_id"],
        "chain": document["chain"],
        "sequence": document["sequence"],
        "event_ts": event,
        "received_ts": datetime.fromisoformat(document["received_ts"]),
        "subject": document["subject"],
        "subject_type": document["subject_type"],
        "action": document["action"],
        "resource": document["resource"],
        "resource_type": document["resource_type"],
        "outcome": document["outcome"],
        "run_id": document["run_id"],
        "context_json": json.dumps(context, sort_keys=True),
        "hash_prev": document["hash_prev"],
        "hash_self": document["hash_self"],
        "retention_class": document["retention_class"],
        "schema_version": document["schema_version"],
    }


def _gate_columns(context: Mapping[str, Any]) -> dict[str, Any]:
    gates = context.get("gates", {})

    def passed(gate: str) -> bool | None:
        return gates[gate]["verdict"] == "PASS" if gate in gates else None

    return {
        "baseline_r2": context.get("champion_r2"),
        "challenger_r2": context.get("candidate_r2"),
        "gate1_passed": passed("performance"),
        "gate2_passed": passed("holdout"),
        "gate3_passed": passed("calibration"),
        "data_version": context.get("data_version"),
        "consecutive_wins": context.get("consecutive_wins"),
        "consecutive_wins_required": context.get("consecutive_wins_required"),
    }
