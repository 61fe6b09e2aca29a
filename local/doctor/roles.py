"""The roles of the app's own identity, as the resource manager lists them.

The other checks show what whoever runs them may do; these show what the app may do.
"""

import json
from pathlib import Path
from typing import Final

from local.doctor.azure import READER, Group
from local.doctor.findings import Check, fail

GROUP: Final = "roles of the app"
VERSION: Final = "2022-04-01"
_TABLE: Final = Path(__file__).resolve().parents[2] / "infra" / "roles.json"


def checks(group: Group) -> list[Check]:
    return [Check(GROUP, "role assignments", lambda: _look(group), READER)]


def _look(group: Group) -> str:
    principal = group.named("RETRAIN_LOOP_PRINCIPAL_ID")
    wanted: dict[str, str] = json.loads(_TABLE.read_text(encoding="utf-8"))
    listed = group.listed(
        "Microsoft.Authorization/roleAssignments", VERSION, f"principalId eq '{principal}'"
    )
    definitions = (each.get("properties", {}).get("roleDefinitionId", "") for each in listed)
    held = {str(each).rpartition("/")[2].casefold() for each in definitions}
    missing = [name for name, role in wanted.items() if role.casefold() not in held]
    if missing:
        raise fail(
            f"principal {principal} lacks {', '.join(missing)}",
            "azd provision assigns them all; or az role assignment create --assignee "
            f"{principal} --role <name> --scope <see infra/app/rbac.bicep>",
        )
    return f"principal {principal} has {', '.join(wanted)}"
