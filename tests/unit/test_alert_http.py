"""POST /api/alerts, called as the worker calls it, on fakes."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

from functions import alert_http
from shared.catalogue import Catalogue
from shared.errors import ConfigError, Conflict, Throttled, Unavailable
from shared.handlers.journal import Journal
from shared.handlers.receive_alert import ReceiveAlert
from tests.documents import alert_body, catalogue_document
from tests.fakes.clock import FakeClock
from tests.fakes.queues import FakeQueues
from tests.fakes.samples import MODEL
from tests.fakes.state import FakeRunStore


@dataclass
class World:
    """The app's outside, and the app on it."""

    store: FakeRunStore
    queues: FakeQueues
    receive_alert: ReceiveAlert
    settings: Any = field(default_factory=lambda: SimpleNamespace(alert_callers="key"))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    clock, store = FakeClock(), FakeRunStore()
    clock.advance(minutes=10)
    queues = FakeQueues(clock)
    catalogue = Catalogue.model_validate(catalogue_document())
    world = World(store, queues, ReceiveAlert(catalogue, Journal(store, clock), queues))
    monkeypatch.setattr(alert_http, "app", lambda: world)
    return world


def post(body: bytes, **headers: str) -> func.HttpResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = func.HttpRequest("POST", "/api/alerts", headers=named, body=body)
    return alert_http.receive_alert(request)


def document_of(response: func.HttpResponse) -> dict[str, Any]:
    document = json.loads(response.get_body())
    assert isinstance(document, dict)
    return document


def problem_of(response: func.HttpResponse) -> dict[str, Any]:
    assert response.mimetype == "application/problem+json"
    problem = document_of(response)
    assert problem["type"] == "about:blank"
    assert problem["status"] == response.status_code
    return problem


def test_an_alert_is_answered_with_a_receipt_once_its_run_is_stored(world: World):
    response = post(alert_body())

    (run,) = world.store.runs(MODEL)
    assert response.status_code == 202
    assert response.mimetype == "application/json"
    assert document_of(response) == {
        "decision": "accepted",
        "reason": run.reason,
        "model": MODEL,
        "run_id": run.run_id,
        "state": "requested",
        "status_url": f"/api/models/{MODEL}/runs/{run.run_id}",
    }
    assert world.queues.visible("retrain-runs") == [
        {"v": 1, "model": MODEL, "run_id": run.run_id, "step": 0}
    ]


def test_the_same_alert_again_is_answered_with_the_same_run(world: World):
    first = document_of(post(alert_body()))

    again = post(alert_body())

    assert again.status_code == 202
    assert document_of(again)["decision"] == "duplicate"
    assert document_of(again)["run_id"] == first["run_id"]
    assert len(world.store.runs(MODEL)) == 1


def test_a_resolution_is_recorded_and_starts_nothing(world: World):
    response = post(alert_body(monitorCondition="Resolved"))

    assert response.status_code == 202
    assert document_of(response)["decision"] == "resolved"
    assert world.queues.sent == []
    assert [row["action"] for row in world.store.chain(MODEL)] == ["alert.resolved"]


@pytest.mark.parametrize("model", ["somebody-elses", None])
def test_an_alert_about_no_model_of_ours_is_ignored_on_the_record(world: World, model: str | None):
    response = post(alert_body(model=model))

    assert response.status_code == 202
    assert document_of(response)["decision"] == "ignored"
    assert document_of(response)["run_id"] == ""
    assert world.queues.sent == []
    assert [row["action"] for row in world.store.chain("unrouted.alerts")] == ["alert.ignored"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="half"),
        pytest.param(b"not json", id="words"),
        pytest.param(b'{"schemaId": "\xff\xfe\xfa"}', id="invalid UTF-8"),
        pytest.param(b"[" * 100_000, id="nested too deeply"),
        pytest.param(b'{"a":' * 40_000 + b"1" + b"}" * 40_000, id="well-formed and too deep"),
        pytest.param(b'{"schemaId": ' + b"9" * 5_000 + b"}", id="a number of 5,000 digits"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"null", id="null"),
    ],
)
def test_a_body_that_is_no_json_object_is_a_bad_request_about_the_body(world: World, body: bytes):
    response = post(body)

    assert response.status_code == 400
    problem = problem_of(response)
    assert problem["title"] == "Bad Request"
    assert problem["field"] == "body"
    assert problem["detail"].startswith("body: ")
    assert len(problem["detail"]) < 500
    assert world.store.commits == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"alertId": ""}, "data.essentials.alertId"),
        ({"alertId": None}, "data.essentials.alertId"),
        ({"monitorCondition": "Perhaps"}, "data.essentials.monitorCondition"),
        ({"firedDateTime": "yesterday"}, "data.essentials.firedDateTime"),
        ({"kind": "whim"}, "data.customProperties.trigger_kind"),
    ],
)
def test_a_wrong_value_is_a_bad_request_that_names_its_field(
    world: World, changes: dict[str, Any], field: str
):
    response = post(alert_body(**changes))

    assert response.status_code == 400
    assert problem_of(response)["field"] == field
    assert world.store.commits == []


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"alertId": "a" * 100_000}, id="an endless id"),
        pytest.param({"alertId": "../?#%00\x00\x1b"}, id="an id of control characters"),
        pytest.param({"alertRule": "r" * 100_000}, id="an endless rule"),
        pytest.param({"model": "m" * 100_000}, id="an endless model"),
        pytest.param({"model": "a/b?c#d\x00"}, id="a model that storage could not key"),
        pytest.param({"alertId": "a\ud800"}, id="an id with half a surrogate pair"),
        pytest.param({"model": "m\ud800"}, id="a model with half a surrogate pair"),
        pytest.param({"alertRule": {"deep": [[[[]]]]}}, id="a rule that is no text"),
        pytest.param({"metric": 10**400}, id="a number no float holds"),
        pytest.param({"metric": float("nan")}, id="no number"),
        pytest.param({"firedDateTime": "9999-12-31T23:59:59-14:00"}, id="after all calendars"),
    ],
)
def test_whatever_a_sender_writes_is_a_decision_or_a_bad_request(
    world: World, changes: dict[str, Any]
):
    response = post(alert_body(**changes))

    assert response.status_code in {202, 400}
    assert len(response.get_body()) < 5_000


@pytest.mark.parametrize(
    "kind",
    ["application/json", "Application/JSON; charset=utf-8", "application/cloudevents+json"],
)
def test_json_under_any_of_its_names_is_read(world: World, kind: str):
    assert post(alert_body(), Content_Type=kind).status_code == 202


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Content-Type", "text/plain"),
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Content-Type", "application/xml; charset=utf-8"),
        ("Content-Encoding", "gzip"),
        ("Content-Encoding", "br"),
    ],
)
def test_a_body_that_is_not_plain_json_is_an_unsupported_media_type(
    world: World, header: str, value: str
):
    response = post(alert_body(), **{header.replace("-", "_"): value})

    assert response.status_code == 415
    assert problem_of(response)["field"] == header
    assert world.store.commits == []


def test_a_missing_configuration_is_our_fault_and_tells_nothing_of_it(
    monkeypatch: pytest.MonkeyPatch,
):
    def unconfigured() -> None:
        raise ConfigError("FABRIC_WORKSPACE_ID is not set")

    monkeypatch.setattr(alert_http, "app", unconfigured)

    response = post(alert_body())

    assert response.status_code == 500
    assert "FABRIC" not in problem_of(response)["detail"]
    assert "Retry-After" not in response.headers


def test_the_host_sheds_load_before_it_falls_over():
    host = json.loads((Path(__file__).parents[2] / "host.json").read_text(encoding="utf-8"))

    http = host["extensions"]["http"]

    assert http["dynamicThrottlesEnabled"] is True
    assert 1 <= http["maxConcurrentRequests"] <= http["maxOutstandingRequests"] <= 1000


def test_an_alert_without_a_known_schema_is_told_how_to_switch_the_common_one_on(world: World):
    response = post(b'{"schemaId": "AzureMonitorSomethingElse"}')

    assert response.status_code == 400
    assert problem_of(response)["field"] == "schemaId"
    assert "action group" in problem_of(response)["detail"]


def test_a_body_at_the_limit_is_read_and_one_byte_more_is_refused(world: World):
    fitting = alert_body().ljust(alert_http.MAX_BODY)

    assert post(fitting).status_code == 202
    response = post(fitting + b" ")

    assert response.status_code == 413
    assert str(alert_http.MAX_BODY) in problem_of(response)["detail"]


@pytest.mark.parametrize(
    "fault", [Unavailable("table retrainloop: no answer"), Throttled("busy", retry_after=3)]
)
def test_a_store_that_does_not_answer_asks_the_sender_to_come_again(
    world: World, fault: Unavailable
):
    world.store.faults.order(fault)

    response = post(alert_body())

    assert response.status_code == 503
    assert response.headers["Retry-After"] == "20"
    assert problem_of(response)["detail"] == str(fault)
    assert world.store.runs(MODEL) == []


def test_a_store_that_other_writers_never_let_go_of_asks_the_sender_to_come_again(world: World):
    world.store.faults.order(Conflict("written to since it was read"), times=100)

    response = post(alert_body())

    assert response.status_code == 503
    assert response.headers["Retry-After"] == "20"


def test_a_queue_that_does_not_answer_loses_nothing_when_the_sender_comes_again(world: World):
    world.queues.faults.order(Unavailable("queue retrain-runs: no answer"))

    first = post(alert_body())
    again = post(alert_body())

    assert (first.status_code, again.status_code) == (503, 202)
    (run,) = world.store.runs(MODEL)
    assert [message["run_id"] for message in world.queues.visible("retrain-runs")] == [run.run_id]


def test_a_defect_is_not_answered_as_the_senders_fault(world: World):
    world.store.faults.order(ZeroDivisionError("a defect"))

    with pytest.raises(ZeroDivisionError):
        post(alert_body())
