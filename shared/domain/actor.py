"""Who acts, as the audit names it; how a caller proves it is no matter of this module."""

from dataclasses import dataclass

from shared.domain.audit import SubjectType


@dataclass(frozen=True)
class Actor:
    """Somebody or something that asks for an act.

    Attributes:
        name: for people to read, such as a sign-in name.
        kind: what the audit calls it.
    """

    name: str
    kind: SubjectType = "user"
    object_id: str = ""
    """Entra's id of the user or service principal; empty where nobody has proven one."""
    roles: frozenset[str] = frozenset()
    """App roles that the proof names."""

    @property
    def proven(self) -> bool:
        """Tell whether a token or App Service says who this is."""
        return bool(self.object_id)

    def is_same(self, name: str, object_id: str) -> bool:
        """Tell whether somebody else's record is this one: by id where both have one."""
        if self.object_id and object_id:
            return self.object_id.casefold() == object_id.casefold()
        return self.name.casefold() == name.casefold()


LOOP = Actor("retrain-loop", "system")
"""The app itself: it decides on what alerts and timers bring."""

KEY_HOLDER = Actor("operator (function key)")
"""Whoever holds a function key: the key proves no name."""
