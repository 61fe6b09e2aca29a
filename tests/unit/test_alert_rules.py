"""The alert rules that are deployed: their file, its schema, and the KQL built from it."""

import json
from pathlib import Path

import jsonschema
import pytest

from local.monitor_simulator.rules import load_rules, schema_text
from local.monitor_simulator.table import load_table
from shared.adapters.profiles.kql import AlertQuery, Filter, render

INFRA = Path(__file__).parents[2] / "infra"
RULES = INFRA / "alert-rules.json"
TABLE = load_table(INFRA / "log-table.json")


@pytest.fixture
def document():
    return json.loads(RULES.read_text(encoding="utf-8"))


@pytest.fixture
def load(tmp_path, document):
    """Load the deployed file with its first rule changed."""

    def load_changed(**changes):
        document["rules"][0].update(changes)
        path = tmp_path / "alert-rules.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        return load_rules(path, TABLE)

    return load_changed


def test_each_rules_query_is_the_one_its_structure_renders():
    rules = load_rules(RULES, TABLE)

    assert [rule.query for rule in rules.rules] == [
        render(rule.as_query(rules.table)) for rule in rules.rules
    ]


def test_the_schema_file_is_the_one_the_model_gives():
    assert (INFRA / "alert-rules.schema.json").read_text(encoding="utf-8") == schema_text()


def test_the_rules_pass_the_schema_and_an_unknown_key_does_not(document):
    schema = json.loads(schema_text())

    jsonschema.validate(document, schema)

    document["rules"][0]["muteActionsDuration"] = "PT1H"
    with pytest.raises(jsonschema.ValidationError, match="muteActionsDuration"):
        jsonschema.validate(document, schema)


def test_the_drift_rules_window_outlives_the_gap_between_two_daily_checks():
    rule = load_rules(RULES, TABLE).named("retrain-loop-drift")

    assert rule.latest_only
    assert rule.window.total_seconds() == 48 * 3600
    assert rule.dimensions == ("model_name",)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"severity": 5}, "less than or equal to 4"),
        ({"dimensions": list("abcdefg")}, "at most 6 items"),
        ({"dimensions": ["model_name", "model_name"]}, "dimensions must be unique"),
        ({"evaluationFrequency": "PT0M"}, "between 1 minute and 1 day"),
        ({"evaluationFrequency": "P2D"}, "between 1 minute and 1 day"),
        ({"evaluationFrequency": "PT13H"}, "every 12 hours"),
        ({"evaluationFrequency": "PT2H", "windowSize": "PT1H"}, "rows would be missed"),
        ({"windowSize": "P3D"}, "must not exceed 2 days"),
        ({"windowSize": "an hour"}, "should match pattern"),
        ({"measure": "status"}, "the measure status is not a number"),
        ({"measure": "psi"}, "no column psi"),
        ({"dimensions": ["model"]}, "no column model"),
        ({"customProperties": {"attempts": 3}}, "valid string"),
        ({"description": "x" * 70_000}, "exceed 64 KB"),
        (
            {"filters": [{"column": "status", "operator": "==", "value": ["A"]}]},
            "goes with the operator 'in'",
        ),
        (
            {"filters": [{"column": "colour", "operator": "==", "value": "red"}]},
            "no column colour",
        ),
        (
            {"failingPeriods": {"numberOfEvaluationPeriods": 2, "minFailingPeriodsToAlert": 1}},
            "must not exceed 2 days",
        ),
        (
            {"failingPeriods": {"numberOfEvaluationPeriods": 1, "minFailingPeriodsToAlert": 2}},
            "must not exceed numberOfEvaluationPeriods",
        ),
        (
            {
                "windowSize": "PT1H",
                "failingPeriods": {"numberOfEvaluationPeriods": 2, "minFailingPeriodsToAlert": 1},
            },
            "only one evaluation period",
        ),
    ],
)
def test_what_the_service_would_refuse_is_refused_when_the_file_is_loaded(load, changes, problem):
    with pytest.raises(ValueError, match=problem):
        load(**changes)


def test_a_stateless_rule_may_be_evaluated_once_a_day(load):
    rules = load(autoMitigate=False, evaluationFrequency="P1D")

    assert rules.rules[0].frequency.days == 1


def test_two_rules_of_one_name_are_refused(load, document):
    document["rules"].append(dict(document["rules"][0]))

    with pytest.raises(ValueError, match="same name"):
        load()


def test_a_file_for_another_table_is_refused(load, document):
    document["table"] = "Other_CL"

    with pytest.raises(ValueError, match="reads Other_CL"):
        load()


@pytest.mark.parametrize(
    ("frequency", "evaluations"),
    [("PT1M", 10), ("PT3M", 4), ("PT5M", 3), ("PT15M", 3), ("PT1H", 2), ("PT11H", 2), ("PT12H", 1)],
)
def test_the_resolve_delay_follows_the_services_table(load, frequency, evaluations):
    rule = load(evaluationFrequency=frequency).rules[0]

    assert rule.evaluations_to_resolve() == evaluations


def test_text_is_quoted_and_lists_are_joined():
    query = AlertQuery(
        table="T_CL",
        filters=(
            Filter("a", "!=", 'x"\\\n'),
            Filter("b", "in", ("p", "q")),
            Filter("c", ">", 0.5),
            Filter("d", "==", value=True),
        ),
        dimensions=("m", "n"),
        measure="v",
        latest_only=False,
    )

    text = render(query)

    assert text.split("\n") == [
        "T_CL",
        r'| where a != "x\"\\\n"',
        '| where b in ("p", "q")',
        "| where c > 0.5",
        "| where d == true",
        "| project TimeGenerated, m, n, v",
    ]


def test_a_latest_query_without_dimensions_names_none():
    text = render(AlertQuery("T_CL", (), (), "v", latest_only=True))

    assert text == "T_CL\n| summarize arg_max(TimeGenerated, v)"


@pytest.mark.parametrize("name", ["a b", "1st", "x|y", "", "n" * 46])
def test_a_name_that_would_need_quoting_is_refused(name):
    with pytest.raises(ValueError, match="identifier"):
        render(AlertQuery("T_CL", (), (name,), "v", latest_only=True))
