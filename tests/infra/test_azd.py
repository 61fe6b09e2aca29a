"""azd's file and its hooks, against an ``az`` that keeps a directory of its own."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest
import yaml

from local.bicep.project import INFRA
from shared.config import Settings

ROOT = INFRA.parent
BEFORE, DOWN = INFRA / "scripts/before_provision.py", INFRA / "scripts/before_down.py"
REGISTER = INFRA / "scripts/register_app.py"
DEFAULTS = {str(field.alias): field.default for field in Settings.model_fields.values()}

AZ = """
import json, os, sys, uuid
from urllib.parse import unquote
home, arguments = os.environ["FAKE_HOME"], sys.argv[1:]
with open(f"{home}/calls.jsonl", "a") as calls:
    calls.write(json.dumps(arguments) + "\\n")
if arguments[:2] == ["ad", "signed-in-user"]:
    print(json.dumps({"id": "me"}))
    sys.exit()
state = json.load(open(f"{home}/state.json"))
options = dict(zip(arguments[1::2], arguments[2::2]))
path = unquote(options["--url"]).removeprefix("https://graph.microsoft.com/v1.0/")
body = json.load(open(options["--body"].removeprefix("@"))) if "--body" in options else {}
kind, _, rest = path.partition("?")
if options["--method"] == "PATCH":
    [found] = [each for each in state["applications"] if kind.endswith(each["id"])]
    scopes = {each["id"] for each in found.get("api", {}).get("oauth2PermissionScopes", [])}
    for client in body.get("api", {}).get("preAuthorizedApplications", []):
        if not scopes >= set(client["delegatedPermissionIds"]):
            sys.exit("there is no such scope")
    found |= body
elif options["--method"] == "POST":
    key = kind.removesuffix("/$ref")
    made = {"id": str(uuid.uuid4()), **body}
    if key == "applications":
        made["appId"] = str(uuid.uuid4())
    if kind.endswith("$ref"):
        made = {"id": body["@odata.id"].rpartition("/")[2]}
    state.setdefault(key, []).append(made)
    print(json.dumps(made))
else:
    found = state.get(kind, [])
    if rest:
        name, _, value = rest.removeprefix("$filter=").partition(" eq ")
        found = [each for each in found if each.get(name) == value.strip("'")]
    print(json.dumps({"value": found}))
json.dump(state, open(f"{home}/state.json", "w"))
"""
AZD = """
import json, os, sys
path = os.environ["FAKE_HOME"] + "/azd.json"
values = json.load(open(path))
values[sys.argv[3]] = sys.argv[4]
json.dump(values, open(path, "w"))
"""


@pytest.fixture
def world(tmp_path):
    """Put an ``az`` and an ``azd`` on the PATH that write down what they are told."""
    programs = {
        "az": AZ,
        "azd": AZD,
        "git": 'import sys; print("abc123" if sys.argv[2] == "HEAD" else "main")',
    }
    for name, text in programs.items():
        path = tmp_path / name
        path.write_text(f"#!{sys.executable}\n{text}")
        path.chmod(0o755)
    (tmp_path / "state.json").write_text('{"applications": [], "servicePrincipals": []}')
    (tmp_path / "azd.json").write_text("{}")
    return tmp_path


def hook(script, world, *arguments, **further):
    environment = {"PATH": str(world), "FAKE_HOME": str(world), "AZURE_ENV_NAME": "test", **further}
    command = [sys.executable, "-B", str(script), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def read(world, name):
    return json.loads((world / name).read_text())


def test_the_file_names_an_app_that_is_there():
    document = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))

    api = document["services"]["api"]
    assert api == {"project": ".", "language": "python", "host": "function", "remoteBuild": True}
    assert (ROOT / api["project"] / "host.json").is_file()
    assert (ROOT / document["infra"]["path"] / f"{document['infra']['module']}.bicep").is_file()


def test_every_hook_runs_a_script_that_is_there():
    document = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))

    for hooks in document["hooks"].values():
        scripts = {each["run"].split()[1] for each in hooks.values()}
        assert len(scripts) == 1
        assert all((ROOT / script).is_file() for script in scripts)


def test_without_tokens_only_the_commit_is_noted(world):
    done = hook(BEFORE, world, RETRAIN_LOOP_ALERT_RECEIVER="key")

    noted = read(world, "azd.json")
    assert done.returncode == 0, done.stderr
    assert (noted["GIT_SHA"], noted["GIT_BRANCH"]) == ("abc123", "main")
    assert not any(name.startswith("ENTRA") for name in noted)
    assert not (world / "calls.jsonl").exists()


def test_the_budget_s_month_is_noted_once(world):
    before = datetime.now(UTC)
    hook(BEFORE, world)

    start = read(world, "azd.json")["RETRAIN_LOOP_BUDGET_START"]
    assert start in {f"{when:%Y-%m}-01" for when in (before, datetime.now(UTC))}


@pytest.mark.parametrize(
    "said", [{"RETRAIN_LOOP_BUDGET_START": "2026-01-01"}, {"CI": "true"}, {"TF_BUILD": "True"}]
)
def test_a_budget_s_month_that_is_known_and_a_pipeline_s_are_not_noted(world, said):
    hook(BEFORE, world, **said)

    assert set(read(world, "azd.json")) == {"GIT_SHA", "GIT_BRANCH"}


def test_a_pipeline_says_which_branch_it_is_on(world):
    hook(BEFORE, world, GITHUB_REF_NAME="release/1", CI="true")

    assert read(world, "azd.json") == {"GIT_SHA": "abc123", "GIT_BRANCH": "release/1"}


def test_the_app_is_registered_with_its_roles_and_azure_monitor_is_admitted(world):
    done = hook(BEFORE, world, RETRAIN_LOOP_ALERT_RECEIVER="entra")

    assert done.returncode == 0, done.stderr
    state, remembered = read(world, "state.json"), read(world, "azd.json")
    [application] = state["applications"]
    assert application["identifierUris"] == [f"api://{application['appId']}"]
    assert application["api"]["requestedAccessTokenVersion"] == 2
    assert {role["value"]: role["allowedMemberTypes"] for role in application["appRoles"]} == {
        DEFAULTS["ACTION_GROUP_ROLE"]: ["Application"],
        DEFAULTS["APPROVER_ROLE"]: ["User"],
        DEFAULTS["OPERATOR_ROLE"]: ["User", "Application"],
    }
    assert remembered["ENTRA_CLIENT_ID"] == application["appId"]
    assert remembered["ENTRA_OBJECT_ID"] == application["id"]
    ours, monitor = state["servicePrincipals"]
    assert monitor["appId"] == DEFAULTS["ACTION_GROUP_APP_ID"]
    [assigned] = state[f"servicePrincipals/{monitor['id']}/appRoleAssignments"]
    role = next(r for r in application["appRoles"] if r["value"] == "ActionGroupsSecureWebhook")
    assert (assigned["resourceId"], assigned["appRoleId"]) == (ours["id"], role["id"])
    assert state[f"applications/{application['id']}/owners"] == [{"id": "me"}]


def test_no_argument_of_az_is_more_than_a_batch_file_can_carry(world):
    hook(BEFORE, world, RETRAIN_LOOP_ALERT_RECEIVER="entra")

    calls = (world / "calls.jsonl").read_text().splitlines()
    arguments = "".join(word for call in calls for word in json.loads(call))
    assert "appRoleAssignments" in arguments
    assert not set(arguments) & set('"()&|<>^\n')


def test_a_second_time_makes_nothing_twice(world):
    hook(BEFORE, world, RETRAIN_LOOP_ALERT_RECEIVER="entra")
    first = read(world, "state.json")

    done = hook(BEFORE, world, RETRAIN_LOOP_ALERT_RECEIVER="entra")

    assert done.returncode == 0, done.stderr
    assert read(world, "state.json") == first


def test_people_get_tokens_for_the_app_by_the_azure_cli(world):
    hook(BEFORE, world, RETRAIN_LOOP_ALERT_RECEIVER="entra")

    api = read(world, "state.json")["applications"][0]["api"]
    [scope], [client] = api["oauth2PermissionScopes"], api["preAuthorizedApplications"]
    assert (scope["value"], scope["type"], scope["isEnabled"]) == (
        "user_impersonation",
        "User",
        True,
    )
    assert client["appId"] == "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
    assert client["delegatedPermissionIds"] == [scope["id"]]


def test_an_administrator_registers_the_app_for_somebody_else(world):
    done = hook(REGISTER, world, "retrain-loop-prod")

    assert done.returncode == 0, done.stderr
    [application] = read(world, "state.json")["applications"]
    assert application["displayName"] == "retrain-loop-prod"
    assert done.stdout.splitlines() == [
        f"azd env set ENTRA_CLIENT_ID {application['appId']}",
        f"azd env set ENTRA_OBJECT_ID {application['id']}",
    ]
    assert read(world, "azd.json") == {}


def test_what_somebody_else_admitted_stays(world):
    hook(REGISTER, world, "retrain-loop-test")
    state = read(world, "state.json")
    api = state["applications"][0]["api"]
    other = {"appId": "other", "delegatedPermissionIds": [api["oauth2PermissionScopes"][0]["id"]]}
    api["preAuthorizedApplications"].append(other)
    (world / "state.json").write_text(json.dumps(state))

    done = hook(REGISTER, world, "retrain-loop-test")

    assert done.returncode == 0, done.stderr
    assert read(world, "state.json") == state


def test_a_registration_that_is_known_is_left_alone(world):
    known = {"ENTRA_CLIENT_ID": "client", "ENTRA_OBJECT_ID": "object"}

    done = hook(BEFORE, world, RETRAIN_LOOP_ALERT_RECEIVER="entra", **known)

    assert done.returncode == 0, done.stderr
    assert not (world / "calls.jsonl").exists()


def test_roles_that_somebody_added_stay(world):
    hook(BEFORE, world, RETRAIN_LOOP_ALERT_RECEIVER="entra")
    state = read(world, "state.json")
    state["applications"][0]["appRoles"].append({"id": "x", "value": "Other"})
    (world / "state.json").write_text(json.dumps(state))

    hook(BEFORE, world, RETRAIN_LOOP_ALERT_RECEIVER="entra")

    [application] = read(world, "state.json")["applications"]
    assert application["appRoles"][-1] == {"id": "x", "value": "Other"}
    assert len(application["appRoles"]) == 4


def test_two_registrations_of_one_name_are_for_a_person(world):
    twins = [{"id": each, "appId": each, "displayName": "retrain-loop-test"} for each in "ab"]
    (world / "state.json").write_text(json.dumps({"applications": twins}))

    done = hook(BEFORE, world, RETRAIN_LOOP_ALERT_RECEIVER="entra")

    assert done.returncode != 0
    assert "2 app registrations named retrain-loop-test" in done.stderr


def test_a_program_that_is_missing_is_named(tmp_path):
    done = hook(BEFORE, tmp_path)

    assert (done.returncode, done.stderr.strip()) == (1, "git is not on the PATH")


@pytest.mark.parametrize(
    ("said", "status"), [({}, 1), ({"RETRAIN_LOOP_LEDGER_EXPORTED": "other"}, 1)]
)
def test_nothing_is_torn_down_before_the_ledger_is_exported(world, said, status):
    done = hook(DOWN, world, RETRAIN_LOOP_STORAGE_ACCOUNT="stabc", **said)

    assert done.returncode == status
    assert "azd env set RETRAIN_LOOP_LEDGER_EXPORTED stabc" in done.stderr


def test_nothing_is_torn_down_where_the_account_is_not_known(world):
    done = hook(DOWN, world)

    assert done.returncode == 1
    assert "azd env refresh" in done.stderr
    assert "azd env set RETRAIN_LOOP_LEDGER_EXPORTED none" in done.stderr


def test_what_was_said_of_one_ledger_does_not_hold_for_the_next(world):
    hook(BEFORE, world, RETRAIN_LOOP_LEDGER_EXPORTED="stabc")

    assert read(world, "azd.json")["RETRAIN_LOOP_LEDGER_EXPORTED"] == ""


@pytest.mark.parametrize(
    "said",
    [
        {"RETRAIN_LOOP_LEDGER_EXPORTED": "none"},
        {"RETRAIN_LOOP_STORAGE_ACCOUNT": "stabc", "RETRAIN_LOOP_LEDGER_EXPORTED": "stabc"},
    ],
    ids=["nothing was deployed", "exported"],
)
def test_else_the_teardown_goes_on(world, said):
    assert hook(DOWN, world, **said).returncode == 0
