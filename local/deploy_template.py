"""The computed resources as an ARM template, for scanners that read no Bicep: never deployed.

A scanner of Bicep sees no further than the call of a registry module; here it sees what that makes.
"""

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local.bicep.evaluation import Planned

SCHEMA: Final = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
NO_VERSION: Final = "2025-01-01"
"""Stands where the version that a module uses is not known; scanners look at the type."""
A_HASH: Final = "a1b2c3d4e5f6g"
"""Stands for ``uniqueString()``: thirteen characters, of which rules on names ask no more."""
_OF_THE_DECLARATION: Final = {"parent", "scope", "dependsOn"}


def arm_template(planned: "Sequence[Planned]") -> str:
    """Write the template; what only Azure knows stays a placeholder in braces."""
    document = {
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "resources": [_resource(each) for each in planned],
    }
    return json.dumps(document, indent=2, default=str).replace("{hash}", A_HASH) + "\n"


def _resource(planned: "Planned") -> dict[str, Any]:
    version = planned.what.partition("@")[2] or NO_VERSION
    body = {name: value for name, value in planned.body.items() if name not in _OF_THE_DECLARATION}
    return {"type": planned.type, "apiVersion": version, **body}
