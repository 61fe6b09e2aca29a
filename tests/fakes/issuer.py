"""A sign-in host on loopback: lists its keys as Entra does, and signs tokens as Entra's look."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

TENANT = "11111111-2222-4333-8444-555555555555"
CLIENT = "aaaaaaaa-2222-4333-8444-555555555555"
APP = "461e8683-5575-4561-ac7f-899cc907d62a"
ROLE = "ActionGroupsSecureWebhook"
V1_ISSUER = f"https://sts.windows.net/{TENANT}/"
KEYS = {name: rsa.generate_private_key(65537, 2048) for name in ("one", "two", "stranger")}


def jwk(kid: str, name: str | None = None, **more: Any) -> dict[str, Any]:
    """Give a public key as Entra lists it: no ``alg``, with more than is needed."""
    document = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEYS[name or kid].public_key()))
    document.pop("key_ops", None)
    return {**document, "kid": kid, "use": "sig", "x5c": ["MII"], **more}


class Issuer:
    """What the host answers, for a test to change; ``asked`` lists the paths that were got."""

    def __init__(self) -> None:
        self.listed: list[dict[str, Any]] = [jwk("one")]
        self.status = 200
        self.content: bytes | None = None
        self.asked: list[str] = []
        self.url = ""

    def answer(self, path: str) -> tuple[int, bytes]:
        self.asked.append(path)
        body = self.content or json.dumps({"keys": self.listed}).encode()
        return self.status, body

    @property
    def v2_issuer(self) -> str:
        return f"{self.url}/{TENANT}/v2.0"


@contextmanager
def serve(issuer: Issuer) -> Iterator[Issuer]:
    """Answer on a free port for the length of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = issuer.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Location", f"{issuer.url}/elsewhere")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def v1_claims(**changes: Any) -> dict[str, Any]:
    """Give the claims of an action group's v1 token; None leaves one out."""
    now = int(time.time())
    claims = {
        "aud": f"api://{CLIENT}",
        "iss": V1_ISSUER,
        "iat": now - 5,
        "nbf": now - 5,
        "exp": now + 3600,
        "appid": APP,
        "oid": "object-1",
        "roles": [ROLE],
        "tid": TENANT,
        "ver": "1.0",
    }
    return {name: value for name, value in (claims | changes).items() if value is not None}


def v2_claims(issuer: Issuer, **changes: Any) -> dict[str, Any]:
    own = {"aud": CLIENT, "iss": issuer.v2_issuer, "azp": APP, "appid": None, "ver": "2.0"}
    return v1_claims(**(own | changes))


def signed(claims: dict[str, Any], key: str = "one", kid: str | None = None, **more: Any) -> str:
    headers = {"kid": kid or key, **more}
    return jwt.encode(claims, KEYS[key], algorithm="RS256", headers=headers)
