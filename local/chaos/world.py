"""The world of the chaos run: many models, each with a pipeline of one quick notebook.

What may go in here: the catalogue and the Fabric items, as files. One pair of models shares a
pipeline, for two starts on one pipeline are told apart by nothing but the order of events.
"""

import json
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import yaml

WORKSPACE = "6f3c1a52-0d1e-4b53-9a52-3f2f0a8f7d10"
PARAMETERS = ("run_id", "model")
GRACE_SECONDS = 6
"""Above what a start may be slow by, and below a person's patience."""
DEADLINE_MINUTES = 2


def model_names(count: int) -> list[str]:
    return [f"model-{number:03d}" for number in range(count)]


def write_catalogue(path: Path, models: list[str]) -> None:
    """Write models.yaml: no trigger rests, so that every alert may become a run."""
    document = {"version": 1, "models": [_model(name, models) for name in models]}
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def write_items(folder: Path, models: list[str]) -> None:
    """Write the notebook, and a pipeline for each model, in the format of Fabric's git."""
    _platform(folder / "job.Notebook", "Notebook", "job")
    source = "# Fabric notebook source\n# CELL ********************\n"
    (folder / "job.Notebook" / "notebook-content.py").write_text(source, encoding="utf-8")
    for name in models:
        place = folder / f"{name}.DataPipeline"
        _platform(place, "DataPipeline", name)
        content = {"properties": _pipeline()}
        (place / "pipeline-content.json").write_text(json.dumps(content), encoding="utf-8")


def item_id(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"chaos/{name}"))


def _model(name: str, models: list[str]) -> dict[str, Any]:
    pipeline = models[-2] if name == models[-1] and len(models) > 1 else name
    rest = ("drift", "performance", "hybrid", "concept", "volume", "anomaly")
    return {
        "name": name,
        "task": "regression",
        "domain": "chaos",
        "regulated": False,
        "owner": "chaos@example.com",
        "cost_center": "cc-0",
        "fabric": {"workspace_id": WORKSPACE, "pipeline_id": item_id(pipeline)},
        "data": {kind: f"lh_gold.{kind}" for kind in ("predictions", "actuals", "holdout")},
        "columns": {"timestamp": "ts", "id": "id", "prediction": "guess", "actual": "truth"},
        "features": [{"name": "x", "kind": "numeric"}],
        "policy": {
            "cooldown_days": dict.fromkeys(rest, 0.0),
            "held_kinds": [],
            "budget": {"runs": 10_000},
            "start_grace_seconds": GRACE_SECONDS,
            "job_deadline_minutes": DEADLINE_MINUTES,
        },
        "gates": {"performance": {"floor": 0.5}},
    }


def _platform(folder: Path, kind: str, name: str) -> None:
    folder.mkdir(parents=True)
    content = {
        "metadata": {"type": kind, "displayName": name},
        "config": {"version": "2.0", "logicalId": item_id(name)},
    }
    (folder / ".platform").write_text(json.dumps(content), encoding="utf-8")


def _pipeline() -> dict[str, Any]:
    given = {
        name: {
            "value": {"value": f"@pipeline().parameters.{name}", "type": "Expression"},
            "type": "string",
        }
        for name in PARAMETERS
    }
    activity = {
        "name": "Train",
        "type": "TridentNotebook",
        "typeProperties": {"notebookId": item_id("job"), "parameters": given},
    }
    parameters = {name: {"type": "string", "defaultValue": ""} for name in PARAMETERS}
    return {"activities": [activity], "parameters": parameters}
