"""How rules are evaluated and alerts live, without HTTP: days of checks in a loop."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from local.monitor_simulator.alerts import AlertBook
from local.monitor_simulator.evaluation import evaluate
from local.monitor_simulator.rules import AlertRule, load_rules
from local.monitor_simulator.store import RowStore
from local.monitor_simulator.table import LogRow, RowRefused, load_table, parse_row

INFRA = Path(__file__).parents[2] / "infra"
TABLE = load_table(INFRA / "log-table.json")
DRIFT = load_rules(INFRA / "alert-rules.json", TABLE).rules[0]
DAY = timedelta(days=1)
START = datetime(2013, 6, 1, 4, tzinfo=UTC)


def summary(at, value, status=None, model="delay"):
    verdict = status or ("TRIGGER" if value else "NO_TRIGGER")
    return LogRow(
        at,
        {
            "TimeGenerated": at.isoformat(),
            "model_name": model,
            "feature_name": "__summary__",
            "metric_type": "DRIFT_VERDICT",
            "value": value,
            "status": verdict,
        },
    )


def changed(**changes):
    return AlertRule.model_validate({**DRIFT.model_dump(by_alias=True), **changes})


@pytest.fixture
def store(tmp_path):
    return RowStore(tmp_path / "rows.jsonl")


@pytest.fixture
def book(tmp_path):
    numbers = iter(range(1, 1000))
    return AlertBook(tmp_path / "alerts.json", lambda: UUID(int=next(numbers)))


@pytest.fixture
def hourly(store, book):
    """Evaluate each hour of a span; give (hour, condition, value) of each transition."""

    def run(first, hours, rule=DRIFT):
        seen = []
        for hour in range(hours):
            now = first + timedelta(hours=hour)
            transitions = book.observe(rule, evaluate(rule, store, now), now)
            seen.extend((hour, t.alert.condition, t.finding.value) for t in transitions)
        return seen

    return run


def test_an_alert_fires_once_while_daily_checks_keep_finding_drift(store, hourly):
    store.add([summary(START + day * DAY, 2.0) for day in range(3)])

    assert hourly(START, 72) == [(0, "Fired", 2.0)]


def test_a_quiet_check_resolves_although_the_drifting_one_is_still_in_the_window(store, hourly):
    store.add([summary(START, 2.0), summary(START + DAY, 0.0)])

    assert hourly(START, 48) == [(0, "Fired", 2.0), (25, "Resolved", 0.0)]


@pytest.mark.parametrize("status", ["INSUFFICIENT_DATA", "UNKNOWN"])
def test_a_check_without_a_conclusion_neither_fires_nor_resolves(store, hourly, status):
    store.add([summary(START, 2.0), summary(START + DAY, 0.0, status)])

    assert hourly(START, 47) == [(0, "Fired", 2.0)]


def test_an_alert_resolves_when_no_check_came_for_two_days(store, hourly):
    store.add([summary(START, 2.0)])

    assert hourly(START, 60) == [(0, "Fired", 2.0), (49, "Resolved", 0.0)]


def test_one_window_of_an_hour_would_fire_anew_every_day_the_drift_lasts(store, hourly):
    store.add([summary(START, 2.0), summary(START + DAY, 2.0)])

    seen = hourly(START, 26, changed(windowSize="PT1H"))

    assert [condition for _, condition, _ in seen] == ["Fired", "Resolved", "Fired"]


def test_each_model_has_its_own_alert_and_a_new_firing_a_new_id(store, book, hourly):
    store.add([summary(START, 1.0, model=m) for m in ("delay", "slots")])
    store.add([summary(START + DAY, 0.0, model="slots"), summary(START + 2 * DAY, 3.0)])
    store.add([summary(START + 2 * DAY, 3.0, model="slots")])

    hourly(START, 72)

    alerts = book.all()
    assert [(dict(a.dimensions)["model_name"], a.condition) for a in alerts] == [
        ("delay", "Fired"),
        ("slots", "Resolved"),
        ("slots", "Fired"),
    ]
    assert len({alert.alert_id for alert in alerts}) == 3


def test_rows_of_the_future_and_of_other_metrics_are_not_seen(store, hourly):
    psi = summary(START, 9.0)
    store.add([LogRow(START, {**psi.values, "metric_type": "PSI"})])
    store.add([summary(START + DAY, 2.0)])

    assert hourly(START, 24) == []


def test_a_restart_keeps_the_open_alert(tmp_path, store, book, hourly):
    store.add([summary(START, 2.0)])
    hourly(START, 1)

    reborn = AlertBook(tmp_path / "alerts.json", lambda: UUID(int=99))
    rows = RowStore(tmp_path / "rows.jsonl")

    assert reborn.all() == book.all()
    assert reborn.observe(DRIFT, evaluate(DRIFT, rows, START), START) == []


def test_a_stateless_rule_makes_an_alert_at_every_evaluation(store, book, hourly):
    store.add([summary(START, 2.0)])

    seen = hourly(START, 3, changed(autoMitigate=False))

    assert [condition for _, condition, _ in seen] == ["Fired"] * 3
    assert len(book.all()) == 3


def test_two_of_three_windows_must_fail_where_the_rule_says_so(store):
    rule = changed(
        latestOnly=False,
        windowSize="PT1H",
        failingPeriods={"numberOfEvaluationPeriods": 3, "minFailingPeriodsToAlert": 2},
    )
    now = START + timedelta(hours=3)
    store.add([summary(now - timedelta(minutes=m), v) for m, v in ((150, 5.0), (90, 0.0))])

    [before] = evaluate(rule, store, now)
    store.add([summary(now - timedelta(minutes=30), 7.0)])
    [after] = evaluate(rule, store, now)

    assert (before.is_met, before.value) == (False, 0.0)
    assert (after.is_met, after.value) == (True, 7.0)
    assert (after.window_start, after.window_end) == (START, now)


@pytest.mark.parametrize(
    ("aggregation", "value"),
    [("Maximum", 5.0), ("Minimum", 1.0), ("Average", 3.0), ("Total", 9.0), ("Count", 4.0)],
)
def test_the_measure_is_aggregated_and_null_is_left_out(store, aggregation, value):
    rule = changed(latestOnly=False, timeAggregation=aggregation)
    store.add([summary(START, v, "TRIGGER") for v in (1.0, 3.0, 5.0, None)])

    [finding] = evaluate(rule, store, START)

    assert finding.value == value


def test_counting_without_dimensions_finds_that_nothing_came(store):
    silent = changed(
        dimensions=[], latestOnly=False, timeAggregation="Count", operator="LessThan", threshold=1
    )

    [finding] = evaluate(silent, store, START)

    assert (finding.value, finding.is_met) == (0.0, True)


@pytest.mark.parametrize(
    ("operator", "value", "matches"),
    [
        ("==", 2.0, True),
        ("!=", 2.0, False),
        (">", 2.0, False),
        (">=", 2.0, True),
        ("<", 2.0, False),
        ("<=", 2.0, True),
    ],
)
def test_a_filter_compares_as_its_operator_says_and_null_never_compares(
    store, operator, value, matches
):
    only = {"column": "value", "operator": operator, "value": value}
    rule = changed(filters=[only], latestOnly=False, timeAggregation="Count")
    store.add([summary(START, 2.0)])
    store.add([summary(START, None, "UNKNOWN", model="no value")])

    found = {dict(f.dimensions)["model_name"] for f in evaluate(rule, store, START)}

    assert ("delay" in found) is matches
    assert ("no value" in found) is (operator == "!=")


def test_the_last_of_two_rows_of_one_time_is_the_latest(store):
    store.add([summary(START, 2.0), summary(START, 0.0)])

    [finding] = evaluate(DRIFT, store, START)

    assert finding.value == 0.0


def test_a_row_without_a_time_gets_the_time_it_came_and_a_long_field_is_cut():
    row = parse_row({"note": "é" * 40_000}, TABLE, START)

    assert row.time == START
    assert len(row.values["note"].encode()) == 64 * 1024


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ("text", "JSON object"),
        ({"colour": "red"}, "colour is not declared"),
        ({"value": "0.3"}, "value must be real"),
        ({"value": True}, "value must be real"),
        ({"bins": 1.5}, "bins must be long"),
        ({"model_name": 7}, "model_name must be string"),
        ({"TimeGenerated": "2013-06-01T04:00:00"}, "TimeGenerated must be datetime"),
        ({"run_timestamp": "yesterday"}, "run_timestamp must be datetime"),
    ],
)
def test_a_row_that_does_not_fit_the_table_is_refused(raw, problem):
    with pytest.raises(RowRefused, match=problem):
        parse_row(raw, TABLE, START)


def test_the_table_keeps_to_the_services_naming_limits():
    reserved = {"_ResourceId", "id", "_SubscriptionId", "TenantId", "Type", "UniqueId", "Title"}
    declared = json.loads((INFRA / "log-table.json").read_text(encoding="utf-8"))

    names = [column["name"] for column in declared["columns"]]

    assert len(set(names)) == len(names)
    assert not reserved & set(names)
    assert all(len(name) <= 45 and name[0].isalpha() for name in names)
    assert declared["stream"] == f"Custom-{declared['table']}"
