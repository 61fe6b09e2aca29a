"""What an operator is shown is what is stored, the newest first."""

import json

import pytest

from shared.domain.run import State
from shared.errors import BadInput, NotFound
from shared.handlers.read_runs import document_of
from tests.fakes.loop import FakeLoop
from tests.fakes.samples import MODEL, alert_of, catalogue_of, model_document


@pytest.fixture
def loop():
    loop = FakeLoop(catalogue_of(model_document(), model_document("slot-revenue")))
    for number in (1, 2, 3):
        loop.ports.clock.advance(minutes=1)
        loop.receive(alert_of(number))
    return loop


def test_the_newest_runs_come_first_and_no_more_than_asked_for(loop):
    found = loop.read_runs.of(MODEL, days=1, limit=2)

    assert [run.run_id for run in found] == [run.run_id for run in loop.runs()[:0:-1]]


def test_runs_are_chosen_by_their_state_and_age(loop):
    skipped = loop.read_runs.of(MODEL, days=1, limit=9, state=State.SKIPPED)
    assert [run.state for run in skipped] == [State.SKIPPED] * 2

    loop.ports.clock.advance(days=2)
    assert loop.read_runs.of(MODEL, days=1, limit=9) == []


def test_a_run_is_found_by_its_model_or_by_asking_each(loop):
    run = loop.runs()[0]

    assert loop.read_runs.one(MODEL, run.run_id) == run
    assert loop.read_runs.model_of(run.run_id) == MODEL


def test_what_is_not_there_is_not_found(loop):
    run_id = loop.runs()[0].run_id
    for look in (
        lambda: loop.read_runs.one("slot-revenue", run_id),
        lambda: loop.read_runs.one("another", run_id),
        lambda: loop.read_runs.of("another", days=1, limit=1),
        lambda: loop.read_runs.model_of("run-none"),
    ):
        with pytest.raises(NotFound):
            look()


def test_an_id_no_key_can_carry_is_bad_input(loop):
    for look in (loop.read_runs.model_of, lambda run_id: loop.read_runs.one(MODEL, run_id)):
        with pytest.raises(BadInput, match="run_id"):
            look("../head")


def test_a_run_is_told_in_json_with_where_to_look_again(loop):
    run = loop.runs()[0]

    document = json.loads(json.dumps(document_of(run)))

    assert document["state"] == "requested"
    assert document["final"] is False
    assert document["status_url"] == f"/api/models/{MODEL}/runs/{run.run_id}"
    assert document["created_at"] == "2013-07-01T04:01:00.000000Z"
    assert document["deadline"] is None
    assert document["trigger"]["kind"] == "drift"
    assert document["trigger"]["actor"] == "azure-monitor"
