"""A main file with every module it reaches, and its parameter file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.bicep.parse import parse_file
from local.bicep.registry import AVM_MODULES, Registry, read_registry
from local.bicep.syntax import BicepError, BicepFile

INFRA = Path(__file__).parents[2] / "infra"


@dataclass(frozen=True)
class Project:
    """The files, the main one first, by their resolved path; and the registry's modules."""

    main: BicepFile
    files: Mapping[Path, BicepFile]
    missing: tuple[str, ...]
    """Modules that lead nowhere, each as ``file:line: message``."""
    registry: Registry


def load_project(main: Path = INFRA / "main.bicep") -> Project:
    """Read the main file and its modules.

    Raises:
        BicepError: a file's syntax is wrong, or the main file is not there.
    """
    start = parse_file(main.resolve())
    files, missing, left = {start.path: start}, [], [start]
    while left:
        file = left.pop()
        for module in file.modules.values():
            if module.is_from_registry:
                continue
            target = file.target(module)
            if not target.is_file():
                where = f"{file.path.name}:{module.line}"
                missing.append(f"{where}: module {module.symbol}: there is no {module.what}")
            elif target not in files:
                files[target] = parse_file(target)
                left.append(files[target])
    return Project(start, files, tuple(missing), _registry(start.path.parent / AVM_MODULES))


def _registry(file: Path) -> Registry:
    return read_registry(read_json(file)) if file.is_file() else Registry("", {})


def read_json(path: Path) -> Any:
    """Read a JSON file beside the Bicep.

    Raises:
        BicepError: it is not there, or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BicepError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise BicepError(f"{path}: {error}") from error
