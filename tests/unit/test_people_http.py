"""What people decide about champions, over HTTP: status, document, and who it was."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import azure.functions as func
import pytest

from functions import operator_http, people_http
from shared.domain.caller import Caller
from shared.domain.run import State
from shared.errors import NotAuthenticated
from tests.fakes.duel import duel, live, run_of
from tests.fakes.loop import APPROVER_ROLE, OPERATOR_ROLE, FakeLoop
from tests.fakes.samples import MODEL

ROLES = frozenset({APPROVER_ROLE})
OPERATES = frozenset({OPERATOR_ROLE})
TOKENS = {
    "olga": Caller("oid-olga", "app-1", OPERATES, "olga@example.com", is_app=False),
    "robot": Caller("oid-robot", "app-3", OPERATES, "app-3", is_app=True),
    "ana": Caller("oid-ana", "app-1", ROLES, "ana@example.com", is_app=False),
    "reader": Caller("oid-r", "app-1", frozenset(), "reader@example.com", is_app=False),
    "app": Caller("oid-app", "app-2", ROLES, "app-2", is_app=True),
}
YES = {"reason": "seven good days", "version": "2"}


@dataclass(frozen=True)
class Settings:
    client_principal: str = "ignore"
    entra_tenant_id: str = "tenant"


class Tokens:
    def check(self, token: str) -> Caller:
        if token not in TOKENS:
            raise NotAuthenticated("the token has expired")
        return TOKENS[token]


@dataclass
class World:
    """The app as the functions see it."""

    loop: FakeLoop
    settings: Settings = field(default_factory=Settings)
    tokens: Tokens = field(default_factory=Tokens)
    ids: int = 0

    def __post_init__(self) -> None:
        self.read_runs = self.loop.read_runs
        self.approve_run = self.loop.approval
        self.ask_champion = self.loop.ask_champion

    def new_id(self) -> str:
        self.ids += 1
        return f"id-{self.ids}"


def world_of(loop: FakeLoop, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(loop)
    monkeypatch.setattr(operator_http, "app", lambda: world)
    return world


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A run that waits for approval."""
    loop = duel(approval={"mode": "required"})
    live(loop, 3)
    loop.drain()
    return world_of(loop, monkeypatch)


def call(
    function: Any, body: Any, *, headers: Mapping[str, str] | None = None, **route: str
) -> tuple[int, dict[str, Any]]:
    """Give the answer's status and document."""
    request = func.HttpRequest(
        "POST",
        "/api",
        body=json.dumps(body).encode(),
        headers=headers or {},
        params={},
        route_params={"name": MODEL, **route},
    )
    response = function(request)
    return response.status_code, json.loads(response.get_body())


def decide(world: World, function: Any, body: Any = YES, *, who: str = "ana") -> Any:
    headers = {"authorization": f"Bearer {who}"} if who else {}
    return call(function, body, headers=headers, run_id=run_of(world.loop).run_id)


def test_an_approval_is_accepted_and_the_challenger_becomes_the_champion(world: World):
    status, document = decide(world, people_http.approve_run)

    assert status == 202
    assert (document["state"], document["version"]) == ("promoting", "2")
    world.loop.drain()
    assert world.loop.ports.registry.champion(MODEL).version == "2"


@pytest.mark.parametrize(
    ("who", "status"), [("", 403), ("reader", 403), ("app", 403), ("expired", 401)]
)
@pytest.mark.parametrize("function", [people_http.approve_run, people_http.reject_run])
def test_a_key_or_the_wrong_token_decides_nothing(world: World, function, who, status):
    assert decide(world, function, who=who)[0] == status
    assert run_of(world.loop).state is State.AWAITING_APPROVAL


def test_whom_the_body_names_is_nobody(world: World):
    claimed = {**YES, "approver": "ana@example.com", "actor": "ana", "oid": "oid-ana"}

    assert decide(world, people_http.approve_run, claimed, who="")[0] == 403


def test_a_principal_header_counts_only_where_app_service_stands_in_front(world: World):
    claims = [
        ("oid", "oid-eve"),
        ("preferred_username", "eve@example.com"),
        ("roles", APPROVER_ROLE),
    ]
    document = {"claims": [{"typ": typ, "val": val} for typ, val in claims]}
    header = {"x-ms-client-principal": base64.b64encode(json.dumps(document).encode()).decode()}
    run_id = run_of(world.loop).run_id

    assert call(people_http.approve_run, YES, headers=header, run_id=run_id)[0] == 403

    world.settings = Settings(client_principal="trust")
    assert call(people_http.approve_run, YES, headers=header, run_id=run_id)[0] == 202
    told = [r for r in world.loop.ports.store.chain(MODEL) if r["action"] == "run.approved"]
    assert told[0]["subject"] == "eve@example.com"
    assert told[0]["context"]["approver_id"] == "oid-eve"


@pytest.mark.parametrize("missing", ["reason", "version"])
def test_what_is_missing_is_named(world: World, missing: str):
    body = {key: value for key, value in YES.items() if key != missing}

    status, document = decide(world, people_http.approve_run, body)

    assert (status, document["field"]) == (400, missing)


def test_another_version_is_refused_by_its_field(world: World):
    status, document = decide(world, people_http.approve_run, {**YES, "version": "1"})

    assert (status, document["field"]) == (400, "version")


def test_a_report_that_was_changed_is_a_conflict(world: World):
    world.loop.ports.evidence.contents[run_of(world.loop).facts["context"]["evidence"]] = b"{}"

    status, document = decide(world, people_http.approve_run)

    assert status == 409
    assert "not the one that was judged" in document["detail"]


def test_a_decision_on_what_does_not_wait_is_a_conflict(world: World):
    decide(world, people_http.reject_run)

    status, document = decide(world, people_http.approve_run)

    assert status == 409
    assert "rejected does not wait" in document["detail"]


def test_a_rejection_ends_the_run(world: World):
    status, document = decide(world, people_http.reject_run)

    assert (status, document["state"]) == (200, "rejected")


def test_a_run_that_nobody_has_is_not_found(world: World):
    headers = {"authorization": "Bearer ana"}

    assert call(people_http.approve_run, YES, headers=headers, run_id="run-none")[0] == 404


def test_a_rollback_is_accepted_once_for_its_key(monkeypatch: pytest.MonkeyPatch):
    loop = duel()
    live(loop, 3)
    loop.drain()
    world_of(loop, monkeypatch)
    how: dict[str, Any] = {"headers": {"idempotency-key": "k-1", "authorization": "Bearer ana"}}

    status, first = call(people_http.rollback_model, {"reason": "worse"}, **how)
    loop.drain()
    _, again = call(people_http.rollback_model, {"reason": "worse"}, **how)
    loop.drain()

    assert (status, first["state"]) == (202, "promoting")
    assert again["run_id"] == first["run_id"]
    assert loop.ports.registry.champion(MODEL).version == "1"
    told = [r for r in loop.ports.store.chain(MODEL) if r["action"] == "run.rollback"]
    assert [row["subject"] for row in told] == ["ana@example.com"]


def test_without_a_champion_before_a_rollback_is_a_conflict(world: World):
    assert call(people_http.rollback_model, {"reason": "worse"})[0] == 409


def test_a_bootstrap_makes_the_first_champion(monkeypatch: pytest.MonkeyPatch):
    loop = FakeLoop()
    loop.ports.registry._aliases[MODEL].clear()
    world_of(loop, monkeypatch)

    status, document = call(people_http.bootstrap_model, {"reason": "the first", "version": "1"})
    loop.drain()

    assert (status, document["version"]) == (202, "1")
    assert loop.ports.registry.champion(MODEL).version == "1"


@pytest.mark.parametrize(("version", "status"), [("1", 409), ("9", 404), ("", 400)])
def test_a_bootstrap_that_cannot_be_is_refused(world: World, version: str, status: int):
    body = {"reason": "the first", "version": version}

    assert call(people_http.bootstrap_model, body)[0] == status


@pytest.mark.parametrize("function", [people_http.rollback_model, people_http.bootstrap_model])
def test_a_model_that_is_not_in_the_catalogue_is_not_found(world: World, function: Any):
    body = {"reason": "why", "version": "1"}

    assert call(function, body, name="nobody")[0] == 404


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch) -> World:
    """An app whose callers can prove who they are; version 2 serves, version 1 did before."""
    loop = duel()
    live(loop, 3)
    loop.drain()
    world = world_of(loop, monkeypatch)
    world.ask_champion = replace(loop.ask_champion, role=OPERATOR_ROLE)
    return world


def as_of(who: str) -> dict[str, str]:
    return {"authorization": f"Bearer {who}"} if who else {}


@pytest.mark.parametrize("who", ["olga", "robot"])
def test_who_has_the_operator_s_role_rolls_back(signed_in: World, who: str):
    status, _ = call(people_http.rollback_model, {"reason": "worse"}, headers=as_of(who))
    signed_in.loop.drain()

    assert status == 202
    assert signed_in.loop.ports.registry.champion(MODEL).version == "1"


@pytest.mark.parametrize(
    ("who", "status"), [("", 403), ("ana", 403), ("reader", 403), ("expired", 401)]
)
@pytest.mark.parametrize("function", [people_http.rollback_model, people_http.bootstrap_model])
def test_where_callers_have_names_a_key_or_another_role_changes_no_champion(
    signed_in: World, function: Any, who: str, status: int
):
    body = {"reason": "worse", "version": "1"}

    assert call(function, body, headers=as_of(who))[0] == status
    signed_in.loop.drain()
    assert signed_in.loop.ports.registry.champion(MODEL).version == "2"


def test_a_key_alone_is_told_which_role_it_lacks(signed_in: World):
    _, document = call(people_http.rollback_model, {"reason": "worse"})

    assert document["detail"] == (
        "who asks is not proven: "
        "the app role 'RetrainLoop.Operator' is needed, in a token with an object id"
    )
