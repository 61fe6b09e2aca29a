"""The ``alert_rules:`` section of a model: rules whose alerts do not name the model themselves."""

from typing import Annotated

from pydantic import Field

from shared.sections.base import Section
from shared.sections.policy import TriggerKind


class AlertRule(Section):
    """An alert rule that is about the model."""

    rule: Annotated[str, Field(min_length=1, max_length=500, pattern=r"^\S(.*\S)?$")]
    """Its name, or its resource id; case does not matter."""
    trigger_kind: TriggerKind = "drift"
    """What its alerts ask for, where they do not say."""

    def fits(self, *names: str) -> bool:
        """Tell whether one of the names is this rule's."""
        return self.rule.casefold() in {name.strip().casefold() for name in names}
