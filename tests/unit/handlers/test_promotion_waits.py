"""A promotion that waits for its turn, and what may have changed when it comes."""

from datetime import timedelta

import pytest

from shared.domain.actor import Actor
from shared.domain.run import Purpose, State
from shared.errors import DataError
from shared.handlers import messages
from shared.handlers.project_audit import AUDIT_TABLE
from shared.handlers.promotion import WAIT_SECONDS
from shared.handlers.promotion_start import new_promotion, send_to_promotion
from shared.handlers.sweep import Swept
from tests.fakes.host import STALLED_AFTER
from tests.fakes.loop import fair
from tests.fakes.samples import HOLDOUT_TABLE, MODEL, holdout_rows
from tests.fakes.weeks import challenged, live, promoted, run_of

ANA = Actor("ana@example.com", "user")


@pytest.fixture
def loop():
    """Version 2 has won seven days and waits for its promotion."""
    loop = challenged()
    live(loop, 7)
    return loop


def audited(loop, action):
    return [
        row
        for row in loop.ports.tables.read(AUDIT_TABLE, {"chain": MODEL})
        if row["action"] == action
    ]


def test_the_audit_table_says_from_where_to_where_by_whom_and_after_how_many_wins(loop):
    loop.drain()

    (row,) = audited(loop, "model.promoted")
    assert row["promoted"] is True
    assert (row["from_stage"], row["to_stage"]) == ("Staging", "Production")
    assert (row["consecutive_wins"], row["consecutive_wins_required"]) == (7, 7)
    assert row["approver"] == "retrain-loop"
    assert row["model_version"] == "2"


def test_a_version_that_was_rolled_back_is_no_promotion_in_the_audit_table():
    loop = promoted()
    fresh = [{**row, "id": f"new-{row['id']}"} for row in holdout_rows(loop.ports.clock.now())]
    loop.ports.windows.write(HOLDOUT_TABLE, fresh)
    model = loop.catalogue.models[0]

    new_promotion(
        loop.steps, model, version="1", purpose=Purpose.ROLLBACK, key="k", reason="r", actor=ANA
    )
    loop.drain()

    (gone,) = audited(loop, "model.rolled_back")
    back = audited(loop, "model.promoted")[-1]
    assert (gone["promoted"], gone["to_stage"], gone["model_version"]) == (False, "Archived", "2")
    assert (back["promoted"], back["from_stage"], back["approver"]) == (True, "Archived", ANA.name)


def test_however_long_it_waits_one_message_is_under_way(loop):
    loop.lose_lock()

    for _ in range(30):
        loop.ports.clock.advance(minutes=5)
        for message in loop.ports.queues.take(messages.PROMOTIONS):
            loop.promote(MODEL, message["run_id"])
        loop.promote(MODEL, run_of(loop, "2").run_id)
        assert loop.sweep() == Swept(runs=0, notices=0, chains=1)

    loop.ports.clock.advance(minutes=5)
    assert len(loop.ports.queues.visible(messages.PROMOTIONS)) == 1


def test_a_waiting_promotion_whose_message_is_lost_is_sent_again(loop):
    loop.lose_lock()
    loop.promote(MODEL, run_of(loop, "2").run_id)
    loop.ports.clock.advance(timedelta(seconds=WAIT_SECONDS + 1) + STALLED_AFTER)
    loop.ports.queues.take(messages.PROMOTIONS)

    loop.sweep()

    assert len(loop.ports.queues.visible(messages.PROMOTIONS)) == 1


def test_a_challenger_that_has_beaten_another_champion_than_serves_now_is_rejected(loop):
    other = loop.add_version(fair)
    loop.ports.registry.promote(MODEL, other)

    loop.drain()

    run, registry = run_of(loop, "2"), loop.ports.registry
    assert run.state is State.REJECTED
    assert run.reason == "it has beaten version 1, and version 3 serves now"
    assert registry.champion(MODEL).version == "3"
    assert registry.challenger(MODEL) is None


def test_a_model_card_that_cannot_be_written_stops_the_promotion(loop):
    def no_card(*_):
        raise DataError("no purpose is given")

    object.__setattr__(loop.promote, "write_card", no_card)

    loop.drain()

    assert run_of(loop, "2").state is State.REJECTED
    assert "no purpose is given" in run_of(loop, "2").reason
    assert loop.ports.registry.champion(MODEL).version == "1"


def test_what_a_model_card_says_is_in_the_ledger_with_the_promotion(loop):
    object.__setattr__(loop.promote, "write_card", lambda *_: {"card_sha256": "abc"})

    loop.drain()

    (row,) = [row for row in loop.ports.store.chain(MODEL) if row["action"] == "model.promoted"]
    assert row["context"]["card_sha256"] == "abc"


def test_a_decision_on_a_run_that_has_moved_on_changes_nothing(loop):
    run = run_of(loop, "2")
    loop.drain()
    rows = len(loop.actions())

    applied = send_to_promotion(loop.steps, run, reason="again", actor=ANA)

    assert not applied.changed
    assert len(loop.actions()) == rows
