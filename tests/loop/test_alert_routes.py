"""Both routes of the alerts behind a Functions host: who gets in, and what they are told."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from local.azurite import start_azurite
from local.processes import free_port, start_process, wait_until_ready
from tests.conftest import TOOLS
from tests.documents import alert_body, catalogue_document
from tests.fakes.issuer import CLIENT, TENANT, Issuer, serve, signed, v1_claims, v2_claims
from tests.fakes.samples import MODEL

pytestmark = [pytest.mark.loop, pytest.mark.xdist_group("alert-routes")]

ROOT = Path(__file__).parents[2]
KEYS = {"default": "the-default-key", "_master": "the-master-key"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with serve(Issuer()) as running:
        yield running


@pytest.fixture(scope="module")
def url(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app with both ways in open, and Fabric down."""
    folder = tmp_path_factory.mktemp("routes")
    with start_azurite(None, TOOLS) as azurite:
        values = settings(folder, azurite.connection_string, issuer)
        port = free_port()
        argv = [
            *(sys.executable, "-m", "local.functions_host", "--app-dir", str(ROOT)),
            *("--port", str(port), "--keys", str(folder / "keys.json"), "--no-timers"),
            *("--settings", str(folder / "local.settings.json")),
        ]
        process = start_process("functions", argv, log=folder / "log", cwd=ROOT, env=values)
        try:
            wait_until_ready(process, f"http://127.0.0.1:{port}/admin/host/ping")
            yield f"http://127.0.0.1:{port}/api"
        finally:
            process.stop()


def settings(folder: Path, connection: str, issuer: Issuer) -> dict[str, str]:
    (folder / "keys.json").write_text(json.dumps(KEYS), encoding="utf-8")
    (folder / "models.yaml").write_text(json.dumps(catalogue_document()), encoding="utf-8")
    example = json.loads((ROOT / "local.settings.example.json").read_text(encoding="utf-8"))
    values = {
        **example["Values"],
        "AzureWebJobsStorage": connection,
        "MODELS_FILE": str(folder / "models.yaml"),
        "FABRIC_API_URL": "http://127.0.0.1:1/v1",
        "ALERT_CALLERS": "both",
        "ENTRA_TENANT_ID": TENANT,
        "ENTRA_AUDIENCES": f"{CLIENT},api://{CLIENT}",
        "ENTRA_AUTHORITY": issuer.url,
    }
    document = {"IsEncrypted": False, "Values": values}
    (folder / "local.settings.json").write_text(json.dumps(document), encoding="utf-8")
    return values


def post(url: str, path: str, body: bytes = b"{}", **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    kind = {"Content-Type": "application/json; charset=utf-8"}
    return requests.post(f"{url}/{path}", data=body, headers={**kind, **named}, timeout=30)


def alert(number: int, **changes: Any) -> bytes:
    return alert_body(**{"model": "foreign", "alertId": f"/alerts/{number}"} | changes)


def test_a_key_opens_the_one_route_and_no_key_opens_none(url: str):
    assert post(url, "alerts").status_code == 401
    assert post(url, "alerts", x_functions_key="wrong").status_code == 401
    assert post(url, "secure/alerts", x_functions_key=KEYS["default"]).status_code == 401

    answer = post(url, "alerts", alert(1), x_functions_key=KEYS["default"])

    assert (answer.status_code, answer.json()["decision"]) == (202, "ignored")


def test_a_token_opens_the_other_route_and_not_the_first(url: str, issuer: Issuer):
    for number, claims in enumerate((v1_claims(), v2_claims(issuer))):
        bearer = f"Bearer {signed(claims)}"

        answer = post(url, "secure/alerts", alert(10 + number), Authorization=bearer)

        assert (answer.status_code, answer.json()["decision"]) == (202, "ignored")
        assert post(url, "alerts", alert(2), Authorization=bearer).status_code == 401


def test_a_token_that_does_not_do_is_told_why(url: str):
    expired = post(url, "secure/alerts", Authorization=f"Bearer {signed(v1_claims(exp=1))}")
    powerless = post(url, "secure/alerts", Authorization=f"Bearer {signed(v1_claims(roles=[]))}")

    assert (expired.status_code, powerless.status_code) == (401, 403)
    assert expired.headers["WWW-Authenticate"] == "Bearer"
    assert "expired" in expired.json()["detail"]
    assert "role" in powerless.json()["detail"]


def test_with_fabric_down_an_alert_is_answered_soon_and_its_run_named(url: str):
    body = alert(20, model=MODEL, firedDateTime="2013-07-01T04:05:00Z")

    answer = post(url, "alerts", body, x_functions_key=KEYS["default"])

    assert answer.status_code == 202
    assert answer.elapsed.total_seconds() < 5
    receipt = answer.json()
    assert receipt["decision"] == "skipped"  # of 2013: stale
    assert receipt["status_url"] == f"/api/models/{MODEL}/runs/{receipt['run_id']}"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"{}", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b" " * (256 * 1024 + 1), "application/json", 413),
    ],
    ids=["half", "empty", "plain text", "too large"],
)
def test_a_body_that_cannot_be_an_alert_is_refused_by_a_problem(
    url: str, body: bytes, kind: str, status: int
):
    answer = post(url, "alerts", body, x_functions_key=KEYS["default"], Content_Type=kind)

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"]
