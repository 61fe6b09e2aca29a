"""An Azure Monitor alert in the common alert schema, as far as the loop needs it.

Source: Azure Monitor, "Common alert schema". Real payloads differ from the documentation in
spelling and case (``alertRuleID``/``alertRuleId``), and null stands where a text is promised, so
reading is tolerant of everything that is not needed and strict about what is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from shared.errors import BadInput

SCHEMA_ID = "azureMonitorCommonAlertSchema"
MODEL_KEYS = ("model", "model_name", "modelname")
KIND_KEYS = ("trigger_kind", "triggerkind")
LONGEST_ID = 500
"""Characters of an alert id; real ones have some 140, and a run, which is bounded, holds it."""
LONGEST_TEXT = 260
"""Characters that are kept of any other text. Source: the longest name of an alert rule."""

Condition = Literal["Fired", "Resolved"]


@dataclass(frozen=True)
class Alert:
    """One alert occurrence.

    Attributes:
        alert_id: the same for a firing and its resolution.
        properties: custom properties and dimensions by lower-case name; properties win.
        value: the measured value of the first condition, or None.
    """

    alert_id: str
    rule: str
    severity: str
    condition: Condition
    service: str
    fired_at: datetime
    description: str
    properties: Mapping[str, str]
    value: float | None

    @property
    def model(self) -> str:
        """The model it names, or empty."""
        return next((self.properties[key] for key in MODEL_KEYS if key in self.properties), "")

    @property
    def trigger_kind(self) -> str:
        return next((self.properties[key] for key in KIND_KEYS if key in self.properties), "drift")


def parse_alert(document: Any) -> Alert:
    """Read a payload.

    Raises:
        BadInput: it can never be understood; names the field.
    """
    root = _mapping(document, "body")
    if root.get("schemaId") != SCHEMA_ID:
        raise BadInput(
            "schemaId",
            f"must be {SCHEMA_ID!r}, is {_shown(root.get('schemaId'))}; "
            "switch the common alert schema on in the action group",
        )
    data = _mapping(root.get("data"), "data")
    essentials = _mapping(data.get("essentials"), "data.essentials")
    context = data.get("alertContext")
    return _alert(essentials, data, context if isinstance(context, dict) else {})


def _alert(
    essentials: Mapping[str, Any], data: Mapping[str, Any], context: Mapping[str, Any]
) -> Alert:
    conditions = list(_conditions(context))
    properties = {
        **_dimensions(conditions),
        **_texts(context.get("properties")),
        **_texts(data.get("customProperties")),
    }
    return Alert(
        alert_id=_required(essentials, "alertId"),
        rule=_text(essentials.get("alertRule")),
        severity=_text(essentials.get("severity")),
        condition=_condition(essentials),
        service=_text(essentials.get("monitoringService")),
        fired_at=_moment(essentials, "firedDateTime"),
        description=_text(essentials.get("description")),
        properties=properties,
        value=next((_number(item.get("metricValue")) for item in conditions), None),
    )


def _mapping(value: Any, field: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadInput(field, f"must be an object, is {_shown(value)}")
    return value


def _required(essentials: Mapping[str, Any], name: str) -> str:
    value = essentials.get(name)
    field = f"data.essentials.{name}"
    if not isinstance(value, str) or not value.strip():
        raise BadInput(field, f"must be a text, is {_shown(value)}")
    if len(value) > LONGEST_ID:
        raise BadInput(field, f"has {len(value)} characters, at most {LONGEST_ID}")
    return _encodable(value.strip())


def _condition(essentials: Mapping[str, Any]) -> Condition:
    value = _required(essentials, "monitorCondition").casefold()
    if value == "fired":
        return "Fired"
    if value == "resolved":
        return "Resolved"
    field = "data.essentials.monitorCondition"
    raise BadInput(field, f"must be Fired or Resolved, is {_shown(value)}")


def _moment(essentials: Mapping[str, Any], name: str) -> datetime:
    text = _required(essentials, name)
    field = f"data.essentials.{name}"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(field, f"must be an ISO 8601 time, is {_shown(text)}") from None
    try:
        # A time without a zone is UTC everywhere in Azure Monitor.
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except OverflowError:
        raise BadInput(field, f"is outside the calendar: {_shown(text)}") from None


def _conditions(context: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    condition = context.get("condition")
    listed = condition.get("allOf") if isinstance(condition, dict) else None
    for item in listed if isinstance(listed, list) else []:
        if isinstance(item, dict):
            yield item


def _dimensions(conditions: list[Mapping[str, Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for condition in conditions:
        dimensions = condition.get("dimensions")
        for item in dimensions if isinstance(dimensions, list) else []:
            if isinstance(item, dict) and isinstance(item.get("name"), str):
                found[_text(item["name"]).casefold()] = _text(item.get("value"))
    return found


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {_text(key).casefold(): _text(item) for key, item in value.items() if item is not None}


def _text(value: Any) -> str:
    """Give a scalar as text; a list or an object is none, and its nesting may have no end."""
    if value is None or isinstance(value, list | dict):
        return ""
    return _encodable(str(value)[:LONGEST_TEXT])


def _encodable(text: str) -> str:
    """Replace lone surrogates, which JSON can carry and UTF-8 (hashes, tables) cannot."""
    return text.encode("utf-8", "replace").decode()


def _number(value: Any) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return float(value)
    except OverflowError:  # JSON's integers have no largest one
        return None


def _shown(value: Any) -> str:
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."  # noqa: PLR2004 - one line of a log
