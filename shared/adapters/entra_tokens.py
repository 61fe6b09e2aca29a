"""Checks callers' bearer tokens against one Entra tenant; what a caller may do is not known here.

Sources: Microsoft identity platform, "Access tokens" and "Claims validation"; RFC 8725. The keys
come from the configured tenant's own address and from nowhere a token names.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import jwt
import requests
from urllib3.exceptions import HTTPError

from shared.domain.caller import Caller
from shared.errors import NotAuthenticated, Unavailable

if TYPE_CHECKING:
    from shared.config import Settings

log = logging.getLogger(__name__)

ALGORITHMS: Final = ("RS256",)
"""Entra signs with nothing else; with ``none`` or HS256 a caller could sign for itself."""
LONGEST_TOKEN: Final = 16 * 1024
"""Characters; Entra's are 2,000 or so, and the host takes no larger headers."""
_V1_ISSUER: Final = "https://sts.windows.net"
_REQUIRED: Final = ("aud", "exp", "iss", "nbf", "tid")
_TIMEOUT: Final = (2.0, 3.0)  # seconds to connect and to read: an alert's sender waits about ten
_LARGEST_ANSWER: Final = 1024 * 1024
_EMPTY_PAUSE: Final = 5.0  # seconds before the next try while there is no key at all


@dataclass(frozen=True)
class Tenant:
    """Whose tokens are taken, for whom.

    Attributes:
        authority: the sign-in host's address, without the tenant.
        audiences: what ``aud`` may say: the client id (v2 tokens) and the App ID URI (v1 tokens).
        leeway_seconds: by how much the clocks may differ.
    """

    tenant_id: str
    audiences: tuple[str, ...]
    authority: str
    leeway_seconds: float

    @property
    def issuers(self) -> tuple[str, str]:
        """Give what ``iss`` may say: of v1 and of v2 tokens."""
        return f"{_V1_ISSUER}/{self.tenant_id}/", f"{self.authority}/{self.tenant_id}/v2.0"

    @property
    def keys_url(self) -> str:
        return f"{self.authority}/{self.tenant_id}/discovery/v2.0/keys"


class TenantKeys:
    """A tenant's signing keys: fetched when first needed, kept, and fetched again in time.

    A key that is not known makes them be fetched again, since tenants rotate them, but not more
    often than ``pause_seconds``: made-up key ids must not turn the app against the tenant.
    """

    def __init__(
        self,
        url: str,
        *,
        life_seconds: float,
        pause_seconds: float,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._life, self._pause, self._timer = life_seconds, pause_seconds, timer
        self._mutex = Lock()
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fetched_at = self._tried_at = float("-inf")

    def find(self, kid: str) -> jwt.PyJWK | None:
        """Give a key, or None where the tenant has none of this id.

        Raises:
            Unavailable: that cannot be known now, because the keys could not be fetched or may
                not be fetched again yet.
        """
        with self._mutex:
            now = self._timer()
            key = self._keys.get(kid)
            if key is not None and now - self._fetched_at < self._life:
                return key
            if now - self._tried_at >= (self._pause if self._keys else _EMPTY_PAUSE):
                self._tried_at = now
                self._refresh(now)
                return self._keys.get(kid)
            if key is None:
                raise Unavailable("the tenant's keys were just asked for", subject=kid)
            return key

    def _refresh(self, now: float) -> None:
        try:
            self._keys = _fetch(self._url)
            self._fetched_at = now
        except Unavailable as error:
            # keys that were good a day ago are better than refusing every alert
            if not self._keys:
                raise
            log.warning("the tenant's keys could not be fetched again: %s", error)


class EntraTokens:
    """A Tokens port on one tenant."""

    def __init__(self, tenant: Tenant, keys: TenantKeys) -> None:
        self._tenant, self._keys = tenant, keys

    @classmethod
    def connect(cls, settings: "Settings") -> "EntraTokens":
        """Make one for the configured tenant; nothing is fetched yet."""
        tenant = Tenant(
            tenant_id=settings.entra_tenant_id.lower(),
            audiences=settings.audiences,
            authority=settings.entra_authority.rstrip("/"),
            leeway_seconds=settings.entra_leeway_seconds,
        )
        keys = TenantKeys(
            tenant.keys_url,
            life_seconds=settings.entra_keys_seconds,
            pause_seconds=settings.entra_keys_pause_seconds,
        )
        return cls(tenant, keys)

    def check(self, token: str) -> Caller:
        """Give who a token speaks for.

        Times are held against the machine's clock: the issuer's tokens know no other.

        Raises:
            NotAuthenticated: it was not issued for this app by this tenant, or does not hold now.
            Unavailable: the tenant's keys could not be fetched.
        """
        if len(token) > LONGEST_TOKEN:
            raise NotAuthenticated(f"the token has {len(token)} characters")
        try:
            key = self._keys.find(self._kid(token))
            if key is None:
                raise NotAuthenticated("the token is signed by a key that the tenant does not have")
            return self._caller(self._claims(token, key))
        except (jwt.PyJWTError, UnicodeError) as error:
            raise NotAuthenticated(f"the token does not hold: {error}") from None
        except RecursionError:
            raise NotAuthenticated("the token is nested too deeply") from None

    def _kid(self, token: str) -> str:
        """Give the key's id, for a token that at least claims to be the tenant's.

        The claim is not believed; it keeps other tenants' tokens from making us fetch keys.
        """
        said = jwt.decode_complete(token, options={"verify_signature": False})
        kid, issuer = said["header"].get("kid"), said["payload"].get("iss")
        if said["header"].get("alg") not in ALGORITHMS:
            raise NotAuthenticated("the token is not signed with RS256")
        if issuer not in self._tenant.issuers:
            raise NotAuthenticated("the token is another tenant's")
        if not isinstance(kid, str) or not kid:
            raise NotAuthenticated("the token names no key")
        return kid

    def _claims(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(ALGORITHMS),
            audience=list(self._tenant.audiences),
            issuer=list(self._tenant.issuers),
            leeway=self._tenant.leeway_seconds,
            options={"require": list(_REQUIRED)},
        )
        return claims

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        if claims["tid"] != self._tenant.tenant_id:
            raise NotAuthenticated("the token is another tenant's")
        roles = claims.get("roles")
        app_id = _text(claims, "azp", "appid")
        return Caller(
            # not ``sub``: a person has another one beside the object id, and four eyes count ids
            subject=_text(claims, "oid"),
            app_id=app_id,
            roles=frozenset(map(str, roles if isinstance(roles, list) else ())),
            name=_text(claims, "preferred_username", "upn", "unique_name", "name") or app_id,
            is_app="scp" not in claims,
        )


def _text(claims: Mapping[str, Any], *names: str) -> str:
    """Give the first of the claims that is a text; v1 and v2 tokens name them differently."""
    found = (claims.get(name) for name in names)
    return next((value for value in found if isinstance(value, str) and value), "")


def _fetch(url: str) -> Mapping[str, jwt.PyJWK]:
    try:
        # a redirect could lead to anybody's keys
        with requests.get(url, timeout=_TIMEOUT, allow_redirects=False, stream=True) as answer:
            if answer.status_code != requests.codes.ok:
                raise Unavailable(f"the tenant's keys: HTTP {answer.status_code}", subject=url)
            content = answer.raw.read(_LARGEST_ANSWER, decode_content=True)
        found = jwt.PyJWKSet.from_json(content.decode()).keys
    except (requests.RequestException, HTTPError, OSError) as error:
        message = f"the tenant's keys: no answer ({type(error).__name__})"
        raise Unavailable(message, subject=url) from error
    except (jwt.PyJWTError, ValueError, AttributeError, RecursionError, TypeError) as error:
        raise Unavailable("the tenant's keys: not a key set", subject=url) from error
    usable = (key for key in found if key.key_type == "RSA" and key.public_key_use in (None, "sig"))
    keys = {key.key_id: key for key in usable if key.key_id}
    if not keys:
        raise Unavailable("the tenant's keys: none that signs", subject=url)
    return keys
