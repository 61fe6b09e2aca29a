"""Which model an alert is about: what it names, or the rule that a model claims."""

import json
from pathlib import Path

import pytest

from shared.catalogue import Catalogue
from shared.domain.alert import parse_alert
from shared.handlers.receive_alert import UNROUTED
from tests.fakes.loop import FakeLoop
from tests.fakes.samples import MODEL, alert_of, catalogue_of, model_document

FIXTURES = Path(__file__).parents[2] / "fixtures" / "alerts"
COLLECTED = Path(__file__).parents[4] / "shared" / "alerts"
RULE_ID = "/subscriptions/S/resourceGroups/RG/providers/microsoft.insights/scheduledQueryRules/rmse"
OURS = frozenset(
    {
        *("log_v1_metric_measurement", "log_v2_dimensions", "log_v2_dynamic_threshold"),
        *("log_v2_no_dimensions", "log_v2_null_properties", "log_v2_resolved"),
        *("metric_dynamic_threshold", "metric_failing_periods", "metric_fired"),
        *("metric_resolved", "prometheus"),
        *("classic_no_schema", "log_schema", "metric_schema"),
        *("metric_schema_deactivated", "metric_schema_dynamic"),
    }
)


def rules(*given):
    return [rule if isinstance(rule, dict) else {"rule": rule} for rule in given]


@pytest.fixture
def mapped():
    """Two models; the first claims rules by name and by id."""
    claimed = rules("RMSE-is-up", {"rule": RULE_ID, "trigger_kind": "performance"})
    return FakeLoop(
        catalogue_of(model_document(alert_rules=claimed), model_document("other-model"))
    )


@pytest.mark.parametrize("path", sorted(FIXTURES.rglob("*.json")), ids=lambda path: path.stem)
def test_every_documented_shape_acts_if_it_names_a_model_and_is_on_record_if_not(loop, path):
    receipt = loop.receive(parse_alert(json.loads(path.read_text(encoding="utf-8"))))

    if path.stem in OURS:
        assert (receipt.model, receipt.decision) in {(MODEL, "accepted"), (MODEL, "resolved")}
        assert not loop.actions(UNROUTED)
    else:
        assert receipt.decision == "ignored"
        assert receipt.reason.startswith("not ours: ")
        assert loop.actions(UNROUTED) == ["alert.ignored/success"]
        assert not loop.runs()


@pytest.mark.skipif(not COLLECTED.is_dir(), reason="no collected payloads lie beside the checkout")
def test_every_collected_payload_is_somebody_elses_and_on_record(loop):
    paths = sorted(COLLECTED.glob("*.json"))

    receipts = [loop.receive(parse_alert(json.loads(path.read_text("utf-8")))) for path in paths]

    assert receipts
    assert {receipt.decision for receipt in receipts} == {"ignored"}
    assert len(loop.actions(UNROUTED)) == len(paths)
    assert not loop.breaches(UNROUTED)
    assert not loop.ports.queues.sent


@pytest.mark.parametrize(
    "changes",
    [
        {"rule": "rmse-IS-up"},
        {"rule": " RMSE-is-up "},
        {"rule": "x", "rule_id": RULE_ID},
        {"rule": "x", "rule_id": RULE_ID.lower()},
        {"rule": "RMSE-is-up", "properties": {"model": "not-ours"}},
        {"rule": "RMSE-is-up", "properties": {"model": ""}},
    ],
    ids=["name", "spaces", "id", "id in lower case", "an unknown model", "an empty model"],
)
def test_a_rule_that_a_model_claims_is_about_it_whatever_the_case(mapped, changes):
    receipt = mapped.receive(alert_of(**({"properties": {}} | changes)))

    assert (receipt.model, receipt.decision) == (MODEL, "accepted")


def test_a_claimed_rule_says_what_its_alerts_ask_for(mapped):
    mapped.receive(alert_of(1, properties={}, rule_id=RULE_ID))

    assert mapped.run().trigger.kind == "performance"


def test_what_the_alert_asks_for_goes_before_what_its_rule_says(mapped):
    mapped.receive(alert_of(properties={"trigger_kind": "volume"}, rule_id=RULE_ID))

    assert mapped.run().trigger.kind == "volume"


def test_a_model_that_the_alert_names_goes_before_its_rule(mapped):
    receipt = mapped.receive(alert_of(model="other-model", rule="RMSE-is-up", rule_id=RULE_ID))

    assert receipt.model == "other-model"
    (run,) = mapped.runs("other-model")
    assert run.trigger.kind == "drift"


def test_a_rule_that_nobody_claims_is_not_ours(mapped):
    receipt = mapped.receive(alert_of(properties={}, rule="RMSE-is-u", rule_id=RULE_ID + "2"))

    assert receipt.decision == "ignored"
    assert "no model of the catalogue claims it" in receipt.reason


@pytest.mark.parametrize(
    "name", ["model", "Model", "model_name", "MODEL-NAME", "modelName", "Model Name"]
)
def test_the_spelling_of_the_property_does_not_matter(loop, name):
    assert loop.receive(alert_of(properties={name: MODEL})).decision == "accepted"


@pytest.mark.parametrize(
    "alert_id",
    [
        "/subscriptions/1/alerts/12345678-1234-1234-1234-1234567890AB",
        "/subscriptions/1/providers/microsoft.insights/activityLogAlerts/Test_Alert",
    ],
)
@pytest.mark.parametrize("condition", ["Fired", "Resolved"])
def test_a_sample_of_the_test_button_never_acts_even_if_it_names_a_model(loop, alert_id, condition):
    receipt = loop.receive(alert_of(alert_id=alert_id, condition=condition))

    assert receipt.decision == "ignored"
    assert "sample" in receipt.reason
    assert not loop.runs()


@pytest.mark.parametrize(
    ("first", "second"),
    [(rules("a"), rules("A")), (rules("a", "a"), []), (rules(RULE_ID), rules(RULE_ID.upper()))],
)
def test_a_rule_is_claimed_once(first, second):
    models = [model_document(alert_rules=first), model_document("b", alert_rules=second)]

    with pytest.raises(ValueError, match="alert rules given twice"):
        Catalogue.model_validate({"version": 1, "models": models})


@pytest.mark.parametrize("rule", [{"rule": ""}, {"rule": " a"}, {"rule": "a", "trigger_kind": "x"}])
def test_a_claim_that_could_never_fit_is_refused(rule):
    with pytest.raises(ValueError, match="alert_rules"):
        catalogue_of(model_document(alert_rules=[rule]))
