"""What a deployment would create, why, and what it costs while nothing happens.

Pure: resources and prices in, lines out. Prices and reasons stand in ``infra/prices.json``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from local.bicep.evaluation import Planned

PROFILES: Final = ("dev", "staging", "prod", "regulated")
"""What a deployment may be; infra/main.bicep allows the same."""
BY_THE_HOUR: Final = {
    "Microsoft.Network/natGateways": "natGatewayHour",
    "Microsoft.Network/privateEndpoints": "privateEndpointHour",
    "Microsoft.Network/publicIPAddresses": "publicAddressHour",
}
"""Resource type to its price in the list."""
BY_THE_MONTH: Final = {
    "Microsoft.Insights/scheduledQueryRules": "logAlertMonth",
    "Microsoft.Network/privateDnsZones": "privateDnsZoneMonth",
}
"""The same."""
SECONDS_PER_HOUR = 3600
MB_PER_GB = 1024


@dataclass(frozen=True)
class Price:
    """A list price, USD a unit."""

    usd: float
    unit: str
    source: str


@dataclass(frozen=True)
class PriceList:
    """What things cost, where and since when.

    Attributes:
        reasons: resource type to why it is there.
        by_use: resource type to what using it costs, in words.
    """

    region: str
    read: str
    note: str
    hours_per_month: float
    prices: Mapping[str, Price]
    reasons: Mapping[str, str]
    by_use: Mapping[str, str]


@dataclass(frozen=True)
class Line:
    """Resources of one type that belong together.

    Attributes:
        monthly: USD a month at rest: no alert, no job, no rows.
    """

    type: str
    names: tuple[str, ...]
    sku: str
    why: str
    monthly: float
    by_use: str


def price_list(document: Mapping[str, Any]) -> PriceList:
    """Read ``infra/prices.json``."""
    resources = document["resources"]
    return PriceList(
        document["region"],
        document["read"],
        document["note"],
        document["hoursPerMonth"],
        {name: Price(**price) for name, price in document["prices"].items()},
        {name: each["why"] for name, each in resources.items()},
        {name: each.get("use", "") for name, each in resources.items()},
    )


def plan(planned: "Sequence[Planned]", prices: PriceList) -> list[Line]:
    """Give a line a type, in the order of deployment, the resource group first."""
    types = list(dict.fromkeys(each.type for each in planned))
    types.sort(key=lambda kind: kind != "Microsoft.Resources/resourceGroups")
    return [_line(kind, [each for each in planned if each.type == kind], prices) for kind in types]


def _line(kind: str, resources: "Sequence[Planned]", prices: PriceList) -> Line:
    return Line(
        kind,
        tuple(dict.fromkeys(_name(each) for each in resources)),
        ", ".join(dict.fromkeys(filter(None, map(_sku, resources)))),
        prices.reasons.get(kind, ""),
        sum(at_rest(each, prices) for each in resources),
        prices.by_use.get(kind, ""),
    )


def at_rest(resource: "Planned", prices: PriceList) -> float:
    """Give what a resource costs a month while nothing happens, USD."""
    hours = prices.hours_per_month
    if resource.type == "Microsoft.Web/sites":
        gigabytes = _always_ready(resource.body) * _memory(resource.body) / MB_PER_GB
        seconds = hours * SECONDS_PER_HOUR
        return gigabytes * seconds * prices.prices["alwaysReadyGbSecond"].usd
    if resource.type in BY_THE_HOUR:
        return hours * prices.prices[BY_THE_HOUR[resource.type]].usd
    if resource.type in BY_THE_MONTH:
        return prices.prices[BY_THE_MONTH[resource.type]].usd
    return 0.0


def _scale(body: Mapping[str, Any]) -> Mapping[str, Any]:
    scale: Mapping[str, Any] = body["properties"]["functionAppConfig"]["scaleAndConcurrency"]
    return scale


def _memory(body: Mapping[str, Any]) -> int:
    return int(_scale(body)["instanceMemoryMB"])


def _always_ready(body: Mapping[str, Any]) -> int:
    return sum(int(each["instanceCount"]) for each in _scale(body)["alwaysReady"])


def _name(resource: "Planned") -> str:
    """Name a resource; one whose name is a hash goes by its symbol."""
    return resource.symbol if resource.name == "{guid}" else resource.name


def _sku(resource: "Planned") -> str:
    return ", ".join(_facts(resource.type, resource.body))


def _facts(kind: str, body: Mapping[str, Any]) -> Iterator[str]:
    properties = body.get("properties", {})
    for sku in (body.get("sku"), properties.get("sku")):
        if isinstance(sku, Mapping):
            yield str(sku["name"])
    match kind:
        case "Microsoft.Web/sites":
            yield f"{_memory(body)} MB, {_always_ready(body)} always ready"
        case "Microsoft.OperationalInsights/workspaces":
            yield f"{properties['retentionInDays']} days"
        case "Microsoft.OperationalInsights/workspaces/tables":
            yield f"{properties['totalRetentionInDays']} days"
        case "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies":
            yield f"{properties['immutabilityPeriodSinceCreationInDays']} days"
        case "Microsoft.Consumption/budgets":
            yield f"{properties['amount']} a month"
