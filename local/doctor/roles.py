"""The roles of the app's own identity, as the resource manager lists them.

The other checks show what whoever runs them may do; these show what the app may do.
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from local.doctor.azure import READER, Group
from local.doctor.findings import Check, fail

GROUP: Final = "roles of the app"
VERSION: Final = "2022-04-01"
NEEDED: Final = (
    ("Storage Blob Data Owner", "Microsoft.Storage/storageAccounts"),
    ("Storage Queue Data Contributor", "Microsoft.Storage/storageAccounts"),
    ("Storage Table Data Contributor", "Microsoft.Storage/storageAccounts"),
    ("Log Analytics Data Reader", "Microsoft.OperationalInsights/workspaces"),
    ("Monitoring Metrics Publisher", "Microsoft.Insights/components"),
    ("Monitoring Metrics Publisher", "Microsoft.Insights/dataCollectionRules"),
    ("Key Vault Secrets User", "Microsoft.KeyVault/vaults"),
)
"""Role, and the type of what it is held on: those of infra/app/rbac.bicep."""
_IDS: Final = Path(__file__).resolve().parents[2] / "infra" / "roles.json"
_RESOURCE: Final = re.compile(r"/resourcegroups/[^/]+/providers/(.+)", re.IGNORECASE)


def checks(group: Group) -> list[Check]:
    return [Check(GROUP, "role assignments", lambda: _look(group), READER)]


def _look(group: Group) -> str:
    principal = group.named("RETRAIN_LOOP_PRINCIPAL_ID")
    listed = group.listed(
        "Microsoft.Authorization/roleAssignments", VERSION, f"principalId eq '{principal}'"
    )
    missing = _missing(each.get("properties", {}) for each in listed)
    if missing:
        raise fail(
            f"principal {principal} lacks {', '.join(missing)}",
            "azd provision assigns them all; or az role assignment create --assignee "
            f"{principal} --role <name> --scope <see infra/app/rbac.bicep>",
        )
    return f"principal {principal} has all {len(NEEDED)}"


def _missing(held: Iterable[Mapping[str, Any]]) -> list[str]:
    listed: dict[str, str] = json.loads(_IDS.read_text(encoding="utf-8"))
    ids = {name: role.casefold() for name, role in listed.items()}
    found = {(_role(each), _kind(each)) for each in held}
    return [
        f"{name} on {kind}"
        for name, kind in NEEDED
        # one that is held on the group, or above it, holds for all that is in it
        if not {(ids[name], kind.casefold()), (ids[name], "")} & found
    ]


def _role(assignment: Mapping[str, Any]) -> str:
    return str(assignment.get("roleDefinitionId", "")).rpartition("/")[2].casefold()


def _kind(assignment: Mapping[str, Any]) -> str:
    """Give the type of the resource an assignment is on; empty: the group, or above it."""
    found = _RESOURCE.search(str(assignment.get("scope", "")))
    provider, *path = found[1].casefold().split("/") if found else [""]
    # types and names take turns; a part of a resource, such as one container, is a type of its own
    return "/".join([provider, *path[::2]])
