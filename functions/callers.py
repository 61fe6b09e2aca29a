"""Who may send alerts: what the host lets through is checked here against the app's mode."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from shared.errors import NotAllowed, NotAuthenticated, NotFound

if TYPE_CHECKING:
    from shared.bootstrap import App

_SCHEME = "bearer"


def admit_key_holder(app: "App") -> None:
    """Let a request through that the host has checked the function key of.

    Raises:
        NotAllowed: the app takes alerts from the secure webhook alone.
    """
    if app.settings.alert_callers == "entra":
        raise NotAllowed("a key is not enough here: send a token to the secure route")


def admit_secure_webhook(app: "App", headers: Mapping[str, str]) -> None:
    """Let a request through whose token says that an action group sent it.

    The host lets anybody as far as here, so everything is closed unless this says otherwise.

    Raises:
        NotFound: the app takes no tokens; the route is as good as not there.
        NotAuthenticated: there is no token, or it does not hold.
        NotAllowed: the token is somebody else's, or lacks the role.
        Unavailable: the tenant's keys could not be fetched.
    """
    settings = app.settings
    if settings.alert_callers == "key":
        raise NotFound("there is nothing here")
    caller = app.tokens.check(bearer_token(headers))
    caller.require_app(settings.action_group_app_id)
    caller.require_role(settings.action_group_role)


def bearer_token(headers: Mapping[str, str]) -> str:
    """Give the token of a request.

    Raises:
        NotAuthenticated: there is none.
    """
    scheme, _, token = headers.get("authorization", "").strip().partition(" ")
    if scheme.casefold() != _SCHEME or not token.strip():
        raise NotAuthenticated("the Authorization header holds no bearer token")
    return token.strip()
