"""Azure Monitor: may rows be sent, may logs be asked, is there a rule and does it call us."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from local.doctor.asking import Asking
from local.doctor.azure import DEPLOY, READER, Group, skipping
from local.doctor.findings import Check, fail
from local.doctor.identity import INGESTION_SCOPE
from local.doctor.storage import assign

if TYPE_CHECKING:
    from shared.adapters.profiles.kql_source import KqlClient
    from shared.catalogue import Catalogue, Model
    from shared.config import Settings

GROUP: Final = "Azure Monitor"
INGESTION_VERSION: Final = "2023-01-01"
RULES_VERSION: Final = "2023-12-01"
GROUPS_VERSION: Final = "2023-01-01"


def ingestion(asking: Asking, settings: "Settings") -> Check:
    """Send no row: whether that is allowed is said before the rows are looked at."""
    path = f"dataCollectionRules/{settings.logs_rule_id}/streams/{settings.logs_stream}"
    url = f"{settings.logs_endpoint.rstrip('/')}/{path}"

    def look() -> str:
        asking.post(url, INGESTION_SCOPE, {"api-version": INGESTION_VERSION}, [])
        return f"rows may be sent to {settings.logs_stream}"

    missing = "are LOGS_INGESTION_RULE_ID (the immutable id) and LOGS_INGESTION_STREAM right?"
    role = assign("Monitoring Metrics Publisher", "the data collection rule")
    return Check(GROUP, "logs ingestion", look, role, missing)


def queries(
    workspace: "Callable[[str], KqlClient]", catalogue: "Catalogue", given: str
) -> list[Check]:
    """Ask each workspace that a model names, and the one that is given, for a number."""
    named = {given} if given else set()
    for model in catalogue.models:
        for section in (model.data.log_analytics, model.endpoint_log):
            named |= {section.workspace_id} if section is not None else set()
    if not named:
        return [Check(GROUP, "log queries", skipping("no model reads Log Analytics"))]
    return [_query(workspace, each) for each in sorted(named)]


def _query(workspace: "Callable[[str], KqlClient]", name: str) -> Check:
    def look() -> str:
        workspace(name).rows("print answer = tolong(1)", {"answer": "long"})
        return "answers"

    role = assign("Log Analytics Data Reader", "the workspace")
    return Check(GROUP, f"log queries, workspace {name}", look, role)


def eventhouses(
    opened: "Callable[[Model], tuple[KqlClient, str]]", catalogue: "Catalogue"
) -> list[Check]:
    """Ask the database of each model whose profiles come from one."""
    models = [model for model in catalogue.models if model.data.source == "eventhouse"]
    return [_eventhouse(opened, model) for model in models]


def _eventhouse(opened: "Callable[[Model], tuple[KqlClient, str]]", model: "Model") -> Check:
    def look() -> str:
        client, table = opened(model)
        ((count,),) = client.rows(f"{table} | take 1 | count", {"Count": "long"})
        return f"{table} answers" if count else f"{table} answers, and is empty"

    role = "give the identity the role Viewer on the KQL database"
    return Check(GROUP, f"Eventhouse of {model.name}", look, role, "check data.eventhouse")


def resources(group: Group, rules: Sequence[str], address: str) -> list[Check]:
    """Ask the resource manager for the alert rules and the action groups they call."""

    def look_at_rules() -> str:
        return _rules(group.listed("Microsoft.Insights/scheduledQueryRules", RULES_VERSION), rules)

    def look_at_groups() -> str:
        return _groups(group.listed("Microsoft.Insights/actionGroups", GROUPS_VERSION), address)

    return [
        Check(GROUP, "alert rules", look_at_rules, READER, DEPLOY),
        Check(GROUP, "action groups", look_at_groups, READER, DEPLOY),
    ]


def _rules(found: Sequence[Mapping[str, Any]], wanted: Sequence[str]) -> str:
    by_name = {str(each.get("name", "")).casefold(): each.get("properties", {}) for each in found}
    for name in wanted:
        mine = by_name.get(name.casefold())
        if mine is None:
            raise fail(f"there is no rule {name}", DEPLOY)
        if mine.get("enabled") is False:
            raise fail(f"the rule {name} is disabled", "enable it")
        if not mine.get("actions", {}).get("actionGroups"):
            raise fail(f"the rule {name} calls no action group", DEPLOY)
    return f"enabled, and call an action group: {', '.join(wanted)}"


def _groups(found: Sequence[Mapping[str, Any]], address: str) -> str:
    enabled = [group for group in found if group.get("properties", {}).get("enabled", True)]
    receivers = [receiver for group in enabled for receiver in _receivers(group)]
    if not receivers:
        raise fail("no enabled action group calls a function or a webhook", DEPLOY)
    if address and not any(receiver.startswith(address) for receiver in receivers):
        raise fail(f"none of {len(receivers)} receivers calls {address}", DEPLOY)
    return f"{len(receivers)} receivers"


def _receivers(group: Mapping[str, Any]) -> list[str]:
    """Give the addresses it calls; they carry keys, so none of them is ever shown."""
    properties = group.get("properties", {})
    functions = properties.get("azureFunctionReceivers", [])
    hooks = properties.get("webhookReceivers", [])
    return [str(each.get("httpTriggerUrl", "")) for each in functions] + [
        str(each.get("serviceUri", "")) for each in hooks
    ]
