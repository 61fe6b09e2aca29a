"""Alerts, people and timers enter by one door: one run, one lock, one fact with its asker."""

import pytest

from shared.domain.actor import KEY_HOLDER, Actor
from shared.domain.run import State, Trigger
from shared.errors import NotFound, Unavailable
from shared.handlers import messages
from tests.fakes.clock import START
from tests.fakes.loop import FakeLoop
from tests.fakes.samples import MODEL, alert_of, catalogue_of, model_document

ANA = Actor("ana@example.com")


def ask(loop, key="k-1", reason="new fare table", model=MODEL):
    return loop.request.by_hand(model, reason, ANA, key)


def test_a_person_s_word_is_a_run_with_the_person_in_its_audit(loop):
    receipt = ask(loop)

    run = loop.run()
    (row,) = loop.ports.store.chain(MODEL)
    assert (receipt.decision, receipt.run_id, run.state) == (
        "accepted",
        run.run_id,
        State.REQUESTED,
    )
    assert run.trigger == Trigger(
        "manual", "k-1", "", START, "manual: ana@example.com asked: new fare table", ANA.name
    )
    assert (row["action"], row["subject"], row["subject_type"]) == (
        "run.requested",
        "ana@example.com",
        "user",
    )
    assert row["context"]["asked_by"] == "ana@example.com"
    assert loop.ports.queues.visible(messages.RETRAIN_RUNS) == [messages.run_message(run)]


def test_a_run_that_a_person_asked_for_goes_all_the_way(loop):
    ask(loop)

    loop.drain()

    assert loop.run().state is State.STAGED
    assert loop.ports.jobs.requests[0].parameters["trigger_reason"] == "manual"


def test_the_same_key_again_names_the_same_run_and_another_key_is_merged(loop):
    first = ask(loop)

    again, other = ask(loop), ask(loop, "k-2")

    assert (again.decision, again.run_id) == ("duplicate", first.run_id)
    assert other.reason == f"merged: {first.run_id} is already answering for this model"
    assert loop.actions() == [
        "run.requested/success",
        "trigger.duplicate/success",
        "run.skipped/success",
    ]


def test_a_person_need_not_wait_for_a_cool_down_and_an_alert_must(loop):
    loop.receive(alert_of(1))
    loop.drain()

    alert, person = loop.receive(alert_of(2)), ask(loop)

    assert alert.reason.startswith("cooling_down: ")
    assert person.decision == "accepted"


def test_a_suppressed_trigger_is_recorded_and_starts_nothing(loop):
    loop.suppress(MODEL, START.replace(day=3), "stocktaking", ANA)

    alert, person = loop.receive(alert_of()), ask(loop)

    why = "suppressed: ana@example.com suppressed it until 2013-07-03 04:00Z: stocktaking"
    assert (alert.reason, person.reason) == (why, why)
    assert [run.state for run in loop.runs()] == [State.SKIPPED] * 2
    assert not loop.ports.queues.sent
    assert not loop.breaches()


def test_runs_beyond_the_budget_wait_for_a_place():
    policy = {"budget": {"runs": 2, "days": 30}}
    loop = FakeLoop(catalogue_of(model_document(policy=policy)))
    loop.job_status = "Failed"
    for number in (1, 2):
        loop.receive(alert_of(number))
        loop.drain()

    third = loop.receive(alert_of(3))

    assert third.reason.startswith("over_budget: 2 runs asked for a job in 30 days, 2 are allowed")
    assert len(loop.ports.jobs.requests) == 2


def test_foresight_writes_nothing_and_says_what_the_decision_will_be(loop):
    model = loop.catalogue.models[0]
    trigger = Trigger("drift", "k", "", START, "drift was seen")

    assert loop.request.foresee(model, trigger).acts
    loop.receive(alert_of())
    commits = len(loop.ports.store.commits)

    assert loop.request.foresee(model, trigger).skip == "merged"
    assert len(loop.ports.store.commits) == commits


def test_a_model_nobody_knows_is_not_found_and_leaves_no_trace(loop):
    with pytest.raises(NotFound, match="'another' is not in the catalogue"):
        ask(loop, model="another")

    assert not loop.ports.store.commits


def test_a_request_whose_message_was_lost_is_made_up_for_when_it_is_asked_again(loop):
    loop.ports.queues.faults.order(Unavailable("queues are down"))
    with pytest.raises(Unavailable):
        ask(loop)

    assert ask(loop).decision == "duplicate"
    assert len(loop.ports.queues.visible(messages.RETRAIN_RUNS)) == 1


def test_a_key_proves_no_name():
    assert (KEY_HOLDER.name, KEY_HOLDER.kind) == ("operator (function key)", "user")
