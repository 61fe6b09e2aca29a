"""Alerts in the schemas from before the common one are understood as well."""

import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.domain.alert import parse_alert
from shared.errors import BadInput

FOLDER = Path(__file__).parents[2] / "fixtures" / "alerts" / "other_schemas"
FIRED_AT = datetime(2013, 7, 1, 3, 56, 32, tzinfo=UTC)


def load(name):
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


METRIC, LOG = "AzureMonitorMetricAlert", "Microsoft.Insights/LogAlert"
RESTART = "Microsoft.Compute/virtualMachines/restart/action"


@pytest.mark.parametrize(
    ("name", "heading", "asked"),
    [
        ("metric_schema", ("drift-psi", METRIC, "Fired"), ("flight-delay", None, 0.31)),
        ("metric_schema_dynamic", ("drift-psi", METRIC, "Fired"), ("flight-delay", None, 0.33)),
        (
            "metric_schema_deactivated",
            ("drift-psi", METRIC, "Resolved"),
            ("flight-delay", None, 0.04),
        ),
        ("log_schema", ("drift-v1", LOG, "Fired"), ("flight-delay", None, 2.0)),
        ("log_v1_no_schema", ("drift-v1", LOG, "Fired"), ("", None, 2.0)),
        (
            "activity_log_schema",
            (RESTART, "Microsoft.Insights/activityLogs", "Fired"),
            ("", None, None),
        ),
        (
            "classic_no_schema",
            ("drift-classic", "classic", "Fired"),
            ("flight-delay", "volume", 0.31),
        ),
    ],
)
def test_every_older_shape_is_understood(name, heading, asked):
    alert = parse_alert(load(name))

    assert (alert.rule, alert.service, alert.condition) == heading
    assert (alert.model, alert.asked_kind, alert.value) == asked
    assert alert.fired_at.replace(microsecond=0) == FIRED_AT
    assert not alert.is_sample


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_the_same_message_sent_again_has_the_same_id(path):
    document = json.loads(path.read_text(encoding="utf-8"))

    assert parse_alert(document).alert_id == parse_alert(deepcopy(document)).alert_id


def test_another_moment_rule_resource_or_dimension_is_another_occurrence():
    def changed(**context):
        document = load("metric_schema")
        document["data"]["context"] |= context
        return parse_alert(document).alert_id

    dimensioned = load("metric_schema")["data"]["context"]["condition"]
    dimensioned["allOf"][0]["dimensions"] = [{"name": "model", "value": "other"}]
    ids = [
        changed(),
        changed(timestamp="2013-07-01T03:57:32Z"),
        changed(id="/subscriptions/s/rules/another"),
        changed(resourceId="/subscriptions/s/another"),
        changed(condition=dimensioned),
    ]

    assert len(set(ids)) == len(ids)


def test_the_spelling_of_a_moment_makes_no_other_occurrence():
    first, second = load("log_v1_no_schema"), load("log_v1_no_schema")
    second["SearchIntervalEndtimeUtc"] = "2013-07-01T03:56:32Z"

    assert parse_alert(first).alert_id == parse_alert(second).alert_id


def test_an_endless_rule_id_still_makes_an_id_that_fits():
    document = load("metric_schema")
    document["data"]["context"]["id"] = "r" * 500

    assert len(parse_alert(document).alert_id) <= 500


@pytest.mark.parametrize(
    ("name", "part", "key", "value", "field"),
    [
        ("metric_schema", ("data",), "status", "Perhaps", "data.status"),
        ("metric_schema", ("data",), "status", None, "data.status"),
        ("metric_schema", ("data",), "context", [], "data.context"),
        ("metric_schema", ("data", "context"), "id", None, "data.context.id"),
        ("metric_schema", ("data", "context"), "timestamp", "now", "data.context.timestamp"),
        ("metric_schema", (), "data", None, "data"),
        ("log_schema", ("data",), "AlertRuleName", "", "data.AlertRuleName"),
        ("log_schema", ("data",), "SearchIntervalEndtimeUtc", 7, "data.SearchIntervalEndtimeUtc"),
        ("log_v1_no_schema", (), "AlertRuleName", None, "AlertRuleName"),
        ("log_v1_no_schema", (), "SearchIntervalEndtimeUtc", "x", "SearchIntervalEndtimeUtc"),
        ("activity_log_schema", ("data",), "context", {}, "data.context.activityLog"),
        ("classic_no_schema", (), "status", "Maybe", "status"),
        ("classic_no_schema", (), "context", "none", "context"),
    ],
)
def test_what_an_older_shape_lacks_is_named(name, part, key, value, field):
    document = load(name)
    holder = document
    for step in part:
        holder = holder[step]
    holder[key] = value

    with pytest.raises(BadInput) as caught:
        parse_alert(document)

    assert caught.value.field == field
