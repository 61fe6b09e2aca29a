"""Which versions may be loaded at all: where their files may lie, and what the files may be.

Decided before anything of the version is loaded. ``MLmodel`` is written by whoever made the
version, so what it says is held against a list of what is known, never against what is forbidden.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PICKLES = frozenset({".pkl", ".pickle", ".joblib", ".cloudpickle", ".dill"})
_DATA_ONLY = frozenset({"mlflow.sklearn", "mlflow.xgboost", "mlflow.lightgbm", "mlflow.onnx"})
"""Loaders that read data and run none of the version's code, once there is no pickle."""
_ONELAKE = "onelake.dfs.fabric.microsoft.com"


def locations(tracking_uri: str, further: str = "") -> tuple[str, ...] | None:
    """Give the address prefixes a registry keeps its files under, and those named ``further``.

    A file or SQLite store keeps them under its own folder; a server keeps them behind itself
    (``mlflow-artifacts:``) or, on Fabric, in OneLake: with ``sds:`` anywhere in it, with
    ``fabric:`` in the registry's own workspace. None, for ``*``: anywhere.
    """
    if further.strip() == "*":
        return None
    own = tuple(each.strip() for each in further.split(",") if each.strip())
    parts = urlsplit(tracking_uri)
    if parts.scheme == "sqlite":
        return (_folder(str(Path(tracking_uri.removeprefix("sqlite:///")).parent)), *own)
    if parts.scheme in {"", "file"}:
        return (_folder(unquote(parts.path)), *own)
    if parts.scheme == "fabric":
        return (f"abfss://{parts.netloc.lower()}@{_ONELAKE}/", *own)
    if parts.scheme == "sds":
        return ("sds://", f"abfss://*@{_ONELAKE}/", f"https://{_ONELAKE}/", *own)
    return ("mlflow-artifacts:/", f"{parts.scheme}://{parts.netloc}/", *own)


def elsewhere(source: str, allowed: Sequence[str]) -> str:
    """Say that files lie at none of the allowed places, or nothing."""
    if any(_under(source, prefix) for prefix in allowed):
        return ""
    return (
        f"its files lie at {source or 'no address'}, where the registry keeps none "
        "(see ARTIFACT_LOCATIONS)"
    )


def carries_code(folder: Path, description: Mapping[str, Any]) -> str:
    """Say by what loading a version would run code of its own, or nothing.

    Args:
        folder: the version's files.
        description: its ``MLmodel``.
    """
    flavors = description.get("flavors") or {}
    pyfunc = flavors.get("python_function") or {}
    for name in ("python_model", "model_code_path", "code"):
        if pyfunc.get(name):
            return f"its MLmodel names {name}"
    for flavor, given in flavors.items():
        form = given.get("serialization_format") if isinstance(given, dict) else None
        if form not in {None, "skops"}:
            return f"its {flavor} flavor is written as {form}"
    if pyfunc.get("loader_module") not in _DATA_ONLY:
        return f"its loader {pyfunc.get('loader_module')} is not known to read data alone"
    return _pickled_file(folder)


def _pickled_file(folder: Path) -> str:
    names = sorted(path.name for path in folder.rglob("*") if path.suffix.lower() in _PICKLES)
    return f"it holds the file {names[0]}" if names else ""


def _under(source: str, prefix: str) -> bool:
    parts, within = urlsplit(source), urlsplit(prefix)
    if parts.scheme in {"", "file"}:
        # a link or a step upwards leads out of the folder, whatever the address begins with
        return within.scheme in {"", "file"} and _folder(unquote(parts.path)).startswith(
            _folder(unquote(within.path))
        )
    if ".." in PurePosixPath(unquote(parts.path)).parts:
        return False
    if within.username == "*":  # any workspace of a storage account
        return (parts.scheme, parts.hostname) == (within.scheme, within.hostname)
    return source.startswith(f"{prefix.rstrip('/')}/")


def _folder(path: str) -> str:
    return f"{Path(path).resolve()}/"
