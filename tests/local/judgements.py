"""Judgements that a page is made from: of a model that does well, badly, or not at all."""

from datetime import UTC, datetime
from typing import Any

import numpy as np

from shared.catalogue import Model
from shared.domain.gates.evidence import Evidence
from shared.domain.gates.judge import run_gates
from shared.domain.gates.report import Judgement
from shared.domain.gates.rows import Judged
from tests.fakes.samples import model_document

ROWS = 1200
AT = datetime(2013, 7, 9, 4, 5, tzinfo=UTC)
GROUPS = ("AA", "UA", "DL")


def judgement(task: str = "regression", *, model: Any = None, run_id: str = "run-1", **parts: Any):
    """Judge a sample; ``model`` changes its document, the others the evidence."""
    found = Model.model_validate(document(task, **(model or {})))
    evidence = Evidence(**(sample(task) | parts))
    ticks = iter(range(1000))
    results = run_gates(evidence, found, lambda: next(ticks) / 1000)
    return Judgement(found, Judged(run_id, found.name, "12", "11", AT), results, evidence)


def document(task: str, **changes: Any) -> dict[str, Any]:
    gates = {
        "performance": {"floor": 0.5},
        "fairness": {
            "attributes": ["carrier"],
            "positive_above": 100.0 if task == "regression" else 0.5,
        },
        "slices": {"columns": ["origin"]},
        "latency": {"calls": 100},
    }
    return model_document(task=task, gates=gates | changes.pop("gates", {}), **changes)


def sample(task: str) -> dict[str, Any]:
    rng = np.random.default_rng(7)
    if task == "regression":
        actual = rng.normal(100, 20, ROWS)
        candidate, champion = (actual + rng.normal(0, wide, ROWS) for wide in (5, 6))
    else:
        candidate = rng.uniform(0, 1, ROWS)
        actual = (rng.uniform(0, 1, ROWS) < candidate).astype(float)
        champion = np.clip(candidate + rng.normal(0, 0.2, ROWS), 0, 1)
    return {
        "task": task,
        "actual": actual,
        "candidate": candidate,
        "champion": champion,
        "latencies_ms": rng.lognormal(1.6, 0.35, 200),
        "attributes": {"carrier": rng.choice(GROUPS, ROWS)},
        "slices": {"origin": rng.choice(["JFK", "EWR"], ROWS)},
        "importances": {"distance": 0.61, "hour": 0.02},
        "champion_importances": {"distance": 0.57, "hour": 0.04},
    }
