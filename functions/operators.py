"""Who operates: the name the audit writes down beside an act.

The host has checked a function key before anything here runs. A key proves no name, so that a name
comes from a token that the app checks, or from App Service where it stands in front.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from functions.callers import bearer_token
from shared.domain.actor import KEY_HOLDER, Actor
from shared.errors import NotAuthenticated

if TYPE_CHECKING:
    from shared.bootstrap import App
    from shared.domain.audit import SubjectType

PRINCIPAL = "x-ms-client-principal"
NAMES = ("preferred_username", "upn", "unique_name", "email", "name", "appid", "azp", "oid")
"""Claims that name a caller, the most telling first."""
LONG_CLAIMS = {
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn": "upn",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name": "name",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress": "email",
    "http://schemas.microsoft.com/identity/claims/objectidentifier": "oid",
    "http://schemas.microsoft.com/ws/2008/06/identity/claims/role": "roles",
}
"""Names that App Service writes out. Source: its claims mapping for Microsoft Entra ID."""
LONGEST = 200
"""Characters of a name that are kept."""


def actor_of(app: "App", headers: Mapping[str, str]) -> Actor:
    """Name who sent a request: by App Service's header, by a token, or as the key's holder.

    Raises:
        NotAuthenticated: a token or header is there and does not hold; nobody acts under a name
            that was claimed and not proven.
        Unavailable: the tenant's keys could not be fetched.
    """
    principal = headers.get(PRINCIPAL, "")
    if principal and app.settings.client_principal == "trust":
        return _from_principal(principal)
    if app.settings.entra_tenant_id and headers.get("authorization", "").strip():
        caller = app.tokens.check(bearer_token(headers))
        name = (caller.name or caller.subject)[:LONGEST]
        kind: SubjectType = "service_principal" if caller.is_app else "user"
        return Actor(name, kind, caller.subject, caller.roles)
    return KEY_HOLDER


def _from_principal(header: str) -> Actor:
    """Read what App Service says of the caller it has signed in."""
    try:
        document = json.loads(base64.b64decode(header, validate=True))
        given = [(_short(claim["typ"]), str(claim["val"])) for claim in document["claims"]]
    except (binascii.Error, ValueError, KeyError, TypeError, RecursionError):
        raise NotAuthenticated(f"{PRINCIPAL} cannot be read") from None
    claims = dict(given)
    name = next((claims[key] for key in NAMES if claims.get(key)), "")
    if not name:
        raise NotAuthenticated(f"{PRINCIPAL} names nobody")
    is_app = claims.get("idtyp") == "app" or not any(claims.get(key) for key in NAMES[:5])
    plain = name.encode("utf-8", "replace").decode()[:LONGEST]
    roles = frozenset(value for key, value in given if key == "roles")
    object_id = claims.get("oid", "")
    return Actor(plain, "service_principal" if is_app else "user", object_id, roles)


def _short(claim: Any) -> str:
    return LONG_CLAIMS.get(str(claim), str(claim))
