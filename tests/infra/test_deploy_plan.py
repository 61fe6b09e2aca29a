"""``loop deploy plan`` and ``loop deploy check``: what they say of each profile."""

import json
import re

import pytest
from rich.console import Console
from typer.testing import CliRunner

from local import deploy_command
from local.bicep.project import INFRA, read_json
from local.bicep.syntax import BicepError
from local.cli import app
from local.deploy_plan import PROFILES, at_rest, plan, price_list

PRICES = price_list(read_json(INFRA / "prices.json"))


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    """Give the table room: what is cut off a name depends on the terminal."""
    monkeypatch.setattr(deploy_command, "console", Console(width=200))


def loop(*arguments):
    return CliRunner().invoke(app, ["deploy", *arguments])


@pytest.mark.parametrize("profile", PROFILES)
def test_every_resource_of_a_profile_has_its_reason(deployed, profile):
    resources = deployed(profile)

    lines = plan(resources, PRICES)

    assert {line.type for line in lines} == {each.type for each in resources}
    assert [line.type for line in lines if not line.why] == []
    assert lines[0].type == "Microsoft.Resources/resourceGroups"


def test_no_reason_is_given_for_what_is_never_deployed(deployed):
    everything = {each.type for name in PROFILES for each in deployed(name)}

    assert set(PRICES.reasons) - everything == {"Microsoft.KeyVault/vaults/secrets"}


def test_development_costs_next_to_nothing_at_rest(deployed):
    cost = {line.type: line.monthly for line in plan(deployed("dev"), PRICES) if line.monthly}

    assert cost == {"Microsoft.Insights/scheduledQueryRules": 2.0}


def test_production_pays_for_its_warm_instance_and_its_network(deployed):
    cost = {line.type: line.monthly for line in plan(deployed("prod"), PRICES) if line.monthly}

    # 4 GB x 730 h x 3,600 s x 0.000004; 4 endpoints x 730 h x 0.01; 4 zones and 4 rules x 0.50;
    # the gateway 730 h x 0.045, its address 730 h x 0.005
    assert cost == {
        "Microsoft.Web/sites": pytest.approx(42.048),
        "Microsoft.Network/privateEndpoints": pytest.approx(29.2),
        "Microsoft.Network/natGateways": pytest.approx(32.85),
        "Microsoft.Network/publicIPAddresses": pytest.approx(3.65),
        "Microsoft.Network/privateDnsZones": pytest.approx(2.0),
        "Microsoft.Insights/scheduledQueryRules": pytest.approx(2.0),
    }


def test_a_month_at_rest_stays_within_the_profile_s_budget(deployed):
    for name in PROFILES:
        budget = read_json(INFRA / f"profiles/{name}.json")["monthlyBudget"]

        assert sum(at_rest(each, PRICES) for each in deployed(name)) < budget / 2


def test_every_price_has_its_source_and_its_unit():
    for price in PRICES.prices.values():
        assert price.usd > 0
        assert price.unit
        assert price.source


@pytest.mark.parametrize("profile", PROFILES)
def test_the_plan_is_printed(profile):
    done = loop("plan", "--env", profile)

    assert done.exit_code == 0, done.output
    assert f"{profile}: what would be created" in done.output
    assert f"rg-retrain-loop-{profile}" in done.output
    assert "At rest:" in done.output
    assert "estimates, not an offer" in done.output


def test_the_plan_is_written_for_machines_too(tmp_path):
    out = tmp_path / "plan.json"

    done = loop("plan", "--env", "prod", "--json", str(out))

    document = json.loads(out.read_text(encoding="utf-8"))
    assert done.exit_code == 0
    [storage] = [x for x in document["lines"] if x["type"] == "Microsoft.Storage/storageAccounts"]
    assert storage["sku"] == "Standard_ZRS"
    assert document["env"] == "prod"


def test_a_profile_that_does_not_exist_is_refused(tmp_path):
    assert loop("plan", "--env", "moon").exit_code == 2
    assert loop("template", str(tmp_path / "a.json"), "--env", "moon").exit_code == 2


def test_a_scanner_is_given_what_the_registry_modules_make(tmp_path, deployed):
    out = tmp_path / "template.json"

    done = loop("template", str(out), "--env", "prod")

    resources = json.loads(out.read_text(encoding="utf-8"))["resources"]
    assert done.exit_code == 0
    assert [each["type"] for each in resources] == [each.type for each in deployed("prod")]
    [account] = [each for each in resources if each["type"] == "Microsoft.Storage/storageAccounts"]
    assert account["properties"]["allowSharedKeyAccess"] is False
    assert re.fullmatch(r"[a-z0-9]{3,24}", account["name"])
    assert not {"parent", "scope", "dependsOn"} & {key for each in resources for key in each}


@pytest.mark.parametrize("command", [["plan", "--json"], ["template"]])
def test_a_place_that_cannot_be_written_is_told_in_one_sentence(tmp_path, command):
    done = loop(*command, str(tmp_path / "none" / "a.json"))

    assert done.exit_code == 1
    assert "FileNotFoundError" in done.output
    assert "none/a.json" in done.output.replace("\n", "")


def test_the_check_is_green():
    done = loop("check")

    assert (done.exit_code, done.output.strip()) == (0, "nothing is wrong")


def test_a_broken_bicep_ends_the_plan_in_one_sentence(monkeypatch):
    def broken(_env):
        raise BicepError("api.bicep: line 3: there is no x")

    monkeypatch.setattr(deploy_command, "planned_lines", broken)

    done = loop("plan")

    assert done.exit_code == 2
    assert "BicepError: api.bicep: line 3: there is no x" in done.output
