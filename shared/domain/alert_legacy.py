"""Turns the alert schemas from before the common one into it.

Source: Azure Monitor, "Non-common alert schema definitions" and "Log alert webhook". None of them
carries an id that a firing shares with its resolution. The id made here names one occurrence: the
same message sent again has the same id, and a resolution is on record without closing a run.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from shared.domain import alert_fields as fields
from shared.errors import BadInput

SCHEMA_ID = "azureMonitorCommonAlertSchema"
METRIC = "AzureMonitorMetricAlert"
LOG = "Microsoft.Insights/LogAlert"
ACTIVITY_LOG = "Microsoft.Insights/activityLogs"
CLASSIC = "classic"

CONDITIONS = {"activated": "Fired", "deactivated": "Resolved", "resolved": "Resolved"}
_LONGEST_SUBJECT = 400
"""Characters of a rule's id that go into an alert id, which has a limit of its own."""


def translate(root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the ``data`` of a common-schema alert; the names are in lower case on both sides.

    Raises:
        BadInput: this is none of the documented schemas, or lacks what makes it one.
    """
    schema = fields.text(root.get("schemaid")).casefold()
    if schema == METRIC.casefold():
        return _metric(fields.mapping(root.get("data"), "data"), "data.", METRIC)
    if schema == LOG.casefold():
        return _log(fields.mapping(root.get("data"), "data"), "data.")
    if schema == ACTIVITY_LOG.casefold():
        return _activity_log(fields.mapping(root.get("data"), "data"), "data.")
    if not schema and "context" in root:
        return _metric(root, "", CLASSIC)
    if not schema and "alertrulename" in root:
        return _log(root, "")
    raise BadInput(
        "schemaId",
        f"must be {SCHEMA_ID!r}, is {fields.shown(root.get('schemaid'))}; "
        "switch the common alert schema on in the action group",
    )


def _metric(data: Mapping[str, Any], where: str, schema: str) -> Mapping[str, Any]:
    """Read a metric alert: near-real-time (``condition.allOf``) or classic (one condition)."""
    context = fields.mapping(data.get("context"), f"{where}context")
    rule_id = fields.required(context, "id", f"{where}context")
    fired = _time(context, "timestamp", f"{where}context")
    condition = fields.folded(context.get("condition"))
    listed = list(fields.objects(condition.get("allof"))) or [condition]
    parts = [fields.dimensions(item.get("dimensions")) for item in listed]
    occurrence = _occurrence(rule_id, fired, fields.text(context.get("resourceid")), parts)
    return _common(
        {
            "alertid": occurrence,
            "alertruleid": rule_id,
            "alertrule": context.get("name"),
            "severity": context.get("severity"),
            "monitorcondition": _condition(data, where),
            "monitoringservice": schema,
            "fireddatetime": fired,
            "description": context.get("description"),
        },
        {"condition": {"allOf": [_measured(item) for item in listed]}},
        data.get("properties"),
    )


def _log(data: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """Read a log alert of the first version, with or without an envelope; it never resolves."""
    rule = fields.required(data, "AlertRuleName", where.rstrip("."))
    fired = _time(data, "SearchIntervalEndtimeUtc", where.rstrip("."))
    parts = [fields.dimensions(data.get("dimensions"))]
    names = ("subscriptionid", "workspaceid", "applicationid")
    scope = "/".join(fields.text(data.get(name)) for name in names)
    return _common(
        {
            "alertid": _occurrence(rule, fired, scope, parts),
            "alertrule": rule,
            "severity": data.get("severity"),
            "monitorcondition": "Fired",
            "monitoringservice": LOG,
            "fireddatetime": fired,
            "description": data.get("description"),
        },
        {"dimensions": data.get("dimensions"), "resultCount": data.get("resultcount")},
        None,
    )


def _activity_log(data: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """Read an activity log alert: an event, so it carries an id of its own."""
    context = fields.mapping(data.get("context"), f"{where}context")
    path = f"{where}context.activityLog"
    event = fields.mapping(context.get("activitylog"), path)
    fired = _time(event, "eventTimestamp", path)
    event_id = fields.text(event.get("eventdataid") or event.get("correlationid"))
    return _common(
        {
            "alertid": _occurrence(fields.text(event.get("resourceid")), fired, event_id, []),
            "alertrule": event.get("operationname"),
            "severity": event.get("level"),
            "monitorcondition": _condition(data, where),
            "monitoringservice": ACTIVITY_LOG,
            "fireddatetime": fired,
            "description": event.get("description"),
        },
        {},
        data.get("properties"),
    )


def _common(
    essentials: Mapping[str, Any], context: Mapping[str, Any], properties: Any
) -> Mapping[str, Any]:
    return {"essentials": essentials, "alertcontext": context, "customproperties": properties}


def _measured(condition: Mapping[str, Any]) -> dict[str, Any]:
    """Give a condition with its value as a number; classic alerts write it as a text."""
    return {**condition, "metricvalue": fields.numeral(condition.get("metricvalue"))}


def _condition(data: Mapping[str, Any], where: str) -> str:
    said = fields.required(data, "status", where.rstrip("."))
    if said.casefold() not in CONDITIONS:
        message = f"must be Activated, Deactivated or Resolved, is {fields.shown(said)}"
        raise BadInput(f"{where}status", message)
    return CONDITIONS[said.casefold()]


def _time(values: Mapping[str, Any], name: str, where: str) -> str:
    """Give a time as ISO 8601, so that one moment always has one spelling."""
    field = f"{where}.{name}" if where else name
    return fields.moment(fields.required(values, name, where), field).isoformat()


def _occurrence(rule: str, fired: str, about: str, parts: list[dict[str, str]]) -> str:
    """Name an occurrence by its rule, its moment and what it is about."""
    subject = repr((fired, about, [sorted(part.items()) for part in parts]))
    digest = hashlib.sha256(subject.encode()).hexdigest()[:24]
    return f"{rule[:_LONGEST_SUBJECT]}/occurrences/{digest}"
