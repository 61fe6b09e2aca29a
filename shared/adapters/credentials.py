"""The credential the app proves itself with; nothing else may go here."""

from typing import TYPE_CHECKING, Any

from azure.core.credentials import AccessToken

from shared.errors import ConfigError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from shared.config import Settings

# the end of the year 9999: a fixed token has nothing to be refreshed from
_NEVER = 253_402_300_799


class StaticCredential:
    """Always gives the same token: the local stack's simulators know it."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:  # noqa: ARG002 - the SDKs' protocol
        return AccessToken(self._token, _NEVER)

    def close(self) -> None:
        """Do nothing: the SDKs' credentials can be closed, so this one can."""


def credential_for(settings: "Settings") -> "TokenCredential":
    """Give the credential that ``AUTH_MODE`` asks for; no token is fetched yet.

    Raises:
        ConfigError: the local stack is asked for and has no token.
    """
    if settings.auth_mode == "local":
        token = settings.local_token.get_secret_value()
        if not token:
            raise ConfigError("LOCAL_TOKEN: AUTH_MODE=local needs it", subject="LOCAL_TOKEN")
        return StaticCredential(token)
    # 0.2 s to import, and the local stack has no use for it
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

    if settings.client_id:
        return ManagedIdentityCredential(client_id=settings.client_id)
    return DefaultAzureCredential()
