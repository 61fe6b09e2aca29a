"""A held run waits for a person: it starts on a word, takes a named job, or stays held."""

from dataclasses import replace

import pytest

from shared.domain.actor import Actor
from shared.domain.run import State
from shared.errors import BadInput, IllegalTransition, NotFound, StartAmbiguous, Unavailable
from tests.fakes.clock import START
from tests.fakes.loop import FakeLoop
from tests.fakes.samples import MODEL, alert_of, catalogue_of, model_document

ANA = Actor("ana@example.com")


def held(loop, kind="concept"):
    loop.receive(alert_of(kind=kind))
    loop.drain()
    assert loop.run().state is State.HELD
    return loop.run()


def ambiguous(loop):
    """Let a run be held because two jobs may be its own; gives their ids."""
    lost = StartAmbiguous("no answer", sent_at=START)
    loop.ports.jobs.start_faults.order(lost, done=True)
    loop.job_status = ""
    loop.receive(alert_of())
    loop.step()
    items = loop.catalogue.models[0].fabric
    loop.ports.jobs.add(items, loop.ports.jobs.requests[0].parameters)
    loop.drain()
    assert loop.run().state is State.HELD
    return [job.instance_id for job in loop.ports.jobs.instances(items)]


def release(loop, run=None, **how):
    return loop.release(MODEL, (run or loop.runs()[0]).run_id, "looked at it", ANA, **how)


def test_a_held_run_starts_on_a_person_s_word_and_goes_all_the_way(loop):
    held(loop)

    run = release(loop)
    assert (run.state, run.reason) == (
        State.REQUESTED,
        "released by ana@example.com: looked at it",
    )
    loop.drain()

    assert loop.run().state is State.STAGED
    assert len(loop.ports.jobs.requests) == 1
    released = next(r for r in loop.ports.store.chain(MODEL) if r["action"] == "run.released")
    assert released["subject"] == "ana@example.com"
    # told that it was held, and told again how it ended
    assert len(loop.ports.notifier.sent) == 2
    assert not loop.breaches()


def test_a_run_that_was_held_longer_than_its_lock_takes_a_new_one(loop):
    fence = held(loop).fence
    loop.ports.clock.advance(days=3)

    run = release(loop)

    lock = loop.ports.store.snapshot(MODEL, run.run_id).lock
    assert (lock.run_id, lock.fence) == (run.run_id, fence)
    assert lock.expires_at > loop.ports.clock.now()
    loop.drain()
    assert loop.run().state is State.STAGED


def test_a_lock_that_changed_hands_in_between_is_taken_with_a_higher_fence(loop):
    first = held(loop)
    loop.ports.clock.advance(hours=11)
    loop.receive(alert_of(2, kind="manual", fired_at=loop.ports.clock.now()))
    loop.drain()

    run = release(loop, first)
    loop.drain()

    assert run.fence == 3
    assert loop.ports.store.snapshot(MODEL, first.run_id).run.state is State.STAGED


def test_a_run_is_not_released_while_another_has_the_model(loop):
    first = held(loop)
    loop.ports.clock.advance(hours=11)
    other = loop.receive(alert_of(2, kind="manual", fired_at=loop.ports.clock.now()))

    with pytest.raises(IllegalTransition, match=f"{other.run_id} is active for this model"):
        release(loop, first)

    assert loop.ports.store.snapshot(MODEL, first.run_id).run.state is State.HELD


def test_an_ambiguous_start_is_not_started_again_without_naming_the_job(loop):
    ambiguous(loop)
    before = loop.run()

    with pytest.raises(BadInput, match="job_id: a job of this run may be at work"):
        release(loop)

    assert loop.run() == before


def test_the_job_that_is_named_is_watched_to_its_end(loop):
    first, second = ambiguous(loop)
    loop.ports.jobs.set_status(first, "Cancelled")
    loop.job_status = "Completed"

    run = release(loop, job_id=second)
    assert (run.state, run.job_id) == (State.RUNNING, second)
    loop.drain()

    assert loop.run().state is State.STAGED
    assert len(loop.ports.jobs.requests) == 1
    assert "run.released/success" in loop.actions()


def test_a_job_that_fabric_does_not_know_is_not_found(loop):
    ambiguous(loop)

    with pytest.raises(NotFound, match="no job instance"):
        release(loop, job_id="00000000-0000-0000-0000-000000000099")

    assert loop.run().state is State.HELD


def test_a_job_of_another_run_is_refused_also_where_models_share_a_pipeline():
    models = (model_document(), model_document("slot-revenue"))
    loop = FakeLoop(catalogue_of(*models))
    job, _ = ambiguous(loop)
    mine = loop.run()
    theirs = replace(mine, model="slot-revenue", run_id="run-theirs", job_id=job)
    snapshot = loop.ports.store.snapshot("slot-revenue", "run-theirs")
    commit = loop.ports.store.commits[-1]
    loop.ports.store.commit(
        snapshot, replace(commit, run=theirs, lock=None, rows=(), head=snapshot.head)
    )

    with pytest.raises(BadInput, match="job_id: is the job of run-theirs"):
        release(loop, job_id=job)


@pytest.mark.parametrize("again", ["requested", "staged"])
def test_a_run_that_is_not_held_cannot_be_released(loop, again):
    loop.receive(alert_of())
    if again == "staged":
        loop.drain()

    with pytest.raises(IllegalTransition, match=f"a run in {again} is not held"):
        release(loop)


def test_a_run_that_is_not_there_is_not_found(loop):
    with pytest.raises(NotFound):
        loop.release(MODEL, "run-none", "why", ANA)
    with pytest.raises(NotFound):
        loop.release("another", "run-none", "why", ANA)


def test_a_released_run_whose_message_was_lost_is_picked_up_by_the_sweeper(loop):
    held(loop)
    loop.ports.queues.faults.order(Unavailable("queues are down"))

    with pytest.raises(Unavailable):
        release(loop)
    loop.settle()

    assert loop.run().state is State.STAGED
