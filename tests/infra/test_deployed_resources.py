"""What the four profiles deploy: it is sound, no secret opens it, and nothing is left out."""

import json
import re

import pytest
from pycep import BicepParser

from local.bicep.checks import check, check_parameters
from local.bicep.evaluation import evaluate, parameters_of
from local.bicep.project import INFRA
from local.deploy_checks import wrong_roles
from local.deploy_plan import PROFILES
from shared.adapters.profiles import blob_profiles
from shared.adapters.storage import blob_evidence, table_marks, table_store
from shared.handlers import messages

PRIVATE = ("prod", "regulated")
KNOWN_ROLES = json.loads((INFRA / "azure-roles.json").read_text(encoding="utf-8"))
ROLES = json.loads((INFRA / "roles.json").read_text(encoding="utf-8"))
TOTAL_RETENTIONS = (1095, 1460, 1826, 2191, 2556, 2922, 3288, 3653, 4018, 4383)
"""Days beyond 730 that a table may have. Source: Microsoft Learn, tables' totalRetentionInDays."""
STORAGE = "Microsoft.Storage/storageAccounts"
NAMES = {
    STORAGE: "[a-z0-9]{3,24}",
    f"{STORAGE}/blobServices/containers": "[a-z0-9](-?[a-z0-9]){2,62}",
    f"{STORAGE}/queueServices/queues": "[a-z0-9](-?[a-z0-9]){2,62}",
    f"{STORAGE}/tableServices/tables": "[A-Za-z][A-Za-z0-9]{2,62}",
    "Microsoft.KeyVault/vaults": "(?=.{3,24}$)[A-Za-z](-?[A-Za-z0-9])+",
    # a site may have 60, but the host makes its id of the first 32
    "Microsoft.Web/sites": "(?=.{2,32}$)[a-z0-9](-?[a-z0-9])+",
    "Microsoft.OperationalInsights/workspaces": "(?=.{4,63}$)[A-Za-z0-9](-*[A-Za-z0-9])+",
    "Microsoft.OperationalInsights/workspaces/tables": "[A-Za-z][A-Za-z0-9_]{0,41}_CL",
    "Microsoft.Insights/dataCollectionRules": "[A-Za-z0-9][A-Za-z0-9_.-]{2,63}",
    "Microsoft.Insights/scheduledQueryRules": "[^#<>%&:?/{}*+]{1,259}[^#<>%&:?/{}*+. ]",
    "Microsoft.Insights/actionGroups": "[^#<>%&:?/{}*+]{1,259}[^#<>%&:?/{}*+. ]",
    "Microsoft.Resources/resourceGroups": r"[\w().-]{0,89}[\w()-]",
}
"""Source: Microsoft Learn, naming rules and restrictions for Azure resources."""


def named(resources, kind):
    return [each for each in resources if each.type == kind]


def test_nothing_is_wrong_with_the_bicep(project, shapes):
    assert [str(each) for each in check(project, shapes)] == []


def test_the_parameter_file_fits_the_parameters(project):
    path = INFRA / "main.parameters.json"
    entries = json.loads(path.read_text(encoding="utf-8"))["parameters"]
    given = {name: entry["value"] for name, entry in entries.items()}

    assert check_parameters(project, given, path) == []


def test_every_file_is_reached_and_says_what_it_is_for(project):
    there = {INFRA / "main.bicep", *(INFRA / "app").glob("*.bicep")}

    assert set(project.files) == there
    for path in there:
        assert path.read_text(encoding="utf-8").startswith("// "), path.name


def test_a_second_parser_reads_every_file(project):
    for path in project.files:
        read = BicepParser().parse(text=path.read_text(encoding="utf-8"))

        assert set(read.get("resources", {})) == set(project.files[path].resources), path.name


@pytest.mark.parametrize("profile", PROFILES)
def test_what_a_profile_computes_fits_the_models_of_its_resources(deployed, shapes, profile):
    wrong = [f"{r.symbol}: {each}" for r in deployed(profile) for each in shapes.check_body(r)]

    assert wrong == []


def test_the_profiles_are_those_that_the_bicep_allows(project):
    files = {path.stem for path in (INFRA / "profiles").glob("*.json")}

    assert project.main.parameters["profile"].allowed == PROFILES
    assert files == set(PROFILES)


def test_the_profiles_say_the_same_things():
    read = [json.loads((INFRA / "profiles" / f"{each}.json").read_text()) for each in PROFILES]

    assert len({tuple(each) for each in read}) == 1
    assert len({tuple(each["appSettings"]) for each in read}) == 1


@pytest.mark.parametrize("profile", PROFILES)
def test_no_key_and_no_password_opens_anything(body, deployed, profile):
    storage, vault = body("account", profile)["properties"], body("vault", profile)["properties"]

    assert storage["allowSharedKeyAccess"] is False
    assert storage["allowBlobPublicAccess"] is False
    assert storage["minimumTlsVersion"] == "TLS1_2"
    assert vault["enableRbacAuthorization"] is True
    assert body("applicationInsights", profile)["properties"]["DisableLocalAuth"] is True
    assert body("workspace", profile)["properties"]["features"]["disableLocalAuth"] is True
    policies = named(deployed(profile), "Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    assert {each.name: each.body["properties"] for each in policies} == {
        "ftp": {"allow": False},
        "scm": {"allow": False},
    }
    app = body("app", profile)["properties"]
    assert app["httpsOnly"] is True
    assert app["siteConfig"]["minTlsVersion"] == "1.2"
    deployment = app["functionAppConfig"]["deployment"]["storage"]["authentication"]
    assert deployment["type"] == "UserAssignedIdentity"


@pytest.mark.parametrize("profile", PROFILES)
def test_what_a_module_would_open_by_its_default_stays_closed(body, profile):
    vault = body("vault", profile)["properties"]
    insights = body("applicationInsights", profile)["properties"]

    assert vault["enabledForDeployment"] is False
    assert vault["enabledForTemplateDeployment"] is False
    assert vault["enabledForDiskEncryption"] is False
    assert vault["sku"]["name"] == "standard"
    assert insights["DisableIpMasking"] is False
    assert body("workspace", profile)["properties"]["forceCmkForQuery"] is False
    assert "alwaysOn" not in body("app", profile)["properties"]["siteConfig"]


def test_settings_that_are_no_longer_deployed_go(deployed):
    [settings] = named(deployed("dev"), "Microsoft.Web/sites/config")

    assert settings.given["configs"][0]["retainCurrentAppSettings"] is False


@pytest.mark.parametrize("profile", PROFILES)
def test_storage_is_private_encrypted_and_reached_by_tls_alone(body, deployed, profile):
    account = body("account", profile)
    containers = named(
        deployed(profile), "Microsoft.Storage/storageAccounts/blobServices/containers"
    )

    assert account["properties"]["supportsHttpsTrafficOnly"] is True
    assert account["properties"]["encryption"] == {"requireInfrastructureEncryption": True}
    assert account["properties"]["networkAcls"]["bypass"] == "AzureServices"
    assert {each.body["properties"]["publicAccess"] for each in containers} == {"None"}


@pytest.mark.parametrize("profile", PRIVATE)
def test_private_profiles_close_storage_and_vault_and_let_only_azure_monitor_in(body, profile):
    app = body("app", profile)["properties"]

    for symbol in ("account", "vault"):
        properties = body(symbol, profile)["properties"]
        assert properties["publicNetworkAccess"] == "Disabled"
        assert properties["networkAcls"]["defaultAction"] == "Deny"
    assert str(app["virtualNetworkSubnetId"]).endswith("/subnets/app")
    assert app["siteConfig"]["ipSecurityRestrictionsDefaultAction"] == "Deny"
    [rule] = app["siteConfig"]["ipSecurityRestrictions"]
    assert (rule["tag"], rule["ipAddress"]) == ("ServiceTag", "ActionGroup")


def test_a_private_profile_has_an_endpoint_and_a_zone_for_each_service_it_closes(deployed):
    resources = deployed("regulated")

    groups = {
        connection["properties"]["groupIds"][0]
        for each in named(resources, "Microsoft.Network/privateEndpoints")
        for connection in each.body["properties"]["privateLinkServiceConnections"]
    }
    zones = [each.name for each in named(resources, "Microsoft.Network/privateDnsZones")]
    assert groups == {"blob", "queue", "table", "vault"}
    assert len(zones) == len(set(zones)) == 4


@pytest.mark.parametrize("profile", PRIVATE)
def test_a_private_profile_calls_out_by_a_gateway_of_its_own(body, deployed, profile):
    kind = "Microsoft.Network/virtualNetworks/subnets"
    subnets = {each.name: each.body["properties"] for each in named(deployed(profile), kind)}

    assert str(subnets["app"]["natGateway"]["id"]) == "{gateway.id}"
    assert [each["defaultOutboundAccess"] for each in subnets.values()] == [False, False]
    [address] = body("gateway", profile)["properties"]["publicIpAddresses"]
    assert str(address["id"]) == "{address.id}"
    assert body("address", profile)["properties"]["publicIPAllocationMethod"] == "Static"


def test_a_public_profile_has_no_network_and_takes_calls_from_anywhere(deployed, body):
    kinds = {each.type.split("/")[0] for each in deployed("dev")}

    assert "Microsoft.Network" not in kinds
    assert body("app", "dev")["properties"]["virtualNetworkSubnetId"] is None
    assert body("app", "dev")["properties"]["siteConfig"]["ipSecurityRestrictions"] == []


def test_the_regulated_profile_keeps_the_audit_seven_years_and_asks_a_person(deployed, body):
    resources = deployed("regulated")

    kept = [each.body for each in resources if each.symbol == "immutability"]
    assert [each["properties"]["immutabilityPeriodSinceCreationInDays"] for each in kept] == [
        2555,
        2555,
    ]
    assert body("lock", "regulated")["properties"]["level"] == "CanNotDelete"
    assert body("driftTable", "regulated")["properties"]["totalRetentionInDays"] >= 2555
    settings = body("settings", "regulated")["properties"]
    assert (settings["REQUIRE_APPROVAL"], settings["ALLOW_PICKLED_MODELS"]) == ("true", "false")


def test_policies_that_were_locked_are_not_written_again(deployed):
    resources = deployed("regulated", RETRAIN_LOOP_IMMUTABILITY_LOCKED="yes")

    assert {each.symbol for each in resources} >= {"containers", "lock"}
    assert "immutability" not in {each.symbol for each in resources}


@pytest.mark.parametrize("profile", PROFILES)
def test_retentions_are_among_those_the_services_take(body, profile):
    workspace, table = body("workspace", profile), body("driftTable", profile)
    total = table["properties"]["totalRetentionInDays"]

    assert 30 <= workspace["properties"]["retentionInDays"] <= 730
    assert 4 <= total <= 730 or total in TOTAL_RETENTIONS
    assert total >= table["properties"]["retentionInDays"]
    assert 7 <= body("vault", profile)["properties"]["softDeleteRetentionInDays"] <= 90
    assert 1 <= body("blobs", profile)["properties"]["deleteRetentionPolicy"]["days"] <= 365


def test_what_only_purging_would_end_is_absent_in_development(body):
    assert body("vault", "dev")["properties"]["enablePurgeProtection"] is None
    assert body("vault", "prod")["properties"]["enablePurgeProtection"] is True


def test_every_resource_that_can_carry_tags_says_owner_cost_centre_and_environment(
    deployed, shapes
):
    for each in deployed("prod"):
        model = each.model or shapes.model_of(each.what)
        if "tags" in shapes.types[model] and "/" not in each.type[20:]:
            tags = each.body.get("tags")
            if tags is None:
                assert each.type.count("/") > 1, each.what
                continue
            assert (tags["owner"], tags["cost-center"]) == ("ml-platform", "CC-ML")
            assert (tags["environment"], tags["azd-env-name"]) == ("prod", "loop-test")


@pytest.mark.parametrize("profile", PROFILES)
def test_a_budget_keeps_the_month_it_was_made_in(body, profile):
    period = body("budget", profile)["properties"]["timePeriod"]

    assert period["startDate"] == "2026-11-01T00:00:00Z"


def test_a_deployment_that_does_not_know_the_budget_s_month_leaves_the_budget_alone(project):
    given = parameters_of(INFRA / "main.parameters.json", {"RETRAIN_LOOP_PROFILE": "prod"})

    planned = evaluate(project, given | {"budgetStart": ""})

    assert "Microsoft.Consumption/budgets" not in {each.type for each in planned}


@pytest.mark.parametrize("profile", PROFILES)
def test_every_name_is_one_that_its_service_takes(deployed, profile):
    held = [each for each in deployed(profile) if each.type in NAMES]

    assert {each.type for each in held} == set(NAMES)
    for each in held:
        # uniqueString() gives thirteen characters
        assert re.fullmatch(NAMES[each.type], each.name.replace("{hash}", "a1b2c3d4e5f6g")), each
    groups = named(held, "Microsoft.Insights/actionGroups")
    assert all(len(each.body["properties"]["groupShortName"]) <= 12 for each in groups)


def test_azd_finds_the_app_by_its_tag(body):
    assert body("app")["tags"]["azd-service-name"] == "api"


def test_roles_are_the_built_in_ones_of_their_names():
    assert list(wrong_roles(ROLES, KNOWN_ROLES)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"Reader": ROLES["Storage Blob Data Owner"]},
        {"Storage Blob Data Owner": ROLES["Storage Blob Data Owner"][:-1] + "c"},
        {"Storage Blob Data Ower": ROLES["Storage Blob Data Owner"]},
    ],
    ids=["another role's id", "a mistyped id", "a mistyped name"],
)
def test_a_wrong_role_is_found(wrong):
    [found] = wrong_roles(wrong, KNOWN_ROLES)

    assert found.startswith(f"roles.json: {next(iter(wrong))} is not the built-in role")


def test_each_identity_has_the_roles_it_needs_and_no_other(deployed):
    names = {role: name for name, role in ROLES.items()}
    granted = {
        (
            str(each.body["properties"]["principalId"]),
            names[each.body["properties"]["roleDefinitionId"].rpartition("/")[2]],
            str(each.body["scope"]),
        )
        for each in named(deployed("dev"), "Microsoft.Authorization/roleAssignments")
    }

    app, rules = "{appIdentity.properties.principalId}", "{alertsIdentity.properties.principalId}"
    assert granted == {
        (app, "Storage Blob Data Owner", "{account}"),
        (app, "Storage Queue Data Contributor", "{account}"),
        (app, "Storage Table Data Contributor", "{account}"),
        (app, "Log Analytics Data Reader", "{workspace}"),
        (rules, "Reader", "{workspace}"),
        (app, "Monitoring Metrics Publisher", "{applicationInsights}"),
        (app, "Monitoring Metrics Publisher", "{rule}"),
        (app, "Key Vault Secrets User", "{vault}"),
    }


def test_queues_tables_and_containers_are_those_of_the_code(deployed):
    storage = "Microsoft.Storage/storageAccounts"
    resources = deployed("dev")

    queues = {each.name for each in named(resources, f"{storage}/queueServices/queues")}
    tables = {each.name for each in named(resources, f"{storage}/tableServices/tables")}
    containers = {each.name for each in named(resources, f"{storage}/blobServices/containers")}
    assert queues == {
        value for name, value in vars(messages).items() if name.isupper() and isinstance(value, str)
    }
    assert tables == {table_store.TABLE, table_marks.TABLE}
    assert {blob_evidence.CONTAINER, blob_profiles.CONTAINER} < containers
    assert containers - {blob_evidence.CONTAINER, blob_profiles.CONTAINER} == {
        "app-package",
        "audit-export",
    }


def test_the_app_runs_on_a_python_that_its_pins_know(body):
    runtime = body("app")["properties"]["functionAppConfig"]["runtime"]
    pins = (INFRA.parent / "requirements.txt").read_text(encoding="utf-8")

    assert runtime == {"name": "python", "version": "3.12"}
    assert 'azure-functions==1.26.0; python_version < "3.13"' in pins


@pytest.mark.parametrize("profile", PRIVATE)
def test_private_profiles_log_who_changed_ledger_and_evidence(deployed, profile):
    logs = {
        str(each.body["scope"]): {
            log.get("category") or log["categoryGroup"] for log in each.body["properties"]["logs"]
        }
        for each in named(deployed(profile), "Microsoft.Insights/diagnosticSettings")
    }

    changes = {"StorageWrite", "StorageDelete"}
    assert logs == {"{tables}": changes, "{blobs}": changes, "{vault}": {"audit"}}
