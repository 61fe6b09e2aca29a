"""Alerts in the common schema are understood, whatever their spelling; anything else is named."""

import json
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.alert import LONGEST_ID, LONGEST_TEXT, SCHEMA_ID, Alert, parse_alert
from shared.errors import BadInput

FIXTURES = Path(__file__).parents[2] / "fixtures" / "alerts"
COLLECTED = Path(__file__).parents[4] / "shared" / "alerts"
COMMON = sorted(FIXTURES.glob("*.json"))

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
SURROGATES = st.text(st.characters(categories=["Cs", "L"]), max_size=5)
JSON = st.recursive(
    SCALARS | SURROGATES | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def payload(**essentials):
    document = load(FIXTURES / "log_v2_dimensions.json")
    document["data"]["essentials"] |= essentials
    return document


def with_data(**parts):
    document = payload()
    document["data"] |= parts
    return document


def with_dimensions(*pairs):
    dimensions = [{"name": name, "value": value} for name, value in pairs]
    return {"condition": {"allOf": [{"dimensions": dimensions, "metricValue": 1.5}]}}


def parsed(document):
    """Give the alert or what is wrong with it; anything else that is raised goes through."""
    try:
        return parse_alert(document), None
    except BadInput as error:
        return None, error


@pytest.mark.parametrize("path", COMMON, ids=lambda path: path.stem)
def test_every_shape_of_the_common_schema_is_understood(path):
    document = load(path)

    alert = parse_alert(document)

    essentials = document["data"]["essentials"]
    assert alert.alert_id == essentials["alertId"]
    assert alert.condition == essentials["monitorCondition"]
    assert alert.rule == (essentials["alertRule"] or "")
    assert alert.service == essentials["monitoringService"]
    assert alert.fired_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("name", "model", "kind", "value"),
    [
        ("log_v2_dimensions", "flight-delay", "drift", 0.3125),
        ("log_v2_no_dimensions", "flight-delay", "performance", 0.3125),
        ("log_v2_null_properties", "flight-delay", "drift", 3.0),
        ("log_v2_resolved", "flight-delay", "drift", 0.04),
        ("metric_fired", "flight-delay", "drift", 0.41),
        ("metric_resolved", "flight-delay", "drift", 0.03),
        ("budget_null_essentials", "", "drift", None),
        ("prometheus", "flight-delay", "drift", 0.0127),
    ],
)
def test_model_kind_and_value_are_found_where_they_stand(name, model, kind, value):
    alert = parse_alert(load(FIXTURES / f"{name}.json"))

    assert (alert.model, alert.trigger_kind, alert.value) == (model, kind, value)


def test_a_resolution_names_the_alert_that_fired():
    fired = parse_alert(load(FIXTURES / "log_v2_dimensions.json"))
    resolved = parse_alert(load(FIXTURES / "log_v2_resolved.json"))

    assert fired.alert_id == resolved.alert_id
    assert (fired.condition, resolved.condition) == ("Fired", "Resolved")


def test_nulls_in_the_essentials_are_empty_texts():
    alert = parse_alert(load(FIXTURES / "budget_null_essentials.json"))

    assert (alert.rule, alert.severity, alert.properties) == ("", "", {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2013-07-01T03:56:32Z", datetime(2013, 7, 1, 3, 56, 32, tzinfo=UTC)),
        ("2013-07-01T03:56:32.832Z", datetime(2013, 7, 1, 3, 56, 32, 832_000, UTC)),
        ("2013-07-01T03:56:32.8328Z", datetime(2013, 7, 1, 3, 56, 32, 832_800, UTC)),
        ("2013-07-01T03:56:32.83286Z", datetime(2013, 7, 1, 3, 56, 32, 832_860, UTC)),
        ("2013-07-01T03:56:32.832863Z", datetime(2013, 7, 1, 3, 56, 32, 832_863, UTC)),
        ("2013-07-01T03:56:32.8328639Z", datetime(2013, 7, 1, 3, 56, 32, 832_863, UTC)),
        ("2013-07-01T03:56:32.832", datetime(2013, 7, 1, 3, 56, 32, 832_000, UTC)),
        ("2013-07-01T05:56:32+02:00", datetime(2013, 7, 1, 3, 56, 32, tzinfo=UTC)),
        ("7/1/2013 3:56:32 AM", datetime(2013, 7, 1, 3, 56, 32, tzinfo=UTC)),
        ("07/01/2013 03:56:32 PM", datetime(2013, 7, 1, 15, 56, 32, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_with_as_many_digits_as_azure_writes(text, expected):
    alert = parse_alert(payload(firedDateTime=text))

    assert alert.fired_at == expected
    assert alert.fired_at.tzinfo is UTC


@pytest.mark.parametrize("custom", [None, {}, ...], ids=["null", "empty", "absent"])
def test_without_custom_properties_the_dimensions_count(custom):
    document = with_data(alertContext=with_dimensions(("ModelName", "flight-delay")))
    document["data"]["customProperties"] = custom
    if custom is ...:
        del document["data"]["customProperties"]

    assert parse_alert(document).model == "flight-delay"


def test_custom_properties_win_over_context_properties_and_those_over_dimensions():
    context = with_dimensions(("model", "dimension"), ("trigger_kind", "drift"), ("left", "there"))
    context["properties"] = {"Model": "context", "Trigger_Kind": "volume"}

    alert = parse_alert(with_data(alertContext=context, customProperties={"MODEL": "custom"}))

    assert (alert.model, alert.trigger_kind) == ("custom", "volume")
    assert alert.properties["left"] == "there"


@pytest.mark.parametrize("spelling", ["alertRuleID", "alertRuleId", "alertruleid"])
def test_the_rule_id_s_spelling_does_not_matter(spelling):
    document = payload()
    del document["data"]["essentials"]["alertRuleID"]
    expected = parse_alert(document)

    document["data"]["essentials"][spelling] = "/subscriptions/s/rules/r"

    assert parse_alert(document) == replace(expected, rule_id="/subscriptions/s/rules/r")


@pytest.mark.parametrize("condition", ["fired", "FIRED", " Fired "])
def test_the_condition_s_case_does_not_matter(condition):
    assert parse_alert(payload(monitorCondition=condition)).condition == "Fired"


@pytest.mark.parametrize(
    ("essentials", "field"),
    [
        ({"alertId": None}, "alertId"),
        ({"alertId": "  "}, "alertId"),
        ({"alertId": 7}, "alertId"),
        ({"alertId": ["/alerts/1"]}, "alertId"),
        ({"alertId": "x" * (LONGEST_ID + 1)}, "alertId"),
        ({"monitorCondition": None}, "monitorCondition"),
        ({"monitorCondition": "Acknowledged"}, "monitorCondition"),
        ({"firedDateTime": None}, "firedDateTime"),
        ({"firedDateTime": "1/7/2013 15:56:32"}, "firedDateTime"),
        ({"firedDateTime": 1372650992}, "firedDateTime"),
        ({"firedDateTime": "0001-01-01T00:00:00+14:00"}, "firedDateTime"),
        ({"firedDateTime": "9999-12-31T23:59:59-01:00"}, "firedDateTime"),
    ],
)
def test_a_field_that_is_needed_and_wrong_is_named(essentials, field):
    with pytest.raises(BadInput) as caught:
        parse_alert(payload(**essentials))

    assert caught.value.field == f"data.essentials.{field}"
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (None, "body"),
        ([], "body"),
        ("text", "body"),
        ({"schemaId": SCHEMA_ID}, "data"),
        ({"schemaId": SCHEMA_ID, "data": []}, "data"),
        ({"schemaId": SCHEMA_ID, "data": {}}, "data.essentials"),
        ({"schemaId": SCHEMA_ID, "data": {"essentials": "none"}}, "data.essentials"),
    ],
)
def test_a_part_that_is_missing_is_named(document, field):
    with pytest.raises(BadInput) as caught:
        parse_alert(document)

    assert caught.value.field == field


@pytest.mark.parametrize("schema", ["somebodyElses", "", None, 7, ["azureMonitor"]])
def test_another_schema_is_refused_and_the_switch_named(schema):
    with pytest.raises(BadInput, match="common alert schema") as caught:
        parse_alert(payload() | {"schemaId": schema})

    assert caught.value.field == "schemaId"


def test_lone_surrogates_become_texts_that_can_be_hashed_and_stored():
    document = payload(alertId="/alerts/\ud800", alertRule="\udfffrule")
    document["data"]["customProperties"] = {"model": "\ud83d"}

    alert = parse_alert(document)

    assert (alert.alert_id, alert.rule, alert.model) == ("/alerts/?", "?rule", "?")


def test_texts_without_end_are_cut_and_lists_are_no_texts():
    document = payload(alertRule="r" * 100_000, severity=["Sev1"])
    document["data"]["customProperties"] = {"model": {"name": "m"}, "trigger_kind": 7}

    alert = parse_alert(document)

    assert (len(alert.rule), alert.severity) == (LONGEST_TEXT, "")
    assert (alert.model, alert.trigger_kind) == ("", "7")


def test_a_measured_value_that_is_no_number_is_none():
    for value in ("12.7m", True, None, [], 10**400):
        condition = {"metricValue": value}
        document = with_data(alertContext={"condition": {"allOf": [condition]}})

        assert parse_alert(document).value is None


@pytest.mark.parametrize("where", ["alertId", "alertRule", "monitorCondition", "firedDateTime"])
def test_nesting_as_deep_as_json_allows_is_no_defect(where):
    deep = "[" * 900 + "]" * 900
    document = payload(**{where: json.loads(deep)})
    document["data"]["customProperties"] = {"model": json.loads(deep)}

    if where == "alertRule":
        assert parse_alert(document).rule == ""
    else:
        with pytest.raises(BadInput, match="is a list"):
            parse_alert(document)


@given(JSON)
def test_any_json_value_is_an_alert_or_bad_input(document):
    with pytest.raises(BadInput):
        parse_alert(document)


@given(st.data())
def test_any_json_value_anywhere_in_an_alert_gives_an_alert_or_names_a_field(data):
    document = deepcopy(load(data.draw(st.sampled_from(COMMON))))
    part, key = data.draw(st.sampled_from(places(document)))
    part[key] = data.draw(JSON)

    alert, fault = parsed(document)

    if fault is not None:
        assert fault.field.split(".")[0] in ("body", "schemaId", "data", "status", "context")
    else:
        assert isinstance(alert, Alert)
        assert json.dumps(dict(alert.properties), ensure_ascii=False).encode()
        assert all(len(text) <= LONGEST_TEXT for text in (alert.rule, alert.severity, alert.model))


def places(value):
    """Give every container with each of its keys."""
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    else:
        return []
    inner = [place for key in keys for place in places(value[key])]
    return [(value, key) for key in keys] + inner


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7))])))
def test_a_time_is_the_same_moment_in_utc_or_outside_the_calendar(moment):
    document = payload(firedDateTime=moment.isoformat())

    alert, fault = parsed(document)

    if fault is not None:
        assert fault.field == "data.essentials.firedDateTime"
        assert moment.year in (1, 9999)
    else:
        assert alert.fired_at == moment


@pytest.mark.skipif(not COLLECTED.is_dir(), reason="the collected payloads are not beside the repo")
def test_every_collected_payload_is_understood():
    paths = sorted(COLLECTED.glob("*.json"))

    alerts = {path.name: parse_alert(load(path)) for path in paths}

    assert alerts
    assert all(alert.alert_id and alert.service for alert in alerts.values())


def test_a_template_that_was_not_filled_in_names_no_model():
    context = with_dimensions(("model_name", "flight-delay"))
    properties = {"model": "${data.alertContext.condition.allOf[0].dimensions[0].value}"}

    alert = parse_alert(with_data(alertContext=context, customProperties=properties))

    assert alert.model == "flight-delay"
