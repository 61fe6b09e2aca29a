"""The common alert schema, as a Log Alerts V2 rule sends it.

The shape is that of payloads captured in 2025, their quirks included: ``alertRuleID`` with a
capital D, ids that differ in case within one payload, a threshold in quotes, a list of types
written as a string. Fields that no capture has, ``resolvedDateTime`` among them, are left out.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from local.monitor_simulator.alerts import Alert, Transition
from local.monitor_simulator.evaluation import Finding
from local.monitor_simulator.rules import AlertRule, TimeAggregation

INVESTIGATION = "https://portal.azure.com/#view/Microsoft_Azure_Monitoring_Alerts/Investigation.ReactView/alertId"
TARGET_TYPE = "Microsoft.OperationalInsights/workspaces"
_TEMPLATE = re.compile(r"\$\{data((?:\.\w+|\[\d+\])+)\}")


@dataclass(frozen=True)
class Scope:
    """Where the rules pretend to be deployed."""

    subscription: str
    resource_group: str
    workspace: str

    @property
    def group_id(self) -> str:
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"

    @property
    def workspace_id(self) -> str:
        return f"{self.group_id}/providers/{TARGET_TYPE}/{self.workspace}"

    def alert_id(self, alert: Alert) -> str:
        alerts = "providers/Microsoft.AlertsManagement/alerts"
        return f"/subscriptions/{self.subscription}/{alerts}/{alert.alert_id}"

    def rule_id(self, rule: str) -> str:
        return f"{self.group_id}/providers/microsoft.insights/scheduledqueryrules/{rule}"


def common_schema(transition: Transition, rule: AlertRule, scope: Scope) -> dict[str, Any]:
    data: dict[str, Any] = {
        "essentials": _essentials(transition.alert, rule, scope),
        "alertContext": _context(transition.finding, rule, scope),
    }
    filled = {name: _filled(text, data) for name, text in rule.custom_properties.items()}
    return {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {**data, "customProperties": filled},
    }


def _filled(text: str, data: dict[str, Any]) -> str:
    """Fill in ``${data.…}``; a path that leads nowhere is left as it stands.

    Source: Microsoft Learn, alert processing of custom properties; what the service does with a
    path that leads nowhere is not documented.
    """
    return _TEMPLATE.sub(lambda match: str(_found(match[1], data) or match[0]), text)


def _found(path: str, data: Any) -> Any:
    for step in re.findall(r"\w+", path):
        if isinstance(data, list) and step.isdigit() and int(step) < len(data):
            data = data[int(step)]
        elif isinstance(data, dict):
            data = data.get(step)
        else:
            return None
    return data


def _essentials(alert: Alert, rule: AlertRule, scope: Scope) -> dict[str, Any]:
    return {
        "alertId": scope.alert_id(alert),
        "alertRule": rule.name,
        "alertRuleID": scope.rule_id(rule.name),
        "severity": f"Sev{rule.severity}",
        "signalType": "Log",
        "monitorCondition": alert.condition,
        "monitoringService": "Log Alerts V2",
        "alertTargetIDs": [scope.workspace_id.lower()],
        "configurationItems": [scope.workspace_id],
        "originAlertId": alert.origin_id,
        "firedDateTime": _instant(alert.fired_at, "microseconds"),
        "description": rule.description,
        "essentialsVersion": "1.0",
        "alertContextVersion": "1.0",
        "investigationLink": f"{INVESTIGATION}/{quote(scope.alert_id(alert), safe='')}",
        "targetResourceGroup": scope.resource_group.lower(),
        "targetResourceType": TARGET_TYPE.lower(),
    }


def _context(finding: Finding, rule: AlertRule, scope: Scope) -> dict[str, Any]:
    return {
        "properties": {},
        "conditionType": "LogQueryCriteria",
        "condition": {
            "windowSize": rule.window_size,
            "windowStartTime": _instant(finding.window_start, "seconds"),
            "windowEndTime": _instant(finding.window_end, "seconds"),
            "allOf": [_criterion(finding, rule, scope)],
        },
    }


def _criterion(finding: Finding, rule: AlertRule, scope: Scope) -> dict[str, Any]:
    is_count = rule.time_aggregation is TimeAggregation.COUNT
    return {
        "searchQuery": rule.query,
        "metricMeasureColumn": None if is_count else rule.measure,
        "targetResourceTypes": f"['{TARGET_TYPE}']",
        "operator": rule.operator.value,
        "threshold": f"{rule.threshold:g}",
        "timeAggregation": rule.time_aggregation.value,
        "dimensions": [{"name": name, "value": value} for name, value in finding.dimensions],
        "metricValue": finding.value,
        "event": None,
        "failingPeriods": rule.failing_periods.model_dump(by_alias=True),
        **_links(finding, rule, scope),
    }


def _links(finding: Finding, rule: AlertRule, scope: Scope) -> dict[str, str]:
    filtered = rule.query + "".join(
        f"\n| where tostring({name}) == {json.dumps(value)}" for name, value in finding.dimensions
    )
    portal = "https://portal.azure.com#blade/Microsoft_Azure_Monitoring_Logs/LogsBlade/source"
    service = f"https://api.loganalytics.io/v1/workspaces/{scope.workspace}/query"
    start = _instant(finding.window_start, "seconds")
    span = quote(f"{start}/{_instant(finding.window_end, 'seconds')}", safe="")
    links = {}
    for name, query in (("SearchResults", rule.query), ("FilteredSearchResults", filtered)):
        text = quote(query, safe="")
        links[f"linkTo{name}UI"] = f"{portal}/Alerts.EmailLinks/q/{text}/timespan/{span}"
        links[f"linkTo{name}API"] = f"{service}?query={text}&timespan={span}"
    return links


def _instant(moment: datetime, precision: str) -> str:
    return moment.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")
