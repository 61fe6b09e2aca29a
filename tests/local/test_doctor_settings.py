"""What the doctor says of a deployment's identity, settings and roles; and what it never says."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from local.bicep.project import load_project
from local.deploy_checks import planned_resources
from local.doctor import identity, roles, settings
from local.doctor.findings import Finding, Status, examine, one
from shared.errors import Refused
from tests.documents import catalogue_document
from tests.fakes.samples import catalogue_of, model_document
from tests.local.doctor_worlds import (
    DEPLOYED,
    ROOT,
    SECRET,
    SETTINGS,
    Manager,
    check,
    group_of,
)

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


def test_what_needs_a_token_that_nobody_could_get_is_skipped_and_not_tried_again():
    source = Credential(ClientAuthenticationError("no account"))
    kept = identity.KeptTokens(source)
    asks = [check(lambda: kept.get_token("a").token) for _ in range(3)]

    first, *others = [one(each) for each in asks]

    assert first.status is Status.FAIL
    assert {each.status for each in others} == {Status.SKIP}
    assert "see identity" in others[0].detail
    assert source.asked == ["a"]


def test_tokens_are_asked_for_where_something_will_need_them():
    job = {"target": "databricks", "job_id": 1,
           "workspace_url": "https://adb-1.2.azuredatabricks.net"}  # fmt: skip

    plain = identity.scopes(catalogue_of(), manager=False)
    more = identity.scopes(catalogue_of(model_document(job=job)), manager=True)

    assert plain == identity.SCOPES
    assert set(more) - set(plain) == {"jobs (databricks)", "resource manager"}


def test_every_scope_that_gives_no_token_says_how_to_sign_in():
    source = Credential(ClientAuthenticationError(f"no account: {SECRET}"))

    findings = examine(identity.checks(source, identity.SCOPES, local=False), seconds=5)

    assert [each.status for each in findings] == [Status.FAIL] * len(identity.SCOPES)
    assert all("az login" in each.remedy for each in findings)
    assert SECRET not in repr(findings)


# --- the settings ---

REFERENCE = "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/s/t)"
REFERRING = {"TEAMS_WEBHOOK_URL": REFERENCE}


def test_each_fault_of_the_settings_is_a_finding_without_its_value(tmp_path: Path):
    _, _, findings = settings.read({"CHECK_CONCURRENCY": SECRET}, tmp_path)

    failed = [each.detail for each in findings if each.status is Status.FAIL]
    assert any(line.startswith("CHECK_CONCURRENCY") for line in failed)
    assert any(line.startswith("MLFLOW_TRACKING_URI") for line in failed)
    assert SECRET not in repr(findings)


def test_a_secret_in_a_vault_is_a_setting_that_is_there():
    given = {**SETTINGS, "LAKEHOUSE_URI": "x", "AUTH_MODE": "entra", **REFERRING,
             "MODELS_FILE": str(ROOT / "nowhere.yaml")}  # fmt: skip

    found, _, _ = settings.read(given, ROOT)

    assert found is not None
    assert "KeyVault" not in found.teams_webhook_url.get_secret_value()


def test_what_a_models_job_needs_is_asked_for_as_the_app_does(tmp_path: Path):
    job = {"target": "github", "owner": "o", "repository": "r", "workflow": "w.yml"}
    (tmp_path / "models.yaml").write_text(
        json.dumps(catalogue_document(model_document(job=job))), encoding="utf-8"
    )

    given = {**SETTINGS, "LAKEHOUSE_URI": "x", "GITHUB_API_URL": "http://127.0.0.1:1"}
    without = settings.read(given, tmp_path)[2][-1]
    kept = settings.read({**given, "GITHUB_TOKEN": REFERENCE}, tmp_path)[2][-1]

    assert (without.status, kept.status) == (Status.FAIL, Status.OK)
    assert "GITHUB_TOKEN" in without.detail


def test_no_secret_of_the_settings_is_left_in_what_is_said():
    given = {
        "LOCAL_TOKEN": "token-4711\n",
        "MLFLOW_TRACKING_PASSWORD": "password-4711",
        "MLFLOW_TRACKING_URI": "https://me:in-the-address@host",
        "AzureWebJobsStorage": "AccountName=a;AccountKey=key-4711==;BlobEndpoint=http://x",
        "GIT_SHA": "abcdef0",
    }
    detail = "token-4711 password-4711 https://me:in-the-address@host key-4711== abcdef0"

    said = settings.scrubber(given)(Finding("g", "n", Status.FAIL, detail, "do this")).detail

    assert said == "*** *** https://me:***@host *** abcdef0"


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


@pytest.mark.parametrize("schedule", ["every day", "0 0 25 * * *", "0 0 4 * *  * *", "00:05:00"])
def test_a_schedule_that_is_none_is_named(schedule: str):
    given = {**SETTINGS, "SWEEP_SCHEDULE": schedule}

    timers, _ = examine(settings.checks(given, group_of(given)), seconds=5)

    assert timers.status is Status.FAIL
    assert "SWEEP_SCHEDULE" in timers.detail
    assert "NCRONTAB" in timers.remedy
    assert "DRIFT_SCHEDULE" not in timers.detail


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


ROLES: dict[str, str] = json.loads((ROOT / "infra" / "roles.json").read_text(encoding="utf-8"))
GROUP = "/subscriptions/s-1/resourcegroups/rg"


def assignment(role: str, scope: str) -> dict[str, Any]:
    place = "/subscriptions/s-1/providers/Microsoft.Authorization/roleDefinitions"
    definition = f"{place}/{ROLES[role].upper()}"
    return {"properties": {"roleDefinitionId": definition, "scope": scope}}


def roles_say(*held: dict[str, Any]) -> Finding:
    given, manager = {**DEPLOYED, "RETRAIN_LOOP_PRINCIPAL_ID": "p-1"}, Manager(*held)
    (finding,) = examine(roles.checks(group_of(given, manager)), seconds=5)
    assert manager.filters == ["principalId eq 'p-1'"]
    return finding


@pytest.mark.parametrize("lacking", [None, *roles.NEEDED])
def test_a_role_that_the_apps_own_identity_lacks_is_named(lacking: tuple[str, str] | None):
    held = [
        assignment(role, f"{GROUP}/providers/{kind.upper()}/name")
        for role, kind in roles.NEEDED
        if (role, kind) != lacking
    ]

    finding = roles_say(*held)

    assert finding.status is (Status.FAIL if lacking else Status.OK)
    assert lacking is None or finding.detail.endswith(f"lacks {' on '.join(lacking)}")


@pytest.mark.parametrize("scope", [GROUP, "/subscriptions/s-1", "/"])
def test_a_role_on_the_group_or_above_it_holds_for_what_is_in_it(scope: str):
    finding = roles_say(*(assignment(role, scope) for role, _ in roles.NEEDED))

    assert finding.status is Status.OK


def test_a_role_on_a_part_of_a_resource_does_not_hold_for_all_of_it():
    held = [
        assignment(role, f"{GROUP}/providers/{kind}/name/blobServices/default/containers/evidence")
        for role, kind in roles.NEEDED
    ]

    finding = roles_say(*held)

    assert finding.status is Status.FAIL
    assert all(role in finding.detail for role, _ in roles.NEEDED)


def test_the_roles_that_are_asked_for_are_those_that_are_deployed():
    project = load_project()
    (file,) = [each for path, each in project.files.items() if path.name == "rbac.bicep"]
    names = {role: name for name, role in ROLES.items()}
    granted = [
        each.body
        for each in planned_resources(project, "dev", {})
        if each.type == "Microsoft.Authorization/roleAssignments"
    ]

    deployed = {
        (
            names[body["properties"]["roleDefinitionId"].rpartition("/")[2]],
            file.resources[str(body["scope"]).strip("{}")].type,
        )
        for body in granted
        if "appIdentity" in str(body["properties"]["principalId"])
    }

    assert set(roles.NEEDED) == deployed


def test_a_secret_is_not_looked_for_where_no_resource_group_is_known():
    finding = one(check(lambda: settings._references(REFERRING, group_of(REFERRING))))

    assert finding.status is Status.SKIP
    assert "AZURE_FUNCTION_NAME" in finding.detail
