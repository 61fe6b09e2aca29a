"""Who may send alerts, in each mode, on both routes."""

import json
from types import SimpleNamespace

import azure.functions as func
import pytest

from functions import alert_http, callers
from shared.config import load_settings
from shared.domain.caller import Caller
from shared.errors import ConfigError, NotAllowed, NotAuthenticated, Unavailable
from shared.handlers.request_retrain import Receipt
from tests.documents import alert_body

APP = "461e8683-5575-4561-ac7f-899cc907d62a"
ROLE = "ActionGroupsSecureWebhook"
SENDER = Caller("oid-1", APP, frozenset({ROLE}), APP, is_app=True)


class FakeTokens:
    """Knows one token."""

    def __init__(self, caller=SENDER):
        self.answer = caller

    def check(self, token):
        if isinstance(self.answer, Exception):
            raise self.answer
        if token != "good":
            raise NotAuthenticated("the token does not hold")
        return self.answer


class World:
    """An app in a mode; ``received`` is what came through."""

    def __init__(self, mode, tokens=None):
        self.settings = SimpleNamespace(
            alert_callers=mode, action_group_app_id=APP, action_group_role=ROLE
        )
        self._tokens = tokens
        self.received = []

    @property
    def tokens(self):
        assert self._tokens is not None, "no token should have been looked at"
        return self._tokens

    def receive_alert(self, alert):
        self.received.append(alert)
        return Receipt("accepted", "because", "m", "run-1", "requested")


@pytest.fixture
def call(monkeypatch):
    def call(world, secure=False, body=None, **headers):
        monkeypatch.setattr(alert_http, "app", lambda: world)
        function = alert_http.receive_secure_alert if secure else alert_http.receive_alert
        body = alert_body() if body is None else body
        return function(func.HttpRequest("POST", "/api", headers=headers, body=body))

    return call


@pytest.mark.parametrize("mode", ["key", "both"])
def test_a_holder_of_the_key_may_send_alerts_and_no_token_is_looked_at(call, mode):
    world = World(mode)

    assert call(world).status_code == 202
    assert len(world.received) == 1


def test_where_only_tokens_count_a_key_is_forbidden(call):
    world = World("entra")

    response = call(world)

    assert response.status_code == 403
    assert response.mimetype == "application/problem+json"
    assert world.received == []


def test_where_only_keys_count_the_secure_route_is_as_good_as_not_there(call):
    world = World("key", FakeTokens())

    response = call(world, secure=True, Authorization="Bearer good")

    assert response.status_code == 404
    assert world.received == []


@pytest.mark.parametrize("mode", ["entra", "both"])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_good_token_may_send_alerts(call, mode, scheme):
    world = World(mode, FakeTokens())

    response = call(world, secure=True, Authorization=f"{scheme} good")

    assert response.status_code == 202
    assert json.loads(response.get_body())["status_url"] == "/api/models/m/runs/run-1"


@pytest.mark.parametrize("mode", ["entra", "both"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer  "},
        {"Authorization": "Basic good"},
        {"Authorization": "good"},
        {"Authorization": "Bearer bad"},
        {"X-Functions-Key": "good"},
    ],
    ids=str,
)
def test_without_a_token_that_holds_nobody_is_let_in(call, mode, headers):
    world = World(mode, FakeTokens())

    response = call(world, secure=True, **headers)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert world.received == []


@pytest.mark.parametrize(
    "caller",
    [
        Caller("o", "another-app", frozenset({ROLE}), "n", is_app=True),
        Caller("o", "", frozenset({ROLE}), "n", is_app=True),
        Caller("o", APP, frozenset(), "n", is_app=True),
        Caller("o", APP, frozenset({"Reader", ROLE.lower()}), "n", is_app=True),
    ],
    ids=["another app", "no app", "no role", "another role"],
)
def test_another_application_or_one_without_the_role_is_forbidden(call, caller):
    world = World("entra", FakeTokens(caller))

    response = call(world, secure=True, Authorization="Bearer good")

    assert response.status_code == 403
    assert world.received == []


def test_keys_that_cannot_be_fetched_ask_the_sender_to_come_again(call):
    world = World("entra", FakeTokens(Unavailable("the tenant's keys: no answer")))

    response = call(world, secure=True, Authorization="Bearer good")

    assert response.status_code == 503
    assert response.headers["Retry-After"] == "20"


def test_who_calls_is_asked_before_what_they_say(call):
    world = World("entra", FakeTokens())

    for body in (b"not json", b"x" * (alert_http.MAX_BODY + 1)):
        assert call(world, secure=True, body=body).status_code == 401


def test_an_application_is_the_same_whatever_the_case_of_its_id():
    SENDER.require_app(APP.upper())

    with pytest.raises(NotAllowed):
        SENDER.require_app(APP[:-1])


def test_a_token_is_what_stands_behind_the_scheme():
    assert callers.bearer_token({"authorization": " Bearer  a.b.c "}) == "a.b.c"


# --- settings --------------------------------------------------------------------------------

TENANT = "11111111-2222-4333-8444-555555555555"
NEEDED = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "LAKEHOUSE_URI": ".",
    "MLFLOW_TRACKING_URI": "http://127.0.0.1:1",
    "LOGS_INGESTION_ENDPOINT": "https://127.0.0.1:1",
    "LOGS_INGESTION_RULE_ID": "dcr-1",
}


def test_alerts_are_taken_from_key_holders_alone_unless_the_settings_say_more():
    settings = load_settings(NEEDED)

    assert settings.alert_callers == "key"
    assert (settings.action_group_app_id, settings.action_group_role) == (APP, ROLE)


@pytest.mark.parametrize("mode", ["entra", "both"])
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"ENTRA_TENANT_ID": TENANT},
        {"ENTRA_AUDIENCES": "api://app"},
        {"ENTRA_TENANT_ID": TENANT, "ENTRA_AUDIENCES": " , "},
    ],
    ids=["neither", "no audience", "no tenant", "an empty audience"],
)
def test_tokens_are_not_taken_without_a_tenant_and_an_audience(mode, given):
    with pytest.raises(ConfigError, match="ENTRA_TENANT_ID and ENTRA_AUDIENCES"):
        load_settings(NEEDED | given | {"ALERT_CALLERS": mode})


@pytest.mark.parametrize("tenant", ["common", "organizations", "contoso.com", f"{TENANT}/../x"])
def test_the_tenant_is_one_by_its_id_and_never_any(tenant):
    with pytest.raises(ConfigError, match="ENTRA_TENANT_ID"):
        load_settings(NEEDED | {"ENTRA_TENANT_ID": tenant})


@pytest.mark.parametrize("url", ["http://login.example.com", "ftp://example.com", "login"])
def test_keys_are_not_fetched_over_a_line_that_others_can_write_to(url):
    with pytest.raises(ConfigError, match="ENTRA_AUTHORITY"):
        load_settings(NEEDED | {"ENTRA_AUTHORITY": url})
