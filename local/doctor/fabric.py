"""Fabric: the workspace, each model's item, the capacity; by reads alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from local.doctor.findings import Check, fail, skip, warn
from shared.adapters.fabric_http import FabricHttp
from shared.errors import NotFound, Refused

if TYPE_CHECKING:
    from shared.catalogue import Catalogue, Model

GROUP: Final = "Fabric"
_PIPELINE: Final = "DataPipeline"
_TYPES: Final = {"pipeline": _PIPELINE, "notebook": "Notebook", "spark": "SparkJobDefinition"}
_ROLE: Final = (
    "give the identity the role Contributor in the workspace (Manage access), and have the tenant "
    "setting 'Service principals can call Fabric public APIs' include it"
)
_ID: Final = "is the id right? it stands in the item's address in the portal; check the settings"


@dataclass(frozen=True)
class _Item:
    """One item that a model names.

    Attributes:
        what: what it is to the model.
        kind: the type Fabric must say it has.
        source: the key of models.yaml that says so.
    """

    what: str
    workspace: str
    id: str
    kind: str
    source: str


def checks(http: FabricHttp, catalogue: "Catalogue") -> list[Check]:
    """Give a check for each workspace, its capacity, and each item that a model names."""
    workspaces = sorted({model.fabric.workspace_id.casefold() for model in catalogue.models})
    found = []
    for each in workspaces:
        found += [_workspace(http, each), _capacity(http, each)]
    return found + [_check(http, item) for model in catalogue.models for item in _items(model)]


def _items(model: "Model") -> list[_Item]:
    place, name = model.fabric.workspace_id, model.name
    found = []
    if model.job.target == "fabric":
        kind = _TYPES[model.fabric.start_form.partition("_")[0]]
        what, source = f"item of {name}", f"start_form {model.fabric.start_form}"
        found.append(_Item(what, place, model.fabric.pipeline_id, kind, source))
    if model.fabric.model_id is not None:
        what = f"model item of {name}"
        found.append(_Item(what, place, model.fabric.model_id, "MLModel", "fabric.model_id"))
    if model.data.spark is not None and model.data.source == "spark":
        what = f"profile pipeline of {name}"
        found.append(_Item(what, place, model.data.spark.pipeline_id, _PIPELINE, "data.spark"))
    return found


def _workspace(http: FabricHttp, workspace: str) -> Check:
    def look() -> str:
        found = _document(http, f"workspaces/{workspace}")
        if not found.get("capacityId"):
            raise fail("the workspace has no capacity", "assign it to a Fabric capacity")
        return f"{found.get('displayName', workspace)!r}"

    return Check(GROUP, f"workspace {workspace}", look, _ROLE, _ID)


def _capacity(http: FabricHttp, workspace: str) -> Check:
    def look() -> str:
        wanted = str(_document(http, f"workspaces/{workspace}").get("capacityId", ""))
        listed = _document(http, "capacities").get("value", [])
        mine = [each for each in listed if str(each.get("id", "")).casefold() == wanted.casefold()]
        if not mine:
            raise skip("its state is shown to the capacity's contributors only")
        return _running(mine[0])

    return Check(GROUP, f"capacity of {workspace}", look, _ROLE, _ID)


def _running(capacity: Mapping[str, Any]) -> str:
    told = f"{capacity.get('displayName')} ({capacity.get('sku')}): {capacity.get('state')}"
    match capacity.get("state"):
        case "Active":
            return told
        case "Inactive":
            raise fail(told, "resume it: az fabric capacity resume, or in the portal")
        case _:  # more states may be added, says the specification
            raise warn(told, "a state this check does not know; see the capacity in the portal")


def _check(http: FabricHttp, item: _Item) -> Check:
    def look() -> str:
        found = _document(http, f"workspaces/{item.workspace}/items/{item.id}")
        if found.get("type") != item.kind:
            message = f"is a {found.get('type')}, and {item.source} wants another"
            raise fail(message, f"name the id of a {item.kind}, or change {item.source}")
        return f"{item.kind} {found.get('displayName')!r}"

    return Check(GROUP, item.what, look, _ROLE, _ID)


def _document(http: FabricHttp, path: str) -> Mapping[str, Any]:
    """Give what Fabric says of something; 403 in the words of whoever has to act."""
    try:
        body = http.call("GET", path).body
    except Refused as error:
        if error.code in {"WorkspaceNotFound", "ItemNotFound", "EntityNotFound"}:
            raise NotFound(str(error), subject=path) from error
        raise
    return body if isinstance(body, dict) else {}
