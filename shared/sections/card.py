"""The ``card:`` section of a model: what only people can say for its model card."""

from typing import Annotated

from pydantic import Field

from shared.sections.base import Section

Sentence = Annotated[str, Field(min_length=1, max_length=1000)]
Sentences = Annotated[tuple[Sentence, ...], Field(max_length=50)]

CARD_DUTIES = ("purpose", "limits", "contacts")
"""What a regulated or public-safety model must say of itself. House rule, after the readiness
checklist of the MLOps anchor: purpose, limitations, and somebody to ask."""


class Card(Section):
    """What the model is for; what is left out is said to be undeclared on every card."""

    purpose: Annotated[str, Field(max_length=2000)] = ""
    """What the model is there for, for a reader who does not know it."""
    intended_use: Sentences = ()
    """Who uses its answers, and for which decisions."""
    out_of_scope: Sentences = ()
    """What it must not be used for."""
    limits: Sentences = ()
    """Where its answers are known to be weak, and on what they rest."""
    contacts: Sentences = ()
    """Who answers questions about it: a team, an address, an on-call rota."""
    risk_tier: Annotated[str, Field(max_length=60)] = ""
    """The tier of the organisation's own risk classification, in its own words."""

    @property
    def undeclared(self) -> tuple[str, ...]:
        """Name what is not declared, in the order of the fields."""
        return tuple(name for name in type(self).model_fields if not getattr(self, name))
