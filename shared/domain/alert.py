"""An Azure Monitor alert, as far as the loop needs it, whichever schema it came in.

Source: Azure Monitor, "Common alert schema". Real payloads differ from the documentation in
spelling and case (``alertRuleID``/``alertRuleId``), and null stands where a text is promised, so
reading is tolerant of everything that is not needed and strict about what is. The older schemas
are turned into this one in ``alert_legacy.py``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from shared.domain import alert_fields as fields
from shared.domain.alert_fields import LONGEST_ID, LONGEST_TEXT
from shared.domain.alert_legacy import SCHEMA_ID, translate
from shared.errors import BadInput

__all__ = ["LONGEST_ID", "LONGEST_TEXT", "SCHEMA_ID", "Alert", "Condition", "parse_alert"]

MODEL_KEYS = frozenset({"model", "modelname"})
KIND_KEYS = frozenset({"triggerkind"})
SAMPLE_IDS = frozenset({"12345678-1234-1234-1234-1234567890ab", "test_alert"})
"""How the ids of the portal's "Test action group" end; no real alert's does."""

Condition = Literal["Fired", "Resolved"]


@dataclass(frozen=True)
class Alert:
    """One alert occurrence.

    Attributes:
        alert_id: the same for a firing and its resolution.
        rule_id: the alert rule's resource id, or empty: not every payload has one.
        properties: custom properties, context properties, labels and dimensions by lower-case
            name, in that order: the first that fits counts.
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
    rule_id: str = ""

    @property
    def model(self) -> str:
        """The model it names, or empty."""
        return self._property(MODEL_KEYS) or ""

    @property
    def asked_kind(self) -> str | None:
        """The trigger kind it asks for; None: it asks for none."""
        return self._property(KIND_KEYS)

    @property
    def trigger_kind(self) -> str:
        asked = self.asked_kind
        return "drift" if asked is None else asked

    @property
    def is_sample(self) -> bool:
        """Whether the portal's test button sent it."""
        return self.alert_id.rpartition("/")[2].casefold() in SAMPLE_IDS

    def _property(self, keys: frozenset[str]) -> str | None:
        """Give the first property of that name, however its words are joined."""
        fitting = (
            value
            for name, value in self.properties.items()
            if _joined(name) in keys and not _is_template(value)
        )
        return next(fitting, None)


def _joined(name: str) -> str:
    """Give ``model_name``, ``Model Name`` and ``modelName`` one spelling."""
    return "".join(letter for letter in name if letter.isalnum()).casefold()


def _is_template(value: str) -> bool:
    """Tell whether it is a rule's ``${data.…}`` that Azure Monitor did not fill in."""
    return value.startswith("${") and value.endswith("}")


def parse_alert(document: Any) -> Alert:
    """Read a payload of any schema that Azure Monitor sends.

    Raises:
        BadInput: it can never be understood; names the field.
    """
    root = fields.mapping(document, "body")
    if fields.text(root.get("schemaid")).casefold() == SCHEMA_ID.casefold():
        data = fields.mapping(root.get("data"), "data")
    else:
        data = translate(root)
    essentials = fields.mapping(data.get("essentials"), "data.essentials")
    return _alert(essentials, data, fields.folded(data.get("alertcontext")))


def _alert(
    essentials: Mapping[str, Any], data: Mapping[str, Any], context: Mapping[str, Any]
) -> Alert:
    where = "data.essentials"
    return Alert(
        alert_id=fields.required(essentials, "alertId", where),
        rule=fields.text(essentials.get("alertrule")),
        severity=fields.text(essentials.get("severity")),
        condition=_condition(fields.required(essentials, "monitorCondition", where)),
        service=fields.text(essentials.get("monitoringservice")),
        fired_at=fields.moment(
            fields.required(essentials, "firedDateTime", where), f"{where}.firedDateTime"
        ),
        description=fields.text(essentials.get("description")),
        properties=_properties(data, context),
        value=_value(context),
        rule_id=fields.text(essentials.get("alertruleid")),
    )


def _condition(said: str) -> Condition:
    match said.casefold():
        case "fired":
            return "Fired"
        case "resolved":
            return "Resolved"
        case _:
            field = "data.essentials.monitorCondition"
            raise BadInput(field, f"must be Fired or Resolved, is {fields.shown(said)}")


def _properties(data: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for source in (
        fields.texts(data.get("customproperties")),
        fields.texts(context.get("properties")),
        fields.texts(context.get("labels")),  # Prometheus
        fields.dimensions(context.get("dimensions")),  # log alerts of the first version
        *(fields.dimensions(item.get("dimensions")) for item in _conditions(context)),
    ):
        for name, value in source.items():
            found.setdefault(name, value)
    return found


def _value(context: Mapping[str, Any]) -> float | None:
    """Give what was measured, where each service writes it."""
    for condition in _conditions(context):
        return fields.number(condition.get("metricvalue"))
    if "expressionvalue" in context:
        return fields.numeral(context["expressionvalue"])
    return fields.number(context.get("resultcount"))


def _conditions(context: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from fields.objects(fields.folded(context.get("condition")).get("allof"))
