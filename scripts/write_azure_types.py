"""Write infra/azure-types.json from Microsoft's azure-mgmt packages: ``make infra-types``.

The packages (requirements-infra.txt, in an environment of their own) are a hundred megabytes; what
``infra/`` uses of them is one file. It holds, for each resource type in use, the API version that
the package speaks and every property with its type, its enum, whether it is read-only.
"""

import importlib
import inspect
import json
import re
import sys
import typing
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_origin

TARGET = Path(__file__).parents[1] / "infra" / "azure-types.json"
TOO_DEEP = 7  # nested further nothing is deployed here

# resource type: (package, model); the API version is asked of the package
RESOURCES = {
    "Microsoft.Resources/resourceGroups": ("resource.resources", "ResourceGroup"),
    "Microsoft.ManagedIdentity/userAssignedIdentities": ("msi.v2024_11_30", "Identity"),
    "Microsoft.Storage/storageAccounts": ("storage", "StorageAccountCreateParameters"),
    "Microsoft.Storage/storageAccounts/blobServices": ("storage", "BlobServiceProperties"),
    "Microsoft.Storage/storageAccounts/blobServices/containers": ("storage", "BlobContainer"),
    "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies": (
        "storage",
        "ImmutabilityPolicy",
    ),
    "Microsoft.Storage/storageAccounts/managementPolicies": ("storage", "ManagementPolicy"),
    "Microsoft.Storage/storageAccounts/queueServices": ("storage", "QueueServiceProperties"),
    "Microsoft.Storage/storageAccounts/queueServices/queues": ("storage", "StorageQueue"),
    "Microsoft.Storage/storageAccounts/tableServices": ("storage", "TableServiceProperties"),
    "Microsoft.Storage/storageAccounts/tableServices/tables": ("storage", "Table"),
    "Microsoft.OperationalInsights/workspaces": ("loganalytics", "Workspace"),
    "Microsoft.OperationalInsights/workspaces/tables": ("loganalytics", "Table"),
    "Microsoft.Insights/components": (
        "applicationinsights.v2020_02_02",
        "ApplicationInsightsComponent",
    ),
    "Microsoft.Insights/workbooks": ("applicationinsights.v2023_06_01", "Workbook"),
    "Microsoft.Insights/dataCollectionRules": ("monitor", "DataCollectionRuleResource"),
    "Microsoft.Insights/actionGroups": ("monitor", "ActionGroupResource"),
    "Microsoft.Insights/scheduledQueryRules": ("monitor", "ScheduledQueryRuleResource"),
    "Microsoft.KeyVault/vaults": ("keyvault", "VaultCreateOrUpdateParameters"),
    "Microsoft.KeyVault/vaults/secrets": ("keyvault", "SecretCreateOrUpdateParameters"),
    "Microsoft.Web/serverfarms": ("web", "AppServicePlan"),
    "Microsoft.Web/sites": ("web", "Site"),
    "Microsoft.Web/sites/config": ("web", "StringDictionary"),
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": (
        "web",
        "CsmPublishingCredentialsPoliciesEntity",
    ),
    "Microsoft.Network/virtualNetworks": ("network", "VirtualNetwork"),
    "Microsoft.Network/publicIPAddresses": ("network", "PublicIPAddress"),
    "Microsoft.Network/natGateways": ("network", "NatGateway"),
    "Microsoft.Network/privateEndpoints": ("network", "PrivateEndpoint"),
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups": ("network", "PrivateDnsZoneGroup"),
    "Microsoft.Network/privateDnsZones": ("privatedns", "PrivateZone"),
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": ("privatedns", "VirtualNetworkLink"),
    "Microsoft.Consumption/budgets": ("consumption", "Budget"),
    "Microsoft.Authorization/roleAssignments": (
        "authorization.v2022_04_01",
        "RoleAssignmentCreateParameters",
    ),
    "Microsoft.Authorization/locks": ("resource.locks", "ManagementLockObject"),
}
BY_HAND = {
    "Microsoft.Insights/diagnosticSettings@2021-05-01-preview": {
        "DiagnosticSettings": {"properties": "DiagnosticSettings.properties"},
        "DiagnosticSettings.properties": {
            "workspaceId": "string",
            "storageAccountId": "string",
            "logAnalyticsDestinationType": "string",
            "logs": "[DiagnosticSettings.log]",
        },
        "DiagnosticSettings.log": {
            "category": "string",
            "categoryGroup": "string",
            "enabled": "+bool",
        },
    }
}
"""In no package of today's. Source: Microsoft Learn, template reference of the type."""
OPERATIONS = {  # packages whose operations have an API version each
    "Microsoft.Insights/dataCollectionRules": "data_collection_rules",
    "Microsoft.Insights/actionGroups": "action_groups",
    "Microsoft.Insights/scheduledQueryRules": "scheduled_query_rules",
}
SCALARS = {
    "str": "string",
    "int": "int",
    "float": "float",
    "Decimal": "float",
    "bool": "bool",
    "duration": "string",
    "iso-8601": "string",
    "object": "any",
    "JSON": "any",
    "rfc-1123": "string",
}
_VERSION = re.compile(r'"api[-_]version",\s*(?:_params\.pop\("api-version",\s*)?"([\w-]+)"')
ENVELOPE = {"id", "type", "systemData", "etag"}
"""Of a resource itself: set by the service, or by the declaration."""


class Types:
    """Collects the models that are reached, each once, by ``package.Name``."""

    def __init__(self) -> None:
        self.types: dict[str, dict[str, str]] = {}
        self.enums: dict[str, list[str]] = {}

    def model(self, package: str, cls: type, depth: int = 0) -> str:
        name = f"{package.partition('.')[0]}.{cls.__name__}"
        if name in self.types:
            return name
        if depth > TOO_DEEP:
            return "any"
        self.types[name] = {}
        found = self.new_style if hasattr(cls, "_is_model") else self.old_style
        self.types[name] = dict(found(package, cls, depth + 1))
        return name

    def enum(self, package: str, cls: type[Enum]) -> str:
        name = f"{package.partition('.')[0]}.{cls.__name__}"
        self.enums[name] = [str(each.value) for each in cls]
        return name

    def new_style(self, package: str, cls: Any, depth: int) -> Iterator[tuple[str, str]]:
        """Models of rest fields; ``_rest_name`` and ``_visibility`` are private: hence the pins."""
        cls({})  # binds the fields
        hints = _hints(package, cls)
        for attribute, field in cls._attr_to_rest_field.items():
            name = field._rest_name  # noqa: SLF001 - generated code keeps it nowhere else
            if name in ENVELOPE and depth == 1:
                continue
            seen = field._visibility or []  # noqa: SLF001 - as above
            is_required = type(None) not in get_args(hints[attribute])
            mark = "-" if list(seen) == ["read"] else "+" if is_required else ""
            yield name, mark + self.hint(package, hints[attribute], depth)

    def hint(self, package: str, hint: Any, depth: int) -> str:
        origin, arguments = get_origin(hint), get_args(hint)
        if origin is typing.Union:
            kinds = [each for each in arguments if each is not type(None)]
            enums = [each for each in kinds if inspect.isclass(each) and issubclass(each, Enum)]
            return self.hint(package, (enums or kinds)[0], depth)
        if origin is list:
            return f"[{self.hint(package, arguments[0], depth)}]"
        if origin is dict:
            return f"{{{self.hint(package, arguments[1], depth)}}}"
        return self.named(package, hint, depth) if inspect.isclass(hint) else "any"

    def named(self, package: str, cls: type, depth: int) -> str:
        if issubclass(cls, Enum):
            return self.enum(package, cls)
        if hasattr(cls, "_is_model") or hasattr(cls, "_attribute_map"):
            return self.model(package, cls, depth)
        return SCALARS.get(cls.__name__, "string")

    def old_style(self, package: str, cls: Any, depth: int) -> Iterator[tuple[str, str]]:
        """Models of attribute maps; ``properties.x`` is x of a nested object."""
        models = _models(package)
        nested: dict[str, dict[str, str]] = {}
        for attribute, place in cls._attribute_map.items():
            rules = cls._validation.get(attribute, {})
            mark = "-" if rules.get("readonly") else "+" if rules.get("required") else ""
            hint = _parameter(package, cls, attribute)
            kind = mark + self.place(package, models, place["type"], hint, depth)
            head, dot, rest = re.sub(r"\\\\\.", "\0", place["key"]).partition(".")
            if dot:
                nested.setdefault(head, {})[rest.replace("\0", ".")] = kind
            elif head not in ENVELOPE or depth > 1:
                yield head.replace("\0", "."), kind
        for head, properties in nested.items():
            name = f"{package.partition('.')[0]}.{cls.__name__}.{head}"
            self.types[name] = properties
            yield head, name

    def place(self, package: str, models: ModuleType, text: str, hint: Any, depth: int) -> str:
        if text[0] in "[{":
            return f"{text[0]}{self.place(package, models, text[1:-1], None, depth)}{text[-1]}"
        enum = _enum_of(hint) if text == "str" else None
        if enum is not None:
            return self.enum(package, enum)
        return SCALARS.get(text) or self.named(package, getattr(models, text), depth)


def _enum_of(hint: Any) -> type[Enum] | None:
    """Find the enum in a hint such as ``Optional[Union[str, Kind]]``."""
    inner = [each for one in get_args(hint) for each in (one, *get_args(one))]
    return next((each for each in inner if inspect.isclass(each) and issubclass(each, Enum)), None)


def _models(package: str) -> ModuleType:
    return importlib.import_module(f"azure.mgmt.{package}.models")


def _hints(package: str, cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls, _names(package, cls))


def _names(package: str, cls: type) -> dict[str, Any]:
    """Give what a model's hints may name."""
    models = _models(package)
    return {**vars(models), **vars(sys.modules[cls.__module__]), "_models": models}


def _parameter(package: str, cls: type, attribute: str) -> Any:
    try:
        return typing.get_type_hints(cls.__init__, _names(package, cls)).get(attribute)
    except (NameError, AttributeError):  # a hint that only a checker resolves
        return None


def version(resource: str, package: str) -> str:
    """Give the API version that the package sends for the type."""
    base = Path(importlib.import_module(f"azure.mgmt.{package}").__file__ or "").parent
    if resource in OPERATIONS:
        files = [base / "operations" / f"_{OPERATIONS[resource]}_operations.py"]
    else:
        files = [base / "_configuration.py", *sorted((base / "operations").glob("_*.py"))]
    for file in files:
        text = file.read_text(encoding="utf-8")
        if found := re.search(
            r'"api[-_]version",\s*(?:_params\.pop\("api-version",\s*)?"([\w-]+)"', text
        ):
            return found[1]
    raise SystemExit(f"{resource}: azure.mgmt.{package} names no API version")


def render() -> str:
    """Give the file's text."""
    types = Types()
    resources = {
        f"{resource}@{version(resource, package)}": types.model(
            package, getattr(_models(package), model)
        )
        for resource, (package, model) in RESOURCES.items()
    }
    for resource, models in BY_HAND.items():
        resources[resource] = next(iter(models))
        types.types |= models
    document = {
        "resources": resources,
        "types": dict(sorted(types.types.items())),
        "enums": dict(sorted(types.enums.items())),
    }
    return _compact(document)


def _compact(document: dict[str, dict[str, Any]]) -> str:
    """Lay one type on a line, so that a change of one is a change of one line."""
    parts = []
    for section, entries in document.items():
        lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in entries.items()]
        parts.append(f"{json.dumps(section)}: {{\n" + ",\n".join(lines) + "\n}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    text = render()
    if "--check" in sys.argv:
        if TARGET.read_text(encoding="utf-8") != text:
            raise SystemExit(f"{TARGET.name} is not what the pinned packages give")
        print(f"{TARGET.name} is what the pinned packages give")
    else:
        TARGET.write_text(text, encoding="utf-8")
        print(TARGET)
