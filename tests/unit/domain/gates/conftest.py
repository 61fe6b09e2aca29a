"""A model and evidence that pass every gate; each test spoils what it is about."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from shared.catalogue import Model
from shared.domain.gates.evidence import Evidence, Lineage

ROWS = 1000


def _document(task: str) -> dict[str, Any]:
    guid = "00000000-0000-0000-0000-00000000000{}".format
    return {
        "name": "slot-revenue",
        "task": task,
        "domain": "casino",
        "regulated": False,
        "owner": "floor-analytics",
        "cost_center": "cc-1",
        "fabric": {"workspace_id": guid(1), "pipeline_id": guid(2)},
        "data": {"predictions": "a.p", "actuals": "a.a", "holdout": "a.h"},
        "columns": {"timestamp": "ts", "id": "id", "prediction": "p", "actual": "a"},
        "features": [
            {"name": "coin_in", "kind": "numeric"},
            {"name": "zone", "kind": "categorical"},
        ],
        "gates": {"performance": {"floor": 0.75}},
    }


def a_lineage(**changes: Any) -> Lineage:
    """Give what is on record of a version made as it should be; keywords replace its parts."""
    tags = {
        "retrain_run_id": "run-1",
        "training_data_table": "a.t",
        "training_data_version": "12",
        "training_end": "2026-01-01T00:00:00+00:00",
        "git_sha": "c0ffee0",
        "requirements": "scikit-learn==1.7.2\nskops==0.13.0",
        "holdout_table": "a.h",
        "holdout_version": "3",
    }
    parts: dict[str, Any] = {
        "run_id": "run-1",
        "tags": tags | changes.pop("tags", {}),
        "holdout_table": "a.h",
        "rows": ROWS,
    }
    return Lineage(**(parts | changes))


@pytest.fixture
def a_model() -> Callable[..., Model]:
    """Build a model; keywords are sections of ``gates``, merged over the defaults."""

    def build(task: str = "regression", *, regulated: bool = False, **gates: Any) -> Model:
        document = _document(task)
        for name, section in gates.items():
            merged = document["gates"].get(name)
            document["gates"][name] = merged | section if isinstance(merged, dict) else section
        # regulated is set past the catalogue's own check: the gate must hold without it
        return Model.model_validate(document).model_copy(update={"regulated": regulated})

    return build


@pytest.fixture
def evidence() -> Callable[..., Evidence]:
    """Build evidence; keywords replace its parts."""

    def build(task: str = "regression", **parts: Any) -> Evidence:
        rng = np.random.default_rng(7)
        if task == "regression":
            actual = rng.normal(100, 20, ROWS)
            near = actual + rng.normal(0, 5, ROWS)
        else:
            near = rng.uniform(0, 1, ROWS)
            actual = (rng.uniform(0, 1, ROWS) < near).astype(float)
        given: dict[str, Any] = {
            "task": task,
            "actual": actual,
            "candidate": near,
            "champion": near,
            "latencies_ms": np.full(ROWS, 4.0),
            "lineage": a_lineage(),
            "probes": dict.fromkeys(("column_order", "one_row", "missing", "extreme"), ""),
        }
        return Evidence(**(given | parts))

    return build
