"""What the doctor says of a deployment, and what it never says: checks, identity, settings."""

import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from typer.testing import CliRunner

from local import cli, doctor_command
from local.doctor import identity, roles, settings
from local.doctor.findings import Finding, Status, examine, fail, fit, one, skip, warn
from local.doctor.plan import Where, look
from shared.errors import NotFound, Refused, Throttled, Unavailable
from tests.documents import catalogue_document
from tests.fakes.samples import model_document
from tests.local.doctor_worlds import (
    DEPLOYED,
    ROOT,
    SECRET,
    SETTINGS,
    Manager,
    check,
    group_of,
    raising,
)

# --- one check, and many ---


@pytest.mark.parametrize(
    ("error", "status", "remedy"),
    [
        (skip("why"), Status.SKIP, ""),
        (warn("why", "do this"), Status.WARN, "do this"),
        (fail("why", "do this"), Status.FAIL, "do this"),
        (Refused("403"), Status.FAIL, "take the role"),
        (NotFound("404"), Status.FAIL, "take the id"),
        (Unavailable("gone"), Status.FAIL, "can it be reached from here"),
        (Throttled("429", retry_after=7), Status.FAIL, "try again in 7 s"),
    ],
)
def test_every_trouble_has_its_remedy(error: Exception, status: Status, remedy: str):
    finding = one(check(raising(error), refused="take the role", missing="take the id"))

    assert finding.status is status
    assert remedy in finding.remedy
    assert bool(finding.remedy) is bool(remedy)


def test_an_error_nobody_foresaw_is_named_without_its_words():
    finding = one(check(raising(ZeroDivisionError(SECRET))))

    assert finding.status is Status.FAIL
    assert "ZeroDivisionError" in finding.detail
    assert SECRET not in f"{finding.detail}{finding.remedy}"


def test_checks_keep_their_order_and_one_that_hangs_holds_up_no_other():
    stop = threading.Event()

    def hangs() -> str:
        stop.wait(30)
        return "late"

    began = time.perf_counter()
    findings = examine(
        [check(lambda: "first"), check(hangs), check(raising(ValueError())), check(lambda: "last")],
        seconds=0.3,
    )
    took = time.perf_counter() - began
    stop.set()

    assert [each.status for each in findings] == [
        *(Status.OK, Status.FAIL, Status.FAIL, Status.OK),
    ]
    assert "within 0.3 s" in findings[1].detail
    assert took < 5


def test_only_a_failure_makes_a_deployment_unfit():
    kinds = [Finding("g", "n", status, "") for status in Status]

    assert fit(kinds[:3])
    assert not fit(kinds)


# --- who asks ---


def jwt(**claims: Any) -> str:
    def part(document: Mapping[str, Any]) -> str:
        return urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none'})}.{part(claims)}.{SECRET}"


def test_a_token_is_told_by_its_principal_and_never_shown():
    token = jwt(oid="oid-1", appid="app-1", tid="tenant-1", idtyp="app")

    told = identity.said_by(AccessToken(token, 4_600), now=1_000)

    assert told == "app, object id oid-1, application app-1, tenant tenant-1, 60 min left"
    assert token not in told
    assert SECRET not in told


@pytest.mark.parametrize("token", ["", "opaque", "a.b.c", "a.bnVsbA.c"])
def test_what_is_no_token_is_refused_without_being_shown(token: str):
    with pytest.raises(Refused) as caught:
        identity.said_by(AccessToken(token, 0), now=0)

    assert not token or token not in str(caught.value)


class Credential:
    """Counts how often it is asked."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[str] = []
        self.error = error

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        self.asked += scopes
        if self.error is not None:
            raise self.error
        return AccessToken(jwt(oid="oid-1"), 5_000)


def test_a_token_is_asked_for_once_a_scope_and_again_when_it_ends():
    moment, source = [0.0], Credential()
    kept = identity.KeptTokens(source, lambda: moment[0])

    for _ in range(3):
        kept.get_token("a")
    kept.get_token("b")
    moment[0] = 4_900
    kept.get_token("a")

    assert source.asked == ["a", "b", "a"]


def test_every_scope_that_gives_no_token_says_how_to_sign_in():
    source = Credential(ClientAuthenticationError(f"no account: {SECRET}"))

    findings = examine(identity.checks(source, identity.SCOPES, local=False), seconds=5)

    assert [each.status for each in findings] == [Status.FAIL] * len(identity.SCOPES)
    assert all("az login" in each.remedy for each in findings)
    assert SECRET not in repr(findings)


# --- the settings ---


def test_each_fault_of_the_settings_is_a_finding_without_its_value(tmp_path: Path):
    _, _, findings = settings.read({"CHECK_CONCURRENCY": SECRET}, tmp_path)

    failed = [each.detail for each in findings if each.status is Status.FAIL]
    assert any(line.startswith("CHECK_CONCURRENCY") for line in failed)
    assert any(line.startswith("MLFLOW_TRACKING_URI") for line in failed)
    assert SECRET not in repr(findings)


def test_a_setting_that_the_catalogue_needs_is_named(tmp_path: Path):
    document = catalogue_document(model_document(owner="${OWNER_OF_IT}"))
    (tmp_path / "models.yaml").write_text(json.dumps(document), encoding="utf-8")

    _, catalogue, findings = settings.read({**SETTINGS, "LAKEHOUSE_URI": "x"}, tmp_path)

    assert catalogue is None
    assert "OWNER_OF_IT" in findings[-1].detail


def test_timers_that_have_no_schedule_are_named():
    given = {**SETTINGS, "LAKEHOUSE_URI": "x"}
    del given["SWEEP_SCHEDULE"]

    timers, vault = examine(settings.checks(given, group_of(given)), seconds=5)

    assert timers.status is Status.FAIL
    assert "SWEEP_SCHEDULE" in timers.detail
    assert vault.status is Status.OK


REFERRING = {"TEAMS_WEBHOOK_URL": "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/s/t)"}


@pytest.mark.parametrize(
    ("said", "status"),
    [("Resolved", Status.OK), ("AccessToKeyVaultDenied", Status.FAIL), (None, Status.FAIL)],
)
def test_a_secret_that_the_platform_could_not_read_is_named(said: str | None, status: Status):
    found = [{"name": "TEAMS_WEBHOOK_URL", "properties": {"status": said}}] if said else []
    manager = Manager(*found)
    given = {**REFERRING, **DEPLOYED}

    finding = one(check(lambda: settings._references(given, group_of(given, manager))))

    assert finding.status is status
    assert "TEAMS_WEBHOOK_URL" in finding.detail
    assert ("Key Vault Secrets User" in finding.remedy) is (status is Status.FAIL)
    (url,) = manager.asked
    assert "/subscriptions/s-1/resourceGroups/rg/providers/Microsoft.Web/sites/fn/config/" in url


@pytest.mark.parametrize("lacking", ["", "Storage Table Data Contributor"])
def test_a_role_that_the_apps_own_identity_lacks_is_named(lacking: str):
    table = json.loads((ROOT / "infra" / "roles.json").read_text(encoding="utf-8"))
    place = "/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions"
    held = [
        {"properties": {"roleDefinitionId": f"{place}/{role.upper()}"}}
        for name, role in table.items()
        if name != lacking
    ]
    given, manager = {**DEPLOYED, "RETRAIN_LOOP_PRINCIPAL_ID": "p-1"}, Manager(*held)

    (finding,) = examine(roles.checks(group_of(given, manager)), seconds=5)

    assert finding.status is (Status.FAIL if lacking else Status.OK)
    assert lacking in finding.detail
    assert manager.filters == ["principalId eq 'p-1'"]


def test_a_secret_is_not_looked_for_where_no_resource_group_is_known():
    finding = one(check(lambda: settings._references(REFERRING, group_of(REFERRING))))

    assert finding.status is Status.SKIP
    assert "AZURE_FUNCTION_NAME" in finding.detail


# --- all of it ---


def test_where_nothing_answers_everything_is_found_in_time_and_nothing_secret_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    models = tmp_path / "models.yaml"
    models.write_text(json.dumps(catalogue_document()), encoding="utf-8")
    given = {**SETTINGS, "MODELS_FILE": str(models), "LAKEHOUSE_URI": str(tmp_path)}

    findings = look(Where(given, "http://127.0.0.1:1"), seconds=20)

    groups = {each.group for each in findings if each.status is Status.FAIL}
    assert groups >= {"storage", "Fabric", "reach", "lakehouse", "Azure Monitor"}
    assert all(each.remedy for each in findings if each.status is Status.FAIL)
    assert SECRET not in repr(findings)
    assert "A" * 86 not in repr(findings)


def test_wrong_settings_are_said_first_and_the_rest_is_left_out():
    findings = look(Where({}, ""), seconds=5)

    assert findings[0].status is Status.FAIL
    assert findings[-1].name == "everything else"
    assert {each.group for each in findings} == {"settings", "reach"}


@pytest.mark.parametrize(("status", "code"), [(Status.WARN, 0), (Status.FAIL, 1)])
def test_the_exit_status_and_the_file_say_whether_it_is_fit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: Status, code: int
):
    finding = Finding("storage", "queue [red]x", status, "403 [bold]", "give the role")
    monkeypatch.setattr(doctor_command, "look", lambda *_: [finding])
    out = tmp_path / "findings.json"

    done = CliRunner().invoke(cli.app, ["doctor", "--environment", "--json", str(out)])

    assert done.exit_code == code
    assert "queue [red]x: give the role" in done.output
    document = json.loads(out.read_text(encoding="utf-8"))
    assert document["fit"] is (code == 0)
    assert document["findings"][0]["remedy"] == "give the role"


def test_the_address_comes_from_what_the_deployment_says_of_itself():
    where = doctor_command._environment({"SERVICE_API_URI": "https://app/"}, "")

    assert where.address == "https://app"
    assert doctor_command._environment({}, "https://other").address == "https://other"


@pytest.mark.parametrize(
    "document",
    [
        [{"name": "A", "value": "1", "slotSetting": False}],
        {"IsEncrypted": False, "Values": {"A": "1"}},
    ],
)
def test_settings_are_read_as_the_azure_cli_lists_them(tmp_path: Path, document: Any):
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(document), encoding="utf-8")

    assert doctor_command.read_settings(path) == {"A": "1"}


def test_a_file_that_lists_no_settings_is_refused(tmp_path: Path):
    path = tmp_path / "settings.json"
    path.write_text('["A"]', encoding="utf-8")

    done = CliRunner().invoke(cli.app, ["doctor", "--settings", str(path)])

    assert done.exit_code == 2
    assert "no list of settings" in done.output


def test_asking_as_oneself_leaves_the_apps_identity_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    path, seen = tmp_path / "settings.json", []
    path.write_text('[{"name": "AZURE_CLIENT_ID", "value": "c-1"}]', encoding="utf-8")
    monkeypatch.setattr(doctor_command, "look", lambda where, _: seen.append(where) or [])

    for more in ([], ["--as-me"]):
        CliRunner().invoke(cli.app, ["doctor", "--settings", str(path), *more])

    assert [where.environment.get("AZURE_CLIENT_ID") for where in seen] == ["c-1", None]
