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


LOOP = Actor("retrain-loop", "system")
"""The app itself: it decides on what alerts and timers bring."""

KEY_HOLDER = Actor("operator (function key)")
"""Whoever holds a function key: the key proves no name."""
