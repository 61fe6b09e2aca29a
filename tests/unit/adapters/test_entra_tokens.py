"""Tokens of a local issuer, with real keys served over loopback: which hold and which do not."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.adapters.entra_tokens import EntraTokens, TenantKeys
from shared.config import load_settings
from shared.domain.caller import Caller
from shared.errors import NotAuthenticated, Unavailable
from tests.fakes.issuer import (
    APP,
    CLIENT,
    KEYS,
    ROLE,
    TENANT,
    V1_ISSUER,
    Issuer,
    jwk,
    serve,
    signed,
    v1_claims,
    v2_claims,
)

OTHER_TENANT = "99999999-2222-4333-8444-555555555555"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with serve(Issuer()) as running:
        yield running


class Timer:
    """A monotonic clock that a test turns."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def tokens(issuer: Issuer, timer: Timer) -> EntraTokens:
    configured = load_settings(
        {
            "ALERT_CALLERS": "entra",
            "ENTRA_TENANT_ID": TENANT.upper(),
            "ENTRA_AUDIENCES": f"{CLIENT}, api://{CLIENT}",
            "ENTRA_AUTHORITY": issuer.url + "/",
            "AzureWebJobsStorage": "UseDevelopmentStorage=true",
            "LAKEHOUSE_URI": ".",
            "MLFLOW_TRACKING_URI": "http://127.0.0.1:1",
            "LOGS_INGESTION_ENDPOINT": "http://127.0.0.1:1",
            "LOGS_INGESTION_RULE_ID": "dcr-1",
        }
    )
    made = EntraTokens.connect(configured)
    made._keys = TenantKeys(
        made._tenant.keys_url, life_seconds=43200, pause_seconds=60, timer=timer
    )
    return made


def part(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def test_a_v1_token_of_the_action_group_holds(tokens: EntraTokens):
    caller = tokens.check(signed(v1_claims()))

    assert caller == Caller("object-1", APP, frozenset({ROLE}), APP, is_app=True)
    caller.require_app(APP)
    caller.require_role(ROLE)


def test_a_v2_token_of_the_action_group_holds(tokens: EntraTokens, issuer: Issuer):
    caller = tokens.check(signed(v2_claims(issuer)))

    assert (caller.app_id, caller.roles) == (APP, frozenset({ROLE}))


def test_a_person_is_told_from_an_application(tokens: EntraTokens, issuer: Issuer):
    claims = v2_claims(issuer, scp="Runs.Cancel", preferred_username="ann@example.com")

    caller = tokens.check(signed(claims))

    assert (caller.name, caller.is_app) == ("ann@example.com", False)


def test_a_token_without_an_object_id_proves_none(tokens: EntraTokens):
    # a person's ``sub`` is another id, so that one person would be two
    caller = tokens.check(signed(v1_claims(oid=None, sub="pairwise-1")))

    assert caller.subject == ""


def test_the_keys_are_asked_of_the_tenant_once_for_many_tokens(tokens: EntraTokens, issuer: Issuer):
    for _ in range(3):
        tokens.check(signed(v1_claims()))

    assert issuer.asked == [f"/{TENANT}/discovery/v2.0/keys"]


CLAIMS: dict[str, dict[str, Any]] = {
    "expired": {"exp": int(time.time()) - 3600, "nbf": int(time.time()) - 7200},
    "not yet valid": {"nbf": int(time.time()) + 3600},
    "issued in the future": {"iat": int(time.time()) + 3600},
    "another audience": {"aud": "api://another"},
    "an audience that begins like ours": {"aud": f"api://{CLIENT}/more"},
    "no audience": {"aud": None},
    "no expiry": {"exp": None},
    "no beginning": {"nbf": None},
    "no issuer": {"iss": None},
    "no tenant": {"tid": None},
    "another tenant's issuer": {"iss": f"https://sts.windows.net/{OTHER_TENANT}/"},
    "the issuer without its slash": {"iss": V1_ISSUER.rstrip("/")},
    "another tenant behind our issuer": {"tid": OTHER_TENANT},
    "an issuer that is a list": {"iss": [V1_ISSUER]},
}


@pytest.mark.parametrize("changes", CLAIMS.values(), ids=CLAIMS.keys())
def test_a_well_signed_token_with_a_wrong_claim_is_refused(
    tokens: EntraTokens, changes: dict[str, Any]
):
    claims = v1_claims(**changes)
    token = f"{part({'alg': 'RS256', 'kid': 'one', 'typ': 'JWT'})}.{part(claims)}"
    signature = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256).sign(
        token.encode(), KEYS["one"]
    )

    with pytest.raises(NotAuthenticated):
        tokens.check(f"{token}.{part(signature)}")


def _unsigned(claims: dict[str, Any]) -> str:
    return f"{part({'alg': 'none', 'kid': 'one', 'typ': 'JWT'})}.{part(claims)}."


def _hmac_with_public_key(claims: dict[str, Any]) -> str:
    public = KEYS["one"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = f"{part({'alg': 'HS256', 'kid': 'one', 'typ': 'JWT'})}.{part(claims)}"
    return f"{head}.{part(hmac.new(public, head.encode(), hashlib.sha256).digest())}"


def _elliptic(claims: dict[str, Any]) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return jwt.encode(claims, key, algorithm="ES256", headers={"kid": "one"})


def _longer_hash(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, KEYS["one"], algorithm="RS512", headers={"kid": "one"})


def _by_a_stranger(claims: dict[str, Any]) -> str:
    return signed(claims, "stranger", kid="one")


def _own_key_inside(claims: dict[str, Any]) -> str:
    return signed(claims, "stranger", kid="one", jwk=jwk("one", "stranger"))


def _own_address_inside(claims: dict[str, Any]) -> str:
    return signed(claims, "stranger", kid="stranger", jku="http://127.0.0.1:1/keys")


def _tampered(claims: dict[str, Any]) -> str:
    head, _, signature = signed(claims).split(".")
    return f"{head}.{part(claims | {'roles': ['Owner']})}.{signature}"


def _without_key_id(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, KEYS["one"], algorithm="RS256")


FORGED: tuple[Callable[[dict[str, Any]], str], ...] = (
    *(_unsigned, _hmac_with_public_key, _elliptic, _longer_hash, _by_a_stranger),
    *(_own_key_inside, _own_address_inside, _tampered, _without_key_id),
)


@pytest.mark.parametrize("forge", FORGED, ids=lambda forge: forge.__name__)
def test_a_token_that_the_tenant_did_not_sign_is_refused(
    tokens: EntraTokens, issuer: Issuer, forge: Callable[[dict[str, Any]], str]
):
    for claims in (v1_claims(), v2_claims(issuer)):
        tokens._keys._tried_at = float("-inf")

        with pytest.raises(NotAuthenticated):
            tokens.check(forge(claims))


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        "....",
        "\x00",
        "é.é.é",
        "\ud800.x.y",
        "x" * 20_000,
        f"{part([])}.{part({})}.x",
        f"{part({'alg': 'RS256'})}.{part([])}.x",
        f"{part({'alg': ['RS256'], 'kid': 'one'})}.{part({'iss': V1_ISSUER})}.x",
        f"{part({'alg': 'RS256', 'kid': 7})}.{part({'iss': V1_ISSUER})}.x",
        f"{part({'alg': 'RS256', 'kid': 'one'})}.{part(b'[' * 9_000)}.x",
        f"{part(b'{' * 5_000)}.{part({})}.x",
    ],
    ids=range(14),
)
def test_what_is_no_token_is_refused_and_no_key_is_asked_for(
    tokens: EntraTokens, issuer: Issuer, token: str
):
    with pytest.raises(NotAuthenticated):
        tokens.check(token)

    assert issuer.asked == []


@given(text=st.text(st.characters(), max_size=60), data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_and_no_token_with_a_letter_changed_is_let_in(
    tokens: EntraTokens, text: str, data: st.DataObject
):
    good = signed(v1_claims())
    at = data.draw(st.integers(0, len(good) - 2))  # the last letter holds bits of no meaning
    changed = "A" if good[at] != "A" else "B"

    for token in (text, f"{text}.{text}.{text}", good[:at] + changed + good[at + 1 :]):
        with pytest.raises((NotAuthenticated, Unavailable)):
            tokens.check(token)


def test_another_tenants_token_does_not_make_us_ask_for_keys(tokens: EntraTokens, issuer: Issuer):
    token = signed(v1_claims(iss=f"https://sts.windows.net/{OTHER_TENANT}/"), kid="theirs")

    with pytest.raises(NotAuthenticated):
        tokens.check(token)

    assert issuer.asked == []


def test_clocks_may_differ_by_the_leeway_and_no_more(tokens: EntraTokens):
    now = int(time.time())

    tokens.check(signed(v1_claims(exp=now - 200)))
    tokens.check(signed(v1_claims(nbf=now + 200, iat=now + 200)))
    with pytest.raises(NotAuthenticated):
        tokens.check(signed(v1_claims(exp=now - 400)))


# --- keys ------------------------------------------------------------------------------------


def test_a_rotated_key_is_fetched_when_its_first_token_comes(
    tokens: EntraTokens, issuer: Issuer, timer: Timer
):
    tokens.check(signed(v1_claims()))
    issuer.listed = [jwk("one"), jwk("two")]
    timer.seconds += 61

    tokens.check(signed(v1_claims(), "two"))

    assert len(issuer.asked) == 2


def test_made_up_key_ids_do_not_turn_the_app_against_the_tenant(
    tokens: EntraTokens, issuer: Issuer, timer: Timer
):
    tokens.check(signed(v1_claims()))
    timer.seconds += 61
    with pytest.raises(NotAuthenticated):
        tokens.check(signed(v1_claims(), kid="made-up-0"))

    for number in range(1, 50):
        with pytest.raises(Unavailable):  # asked again once the pause is over
            tokens.check(signed(v1_claims(), kid=f"made-up-{number}"))

    assert len(issuer.asked) == 2
    tokens.check(signed(v1_claims()))  # a known key still serves


def test_keys_are_fetched_again_when_they_are_old_and_a_withdrawn_one_is_gone(
    tokens: EntraTokens, issuer: Issuer, timer: Timer
):
    tokens.check(signed(v1_claims()))
    issuer.listed = [jwk("two")]
    timer.seconds += 43201

    with pytest.raises(NotAuthenticated):
        tokens.check(signed(v1_claims()))

    tokens.check(signed(v1_claims(), "two"))
    assert len(issuer.asked) == 2


def test_old_keys_serve_on_while_the_tenant_does_not_answer(
    tokens: EntraTokens, issuer: Issuer, timer: Timer
):
    tokens.check(signed(v1_claims()))
    issuer.status = 500
    timer.seconds += 50_000

    for _ in range(3):
        tokens.check(signed(v1_claims()))

    assert len(issuer.asked) == 2


def test_without_any_key_the_sender_is_to_come_again(
    tokens: EntraTokens, issuer: Issuer, timer: Timer
):
    issuer.status = 503
    for _ in range(3):
        with pytest.raises(Unavailable):
            tokens.check(signed(v1_claims()))
    assert len(issuer.asked) == 1

    issuer.status = 200
    timer.seconds += 5

    tokens.check(signed(v1_claims()))


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (302, b""),
        (200, b"not json"),
        (200, b"[]"),
        (200, b'{"keys": []}'),
        (200, b'{"keys": 7}'),
        (200, b'{"keys": [{"kty": "oct", "k": "AAAA", "kid": "one"}]}'),
        (200, b'{"keys": "' + b"x" * 2_000_000 + b'"}'),
        (200, b"\xff\xfe"),
        (200, b"[" * 100_000),
    ],
    ids=["redirect", "words", "list", "none", "number", "symmetric", "endless", "binary", "deep"],
)
def test_an_answer_that_is_no_key_set_lets_nobody_in(
    tokens: EntraTokens, issuer: Issuer, status: int, content: bytes
):
    issuer.status, issuer.content = status, content

    with pytest.raises(Unavailable):
        tokens.check(signed(v1_claims()))

    assert len(issuer.asked) == 1


def test_a_key_for_encryption_signs_nothing(tokens: EntraTokens, issuer: Issuer):
    issuer.listed = [jwk("one", use="enc"), jwk("two")]

    with pytest.raises(NotAuthenticated):
        tokens.check(signed(v1_claims()))


def test_nobody_listening_is_unavailable(timer: Timer):
    with serve(Issuer()) as gone:
        url = gone.url

    with pytest.raises(Unavailable):
        TenantKeys(url, life_seconds=1, pause_seconds=1, timer=timer).find("one")
