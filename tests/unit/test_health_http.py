"""GET /api/health: open to everyone, so what it does not say counts, too."""

import json
from dataclasses import dataclass
from typing import Any

import azure.functions as func
import pytest

from functions import health_http
from shared.catalogue import Catalogue
from shared.config import load_settings
from shared.errors import LoopError, Refused, Unavailable
from tests.documents import catalogue_document
from tests.fakes.samples import MODEL

SECRET = "swordfish-4711"


class Store:
    """Answers, or fails as it is told."""

    def __init__(self, fault: LoopError | None = None) -> None:
        self.fault = fault

    def chains(self) -> list[str]:
        if self.fault is not None:
            raise self.fault
        return []


@dataclass
class World:
    """What health looks at."""

    store: Store
    catalogue: Catalogue


def get(monkeypatch: pytest.MonkeyPatch, fault: LoopError | None = None) -> func.HttpResponse:
    world = World(Store(fault), Catalogue.model_validate(catalogue_document()))
    monkeypatch.setattr(health_http, "app", lambda: world)
    return health_http.health(func.HttpRequest("GET", "/api/health", body=b""))


def document_of(response: func.HttpResponse) -> dict[str, Any]:
    return dict(json.loads(response.get_body()))


def test_an_app_that_can_take_an_alert_is_ready_and_names_its_models(
    monkeypatch: pytest.MonkeyPatch,
):
    response = get(monkeypatch)

    assert response.status_code == 200
    assert document_of(response) == {"status": "ready", "models": [MODEL]}


@pytest.mark.parametrize("fault", [Unavailable(f"no answer: {SECRET}"), Refused(f"403 {SECRET}")])
def test_storage_that_fails_is_missing_and_its_words_stay_in_the_log(
    monkeypatch: pytest.MonkeyPatch, fault: LoopError
):
    response = get(monkeypatch, fault)

    assert response.status_code == 503
    assert document_of(response) == {
        "status": "not ready",
        "missing": [{"what": "storage", "detail": [type(fault).__name__]}],
    }


def test_wrong_settings_are_named_without_their_values(monkeypatch: pytest.MonkeyPatch):
    wrong = {"CHECK_CONCURRENCY": SECRET, "LAKEHOUSE_URI": "lakehouse"}
    monkeypatch.setattr(health_http, "app", lambda: load_settings(wrong))

    response = health_http.health(func.HttpRequest("GET", "/api/health", body=b""))

    (missing,) = document_of(response)["missing"]
    assert response.status_code == 503
    assert missing["what"] == "configuration"
    assert any(line.startswith("CHECK_CONCURRENCY: ") for line in missing["detail"])
    assert "MLFLOW_TRACKING_URI: Field required" in missing["detail"]
    assert SECRET not in json.dumps(missing)
