"""The Fabric items as the tests of this folder read them, and the script that writes some."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
FABRIC = ROOT / "infra" / "fabric"
PYTHON_NOTEBOOKS = (
    "batch_score", "compare_versions", "create_tables", "train_flight_delay", "train_slot_revenue",
)  # fmt: skip


def notebook(name: str) -> Path:
    return FABRIC / f"{name}.Notebook" / "notebook-content.py"


def platform(item: str) -> dict:
    return json.loads((FABRIC / item / ".platform").read_text(encoding="utf-8"))


def pipeline(name: str) -> dict:
    path = FABRIC / f"{name}.DataPipeline" / "pipeline-content.json"
    return json.loads(path.read_text(encoding="utf-8"))["properties"]


def script(name: str) -> ModuleType:
    """Load one of the scripts, which are no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
