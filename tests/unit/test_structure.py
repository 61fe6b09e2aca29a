"""Who may import whom. Breaches are found by reading the sources, so nothing has to run."""

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_LINES = 400
STANDARD = sys.stdlib_module_names
OURS = frozenset({"shared", "functions", "local", "tests"})

# The outermost packages a module of the layer may import, beside the standard library.
ALLOWED: Mapping[str, frozenset[str]] = {
    "function_app": frozenset({"functions", "azure.functions"}),
    "functions": frozenset(
        {
            *("functions", "handlers", "domain", "errors", "bootstrap", "telemetry"),
            "azure.functions",
        }
    ),
    "handlers": frozenset(
        {"sections", "handlers", "domain", "ports", "errors", "catalogue", "numpy"}
    ),
    "domain": frozenset(
        {"sections", "domain", "errors", "catalogue", "numpy", "pyarrow", "fairlearn"}
    ),
    "adapters": frozenset(
        {
            *("adapters", "domain", "ports", "errors", "config", "catalogue", "sections"),
            *("azure", "deltalake", "duckdb", "mlflow", "numpy", "pandas", "pyarrow"),
            *("jinja2", "jwt", "markupsafe", "requests", "sqlalchemy", "urllib3", "yaml"),
        }
    ),
    "bootstrap": frozenset(
        {
            *("adapters", "handlers", "domain", "ports", "errors", "config", "catalogue"),
            *("outside", "telemetry", "azure.core"),
        }
    ),
    "outside": frozenset({"adapters", "ports", "errors", "config", "catalogue", "azure.core"}),
    "telemetry": frozenset({"domain", "telemetry", "azure.monitor", "opentelemetry"}),
    "config": frozenset({"errors", "pydantic"}),
    "catalogue": frozenset({"errors", "sections", "pydantic", "yaml"}),
    "sections": frozenset({"sections", "pydantic", "croniter"}),
    "errors": frozenset(),
    "ports": frozenset({"ports", "domain", "catalogue", "numpy", "pyarrow"}),
    "shared": frozenset(),
}

# What ties a module to a machine, a moment or chance.
IMPURE_MODULES = frozenset(
    {"io", "logging", "os", "pathlib", "random", "secrets", "socket", "subprocess", "time"}
)
IMPURE_CALLS = frozenset(
    {
        *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
        *("uuid.uuid1", "uuid.uuid4", "uuid1", "uuid4", "open"),
    }
)
CLOCKLESS = frozenset({"domain", "handlers", "functions"})
READS_ENVIRONMENT = frozenset({"shared/bootstrap.py", "shared/adapters/scoring/scorer.py"})


def sources() -> list[Path]:
    folders = (ROOT / "functions", ROOT / "shared")
    modules = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    return [ROOT / "function_app.py", *modules]


def breaches(path: str, source: str) -> list[str]:
    """Give what a module does and its layer may not; ``path`` is relative to the root."""
    tree, layer = ast.parse(source), layer_of(path)
    found = [
        f"{path}: {layer} imports {name}"
        for name in sorted(imports(tree))
        if not may_import(layer, name)
    ]
    uses = set(names_used(tree))
    if layer in CLOCKLESS:
        found += [f"{path}: {layer} calls {name}" for name in sorted(uses & IMPURE_CALLS)]
    if "os.environ" in uses | imports(tree) and path not in READS_ENVIRONMENT:
        found.append(f"{path}: {layer} reads os.environ")
    lines = len(source.splitlines())
    return [*found, f"{path}: {lines} lines, at most {MAX_LINES}"] if lines > MAX_LINES else found


def layer_of(path: str) -> str:
    parts = Path(path).with_suffix("").parts
    if parts[0] != "shared":
        return parts[0]
    return parts[1] if parts[1] != "__init__" else "shared"


def imports(tree: ast.AST) -> set[str]:
    """Give the dotted names a module imports, those under TYPE_CHECKING and in functions too."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            # "import shared" would hide from here which of its modules is used.
            found |= {f"{name.name}." if name.name in OURS else name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            # A relative import would hide from here which package it means.
            module = "." * node.level + (node.module or "")
            found |= {f"{module}.{name.name}" for name in node.names}
    return found


def may_import(layer: str, name: str) -> bool:
    allowed = ALLOWED[layer]
    parts = name.split(".")
    if parts[0] in OURS:
        return parts[1 if parts[0] == "shared" else 0] in allowed
    if parts[0] in STANDARD:
        return layer != "domain" or parts[0] not in IMPURE_MODULES
    return any(f"{name}.".startswith(f"{package}.") for package in allowed)


def names_used(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            # "datetime.datetime.now" counts by its end, as "datetime.now" does.
            owner = ast.unparse(node.value).rpartition(".")[2]
            yield f"{owner}.{node.attr}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_keeps_to_its_layer(path: Path):
    relative = path.relative_to(ROOT).as_posix()

    found = breaches(relative, path.read_text(encoding="utf-8"))

    assert found == []


def test_only_bootstrap_knows_handlers_and_adapters():
    def inner(path: Path) -> set[str]:
        names = imports(ast.parse(path.read_text(encoding="utf-8")))
        return {name.split(".")[1] for name in names if name.startswith("shared.")}

    both = [path for path in sources() if {"handlers", "adapters"} <= inner(path)]

    assert both == [ROOT / "shared" / "bootstrap.py"]


@pytest.mark.parametrize(
    ("path", "source", "complaint"),
    [
        ("functions/a.py", "from shared.adapters.clock import SystemClock", "functions imports"),
        ("functions/a.py", "import numpy", "functions imports numpy"),
        ("functions/a.py", "from azure.storage.queue import QueueClient", "functions imports"),
        ("shared/handlers/a.py", "from shared.adapters import clock", "handlers imports"),
        ("shared/handlers/a.py", "from shared import bootstrap", "imports shared.bootstrap"),
        ("shared/handlers/a.py", "def f():\n    import azure.core", "handlers imports azure.core"),
        ("shared/handlers/a.py", "from ..adapters import clock", "handlers imports ..adapters"),
        ("shared/handlers/a.py", "now = datetime.now(UTC)", "handlers calls datetime.now"),
        ("shared/adapters/a.py", "from shared.handlers import messages", "adapters imports"),
        ("shared/adapters/a.py", "import azurehack", "adapters imports azurehack"),
        ("shared/adapters/a.py", "import os\nx = os.environ['X']", "adapters reads os.environ"),
        ("shared/adapters/a.py", "from os import environ", "adapters reads os.environ"),
        ("shared/domain/a.py", "from shared.ports import Clock", "domain imports"),
        ("shared/domain/drift/a.py", "import mlflow.pyfunc", "domain imports mlflow.pyfunc"),
        ("shared/domain/a.py", "import requests", "domain imports requests"),
        ("shared/domain/a.py", "import time", "domain imports time"),
        ("shared/domain/a.py", "def f():\n    return open('x')", "domain calls open"),
        ("shared/domain/a.py", "x = date.today()", "domain calls date.today"),
        ("shared/domain/a.py", "x = datetime.datetime.now(UTC)", "domain calls datetime.now"),
        ("shared/domain/a.py", "import uuid\nx = uuid.uuid4()", "domain calls uuid.uuid4"),
        ("shared/handlers/a.py", "from uuid import uuid4\nx = uuid4()", "handlers calls uuid4"),
        ("shared/config.py", "import local.stack", "config imports local.stack"),
        ("shared/bootstrap.py", "from tests.fakes.clock import FakeClock", "imports tests"),
        ("shared/ports.py", "import azure.core", "ports imports azure.core"),
        ("function_app.py", "from shared import bootstrap", "function_app imports"),
        ("shared/errors.py", "x = 1\n" * 401, "401 lines"),
    ],
)
def test_a_breach_is_reported(path: str, source: str, complaint: str):
    found = breaches(path, source)

    assert len(found) == 1
    assert complaint in found[0]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("functions/a.py", "import azure.functions as func\nfrom shared.handlers import messages"),
        ("shared/handlers/a.py", "from datetime import datetime\nx = datetime(2013, 1, 1)"),
        ("shared/domain/drift/a.py", "import numpy as np\nimport pyarrow.compute as pc"),
        ("shared/adapters/a.py", "import os\nx = os.getpid()"),
        ("shared/bootstrap.py", "import os\nx = os.environ"),
    ],
)
def test_what_a_layer_may_do_is_no_breach(path: str, source: str):
    assert breaches(path, source) == []
