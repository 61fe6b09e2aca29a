"""What one alert costs on real storage: how many calls, and none to anything but storage."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import azure.functions as func
import pytest

from functions import alert_http
from shared.bootstrap import App
from shared.catalogue import load_catalogue
from shared.config import load_settings
from tests.calls import Calls, counted
from tests.documents import alert_body, catalogue_document
from tests.fakes.samples import model_document

MODEL = f"calls-{uuid4().hex[:12]}"
READS = {"GET table query": 2, "GET table entity": 1}
WRITE = {"POST table transaction": 1}
SEND = {"POST queue message": 1}


@pytest.fixture(scope="module")
def app(azurite_connection: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    models = tmp_path_factory.mktemp("calls") / "models.yaml"
    models.write_text(json.dumps(catalogue_document(model_document(MODEL))), encoding="utf-8")
    settings = load_settings(
        {
            "AUTH_MODE": "local",
            "LOCAL_TOKEN": "local-only",
            "AzureWebJobsStorage": azurite_connection,
            "FABRIC_API_URL": "http://127.0.0.1:1/v1",  # nobody listens: Fabric is down
            "LAKEHOUSE_URI": ".",
            "MLFLOW_TRACKING_URI": "http://127.0.0.1:1",
            "LOGS_INGESTION_ENDPOINT": "http://127.0.0.1:1",
            "LOGS_INGESTION_RULE_ID": "dcr-1",
        }
    )
    made = App(settings, load_catalogue(models, {}))
    made.store.chains()  # makes the table
    made.queues.send("retrain-runs", {})
    yield made
    made.store.close()
    made.queues.close()


@pytest.fixture
def post(app: App, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(alert_http, "app", lambda: app)

    def post(number: int, **changes: Any) -> tuple[str, Calls]:
        at = app.clock.now().isoformat()
        body = alert_body(
            **{"model": MODEL, "alertId": f"/a/{number}", "firedDateTime": at} | changes
        )
        with counted() as calls:
            response = alert_http.receive_alert(func.HttpRequest("POST", "/api/alerts", body=body))
        assert response.status_code == 202, response.get_body()
        return json.loads(response.get_body())["decision"], calls

    return post


def test_each_decision_costs_what_it_must_and_nothing_goes_to_fabric(post: Any):
    accepted, first = post(1)
    duplicate, again = post(1)
    skipped, second = post(2)
    ignored, foreign = post(3, model="somebody-elses")
    resolved, closed = post(1, monitorCondition="Resolved")

    assert [accepted, duplicate, skipped] == ["accepted", "duplicate", "skipped"]
    assert [ignored, resolved] == ["ignored", "resolved"]
    assert first.counts == {**READS, **WRITE, **SEND}
    assert again.counts == {**READS, "GET table query": 1, **WRITE, **SEND}
    assert second.counts == {**READS, **WRITE}
    assert foreign.counts == {**READS, "GET table query": 1, **WRITE}
    assert closed.counts == {**READS, "GET table query": 1, **WRITE}
