"""The deployed alert rules are those of the file, and reach the app that the code expects."""

import json

import pytest

from local.bicep.project import INFRA
from local.kusto_language import analyse
from local.monitor_simulator.rules import load_rules
from local.monitor_simulator.table import load_table
from shared.bootstrap import APP_FOLDER
from shared.config import Settings
from tests.conftest import TOOLS

TABLE = load_table(INFRA / "log-table.json")
RULES = load_rules(INFRA / "alert-rules.json", TABLE).rules
TELEMETRY = {
    "AppMetrics": "TimeGenerated: datetime, Name: string, Sum: real, Max: real, ItemCount: int, "
    "Properties: dynamic",
    "AppTraces": "TimeGenerated: datetime, Message: string, Properties: dynamic",
    "AppDependencies": "TimeGenerated: datetime, Name: string, DurationMs: real, "
    "Properties: dynamic",
}
"""The columns in use. Source: Microsoft Learn, Azure Monitor table reference."""
WORKBOOK = json.loads((INFRA / "workbook.json").read_text(encoding="utf-8"))


@pytest.fixture
def rules(deployed):
    found = [each for each in deployed("dev") if each.symbol == "rules"]
    return {each.name: each.body for each in found}


def test_each_rule_of_the_file_is_deployed_as_it_stands(rules):
    assert set(rules) == {rule.name for rule in RULES}
    for rule in RULES:
        properties = rules[rule.name]["properties"]
        [criterion] = properties["criteria"]["allOf"]
        assert properties["severity"] == rule.severity
        assert properties["evaluationFrequency"] == rule.evaluation_frequency
        assert properties["windowSize"] == rule.window_size
        assert properties["autoMitigate"] == rule.auto_mitigate
        assert criterion["query"] == rule.query
        assert criterion["metricMeasureColumn"] == rule.measure
        assert criterion["timeAggregation"] == rule.time_aggregation
        assert criterion["operator"] == rule.operator
        assert criterion["threshold"] == rule.threshold
        assert criterion["failingPeriods"] == rule.failing_periods.model_dump(by_alias=True)
        assert properties["actions"]["customProperties"] == rule.custom_properties


def test_a_rule_asks_by_model_and_its_alerts_say_what_a_receiver_needs(rules):
    for body in rules.values():
        [criterion] = body["properties"]["criteria"]["allOf"]
        said = body["properties"]["actions"]["customProperties"]

        assert criterion["dimensions"] == [
            {"name": "model_name", "operator": "Include", "values": ["*"]}
        ]
        assert {"model", "dedupe_key", "runbook", "trigger_kind"} <= set(said)
        assert (APP_FOLDER / said["runbook"]).is_file()


def test_a_rule_gives_one_row_a_model():
    columns = {column.name: column.type for column in TABLE.columns}
    queries = [rule.query for rule in RULES]

    for rule, found in zip(RULES, analyse(queries, {TABLE.table: columns}, TOOLS), strict=True):
        assert found.faults == ()
        assert list(found.columns) == ["model_name", "TimeGenerated", rule.measure]


def test_rules_query_with_an_identity_that_may_read_the_logs(rules):
    for body in rules.values():
        assert body["identity"]["type"] == "UserAssigned"
        assert list(body["identity"]["userAssignedIdentities"]) == ["{alertsIdentity.id}"]


def watch_rules(deployed):
    return [each.body["properties"] for each in deployed("dev") if each.symbol == "watchRules"]


def test_the_rules_that_watch_the_loop_can_be_evaluated(deployed):
    telemetry = {
        name: dict(each.split(": ") for each in said.split(", "))
        for name, said in TELEMETRY.items()
    }
    columns = {column.name: column.type for column in TABLE.columns}
    criteria = [rule["criteria"]["allOf"][0] for rule in watch_rules(deployed)]

    found = analyse(
        [each["query"] for each in criteria], {TABLE.table: columns, **telemetry}, TOOLS
    )

    for criterion, analysis in zip(criteria, found, strict=True):
        measure = criterion["metricMeasureColumn"]
        names = {each["name"] for each in criterion["dimensions"]}
        assert analysis.faults == ()
        assert "TimeGenerated" in analysis.columns
        assert names <= set(analysis.columns)
        assert (measure is None) == (criterion["timeAggregation"] == "Count")
        assert measure is None or analysis.columns[measure] in ("long", "real")


def test_the_rules_that_watch_the_loop_keep_to_the_service_s_limits(deployed):
    hours = {"PT15M": 0.25, "PT1H": 1, "PT6H": 6, "P1D": 24, "P2D": 48}

    for rule in watch_rules(deployed):
        frequency, window = hours[rule["evaluationFrequency"]], hours[rule["windowSize"]]
        assert 0.25 <= frequency <= 12
        assert frequency <= window <= 48
        assert 0 <= rule["severity"] <= 4


def test_the_runbook_tells_what_to_do_about_each_rule_that_watches_the_loop(deployed):
    runbook = (APP_FOLDER / "docs/runbook.md").read_text(encoding="utf-8")
    names = [each.name for each in deployed("dev") if each.symbol == "watchRules"]

    assert len(names) == len(watch_rules(deployed)) == 3
    assert [name for name in names if f"| `{name}` |" not in runbook] == []


def test_alerts_about_the_loop_go_to_people_and_not_to_the_loop(deployed, body):
    group = body("people", RETRAIN_LOOP_ALERT_RECEIVER="entra")["properties"]

    assert "webhookReceivers" not in group
    assert "azureFunctionReceivers" not in group
    assert [each["emailAddress"] for each in group["emailReceivers"]] == ["owner@example.com"]
    assert len(group["groupShortName"]) <= 12
    assert {str(r["actions"]["actionGroups"]) for r in watch_rules(deployed)} == {"[{people.id}]"}


def receivers(body, receiver):
    properties = body("actionGroup", RETRAIN_LOOP_ALERT_RECEIVER=receiver)["properties"]
    return properties["webhookReceivers"], properties["azureFunctionReceivers"]


def test_a_secure_webhook_calls_the_open_route_with_a_token_for_the_registration(body):
    [webhook], functions = receivers(body, "entra")

    assert functions == []
    assert str(webhook["serviceUri"]).endswith("/api/secure/alerts")
    assert webhook["useAadAuth"] is True
    assert webhook["useCommonAlertSchema"] is True
    assert webhook["identifierUri"] == "api://00000000-0000-0000-0000-00000000000a"
    assert webhook["objectId"] == "00000000-0000-0000-0000-00000000000b"


def test_the_secure_webhook_s_audience_is_one_that_the_app_takes(body):
    [webhook], _ = receivers(body, "entra")
    settings = body("settings", RETRAIN_LOOP_ALERT_RECEIVER="entra")["properties"]

    audiences = settings["ENTRA_AUDIENCES"].split(",")
    assert webhook["identifierUri"] in audiences
    assert webhook["identifierUri"].removeprefix("api://") in audiences
    assert settings["ACTION_GROUP_APP_ID"] == Settings.model_fields["action_group_app_id"].default


def test_a_function_receiver_calls_the_function_that_takes_keys(body):
    webhooks, [function] = receivers(body, "key")

    assert webhooks == []
    assert function["functionName"] == "receive_alert"
    assert "/api/alerts?code=" in str(function["httpTriggerUrl"])
    assert function["useCommonAlertSchema"] is True


def test_without_a_receiver_only_people_are_told(body):
    properties = body("actionGroup")["properties"]

    assert receivers(body, "none") == ([], [])
    assert [each["emailAddress"] for each in properties["emailReceivers"]] == ["owner@example.com"]
    assert len(properties["groupShortName"]) <= 12


def test_the_drift_table_has_the_declared_columns_and_types(body):
    [rule] = [body("rule")["properties"]]
    schema = body("driftTable")["properties"]["schema"]
    declared = {column.name: str(column.type) for column in TABLE.columns}

    sent = rule["streamDeclarations"][TABLE.stream]["columns"]
    assert {column["name"]: column["type"] for column in sent} == declared
    assert {column["name"]: column["type"].lower() for column in schema["columns"]} == declared
    assert {column["type"] for column in schema["columns"]} >= {"dateTime", "string", "real"}
    assert rule["dataFlows"][0]["outputStream"] == f"Custom-{TABLE.table}"
    assert TABLE.stream == Settings.model_fields["logs_stream"].default


def queries():
    return {
        item["name"]: item["content"]["query"] for item in WORKBOOK["items"] if item["type"] == 3
    }


def test_every_query_of_the_workbook_is_understood():
    columns = {column.name: column.type for column in TABLE.columns}
    telemetry = {
        name: dict(each.split(": ") for each in said.split(", "))
        for name, said in TELEMETRY.items()
    }

    found = analyse(list(queries().values()), {TABLE.table: columns, **telemetry}, TOOLS)

    assert {
        name: each.faults for name, each in zip(queries(), found, strict=True)
    } == dict.fromkeys(queries(), ())
    assert all(each.columns for each in found)


def test_the_workbook_shows_decisions_drift_gates_and_durations():
    assert {"decisions", "drift-verdicts", "gates", "durations"} <= set(queries())
    names = [item["name"] for item in WORKBOOK["items"]]
    assert len(names) == len(set(names))


def test_the_workbook_is_deployed_as_it_stands(body):
    assert json.loads(body("workbook")["properties"]["serializedData"]) == WORKBOOK
