"""The model registry of a Fabric workspace over MLflow's plain REST API: the Registry port.

Needs neither MLflow nor Microsoft's plugin: ``requests`` and the app's own credential. Which calls
are made, and in which order, is ``registry_roles``'; here is how each looks. Not yet run live.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from shared.adapters.registry.fabric_registry_files import OneLakeFiles
from shared.adapters.registry.fabric_registry_http import UNKNOWN_CALLS, MlflowRest
from shared.adapters.registry.registry_base import RoleRegistry
from shared.adapters.registry.registry_roles import (
    ARCHIVED,
    CHAMPION,
    ROLE_TAG,
    STAGING,
    Capabilities,
    DropAlias,
    Move,
    SetAlias,
    SetTag,
    Write,
)
from shared.adapters.registry.registry_wire import LOGGED, PROBE, condition_for, known
from shared.adapters.rest_http import NoAnswer
from shared.adapters.scoring.scoring_sources import locations
from shared.errors import NotFound, Refused
from shared.ports import Clock, ModelVersion

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from shared.config import Settings

_PAGE = "1000"
"""Versions a page of a search: MLflow's servers take up to 10,000 and more."""


class FabricRegistry(RoleRegistry):
    """The Registry port, and where a scorer gets a version's files."""

    def __init__(self, server: "FabricServer") -> None:
        super().__init__(server)
        self._fabric = server

    @classmethod
    def connect(
        cls, settings: "Settings", credential: "TokenCredential", clock: Clock
    ) -> "FabricRegistry":
        """Make the registry that MLFLOW_TRACKING_URI names; nothing is sent yet."""
        workspace = settings.fabric_registry
        files = OneLakeFiles(
            settings.onelake_url,
            credential,
            clock,
            locations=locations(settings.mlflow_uri, settings.artifact_locations),
            seconds=settings.scoring_seconds,
        )
        rest = MlflowRest(settings.fabric_url, workspace, credential, clock)
        return cls(FabricServer(rest, files))

    def fetch(self, version: ModelVersion, folder: Path) -> None:
        """Copy a version's files into a folder; nothing of them is run or read.

        Raises:
            NotFound: there is no such version, or it has no files where they may lie.
            Unavailable: registry or OneLake did not answer.
        """
        self._fabric.fetch(version, folder)


class FabricServer:
    """The calls, as MLflow's REST API has them."""

    def __init__(self, rest: MlflowRest, files: OneLakeFiles) -> None:
        self._rest = rest
        self._files = files

    def capabilities(self) -> Capabilities:
        """Ask about a model that is not there, by the very calls that are made later."""
        named = {"name": PROBE, "alias": CHAMPION}
        moved = {"version": "1", "stage": STAGING, "archive_existing_versions": False}
        return Capabilities(
            aliases=_has(lambda: self._rest.ask("GET", "registered-models/alias", params=named)),
            stages=_has(lambda: self._post("model-versions/transition-stage", PROBE, **moved)),
            tags=_has(lambda: self.write(PROBE, SetTag("1", ROLE_TAG, CHAMPION))),
        )

    def aliases(self, model: str) -> Mapping[str, str] | None:
        try:
            found = self._get("registered-models/get", "registered_model", name=model)
        except NotFound:
            return None
        _text(found, "name")  # a model without a name is none that has no champion
        listed = found.get("aliases") or ()
        return {_text(each, "alias"): _text(each, "version") for each in listed}

    def version(self, model: str, version: str) -> ModelVersion:
        found = self._get("model-versions/get", "model_version", name=model, version=version)
        return _normal(found)

    def versions(self, model: str, run_id: str = "") -> Iterator[ModelVersion]:
        params = {"filter": condition_for(model, run_id), "max_results": _PAGE}
        token = ""
        while True:
            asked = {**params, "page_token": token} if token else params
            page = self._rest.ask("GET", "model-versions/search", params=asked)
            for found in page.get("model_versions") or ():
                # a server that leaves the filter aside would lend one model another's champion
                if found.get("name") == model:
                    yield _normal(found)
            token = str(page.get("next_page_token") or "")
            if not token:
                return

    def write(self, model: str, write: Write) -> None:
        match write:
            case SetAlias(alias, version):
                self._post("registered-models/alias", model, alias=alias, version=version)
            case DropAlias(alias):
                self._drop(model, alias)
            case SetTag(version, name, value):
                self._post("model-versions/set-tag", model, version=version, key=name, value=value)
            case Move(version, stage):
                others = stage != ARCHIVED
                self._post(
                    "model-versions/transition-stage",
                    model,
                    version=version,
                    stage=stage,
                    archive_existing_versions=others,
                )

    def attach(self, version: ModelVersion, name: str, content: bytes) -> None:
        run = self._get("runs/get", "run", run_id=version.run_id)
        self._files.put(str(run.get("info", {}).get("artifact_uri") or ""), name, content)

    def fetch(self, version: ModelVersion, folder: Path) -> None:
        asked = {"name": version.name, "version": version.version}
        found = self._rest.ask("GET", "model-versions/get-download-uri", params=asked)
        address = str(found.get("artifact_uri") or version.source)
        if address.startswith(LOGGED):
            address = self._logged_at(address.removeprefix("models:/"))
        self._files.copy(address, folder)

    def _logged_at(self, logged_model: str) -> str:
        """Give where a logged model's files lie: MLflow 3 may name it in place of an address."""
        found = self._get(f"logged-models/{quote(logged_model, safe='')}", "model")
        return str(found.get("info", {}).get("artifact_uri") or "")

    def _get(self, path: str, what: str, **params: str) -> Mapping[str, Any]:
        """Give one thing; an answer without it is no answer, and never taken for an empty one."""
        found = self._rest.ask("GET", path, params=params).get(what)
        if not isinstance(found, dict):
            raise NoAnswer(f"Fabric's registry: the answer has no {what}", subject=path)
        return found

    def _post(self, path: str, model: str, **body: Any) -> None:
        self._rest.ask("POST", path, body={"name": model, **body})

    def _drop(self, model: str, alias: str) -> None:
        """Delete an alias; one that is gone by now was deleted, perhaps by the try before."""
        asked = {"name": model, "alias": alias}
        try:
            # in both places: MLflow's servers read the body, and Microsoft's plugin sends no body
            # with a DELETE
            self._rest.ask("DELETE", "registered-models/alias", params=asked, body=asked)
        except (NotFound, Refused):
            if alias in (self.aliases(model) or {}):
                raise


def _has(call: Callable[[], Any]) -> bool:
    return known(call, UNKNOWN_CALLS)


def _text(found: Mapping[str, Any], name: str) -> str:
    """Give what must be there; an answer without it is no answer."""
    if name not in found:
        raise NoAnswer(f"Fabric's registry: the answer has no {name}")
    return str(found[name])


def _normal(found: Mapping[str, Any]) -> ModelVersion:
    tags = {_text(tag, "key"): str(tag.get("value", "")) for tag in found.get("tags") or ()}
    return ModelVersion(
        name=_text(found, "name"),
        version=_text(found, "version"),
        run_id=str(found.get("run_id") or ""),
        stage=str(found.get("current_stage") or "None"),
        aliases=frozenset(),
        tags=tags,
        source=str(found.get("source") or ""),
    )
