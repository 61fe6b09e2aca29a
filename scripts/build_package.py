"""Builds the package that Azure runs, weighs it, and tries its imports: ``make package``.

Does what a remote build does: the files that .funcignore leaves, and beside them requirements.txt
in ``.python_packages/lib/site-packages``, as Linux wheels, for each Python that is on this machine.
Then everything the app imports is imported from the package and from nothing else.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Final

import pathspec

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux2014_x86_64")
"""What Azure Functions' images, Debian 12 and later, can load."""
SITE = Path(".python_packages") / "lib" / "site-packages"
MOST_ZIPPED = 1_000_000_000
"""Bytes. Source: Azure Functions, run from a package: the file may have 1 GB at most."""
TEMPORARY: Final = 800_000_000
"""Bytes. Source: Azure Functions, service limits: temporary storage on Flex Consumption, 0.8 GB."""
MEGABYTE = 1_000_000
SHOWN = 15

# Everything the app may import, also what it imports late; nothing but the package is on the path.
TRIAL = """
import importlib, pkgutil, sys
sys.path[:0] = sys.argv[1:3]
import function_app
names = {each.get_function_name() for each in function_app.app.get_functions()}
assert "receive_alert" in names, names
import functions, shared
ours = [each.name for package in (functions, shared)
        for each in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
late = ["mlflow.pyfunc", "mlflow.sklearn", "mlflow.artifacts", "mlflow.models",
        "sklearn.linear_model",
        "skops.io", "fairlearn.metrics", "pandas", "pyarrow.compute", "duckdb", "deltalake",
        "azure.identity", "azure.kusto.data", "azure.monitor.ingestion", "azure.monitor.query",
        "azure.monitor.opentelemetry", "azure.storage.blob", "azure.storage.queue",
        "azure.data.tables", "jwt", "croniter", "yaml"]
for name in ours + late:
    importlib.import_module(name)
outside = sorted(name for name, module in sys.modules.items() if "site-packages" in
                 (getattr(module, "__file__", None) or "") and sys.argv[2] not in module.__file__)
assert not outside, outside
print(len(names), len(ours) + len(late))
"""


@dataclass(frozen=True)
class Package:
    """One built package.

    Attributes:
        tried: what the trial says.
    """

    python: str
    unpacked: int
    zipped: int
    weights: dict[str, int]
    tried: str


def deployed_files(root: Path = ROOT) -> list[Path]:
    """Give what .funcignore leaves, relative to the root."""
    lines = (root / ".funcignore").read_text(encoding="utf-8").splitlines()
    ignored = pathspec.GitIgnoreSpec.from_lines(lines)
    found: list[Path] = []
    for folder, inner, files in os.walk(root):
        here = Path(folder).relative_to(root)
        inner[:] = [each for each in inner if not ignored.match_file(f"{here / each}/")]
        found += [here / each for each in files if not ignored.match_file(here / each)]
    return sorted(found)


def build(python: str, program: str, out: Path, *, lean: bool) -> Package:
    """Build the package of one Python in a folder of its own, made anew.

    Args:
        python: its version.
        program: its interpreter.
        out: the folder; beside it comes the archive.
        lean: leave out the libraries' own tests, which a remote build keeps.
    """
    shutil.rmtree(out, ignore_errors=True)
    for path in deployed_files():
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, out / path)
    _install(program, out / SITE)
    if lean:
        _without_tests(out / SITE)
    weights = {each.name: _weight(each) for each in distributions(path=[str(out / SITE)])}
    archive = _zipped(out)
    tried = _tried(program, out)
    return Package(python, _folder_bytes(out), archive.stat().st_size, weights, tried)


def _install(program: str, target: Path) -> None:
    # by that Python's own pip: another one's would read the requirements' markers as its own
    command = [program, "-m", "pip", "--disable-pip-version-check", "-q", "install"]
    command += ["--target", str(target), "--requirement", str(ROOT / "requirements.txt")]
    command += ["--only-binary", ":all:"]
    command += [word for each in PLATFORMS for word in ("--platform", each)]
    # warnings of a registry's mirror are not ours
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{program}: pip could not install:\n{done.stderr}")


def _without_tests(site: Path) -> None:
    for folder in [each for each in site.rglob("tests") if each.is_dir()]:
        shutil.rmtree(folder, ignore_errors=True)  # one may lie in another, and be gone


def _weight(found: Distribution) -> int:
    """Give the bytes a distribution has written."""
    files = (Path(str(found.locate_file(each))) for each in found.files or ())
    return sum(each.stat().st_size for each in files if each.is_file())


def _folder_bytes(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())


def _zipped(folder: Path) -> Path:
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as packed:
        for path in sorted(folder.rglob("*")):
            packed.write(path, path.relative_to(folder))
    return archive


def _tried(program: str, folder: Path) -> str:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "imports not tried: these wheels are for Linux on x86-64"
    # -S: without it the interpreter's own site-packages would stand in for what is missing
    command = [program, "-I", "-S", "-c", TRIAL, str(folder), str(folder / SITE)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder)
    if done.returncode:
        raise SystemExit(f"{program}: the package cannot be imported:\n{done.stderr}")
    functions, modules = done.stdout.split()[-2:]
    return f"{functions} functions indexed, {modules} modules imported"


def interpreter(python: str) -> str | None:
    """Give a Python of this version that runs; None where there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    if python == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable  # it has pip, which a system's own may lack
    places = [shutil.which(f"python{python}"), *map(str, pyenv.glob(f"{python}.*/bin/python"))]
    for place in filter(None, places):
        # a shim on the PATH may be there and have nothing behind it
        done = subprocess.run([place, "-c", ""], check=False, capture_output=True)
        if done.returncode == 0:
            return place
    return None


def show(package: Package) -> None:
    print(f"\nPython {package.python}: {package.unpacked / MEGABYTE:.0f} MB, "
          f"zipped {package.zipped / MEGABYTE:.0f} of {MOST_ZIPPED / MEGABYTE:.0f} MB; "
          f"{package.tried}")  # fmt: skip
    if package.unpacked > TEMPORARY:
        print(f"  unpacked it is over the {TEMPORARY / MEGABYTE:.0f} MB of temporary storage: "
              "it must be mounted, or built with --lean")  # fmt: skip
    heaviest = sorted(package.weights.items(), key=lambda each: -each[1])
    for name, size in heaviest[:SHOWN]:
        print(f"  {size / MEGABYTE:8.1f} MB  {name}")
    rest = sum(size for _, size in heaviest[SHOWN:])
    print(f"  {rest / MEGABYTE:8.1f} MB  {max(0, len(heaviest) - SHOWN)} others")


def main() -> int:
    """Build what was asked for; exit status 1 where a package is too large."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--python", nargs="+", choices=PYTHONS, default=PYTHONS)
    parser.add_argument("--lean", action="store_true", help="without the libraries' own tests")
    parser.add_argument("--out", type=Path, default=ROOT / ".local" / "package")
    given = parser.parse_args()
    largest = 0
    for python in given.python:
        program = interpreter(python)
        if program is None:
            print(f"\nPython {python}: not built, there is none here")
            continue
        package = build(python, program, given.out / f"python-{python}", lean=given.lean)
        show(package)
        largest = max(largest, package.zipped)
    return 0 if 0 < largest <= MOST_ZIPPED else 1


if __name__ == "__main__":
    sys.exit(main())
