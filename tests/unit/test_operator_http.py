"""The operators' endpoints, called as the worker calls them, on fakes."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import azure.functions as func
import pytest

from functions import operator_http, retrain_timer
from shared.domain.caller import Caller
from shared.domain.run import State
from shared.errors import NotAuthenticated, Refused, Unavailable
from tests.fakes.loop import FakeLoop
from tests.fakes.samples import MODEL, alert_of, catalogue_of, model_document

UNTIL = "2013-07-03T04:00:00Z"
WHY = {"reason": "new fare table"}


@dataclass(frozen=True)
class FakeSettings:
    client_principal: str = "ignore"
    entra_tenant_id: str = ""


class FakeTokens:
    """Knows the tokens ``ana`` and ``app``."""

    def check(self, token: str) -> Caller:
        known = {
            "ana": Caller("oid-1", "app-1", frozenset(), "ana@example.com", is_app=False),
            "app": Caller("oid-2", "app-2", frozenset(), "app-2", is_app=True),
        }
        if token not in known:
            raise NotAuthenticated("the token does not hold")
        return known[token]


@dataclass
class World:
    """The app as the functions see it."""

    loop: FakeLoop
    settings: FakeSettings = field(default_factory=FakeSettings)
    tokens: FakeTokens = field(default_factory=FakeTokens)
    ids: int = 0

    def __post_init__(self) -> None:
        self.request_retrain = self.loop.request
        self.suppress = self.loop.suppress
        self.read_runs = self.loop.read_runs
        self.cancel_run = self.loop.cancel
        self.release_run = self.loop.release
        self.schedule_retrains = self.loop.schedule

    def new_id(self) -> str:
        self.ids += 1
        return f"id-{self.ids}"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    models = (model_document("slot-revenue"), model_document())
    world = World(FakeLoop(catalogue_of(*models)))
    monkeypatch.setattr(operator_http, "app", lambda: world)
    monkeypatch.setattr(retrain_timer, "app", lambda: world)
    return world


def call(
    function: Any,
    body: Any = WHY,
    *,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
    **route: str,
) -> tuple[int, dict[str, Any]]:
    """Give the answer's status and document."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = func.HttpRequest(
        method,
        "/api",
        body=content,
        headers=headers or {},
        params=params or {},
        route_params={"name": MODEL, **route},
    )
    response = function(request)
    return response.status_code, json.loads(response.get_body())


def retrain(**how: Any) -> tuple[int, dict[str, Any]]:
    return call(operator_http.retrain_model, **how)


def runs(world: World) -> list[Any]:
    return world.loop.runs()


def subjects(world: World) -> list[tuple[str, str]]:
    chain = world.loop.ports.store.chain(MODEL)
    return [(row["subject"], row["subject_type"]) for row in chain]


def principal(*claims: tuple[str, str]) -> dict[str, str]:
    document = {"auth_typ": "aad", "claims": [{"typ": typ, "val": val} for typ, val in claims]}
    return {"X-MS-CLIENT-PRINCIPAL": base64.b64encode(json.dumps(document).encode()).decode()}


def test_a_retrain_is_accepted_with_where_to_look(world: World):
    status, receipt = retrain()

    (run,) = runs(world)
    assert status == 202
    assert receipt == {
        "decision": "accepted",
        "reason": "manual: operator (function key) asked: new fare table",
        "model": MODEL,
        "run_id": run.run_id,
        "state": "requested",
        "status_url": f"/api/models/{MODEL}/runs/{run.run_id}",
    }


def test_a_retrain_that_is_recorded_and_not_done_is_no_202(world: World):
    retrain()

    status, receipt = retrain()

    assert status == 200
    assert receipt["decision"] == "skipped"
    assert receipt["reason"].startswith("merged: ")


def test_a_client_that_asks_again_with_its_key_gets_the_same_run(world: World):
    answers = [retrain(headers={"Idempotency-Key": "k-7"})[1] for _ in range(2)]

    assert answers[0]["run_id"] == answers[1]["run_id"]
    assert answers[1]["decision"] == "duplicate"
    assert len(runs(world)) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"[]", "body"),
        (b"[" * 10_000, "body"),
        (b'{"reason": "' + b"x" * 20_000 + b'"}', "body"),
        ({}, "reason"),
        ({"reason": " "}, "reason"),
        ({"reason": 7}, "reason"),
        ({"reason": "x" * 501}, "reason"),
    ],
)
def test_what_can_never_succeed_names_its_field(world: World, body: Any, field: str):
    status, problem = retrain(body=body)

    assert (status, problem["field"]) == (400, field)
    assert runs(world) == []


def test_half_a_surrogate_pair_in_a_reason_does_no_harm(world: World):
    status, _ = retrain(body=b'{"reason": "a\\ud800"}')

    assert status == 202
    assert runs(world)[0].trigger.reason.endswith("asked: a?")


def test_a_model_nobody_knows_is_not_found(world: World):
    for function in (
        operator_http.retrain_model,
        operator_http.list_runs,
        operator_http.suppress_model,
    ):
        status, _ = call(function, {**WHY, "until": UNTIL}, name="another")
        assert status == 404


def test_a_suppression_is_set_shown_and_lifted(world: World):
    status, answer = call(operator_http.suppress_model, {**WHY, "until": UNTIL})
    assert (status, answer["until"]) == (200, "2013-07-03T04:00:00+00:00")

    _, listed = call(operator_http.list_runs, method="GET")
    assert listed["suppression"] == {
        "until": "2013-07-03T04:00:00+00:00",
        "reason": "new fare table",
    }
    assert retrain()[1]["reason"].startswith("suppressed: operator (function key) suppressed it")

    assert call(operator_http.suppress_model, method="DELETE") == (
        200,
        {"model": MODEL, "lifted": True},
    )
    assert retrain()[0] == 202


@pytest.mark.parametrize(
    "until", [None, "tomorrow", "2013-07-03T04:00:00", "2013-07-01T04:00:00Z", "2099-01-01T00:00Z"]
)
def test_a_suppression_needs_an_end_that_is_near_enough(world: World, until: Any):
    status, problem = call(operator_http.suppress_model, {**WHY, "until": until})

    assert (status, problem["field"]) == (400, "until")


def test_runs_are_listed_and_shown(world: World):
    retrain()
    retrain()
    newest = runs(world)[-1].run_id

    _, listed = call(operator_http.list_runs, method="GET", params={"limit": "1"})
    _, skipped = call(operator_http.list_runs, method="GET", params={"state": "skipped"})
    status, shown = call(operator_http.show_run, method="GET", run_id=newest)

    assert len(listed["runs"]) == 1
    assert [run["state"] for run in skipped["runs"]] == ["skipped"]
    assert status == 200
    assert shown["run_id"] == newest
    assert call(operator_http.show_run, method="GET", run_id="run-none")[0] == 404
    assert call(operator_http.show_run, method="GET", run_id="../head")[0] == 400


@pytest.mark.parametrize(
    "params",
    [
        {"limit": "0"},
        {"limit": "501"},
        {"limit": "-1"},
        {"limit": "9" * 5000},
        {"days": "many"},
        {"days": "²"},
        {"state": "flying"},
    ],
)
def test_a_list_that_nobody_can_give_is_a_bad_request(world: World, params: dict[str, str]):
    status, problem = call(operator_http.list_runs, method="GET", params=params)

    assert (status, problem["field"]) == (400, next(iter(params)))


@pytest.mark.parametrize("with_model", [True, False])
def test_a_run_is_cancelled_with_or_without_its_model_s_name(world: World, with_model: bool):
    retrain()
    run_id = runs(world)[0].run_id
    function = operator_http.cancel_run if with_model else operator_http.cancel_any_run

    status, document = call(function, {"reason": "wrong data"}, run_id=run_id)

    assert (status, document["state"]) == (200, "cancelled")
    assert call(function, {"reason": "wrong data"}, run_id="run-none")[0] == 404


def test_a_cancellation_that_fabric_has_not_taken_is_202_and_happens(world: World):
    world.loop.job_status = ""
    retrain()
    world.loop.step()
    world.loop.ports.jobs.cancel_faults.order(Unavailable("no answer"))

    status, document = call(operator_http.cancel_run, run_id=runs(world)[0].run_id)
    world.loop.drain()

    assert (status, document["state"]) == (202, "running")
    assert runs(world)[0].state is State.CANCELLED


def test_a_run_that_is_over_cannot_be_cancelled_and_one_that_is_not_held_not_released(world: World):
    retrain()
    world.loop.drain()
    run_id = runs(world)[0].run_id

    for function in (operator_http.cancel_run, operator_http.release_run):
        status, problem = call(function, run_id=run_id)
        assert status == 409
        assert "a run in staged" in problem["detail"]


def test_a_held_run_is_released_and_starts(world: World):
    world.loop.receive(alert_of(kind="concept"))
    run_id = runs(world)[0].run_id

    status, document = call(operator_http.release_run, run_id=run_id)
    world.loop.drain()

    assert (status, document["state"]) == (202, "requested")
    assert runs(world)[0].state is State.STAGED


def test_a_fabric_that_refuses_is_a_bad_gateway(world: World):
    world.loop.receive(alert_of(kind="concept"))
    refused = Refused("no permission", code="InsufficientPrivileges")
    world.loop.ports.jobs.get_faults.order(refused)

    status, _ = call(
        operator_http.release_run, {**WHY, "job_id": "j"}, run_id=runs(world)[0].run_id
    )

    assert status == 502


def test_a_store_that_does_not_answer_asks_to_come_again(world: World):
    world.loop.ports.store.faults.order(Unavailable("no answer"))

    status, problem = retrain()

    assert (status, problem["detail"]) == (503, "no answer")


# --- who acts --------------------------------------------------------------------------------


def test_without_a_name_that_is_proven_the_holder_of_the_key_acts(world: World):
    claimed = {**principal(("name", "mallory")), "Authorization": "Bearer ana"}

    retrain(headers=claimed)

    assert subjects(world) == [("operator (function key)", "user")]


@pytest.mark.parametrize(
    ("token", "subject"),
    [("ana", ("ana@example.com", "user")), ("app", ("app-2", "service_principal"))],
)
def test_a_token_that_holds_names_who_acts(world: World, token: str, subject: tuple[str, str]):
    world.settings = FakeSettings(entra_tenant_id="t")

    retrain(headers={"Authorization": f"Bearer {token}"})

    assert subjects(world) == [subject]
    assert runs(world)[0].trigger.actor == subject[0]


@pytest.mark.parametrize("header", ["Bearer forged", "Bearer", "Basic ana"])
def test_a_token_that_does_not_hold_acts_under_no_name(world: World, header: str):
    world.settings = FakeSettings(entra_tenant_id="t")

    status, _ = retrain(headers={"Authorization": header})

    assert status == 401
    assert runs(world) == []


LONG = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims"


@pytest.mark.parametrize(
    ("claims", "subject"),
    [
        ([("preferred_username", "ana@example.com"), ("oid", "1")], ("ana@example.com", "user")),
        ([(f"{LONG}/upn", "ana@example.com"), ("name", "Ana")], ("ana@example.com", "user")),
        ([("name", "Ana")], ("Ana", "user")),
        ([("appid", "app-2"), ("oid", "2")], ("app-2", "service_principal")),
        ([("azp", "app-2"), ("idtyp", "app")], ("app-2", "service_principal")),
        ([("name", "x" * 900)], ("x" * 200, "user")),
    ],
)
def test_app_service_names_who_acts_where_it_is_trusted(
    world: World, claims: list[tuple[str, str]], subject: tuple[str, str]
):
    world.settings = FakeSettings(client_principal="trust")

    retrain(headers=principal(*claims))

    assert subjects(world) == [subject]


@pytest.mark.parametrize(
    "header",
    [
        "%%%",
        *(base64.b64encode(text).decode() for text in (b"{", b"[]", b'{"claims": [{}]}')),
        principal(),
        principal(("role", "reader")),
    ],
)
def test_a_principal_that_cannot_be_read_acts_under_no_name(world: World, header: Any):
    world.settings = FakeSettings(client_principal="trust")
    headers = header if isinstance(header, dict) else {"X-MS-CLIENT-PRINCIPAL": header}

    status, _ = retrain(headers=headers)

    assert status == 401
    assert runs(world) == []


# --- the timer -------------------------------------------------------------------------------


def test_the_timer_looks_at_every_model(world: World, caplog: pytest.LogCaptureFixture):
    class Timer:
        past_due = True

    with caplog.at_level("INFO"):
        retrain_timer.schedule_retrains(Timer())

    assert "raised 0 triggers, 1 models failed, late: True" in caplog.text
