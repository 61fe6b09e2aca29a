"""The resource group, as the resource manager tells of it; by reads alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from local.doctor.asking import Asking
from local.doctor.findings import skip
from local.doctor.identity import ARM_SCOPE

READER: Final = "az role assignment create --role Reader --assignee <you> --scope <the group>"
DEPLOY: Final = "deploy it: azd provision"
_NEEDED: Final = ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP")
_NONE: Final = "the local stack has none"


@dataclass(frozen=True)
class Group:
    """One resource group; skips with the reason where none is known."""

    asking: Asking
    environment: Mapping[str, str]

    @property
    def known(self) -> bool:
        """Tell whether the resource manager will be asked."""
        return not self.asking.local and all(self.environment.get(name) for name in _NEEDED)

    def listed(self, path: str, version: str, condition: str = "") -> list[Mapping[str, Any]]:
        """Give the ``value`` of a list under ``providers``; ``condition`` is an OData filter.

        Raises:
            Verdict: SKIP, where the settings name no resource group.
        """
        if self.asking.local:
            raise skip(_NONE)
        if not self.known:
            missing = [name for name in _NEEDED if not self.environment.get(name)]
            raise skip(f"not set: {', '.join(missing)}")
        base = self.environment.get("AZURE_MANAGEMENT_URL") or "https://management.azure.com"
        subscription, group = (self.environment[name] for name in _NEEDED)
        place = f"{base.rstrip('/')}/subscriptions/{subscription}/resourceGroups/{group}"
        params = {"api-version": version} | ({"$filter": condition} if condition else {})
        body = self.asking.get(f"{place}/providers/{path}", ARM_SCOPE, params)
        return list(body.get("value", []))

    def named(self, name: str) -> str:
        """Give a setting; skips where it is not set, and where there are no resources."""
        if self.asking.local:
            raise skip(_NONE)
        found = self.environment.get(name, "")
        if not found:
            raise skip(f"not set: {name}")
        return found


def skipping(reason: str) -> Callable[[], str]:
    """Give what a check looks at where there is nothing to look at."""

    def look() -> str:
        raise skip(reason)

    return look
