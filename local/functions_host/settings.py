"""App settings: local.settings.json, the environment, %SETTING% and connections."""

import json
import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.functions_host.errors import MissingSetting, StartupFailed

_PLACEHOLDER = re.compile(r"%([^%\s]+)%")

# The storage emulator's account and key are public constants of every Azure Storage SDK.
_EMULATOR = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"
    "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
    "TableEndpoint=http://127.0.0.1:10002/devstoreaccount1;"
)


@dataclass(frozen=True)
class Settings:
    """The app settings as functions see them in their environment. Values may be secrets."""

    values: Mapping[str, str] = field(repr=False)

    def resolve(self, text: str) -> str:
        """Replace every ``%NAME%`` in ``text``; raises MissingSetting for the first unknown one."""
        return _PLACEHOLDER.sub(lambda match: self._required(match.group(1)), text)

    def connection_string(self, name: str) -> str:
        """Give the storage connection string a binding's ``connection`` names.

        The real host also accepts the name without its ``AzureWebJobs`` prefix.
        """
        for candidate in (name, f"AzureWebJobs{name}"):
            value = self.values.get(candidate, "")
            if value.strip().rstrip(";").lower() == "usedevelopmentstorage=true":
                return _EMULATOR
            if value:
                return value
        raise MissingSetting(name)

    def is_disabled(self, function: str) -> bool:
        value = self.values.get(f"AzureWebJobs.{function}.Disabled", "")
        return value.strip().lower() in {"true", "1"}

    def _required(self, name: str) -> str:
        value = self.values.get(name, "")
        if not value:
            raise MissingSetting(name)
        return value


def load_settings(path: Path | None, environment: MutableMapping[str, str]) -> Settings:
    """Merge ``Values`` of the file into ``environment``, where what exists wins, as ``func`` does.

    The environment is changed because that is where functions read their settings.
    """
    for name, value in _file_values(path).items():
        environment.setdefault(name, value)
    return Settings(dict(environment))


def settings_path(given: Path | None, app_dir: Path) -> Path | None:
    """Give the settings file to read: the one asked for, or the app's own if there is one."""
    default = app_dir / "local.settings.json"
    return given or (default if default.is_file() else None)


def process_environment() -> MutableMapping[str, str]:
    return os.environ


def _file_values(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    document = read_json_object(path, "settings file")
    if document.get("IsEncrypted"):
        raise StartupFailed(
            [f"settings file {path} is encrypted: run 'func settings decrypt' where func exists"]
        )
    values = document.get("Values", {})
    wrong = [name for name, value in values.items() if not isinstance(value, str)]
    if wrong:
        raise StartupFailed(
            f"settings file {path}: Values.{name} is not a string" for name in wrong
        )
    return dict(values)


def read_json_object(path: Path, what: str) -> dict[str, Any]:
    """Read a JSON object from ``path``; StartupFailed says what is wrong with it."""
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise StartupFailed([f"{what} {path} cannot be read: {error.strerror}"]) from error
    except ValueError as error:
        raise StartupFailed([f"{what} {path} is not valid JSON: {error}"]) from error
    if not isinstance(document, dict):
        raise StartupFailed([f"{what} {path} does not hold a JSON object"])
    return document
