"""A resolution starts nothing, comes in any order, and closes what it resolves."""

from itertools import permutations

import pytest

from shared.domain.run import State
from shared.errors import Unavailable
from shared.handlers import messages
from shared.handlers.resolve_alert import RESOLVED_AT
from tests.fakes.samples import MODEL, alert_of


def fired(number=1, **changes):
    return alert_of(number, **changes)


def resolved(number=1, **changes):
    return alert_of(number, condition="Resolved", **changes)


def lock(loop):
    return loop.ports.store.snapshot(MODEL, "run-none").lock


def test_a_request_that_has_not_begun_is_skipped_and_its_model_free_again(loop):
    loop.receive(fired())

    receipt = loop.receive(resolved())

    run = loop.run()
    assert (receipt.decision, receipt.state, receipt.run_id) == ("resolved", "skipped", run.run_id)
    assert (run.state, run.notified_at) == (State.SKIPPED, loop.ports.clock.now())
    assert run.reason.startswith("resolved: ")
    assert lock(loop).run_id == ""
    assert loop.actions() == [
        "run.requested/success",
        "alert.resolved/success",
        "run.skipped/success",
    ]
    assert not loop.breaches()


def test_the_message_of_a_request_that_was_skipped_starts_nothing(loop):
    loop.receive(fired())
    loop.receive(resolved())

    loop.drain()

    assert not loop.ports.jobs.requests
    assert loop.run().state is State.SKIPPED


def test_the_next_alert_after_a_skipped_request_is_accepted(loop):
    loop.receive(fired(1))
    loop.receive(resolved(1))

    assert loop.receive(fired(2)).decision == "accepted"


def test_a_run_that_has_begun_goes_on_and_knows_that_its_alert_resolved(loop):
    loop.job_status = "InProgress"
    loop.receive(fired())
    loop.step()

    receipt = loop.receive(resolved())

    run = loop.run()
    assert (receipt.decision, receipt.state) == ("resolved", "running")
    assert run.facts[RESOLVED_AT] == loop.ports.clock.now().isoformat()
    assert lock(loop).run_id == run.run_id
    loop.job_status = "Completed"
    loop.settle()
    assert loop.run().state is State.STAGED
    assert not loop.breaches()


def test_a_held_run_stays_with_the_person_who_was_asked(loop):
    loop.receive(fired(kind="concept"))

    receipt = loop.receive(resolved(kind="concept"))

    assert (receipt.decision, loop.run().state) == ("resolved", State.HELD)
    assert RESOLVED_AT in loop.run().facts


def test_a_firing_that_comes_after_its_resolution_is_recorded_and_starts_nothing(loop):
    early = loop.receive(resolved())

    late = loop.receive(fired())

    again = loop.receive(fired())

    assert [early.decision, late.decision, again.decision] == ["resolved", "skipped", "duplicate"]
    assert (late.state, late.run_id) == ("skipped", early.run_id)
    assert late.reason.startswith("resolved: ")
    assert not loop.ports.queues.sent
    assert lock(loop).run_id == ""
    assert loop.actions() == [
        "alert.resolved/success",
        "run.skipped/success",
        "alert.duplicate/success",
    ]
    assert not loop.breaches()


def test_a_resolution_that_comes_again_is_a_duplicate_and_changes_nothing(loop):
    loop.receive(fired())
    loop.receive(resolved())
    before = loop.run()

    again = loop.receive(resolved())

    assert (again.decision, again.run_id) == ("duplicate", before.run_id)
    assert loop.run() == before
    assert loop.actions()[-1] == "alert.duplicate/success"


def test_the_case_of_the_alert_id_does_not_matter(loop):
    alert_id = "/subscriptions/S/providers/Microsoft.AlertsManagement/alerts/A-1"
    loop.receive(fired(alert_id=alert_id))

    again = loop.receive(fired(alert_id=alert_id.lower()))
    closed = loop.receive(resolved(alert_id=alert_id.upper()))

    assert (again.decision, closed.decision) == ("duplicate", "resolved")
    assert loop.run().state is State.SKIPPED


def test_a_resolution_of_another_alert_leaves_the_run_alone(loop):
    loop.receive(fired(1))

    loop.receive(resolved(2))

    first = next(run for run in loop.runs() if run.state is State.REQUESTED)
    assert lock(loop).run_id == first.run_id
    assert len(loop.ports.queues.visible(messages.RETRAIN_RUNS)) == 1


def test_an_old_resolution_still_closes_its_request(loop):
    loop.receive(fired())
    loop.ports.clock.advance(hours=20)

    assert loop.receive(resolved()).state == "skipped"


def test_a_store_that_is_down_leaves_nothing_half_closed(loop):
    loop.receive(fired())
    loop.ports.store.faults.order(Unavailable("storage is down"))

    with pytest.raises(Unavailable):
        loop.receive(resolved())

    assert loop.run().state is State.REQUESTED
    assert loop.actions() == ["run.requested/success"]


EVENTS = (fired, fired, resolved, resolved)


@pytest.mark.parametrize("order", sorted(set(permutations(range(4)))), ids=str)
def test_in_any_order_and_repetition_the_alert_ends_skipped_once_and_nothing_runs(loop, order):
    for index in order:
        loop.receive(EVENTS[index]())

    loop.drain()

    assert loop.run().state is State.SKIPPED
    assert not loop.ports.jobs.requests
    assert lock(loop).run_id == ""
    assert not loop.breaches()
