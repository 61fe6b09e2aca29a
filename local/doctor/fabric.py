"""Fabric: the workspace, each model's item, the capacity; by reads alone."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from local.doctor.findings import Check, fail, skip, warn
from shared.adapters.fabric_http import FabricHttp
from shared.errors import NotFound, Refused

if TYPE_CHECKING:
    from shared.catalogue import Catalogue, FabricItems

GROUP: Final = "Fabric"
_TYPES: Final = {"pipeline": "DataPipeline", "notebook": "Notebook", "spark": "SparkJobDefinition"}
_ROLE: Final = (
    "give the identity the role Contributor in the workspace (Manage access), and have the tenant "
    "setting 'Service principals can call Fabric public APIs' include it"
)
_ID: Final = "is the id right? it stands in the item's address in the portal; check the settings"


def checks(http: FabricHttp, catalogue: "Catalogue") -> list[Check]:
    """Give a check for each workspace, its capacity, and each model's item."""
    workspaces = sorted({model.fabric.workspace_id.casefold() for model in catalogue.models})
    found = []
    for each in workspaces:
        found += [_workspace(http, each), _capacity(http, each)]
    for model in catalogue.models:
        if model.fabric.pipeline_id and model.job.target == "fabric":
            found.append(_item(http, model.name, model.fabric))
        else:
            found.append(Check(GROUP, f"item of {model.name}", _elsewhere(model.job.target)))
    return found


def _elsewhere(target: str) -> Any:
    def look() -> str:
        raise skip(f"its retrain runs elsewhere ({target})")

    return look


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


def _item(http: FabricHttp, model: str, items: "FabricItems") -> Check:
    kind = items.start_form.partition("_")[0]

    def look() -> str:
        path = f"workspaces/{items.workspace_id}/items/{items.pipeline_id}"
        found = _document(http, path)
        if found.get("type") != _TYPES[kind]:
            message = f"is a {found.get('type')}, and start_form {items.start_form} wants another"
            raise fail(message, f"name the id of a {_TYPES[kind]}, or change start_form")
        return f"{found['type']} {found.get('displayName')!r}"

    return Check(GROUP, f"item of {model}", look, _ROLE, _ID)


def _document(http: FabricHttp, path: str) -> Mapping[str, Any]:
    """Give what Fabric says of something; 403 in the words of whoever has to act."""
    try:
        body = http.call("GET", path).body
    except Refused as error:
        if error.code in {"WorkspaceNotFound", "ItemNotFound", "EntityNotFound"}:
            raise NotFound(str(error), subject=path) from error
        raise
    return body if isinstance(body, dict) else {}
