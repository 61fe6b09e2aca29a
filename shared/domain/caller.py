"""Who calls the app, once a token has been checked, and what such a caller may do; pure."""

from dataclasses import dataclass

from shared.errors import NotAllowed


@dataclass(frozen=True)
class Caller:
    """The bearer of a checked token.

    Attributes:
        subject: the object id of the user or service principal; empty where the token has none.
        app_id: the client id of the application that asked for the token.
        roles: the app roles assigned to it.
        name: for people to read: the sign-in name, or the client id.
        is_app: True where an application speaks for itself, False for a person.
    """

    subject: str
    app_id: str
    roles: frozenset[str]
    name: str
    is_app: bool

    def require_app(self, app_id: str) -> None:
        """Raise NotAllowed unless this application asked for the token."""
        if self.app_id.casefold() != app_id.casefold():
            raise NotAllowed(f"application {self.app_id!r} is not the one that may call")

    def require_role(self, role: str) -> None:
        """Raise NotAllowed unless the app role is among the token's."""
        if role not in self.roles:
            raise NotAllowed(f"the token lacks the app role {role!r}")
