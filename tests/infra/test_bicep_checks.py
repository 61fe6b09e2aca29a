"""Broken Bicep is found, each kind of mistake by its name and its line."""

import re

import pytest

from local.bicep.checks import check, check_parameters
from local.bicep.evaluation import evaluate, parameters_of
from local.bicep.parse import parse_file
from local.bicep.project import INFRA, load_project
from local.bicep.syntax import BicepError
from local.deploy_checks import findings

API, STORAGE, ALERTS, WORKBOOK, MAIN = (
    "app/api.bicep",
    "app/storage.bicep",
    "app/alerts.bicep",
    "app/workbook.bicep",
    "main.bicep",
)


@pytest.mark.parametrize(
    ("file", "old", "new", "finding"),
    [
        (API, "plan.outputs", "plann.outputs", "plann is not declared"),
        (MAIN, "scope: group\n", "scope: grup\n", "grup is not declared"),
        (MAIN, "  owner: owner", "  owner: ownr", "ownr is not declared"),
        (MAIN, "    sku: chosen.storageSku\n", "", "module storage: the parameter sku is missing"),
        (MAIN, "    sku: ", "    skuu: ", "app/storage.bicep has no parameter skuu"),
        (MAIN, "publicAccess: !chosen.privateNetwork", "publicAccess: 'yes'", "given is a string"),
        (MAIN, "receiver: alertReceiver", "receiver: 'mail'", "receiver cannot be 'mail'"),
        (MAIN, "storage.outputs.id", "storage.outputs.ids", "has no output ids"),
        (MAIN, "'app/budget.bicep'", "'app/budgt.bicep'", "there is no app/budgt.bicep"),
        (API, "instanceMemoryMB: inst", "instanceMemoryMb: inst", "no property instanceMemoryMb"),
        (API, "httpsOnly: true", "httpsOnly: 'true'", "httpsOnly must be a bool, is a text"),
        (
            "app/monitoring.bicep",
            "    streamDeclarations: {",
            "    immutableId: 'x'\n    streamDeclarations: {",
            "immutableId is set by the service alone",
        ),
        (
            WORKBOOK,
            "@2023-06-01",
            "@2023-13-01",
            "known is Microsoft.Insights/workbooks@2023-06-01",
        ),
        (WORKBOOK, "Insights/workbooks@", "Insights/workbook@", "the type is not known"),
        (WORKBOOK, "sourceId: workspaceId", "sourceI: workspaceId", "no property sourceI"),
        (API, "type: 'blobContainer'", "type: 'blob'", "cannot be 'blob': blobContainer"),
        (API, "'managedidentity'\n", "'managedidentity'\n  B: nothing(1)\n", "nothing() is no"),
        (API, "length(operator", "length(1, operator", "length() has 2 arguments"),
        (API, "'../app-settings.json'", "'../settings.json'", "there is no ../settings.json"),
        (API, "version: '3.12'", "version: 3", "version must be a string, is 3"),
        (
            STORAGE,
            "param softDeleteDays int",
            "param unused int\nparam softDeleteDays int",
            "never",
        ),
        (STORAGE, "'StorageV2'", "'StorageV3'", "kind cannot be 'StorageV3'"),
        (
            WORKBOOK,
            "  name: guid(resourceGroup().id, 'retrain-loop-workbook')\n",
            "",
            "workbook has no name",
        ),
        (
            "app/rbac.bicep",
            "roles['Key Vault Secrets User'])\n  }",
            "'4633458b-17de-408a-b874-0445c86b69e6')\n  }",
            "belongs, with its name, into roles.json",
        ),
        (
            ALERTS,
            "operator: 'Include'",
            "operatr: 'Include'",
            "dimensions[0] has no property operatr",
        ),
        (ALERTS, "kind: 'LogAlert'", "kind: 'LogAlarm'", "kind cannot be 'LogAlarm'"),
    ],
)
def test_a_mistake_is_named(spoil, shapes, file, old, new, finding):  # noqa: PLR0913, PLR0917 - a change is three texts
    project = load_project(spoil(file, old, new))

    found = check(project, shapes)

    assert any(finding in str(each) for each in found), found
    assert all(each.line > 0 for each in found)


def test_a_mistake_is_placed_in_its_line(spoil, shapes):
    main = spoil(API, "serverFarmResourceId: plan.", "serverFarmResourceId: plann.")
    lines = (main.parent / API).read_text(encoding="utf-8").split("\n")

    [found] = check(load_project(main), shapes)

    assert found.file == "api.bicep"
    assert "plann.outputs" in lines[found.line - 1]


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (API, "output uri string =", "output uri string", "the syntax is wrong at"),
        (API, "module plan '", "module plan {", "api.bicep:"),
        (
            API,
            "param planName string",
            "param planName string\nparam name string",
            "name is declared",
        ),
    ],
)
def test_broken_syntax_is_refused_with_its_line(spoil, file, old, new, message):
    with pytest.raises(BicepError, match=message):
        load_project(spoil(file, old, new))


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (MAIN, "chosen.softDeleteDays\n", "chosen.softDelete\n", "main.bicep: .*no softDelete"),
        (ALERTS, "rule.severity", "rule.severty", "alerts.bicep: .*no severty"),
        ("profiles/dev.json", '"storageSku"', '"sku"', "there is no storageSku"),
        (
            "app/rbac.bicep",
            "roles['Key Vault Secrets User']",
            "roles['Owner']",
            "there is no Owner",
        ),
        ("profiles/dev.json", 'MB": 2048', 'MB": 1024', "instanceMemoryMB must be one of 512, "),
        ("profiles/dev.json", 'Count": 40', 'Count": 10', "InstanceCount must be 40 at least"),
        ("profiles/dev.json", 'Count": 40', 'Count": 1001', "must be 1000 at most, is 1001"),
        ("profiles/dev.json", 'Lock": false', 'Lock": "no"', "deleteLock must be of type bool"),
        ("profiles/dev.json", 'Days": 30', 'Days": true', "retentionDays must be of type int"),
    ],
)
def test_what_no_name_tells_is_found_when_it_is_computed(spoil, file, old, new, message):
    project = load_project(spoil(file, old, new))
    given = parameters_of(INFRA / "main.parameters.json", {"RETRAIN_LOOP_PROFILE": "dev"})

    with pytest.raises(BicepError, match=message):
        evaluate(project, given)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"Standard_LRS"', '"Standard_LSR"', "sku.name must be one of"),
    ],
)
def test_a_profile_that_does_not_fit_is_found(spoil, shapes, old, new, message):
    project = load_project(spoil("profiles/dev.json", old, new))
    given = parameters_of(INFRA / "main.parameters.json", {"RETRAIN_LOOP_PROFILE": "dev"})

    planned = evaluate(project, given)
    found = [each for resource in planned for each in shapes.check_body(resource)]

    assert any(message in each for each in found), found


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (STORAGE, "  kind: 'StorageV2'\n", "", "storageAccounts must have a kind"),
        (WORKBOOK, "  location: location\n", "", "workbooks must have a location"),
        ("app/budget.bicep", "    timeGrain: 'Monthly'\n", "", "must have a timeGrain"),
    ],
)
def test_what_must_be_given_and_is_not_is_found(spoil, shapes, file, old, new, message):  # noqa: PLR0913, PLR0917 - a change is three texts
    project = load_project(spoil(file, old, new))
    given = parameters_of(INFRA / "main.parameters.json", {"RETRAIN_LOOP_PROFILE": "dev"})

    found = [each for r in evaluate(project, given) for each in shapes.check_body(r)]

    assert any(message in each for each in found), found


@pytest.mark.parametrize(
    ("name", "value"), [("alertReceiver", "webhook"), ("environmentName", "x" * 41)]
)
def test_what_azd_would_be_refused_is_found_when_it_is_computed(project, name, value):
    given = parameters_of(INFRA / "main.parameters.json", {})

    with pytest.raises(BicepError, match=rf"main.bicep: line \d+: the parameter {name} must"):
        evaluate(project, given | {name: value})


def test_a_secret_that_is_refused_is_not_told(project):
    given = parameters_of(INFRA / "main.parameters.json", {}) | {"teamsWebhookUrl": ["sig=abc"]}

    with pytest.raises(BicepError, match=r"teamsWebhookUrl must be of type string$"):
        evaluate(project, given)


def test_a_parameter_file_is_held_against_the_parameters(project):
    given = {"environmentName": "x", "profile": "huge", "colour": "red"}

    found = [each.message for each in check_parameters(project, given, INFRA / "a.json")]

    assert "there is no parameter colour" in found
    assert "profile cannot be 'huge'" in found
    assert "the parameter owner is missing" in found


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BicepError, match=r"none\.bicep: No such file"):
        parse_file(tmp_path / "none.bicep")


@pytest.mark.parametrize(
    ("file", "old", "new", "finding"),
    [
        (API, "plan.outputs", "plann.outputs", "api.bicep:[0-9]+: plann is not declared"),
        ("roles.json", "b7e6dc6d", "b7e6dc6e", "roles.json: Storage Blob Data Owner is not"),
        ("app-settings.json", "DRIFT_SCHEDULE", "DRIFT_SHEDULE", "DRIFT_SHEDULE is deployed and"),
        ("main.parameters.json", '"owner"', '"owmer"', "there is no parameter owmer"),
        ("profiles/prod.json", "Standard_ZRS", "Standard_ZSR", "prod, storage.bicep: .*sku.name"),
        ("profiles/prod.json", '"deleteLock"', '"lock"', "main.bicep: .*there is no deleteLock"),
        (API, "output uri string =", "output uri string", "the syntax is wrong"),
    ],
)
def test_the_command_finds_it_wherever_it_is(spoil, file, old, new, finding):
    main = spoil(file, old, new)

    found = findings(main.parent, INFRA.parent / "models.yaml")

    assert any(re.search(finding, each) for each in found), found


def test_the_deployed_files_have_no_findings():
    assert findings(INFRA, INFRA.parent / "models.yaml") == []
