"""What goes to Azure: the files, and the libraries they import. ``make package`` builds it all."""

import ast
import re
import runpy
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
OURS = frozenset({"functions", "shared"})
NEEDED = {
    *("function_app.py", "functions", "host.json", "LICENSE", "models.yaml"),
    *("requirements.txt", "shared"),
}
# Imported, and not pinned by itself: whose version decides, by whom it is required.
COMES_WITH = {
    "markupsafe": "jinja2",
    "urllib3": "requests",
}
# Imported where it is there: mlflow-skinny opens no database.
OPTIONAL = frozenset({"sqlalchemy"})


@pytest.fixture(scope="module")
def builder() -> Any:
    return SimpleNamespace(**runpy.run_path(str(ROOT / "scripts" / "build_package.py")))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(file: str) -> dict[str, str]:
    """Give the names of a requirements file, each with its line."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return {normal(line.partition("==")[0]): line for line in lines if line[:1] not in ("", "#")}


def imported() -> Iterator[tuple[str, str]]:
    """Give each module that deployed code imports, at whatever line, with who imports it."""
    for path in [ROOT / "function_app.py", *(p for d in OURS for p in (ROOT / d).rglob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from ((name, path.relative_to(ROOT).as_posix()) for name in names)


def owners() -> dict[str, set[str]]:
    """Give who installs a module: dotted name of each package or module -> distributions."""
    found: dict[str, set[str]] = {}
    for each in distributions():
        owner, record = normal(each.name), each.read_text("RECORD") or ""
        for line in record.splitlines():
            path, _, rest = line.partition(".")
            if rest.partition(",")[0].rpartition(".")[2] in ("py", "so"):
                name = path.removesuffix("/__init__").replace("/", ".")
                found.setdefault(name, set()).add(owner)
    return found


def owner_of(name: str, known: dict[str, set[str]]) -> set[str]:
    """Give who installs the longest part of a dotted name that somebody installs."""
    parts = name.split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((known[each] for each in names if each in known), set())


def test_nothing_but_what_runs_is_deployed(builder: Any):
    files = builder.deployed_files()

    assert {path.parts[0] for path in files} == NEEDED
    inner = {path.suffix for path in files if path.parts[0] in OURS}
    assert inner <= {".py", ".css", ".j2"}


def test_what_a_machine_leaves_lying_about_is_not_deployed(builder: Any, tmp_path: Path):
    (tmp_path / ".funcignore").write_bytes((ROOT / ".funcignore").read_bytes())
    for name in (
        *(".env", ".venv/bin/python", ".git/config", ".local/run/keys.json", ".azure/dev/.env"),
        *("local.settings.json", "mlruns/0/meta.yaml", "shared/__pycache__/config.pyc"),
        *("tests/fakes/loop.py", "local/cli.py", "infra/main.bicep", "requirements-dev.txt"),
        "shared/config.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    assert builder.deployed_files(tmp_path) == [Path("shared/config.py")]


def test_a_lean_package_has_everything_but_the_libraries_own_tests(builder: Any, tmp_path: Path):
    kept = {"a/code.py", "a/latests/x.py", "a/testing.py"}
    for name in (*kept, "a/tests/test_x.py", "a/b/tests/tests/data.csv", "tests/test_y.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    builder._without_tests(tmp_path)

    assert {
        each.relative_to(tmp_path).as_posix() for each in tmp_path.rglob("*") if each.is_file()
    } == kept


def test_every_library_that_deployed_code_imports_is_pinned_for_deployment():
    deployed, known = pinned("requirements.txt"), owners()

    missing = {
        (name, path)
        for name, path in imported()
        if name.partition(".")[0] not in {*sys.stdlib_module_names, *OURS, *OPTIONAL}
        and not {COMES_WITH.get(each, each) for each in owner_of(name, known)} & set(deployed)
    }

    assert missing == set()


def test_what_is_not_pinned_comes_with_what_is():
    required = {
        normal(each.metadata["Name"]): {
            normal(re.match(r"[\w.-]+", line)[0]) for line in each.requires or ()
        }
        for each in distributions()
    }

    deployed = set(pinned("requirements.txt"))
    assert all(owner in deployed and name in required[owner] for name, owner in COMES_WITH.items())


def test_what_only_the_local_stack_needs_is_not_deployed():
    deployed, local = pinned("requirements.txt"), pinned("requirements-local.txt")

    assert not set(deployed) & {*local, *pinned("requirements-dev.txt")}
    assert "mlflow" in local
    assert "mlflow-skinny" in deployed


def test_every_pin_is_exact_and_the_two_parts_of_mlflow_are_of_one_version():
    deployed, local = pinned("requirements.txt"), pinned("requirements-local.txt")

    lines = [*deployed.values(), *local.values()]
    assert all(re.match(r"[\w.-]+==[\w.]+(; python_version .*)?$", line) for line in lines), lines
    assert deployed["mlflow-skinny"].partition("==")[2] == local["mlflow"].partition("==")[2]
