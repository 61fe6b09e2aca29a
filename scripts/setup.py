"""Makes the virtual environment that every make target runs in; says plainly what is missing.

Runs on the system's Python with the standard library alone, before anything is installed.
"""

import subprocess
import sys
from pathlib import Path

OLDEST, NEWEST = (3, 11), (3, 13)

# The code of Microsoft's own Functions worker, to test the app against. On 3.13 it is an ordinary
# dependency; its wheel hides from older Pythons although it runs on them, hence the flags.
WORKER = ["azure-functions-runtime==1.3.0", "azurefunctions-extensions-base==1.2.0"]
NO_REGISTRY = "could not reach the package registry: check the network, a proxy, or pip's settings"


def main() -> int:
    """Make the environment; gives the exit status."""
    found = sys.version_info[:2]
    if not OLDEST <= found <= NEWEST:
        print(
            f"Python 3.11 to 3.13 is needed, this is {found[0]}.{found[1]}. "
            "Name another one: make PYTHON=python3.12 ...",
            file=sys.stderr,
        )
        return 1
    venv = Path(sys.argv[1])
    how = "Bringing up to date" if (venv / "bin" / "python").exists() else "Setting up"
    print(f"{how} {venv} (a minute or two, once) ...", flush=True)
    return _make(venv) or _install(venv, ["-e", ".[dev]"]) or _install(venv, _worker_arguments())


def _worker_arguments() -> list[str]:
    return ["--no-deps", "--ignore-requires-python", *WORKER]


def _make(venv: Path) -> int:
    if (venv / "bin" / "python").exists():
        return 0
    done = subprocess.run([sys.executable, "-m", "venv", str(venv)], check=False)
    if done.returncode:
        print(
            "could not make a virtual environment: on Debian and Ubuntu, install python3-venv",
            file=sys.stderr,
        )
    return done.returncode


def _install(venv: Path, what: list[str]) -> int:
    pip = [str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-q"]
    # Python compiles what it imports, which is a part of what is installed
    command = [*pip, "install", "--no-compile", *what]
    done = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        hint = NO_REGISTRY if "onnection" in done.stderr or "etwork" in done.stderr else ""
        print(f"pip could not install {' '.join(what)}. {hint}".strip(), file=sys.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
