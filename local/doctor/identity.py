"""Who asks: a token for each audience, and the principal it names. A token is never shown."""

import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from json import loads
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError, ClientAuthenticationError

from local.doctor.findings import Check, skip
from shared.adapters.azure_errors import azure_errors
from shared.adapters.delta.lakehouse import STORAGE_SCOPE
from shared.adapters.fabric_http import FABRIC_SCOPE
from shared.adapters.jobs.job_http import DATABRICKS_SCOPE, DEVOPS_SCOPE
from shared.adapters.jobs.job_http import MANAGEMENT_SCOPE as ARM_SCOPE
from shared.errors import Refused

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from shared.catalogue import Catalogue

__all__ = ["ARM_SCOPE", "GROUP", "INGESTION_SCOPE", "SCOPES", "KeptTokens", "checks", "scopes"]

GROUP: Final = "identity"
INGESTION_SCOPE: Final = "https://monitor.azure.com/.default"
QUERY_SCOPE: Final = "https://api.loganalytics.io/.default"
SCOPES: Final[Mapping[str, str]] = {
    "storage and OneLake": STORAGE_SCOPE,
    "Fabric": FABRIC_SCOPE,
    "logs ingestion": INGESTION_SCOPE,
    "log queries": QUERY_SCOPE,
}
"""What every deployment needs."""
_OF_TARGET: Final[Mapping[str, str]] = {
    "azureml": ARM_SCOPE,
    "devops": DEVOPS_SCOPE,
    "databricks": DATABRICKS_SCOPE,
}
_SPARE_SECONDS: Final = 120
_REMEDY: Final = (
    "sign in (az login) and give --as-me; in the app itself, AZURE_CLIENT_ID must be the client id "
    "of an identity that is assigned to it"
)


def scopes(catalogue: "Catalogue", *, manager: bool) -> dict[str, str]:
    """Give the audiences a deployment's tokens are for, by what they are called.

    Args:
        catalogue: whose job targets ask for tokens of their own.
        manager: whether the resource manager will be asked.
    """
    asked = {"resource manager": ARM_SCOPE} if manager else {}
    for model in catalogue.models:
        if model.job.target in _OF_TARGET:
            asked[f"jobs ({model.job.target})"] = _OF_TARGET[model.job.target]
    return {**SCOPES, **asked}


class KeptTokens:
    """A credential that asks another one once for each audience: the checks run side by side."""

    def __init__(self, source: "TokenCredential", clock: Callable[[], float] = time.time) -> None:
        self._source = source
        self._clock = clock
        self._kept: dict[str, AccessToken] = {}
        self._without: set[str] = set()
        self._asking = Lock()

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Give a token; ends the check as skipped where an earlier one could get none."""
        if options.get("claims"):
            return self._source.get_token(*scopes, **options)
        scope = " ".join(scopes)
        with self._asking:
            if scope in self._without:
                raise skip(f"there is no token for it: see {GROUP}")
            kept = self._kept.get(scope)
            if kept is None or kept.expires_on - self._clock() < _SPARE_SECONDS:
                kept = self._kept[scope] = self._fetched(scope)
            return kept

    def _fetched(self, scope: str) -> AccessToken:
        try:
            return self._source.get_token(*scope.split())
        except AzureError:
            self._without.add(scope)
            raise

    def close(self) -> None:
        """Do nothing: the SDKs' credentials can be closed, so this one can."""


def checks(credential: "TokenCredential", scopes: Mapping[str, str], *, local: bool) -> list[Check]:
    def look(scope: str) -> str:
        token = _token(credential, scope)
        return "the local stack's fixed token" if local else said_by(token, time.time())

    return [
        Check(GROUP, f"token for {what}", lambda scope=scope: look(scope), _REMEDY, _REMEDY)  # type: ignore[misc]
        for what, scope in scopes.items()
    ]


def _token(credential: "TokenCredential", scope: str) -> AccessToken:
    with azure_errors(f"token for {scope}"):
        try:
            return credential.get_token(scope)
        except ClientAuthenticationError as error:
            # without its words: they may name what was tried with which secret
            message = f"token for {scope}: nobody is signed in ({type(error).__name__})"
            raise Refused(message, code="NoToken") from error


def said_by(token: AccessToken, now: float) -> str:
    """Tell whom a token names; its signature is the other side's to check.

    Raises:
        Refused: it is no JSON Web Token.
    """
    claims = _claims(token.token)
    app = claims.get("appid") or claims.get("azp") or "none"
    kind = claims.get("idtyp") or ("app" if claims.get("oid") == claims.get("sub") else "user")
    minutes = max(0, int((token.expires_on - now) // 60))
    return (
        f"{kind}, object id {claims.get('oid', 'none')}, application {app}, "
        f"tenant {claims.get('tid', 'none')}, {minutes} min left"
    )


def _claims(token: str) -> Mapping[str, Any]:
    parts = token.split(".")
    try:
        claims = loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (IndexError, ValueError):
        claims = None
    if not isinstance(claims, dict):
        raise Refused("what the credential gave is no JSON Web Token", code="NoToken")
    return claims
