"""A short storm with a fixed seed: everything fails at once, and every promise is kept."""

import json
from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from local.chaos.command import Request, run_chaos
from local.chaos.plan import deliveries
from local.chaos.world import model_names
from shared.domain.alert import parse_alert
from shared.errors import BadInput

SHORT = Request(seed=20130701, alerts=60, kills=3, models=8)
NOW = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.mark.loop
@pytest.mark.timeout(600)
def test_a_short_storm_breaks_no_promise():
    said = StringIO()

    outcome = run_chaos(SHORT, Console(file=said, width=200))

    assert outcome.breaches == (), said.getvalue()
    assert outcome.counts["kills"] == SHORT.kills
    # what did not happen proves nothing
    assert outcome.counts["alerts accepted"] > SHORT.alerts / 2
    assert outcome.counts["jobs"] >= SHORT.models / 2
    assert outcome.counts["Fabric faults"] > 0
    assert outcome.counts["storage: cut"] > 0
    assert "every promise was kept" in said.getvalue()


def test_a_seed_repeats_its_deliveries_and_another_does_not():
    models = model_names(5)

    assert deliveries(1, 300, models) == deliveries(1, 300, models)
    assert deliveries(1, 300, models) != deliveries(2, 300, models)


def test_the_deliveries_hold_doubles_disorder_early_resolutions_and_garbage():
    sent = deliveries(3, 2000, model_names(5))

    alerts = [each for each in sent if each.kind == "fired"]
    firsts = {each.alert_id: sent.index(each) for each in reversed(alerts)}
    early = [
        each
        for number, each in enumerate(sent)
        if each.kind == "resolved" and number < firsts[each.alert_id]
    ]
    numbers = [int(each.alert_id.rpartition("-")[2]) for each in alerts]
    assert len(alerts) > 1.2 * len(firsts)
    assert early
    assert numbers != sorted(numbers)
    garbage = sum(each.kind == "garbage" for each in sent)
    assert 0.15 < garbage / 2000 < 0.25


def test_an_alert_of_the_plan_is_one_that_the_app_reads_and_garbage_never_is():
    for each in deliveries(4, 500, model_names(5)):
        body = each.at(NOW)
        if each.kind == "garbage":
            assert unread(body)
        else:
            alert = parse_alert(json.loads(body))
            assert (alert.alert_id, alert.model, alert.fired_at) == (each.alert_id, each.model, NOW)


def unread(body: bytes) -> bool:
    """Tell whether the app would answer a body with a refusal, or start nothing for it."""
    try:
        alert = parse_alert(json.loads(body))
    except (ValueError, RecursionError, BadInput):
        return True
    return alert.properties.get("trigger_kind") == "coffee"
