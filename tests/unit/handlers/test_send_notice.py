"""People are told how a run ended: at least once, and not again once that is known."""

from dataclasses import replace

import pytest

from shared.domain.run import ACTIVE, State
from shared.errors import NotFound, Refused, Unavailable
from shared.handlers.send_notice import TITLES
from shared.ports import Commit
from tests.fakes.clock import START
from tests.fakes.samples import MODEL, alert_of

TOLD = sorted(TITLES)
UNTOLD = sorted(set(State) - set(TITLES))


def at_rest(loop, state, **changes):
    """Put a run into a state that is still to be told."""
    run_id = loop.receive(alert_of()).run_id
    snapshot = loop.ports.store.snapshot(MODEL, run_id)
    run = replace(snapshot.run, state=state, reason="the reason", **changes)
    loop.ports.store.commit(snapshot, Commit(run, None, (), snapshot.head))
    loop.ports.clock.advance(minutes=1)
    return run_id


@pytest.mark.parametrize("state", TOLD)
def test_an_outcome_is_told_with_its_reason_and_remembered(loop, state):
    run_id = at_rest(loop, state, version="7")

    loop.notice(MODEL, run_id)

    (notice,) = loop.ports.notifier.sent
    assert notice.title == f"flight-delay version 7 {TITLES[state]}"
    assert (notice.text, notice.link) == ("the reason", "https://example.com/runbook")
    assert notice.facts == {
        "Run": run_id,
        "Trigger": loop.run().trigger.reason,
        "Requested": f"{START:%Y-%m-%d %H:%M}Z",
        "Owner": "ops@example.com",
    }
    assert loop.run().notified_at == loop.ports.clock.now()


def test_a_run_without_a_version_is_told_without_one(loop):
    run_id = at_rest(loop, State.START_FAILED)

    loop.notice(MODEL, run_id)

    assert loop.ports.notifier.sent[0].title == "flight-delay could not start its job"


def test_every_state_in_which_a_run_ends_or_waits_for_a_person_up_to_staging_has_a_title():
    later = {State.CHALLENGING, State.PROMOTING, State.LIVE}
    quiet = {State.SKIPPED, State.ROLLED_BACK}

    assert set(TITLES) == set(State) - (ACTIVE - {State.HELD}) - later - quiet


@pytest.mark.parametrize("state", UNTOLD)
def test_a_run_on_its_way_is_not_told(loop, state):
    run_id = at_rest(loop, state)

    loop.notice(MODEL, run_id)

    assert not loop.ports.notifier.sent
    assert loop.run().notified_at is None


def test_a_notice_that_was_sent_is_not_sent_again(loop):
    run_id = at_rest(loop, State.STAGED)

    loop.notice(MODEL, run_id)
    loop.notice(MODEL, run_id)

    assert len(loop.ports.notifier.sent) == 1


def test_a_notice_that_was_not_taken_is_sent_again(loop):
    run_id = at_rest(loop, State.STAGED)
    loop.ports.notifier.faults.order(Unavailable("no answer"))
    with pytest.raises(Unavailable):
        loop.notice(MODEL, run_id)
    assert loop.run().notified_at is None

    loop.notice(MODEL, run_id)

    assert len(loop.ports.notifier.sent) == 1


def test_a_notice_that_could_not_be_remembered_is_sent_twice_rather_than_never(loop):
    run_id = at_rest(loop, State.STAGED)
    loop.ports.store.faults.order(Unavailable("storage is down"))
    with pytest.raises(Unavailable):
        loop.notice(MODEL, run_id)

    loop.notice(MODEL, run_id)

    assert len(loop.ports.notifier.sent) == 2
    assert loop.run().notified_at is not None


def test_a_notice_that_is_refused_is_given_up_and_on_record(loop):
    run_id = at_rest(loop, State.STAGED)
    loop.ports.notifier.faults.order(Refused("the workflow is gone"))

    loop.notice(MODEL, run_id)

    assert loop.run().notified_at == loop.ports.clock.now()
    assert loop.actions()[-1] == "notice.failed/failure"
    assert "the workflow is gone" in list(loop.ports.store.chain(MODEL))[-1]["reason"]
    assert not loop.breaches()


def test_a_receiver_that_stays_away_is_tried_for_a_day_and_then_it_is_on_record(loop):
    run_id = at_rest(loop, State.STAGED)
    loop.ports.notifier.faults.order(Unavailable("no answer"), times=2)
    with pytest.raises(Unavailable):
        loop.notice(MODEL, run_id)
    assert "notice.failed/failure" not in loop.actions()
    loop.ports.clock.advance(days=1)

    loop.notice(MODEL, run_id)

    assert loop.actions()[-1] == "notice.failed/failure"
    assert loop.run().notified_at is not None


def test_a_run_that_moved_on_while_it_was_told_is_still_to_be_told(loop):
    run_id = at_rest(loop, State.HELD)
    send = loop.ports.notifier.send

    def send_and_release(notice):
        send(notice)
        snapshot = loop.ports.store.snapshot(MODEL, run_id)
        moved = snapshot.run.to(State.CANCELLED, START)
        loop.ports.store.commit(snapshot, Commit(moved, None, (), snapshot.head))

    loop.ports.notifier.send = send_and_release
    loop.notice(MODEL, run_id)
    assert (loop.run().state, loop.run().notified_at) == (State.CANCELLED, None)

    loop.ports.notifier.send = send
    loop.notice(MODEL, run_id)

    titles = [notice.title for notice in loop.ports.notifier.sent]
    assert titles == ["flight-delay is held for a person", "flight-delay was cancelled"]


def test_a_run_of_a_model_that_has_left_the_catalogue_is_told_without_owner(loop):
    run_id = at_rest(loop, State.STAGED)
    empty = loop.catalogue.model_copy(update={"models": ()})

    replace(loop.notice, catalogue=empty)(MODEL, run_id)

    (notice,) = loop.ports.notifier.sent
    assert (notice.facts["Owner"], notice.link) == ("", "")


def test_a_message_about_nothing_is_not_found(loop):
    with pytest.raises(NotFound):
        loop.notice(MODEL, "run-none")
