"""Registry modules are held against what is known of them; wrong calls are found by their name."""

import re

import pytest

from local.bicep.checks import check
from local.bicep.evaluation import evaluate, parameters_of
from local.bicep.functions import Unknown
from local.bicep.project import INFRA, load_project, read_json
from local.bicep.registry import made_of, read_registry
from local.bicep.shapes import load_shapes
from local.bicep.syntax import BicepError, Index, Member, Name, walk

API, STORAGE, IDENTITIES, NETWORK, ENDPOINTS, WATCH = (
    f"app/{name}.bicep"
    for name in ("api", "storage", "identities", "network", "private-endpoints", "watch")
)
KNOWN = read_json(INFRA / "avm-modules.json")
LEAVES_NO_TRACE = {"enableTelemetry", "availabilityZone"}
"""Given as false, and as -1, which names no zone."""
SITE = "br/public:avm/res/web/site:0.24.0"


def computed(main, profile="dev"):
    project = load_project(main)
    given = parameters_of(INFRA / "main.parameters.json", {"RETRAIN_LOOP_PROFILE": profile})
    shapes = load_shapes(main.parent / "azure-types.json")
    return [each for r in evaluate(project, given) for each in shapes.check_body(r)]


@pytest.mark.parametrize(
    ("reference", "finding"),
    [
        ("br/public:avm/res/web/sites:0.24.0", "avm-modules.json does not know the module"),
        ("br/public:avm/res/web/site:0.23.1", "the version that avm-modules.json knows is 0.24.0"),
        ("br/public:avm/res/web/site:0.24", "is named with its full version"),
        ("br/public:avm/res/web/site:latest", "is named with its full version"),
        ("br/public:avm/res/web/site", "is named with its full version"),
        ("br/mirror:avm/res/web/site:0.24.0", "avm-modules.json does not know the module"),
        ("br:example.azurecr.io/avm/res/web/site:0.24.0", "does not know the module"),
        ("ts/public:avm/res/web/site:0.24.0", "avm-modules.json does not know the module"),
    ],
)
def test_a_module_or_version_that_is_not_known_is_found(spoil, shapes, reference, finding):
    main = spoil(API, SITE, reference)

    found = check(load_project(main), shapes)

    assert [str(each) for each in found if finding in each.message] != [], found


@pytest.mark.parametrize(
    ("file", "old", "new", "finding"),
    [
        (API, "httpsOnly: true", "httpOnly: true", "avm/res/web/site has no parameter httpOnly"),
        (API, "serverFarmResourceId: plan.outputs.resourceId\n", "", "serverFarmResourceId is mis"),
        (API, "httpsOnly: true", "httpsOnly: 'yes'", "httpsOnly must be a bool, is a text"),
        (API, "kind: 'functionapp,linux'", "kind: 'linux'", "app: kind cannot be 'linux'"),
        (API, "kind: 'functionapp,linux'", "kind: 3", "kind must be one of functionapp, "),
        (
            NETWORK,
            "addressPrefixes: [\n      '10.20.0.0/24'\n    ]",
            "addressPrefixes: '10.20.0.0/24'",
            "addressPrefixes must be a list, is a text",
        ),
        (
            API,
            "retainCurrentAppSettings",
            "keepSettings",
            "configs[0] has no property keepSettings",
        ),
        (API, "name: 'scm'", "name: 'scn'", "basicPublishingCredentialsPolicies[1].name cannot be"),
        (API, "minTlsVersion: '1.2'", "minTlsVersion: '1.9'", "siteConfig.minTlsVersion cannot be"),
        (API, "minTlsVersion", "minTls", "siteConfig has no property minTls"),
        (API, "instanceMemoryMB: inst", "memoryMB: inst", "has no property memoryMB"),
        (API, "plan.outputs.resourceId", "plan.outputs.id", "serverfarm:0.7.0 has no output id"),
        (ENDPOINTS, "zones[place].outputs.resourceId", "zones[place].outputs.i", "no output i"),
        (STORAGE, "tierToCool", "tierToCold2", "actions.baseBlob has no property tierToCold2"),
        (STORAGE, "skuName: sku\n", "sku: sku\n", "storage-account has no parameter sku"),
        (STORAGE, "kind: 'CanNotDelete'", "kind: 'Locked'", "lock.kind cannot be 'Locked'"),
        (NETWORK, "availabilityZone: -1\n", "", "gateway: the parameter availabilityZone is miss"),
        (NETWORK, "delegation: 'M", "delegations: 'M", "subnets[0] has no property delegations"),
        (WATCH, "criterias: {", "criteria: {", "watchRules: the parameter criterias is missing"),
        (WATCH, "operator: 'Include'", "operatr: 'Include'", "dimensions[0] has no property oper"),
    ],
)
def test_a_wrong_call_is_named(spoil, shapes, file, old, new, finding):  # noqa: PLR0913, PLR0917 - a change is three texts
    main = spoil(file, old, new)

    found = check(load_project(main), shapes)

    assert any(finding in str(each) for each in found), found
    assert all(each.line > 0 for each in found)


def test_a_wrong_call_is_placed_in_its_line(spoil, shapes):
    main = spoil(API, "httpsOnly: true", "httpOnly: true")
    lines = (main.parent / API).read_text(encoding="utf-8").split("\n")

    [found] = check(load_project(main), shapes)

    assert found.file == "api.bicep"
    assert "httpOnly: true" in lines[found.line - 1]


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "profiles/dev.json",
            '"Standard_LRS"',
            '"Standard_LSR"',
            "skuName must be one of Standard",
        ),
        (
            "app/monitoring.bicep",
            "dataRetention: retentionDays",
            "dataRetention: string(retentionDays)",
            "dataRetention m",
        ),
        (STORAGE, "  name: container\n", "  nam: container\n", r"containers\[0\] must have a name"),
        (
            STORAGE,
            "  name: container\n",
            "  nam: container\n",
            r"containers\[0\] has no property n",
        ),
        (STORAGE, "publicAccess: 'None'", "publicAccess: 'Nobody'", "publicAccess must be one of"),
        (
            "watch-rules.json",
            '"severity": 2',
            '"severity": "2"',
            "scheduled-query-rule.severity must",
        ),
    ],
)
def test_what_a_module_is_given_is_held_when_it_is_computed(spoil, file, old, new, message):
    main = spoil(file, old, new)

    found = computed(main)

    assert any(re.search(message, each) for each in found), found


def test_a_call_of_an_unknown_version_is_not_computed(spoil):
    main = spoil(API, SITE, "br/public:avm/res/web/site:0.25.0")

    with pytest.raises(BicepError, match=r"api\.bicep: .*the version .* knows is 0\.24\.0"):
        computed(main)


def test_a_call_in_a_loop_gives_the_outputs_of_each_turn(deployed):
    groups = [each for each in deployed("prod") if each.symbol == "zoneGroups"]

    zones = [
        str(each.body["properties"]["privateDnsZoneConfigs"][0]["properties"]["privateDnsZoneId"])
        for each in groups
    ]

    assert zones == ["{zones.0.id}", "{zones.1.id}", "{zones.2.id}", "{zones.3.id}"]


def test_a_module_makes_its_resources_of_what_it_is_given():
    body = {
        "name": "$name",
        "flag": {"when": "$yes", "then": True},
        "ids": {"each": "$ids", "to": {"id": "$item"}},
        "by": {"keys": "$ids"},
        "quota": {"number": "$quota"},
    }
    makes = [
        {"type": "A.B/c", "apiVersion": "2025-01-01", "body": body},
        {"type": "A.B/c/d", "apiVersion": None, "symbol": "d", "each": "$parts", "when": "$item.on",
         "body": {"name": "$item.name"}},
    ]  # fmt: skip
    module = {"version": "1.0.0", "parameters": {}, "outputs": {}, "makes": makes}
    [known] = read_registry({"registry": "br/public", "modules": {"m": module}}).modules.values()
    parts = [{"name": "one", "on": True}, {"name": "two", "on": False}]

    made = list(
        made_of(known, {"name": "it", "yes": False, "ids": ["x"], "quota": "-1", "parts": parts})
    )

    assert [(each.what, each.symbol, value) for each, value in made] == [
        (
            "A.B/c@2025-01-01",
            "",
            {"name": "it", "flag": None, "ids": [{"id": "x"}], "by": {"x": {}}, "quota": -1.0},
        ),
        ("A.B/c/d", "d", {"name": "one"}),
    ]


def test_what_only_azure_knows_of_a_parameter_stays_a_placeholder():
    makes = [{"type": "A.B/c", "apiVersion": None, "body": {"name": "n", "id": "$of.id"}}]
    module = {
        "version": "1.0.0",
        "parameters": {},
        "outputs": {"url": "properties.u"},
        "makes": makes,
    }
    [known] = read_registry({"registry": "br/public", "modules": {"m": module}}).modules.values()

    [(_, body)] = made_of(known, {"of": Unknown("other")})

    assert str(body["id"]) == "{other.id}"
    assert str(known.values("it", {})["url"]) == "{it.properties.u}"


def calls(project):
    return [
        (file, module)
        for file in project.files.values()
        for module in file.modules.values()
        if module.is_from_registry
    ]


def test_no_module_tells_its_makers_of_a_deployment(project):
    told = [
        f"{file.path.name}: {module.symbol}"
        for file, module in calls(project)
        if module.body.get("params").get("enableTelemetry").value is not False
    ]

    assert told == []


def test_what_is_known_of_the_modules_is_what_is_in_use(project):
    used = {}
    for _, module in calls(project):
        given = {each.key.plain for each in module.body.get("params").entries}
        used.setdefault(project.registry.find(module.what).path, set()).update(given)

    assert {path: set(each["parameters"]) for path, each in KNOWN["modules"].items()} == used


def test_the_outputs_that_are_known_are_those_that_are_taken(project):
    taken = {path: set() for path in KNOWN["modules"]}
    for file in project.files.values():
        paths = {
            module.symbol: project.registry.find(module.what).path
            for module in file.modules.values()
            if module.is_from_registry
        }
        for node in (each for root in file.expressions() for each in walk(root)):
            match node:
                case Member(of=Member(of=Name(name=symbol) | Index(of=Name(name=symbol)))):
                    if symbol in paths and node.of.name == "outputs":
                        taken[paths[symbol]].add(node.name)

    assert {path: set(each["outputs"]) for path, each in KNOWN["modules"].items()} == taken


def test_what_a_module_is_given_is_seen_in_what_it_makes():
    for path, module in KNOWN["modules"].items():
        seen = set(re.findall(r"\$(\w+)", str(module["makes"])))

        assert set(module["parameters"]) - seen - LEAVES_NO_TRACE == set(), path


def test_every_module_says_where_its_interface_was_read():
    for path, module in KNOWN["modules"].items():
        source = module["source"]

        assert re.fullmatch(r"\d{4}-\d\d-\d\d", KNOWN["read"])
        assert source["use"], path
        for each in source["definition"]:
            assert each["file"].startswith(f"Azure/bicep-registry-modules: {path}/")
            assert each["version"]
            assert each["commit"] is None or re.fullmatch(r"[0-9a-f]{40}", each["commit"])


def test_every_resource_that_a_module_makes_has_a_model(shapes):
    for module in KNOWN["modules"].values():
        for made in module["makes"]:
            assert (made.get("model") or shapes.model_of(made["type"])) in shapes.types


def test_deployments_within_the_group_have_names_of_their_own(project):
    names = [
        "".join(part if isinstance(part, str) else "*" for part in module.body.get("name").parts)
        for file in project.files.values()
        for module in file.modules.values()
    ]

    assert sorted(names) == sorted(set(names))
