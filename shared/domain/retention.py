"""How long an audit row must be kept at least: the classes, their days, and whose rows have which.

The app deletes no audit row at all; the classes are for whoever keeps the storage. Both numbers are
named here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.catalogue import Catalogue


@dataclass(frozen=True)
class Retention:
    """A retention class.

    Attributes:
        name: what each row says.
        days: for so long at least the row is kept.
    """

    name: str
    days: int


REGULATED = Retention("ai-decision", 2555)
"""Decisions about regulated models, and whatever cannot be told apart from them: seven years.
Source: immutable-audit house rule, ``ai-decision`` = 2555 d; retention >= 7 y for regulated."""
STANDARD = Retention("standard", 365)
"""Decisions about all other models: a year. Source: house rule, retention >= 1 y otherwise."""

CLASSES = (REGULATED, STANDARD)


def retention_of(catalogue: Catalogue, chain: str) -> Retention:
    """Give the class of a chain's rows.

    A chain that is no model of the catalogue, such as that of alerts which name none, may hold
    what concerns a regulated one, and a model that has left the catalogue may have been one: what
    is not known is kept longest.
    """
    model = catalogue.find(chain)
    return REGULATED if model is None or model.regulated else STANDARD
