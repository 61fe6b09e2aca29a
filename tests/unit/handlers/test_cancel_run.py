"""A cancelled run lets go of its model, its job is cancelled, and the audit names who and why."""

from dataclasses import replace

import pytest

from shared.domain.actor import Actor
from shared.domain.run import State
from shared.errors import IllegalTransition, NotFound, Refused, StartAmbiguous, Unavailable
from shared.handlers.journal import Change
from tests.fakes.clock import START
from tests.fakes.fuse import BREAKS, Fuse, Killed
from tests.fakes.loop import FakeLoop, fair
from tests.fakes.samples import MODEL, alert_of, catalogue_of, model_document

ANA, BO = Actor("ana@example.com"), Actor("bo@example.com")


def running(loop):
    loop.job_status = ""
    loop.receive(alert_of())
    loop.step()
    assert loop.run().state is State.RUNNING
    return loop.run()


def cancel(loop, run=None, actor=ANA):
    return loop.cancel(MODEL, (run or loop.run()).run_id, "wrong data", actor)


def status(loop):
    (job,) = loop.ports.jobs.instances(loop.catalogue.models[0].fabric)
    return job.status


def lock(loop):
    return loop.ports.store.snapshot(MODEL, loop.runs()[0].run_id).lock


def test_a_running_run_loses_its_job_and_its_lock(loop):
    running(loop)

    run = cancel(loop)

    assert (run.state, run.reason) == (
        State.CANCELLED,
        "cancelled by ana@example.com: wrong data",
    )
    assert status(loop) == "Cancelled"
    assert lock(loop).run_id == ""
    acts = [
        (row["action"], row["outcome"], row["subject"]) for row in loop.ports.store.chain(MODEL)
    ]
    assert acts[-2:] == [
        ("run.cancel", "intent", "ana@example.com"),
        ("run.cancelled", "success", "ana@example.com"),
    ]
    assert not loop.breaches()


def test_people_are_told_and_nothing_comes_after(loop):
    running(loop)
    cancel(loop)

    loop.drain()
    loop.settle()

    assert [notice.title for notice in loop.ports.notifier.sent] == [f"{MODEL} was cancelled"]
    assert loop.run().state is State.CANCELLED
    assert not loop.poison


def test_another_run_may_follow_at_once(loop):
    running(loop)
    cancel(loop)
    loop.job_status = "Completed"
    loop.ports.clock.advance(seconds=1)

    again = loop.receive(alert_of(2))
    loop.drain()

    assert again.decision == "accepted"
    assert [run.state for run in loop.runs()] == [State.CANCELLED, State.STAGED]


@pytest.mark.parametrize("kind", ["", "concept"])
def test_a_run_without_a_job_is_cancelled_without_asking_fabric(loop, kind):
    loop.receive(alert_of(kind=kind))

    run = cancel(loop)
    loop.drain()

    assert run.state is State.CANCELLED
    assert loop.run().state is State.CANCELLED
    assert not loop.ports.jobs.requests
    assert lock(loop).run_id == ""
    assert loop.actions()[-1] == "run.cancelled/success"


def test_a_start_that_is_not_settled_is_settled_first_and_then_cancelled(loop):
    loop.job_status = ""
    lost = StartAmbiguous("no answer", sent_at=START)
    loop.ports.jobs.start_faults.order(lost, done=True)
    loop.receive(alert_of())
    loop.step()
    assert loop.run().state is State.STARTING

    waiting = cancel(loop)
    loop.drain()

    assert waiting.state is State.STARTING
    assert loop.run().state is State.CANCELLED
    assert status(loop) == "Cancelled"
    assert loop.actions()[1:] == [
        "job.start/intent",
        "run.cancel/intent",
        "job.started/success",
        "run.cancelled/success",
    ]


@pytest.mark.parametrize("fault", [Unavailable("no answer"), Refused("not now", code="Busy")])
def test_a_fabric_that_does_not_take_it_is_asked_again_by_whoever_watches(loop, fault):
    running(loop)
    loop.ports.jobs.cancel_faults.order(fault, times=2)

    waiting = cancel(loop)
    assert waiting.state is State.RUNNING
    assert lock(loop).run_id == waiting.run_id
    loop.drain()

    assert loop.run().state is State.CANCELLED
    assert status(loop) == "Cancelled"


def test_whoever_has_read_the_run_before_does_not_write_over_the_wish(loop):
    running(loop)
    look = loop.ports.jobs.get
    loop.ports.jobs.cancel_faults.order(Unavailable("no answer"))

    def slow_look(*args):
        loop.ports.jobs.get = look
        cancel(loop)
        return look(*args)

    loop.ports.jobs.get = slow_look
    loop.step()

    assert loop.run().facts["cancel"]["name"] == "ana@example.com"
    loop.drain()
    assert loop.run().state is State.CANCELLED


def test_a_start_that_only_its_version_proves_is_cancelled_instead_of_judged(loop):
    lost = StartAmbiguous("no answer", sent_at=START)
    loop.ports.jobs.start_faults.order(lost)
    loop.receive(alert_of())
    loop.step()
    loop.add_version(fair, loop.run().run_id)

    assert cancel(loop).state is State.STARTING
    loop.drain()

    assert loop.run().state is State.CANCELLED
    assert "job.adopted/success" in loop.actions()
    assert loop.ports.registry.challenger(MODEL) is None


def test_a_job_that_ended_meanwhile_is_not_judged(loop):
    running(loop)
    loop.ports.jobs.cancel_faults.order(Unavailable("no answer"))
    loop.job_status = "Completed"

    cancel(loop)
    loop.drain()

    assert loop.run().state is State.CANCELLED
    assert loop.ports.registry.challenger(MODEL) is None


def test_a_run_that_is_judged_can_be_cancelled_until_its_gates_have_passed(loop):
    loop.receive(alert_of())
    while loop.run().state is not State.JUDGING:
        loop.step()

    run = cancel(loop)
    loop.drain()

    assert run.state is State.CANCELLED
    assert loop.run().state is State.CANCELLED
    assert loop.ports.registry.challenger(MODEL) is None


def test_a_version_that_has_passed_is_staged_and_cannot_be_stopped_half_way():
    loop = FakeLoop()
    loop.receive(alert_of())
    while loop.run().state is not State.JUDGING:
        loop.step()
    judging = loop.run()
    passed = replace(judging, facts={"verdict": "PASS"}, version="2")
    loop.journal.apply(MODEL, judging.run_id, lambda _: Change(run=passed))

    with pytest.raises(IllegalTransition, match="version 2 has passed its gates"):
        cancel(loop)

    assert loop.run() == passed


def test_a_run_that_is_over_cannot_be_cancelled(loop):
    loop.receive(alert_of())
    loop.drain()

    with pytest.raises(IllegalTransition, match="a run in staged cannot be cancelled"):
        cancel(loop)

    assert loop.actions()[-1] == "model.staged/success"


def test_cancelling_twice_is_one_fact_and_the_first_word_counts(loop):
    running(loop)

    first, second = cancel(loop), cancel(loop, actor=BO)

    assert second == first
    assert loop.actions().count("run.cancelled/success") == 1


def test_a_held_run_whose_lock_is_another_s_leaves_that_one_alone(loop):
    loop.receive(alert_of(kind="concept"))
    held = loop.run()
    loop.ports.clock.advance(hours=11)
    other = loop.receive(alert_of(2, kind="manual", fired_at=loop.ports.clock.now()))

    cancel(loop, held)

    assert lock(loop).run_id == other.run_id


@pytest.mark.parametrize(("model", "run_id"), [(MODEL, "run-none"), ("another", "run-none")])
def test_a_run_that_is_not_there_is_not_found(loop, model, run_id):
    with pytest.raises(NotFound):
        loop.cancel(model, run_id, "why", ANA)

    assert not loop.ports.store.commits


def cancelled(fuse, redelivers):
    """Let a run start, cancel it, and bring all to rest; gives the loop and whether it took."""
    # a job that nobody cancels never ends, so that its deadline has to be near
    policy = {"job_deadline_minutes": 2}
    loop = FakeLoop(catalogue_of(model_document(policy=policy)), tap=fuse.tap)
    loop.job_status, loop.redelivers = "", redelivers
    for _ in range(2):
        try:
            loop.receive(alert_of())
            break
        except (Killed, Unavailable):
            continue
    if loop.runs() and loop.run().state is State.REQUESTED:
        loop.step()
    accepted = False
    try:
        cancel(loop)
        accepted = True
    except (Killed, Unavailable):
        pass
    accepted = accepted or "cancel" in loop.run().facts
    loop.drain()
    loop.settle()
    return loop, accepted


@pytest.mark.parametrize("redelivers", [True, False], ids=["messages come again", "sweeper only"])
@pytest.mark.parametrize("how", BREAKS)
def test_whichever_call_breaks_a_wish_that_is_written_is_carried_out(how, redelivers):
    counted = Fuse()
    cancelled(counted, redelivers)

    broken = {}
    for number, call in enumerate(counted.calls, start=1):
        loop, accepted = cancelled(Fuse(number, **BREAKS[how]), redelivers)
        jobs = loop.ports.jobs
        statuses = {jobs._jobs[job][1].status for job in jobs.parameters}
        kept = {
            "is cancelled": loop.run().state is State.CANCELLED or not accepted,
            "job is cancelled": statuses <= {"Cancelled"},
            "lock is free": lock(loop).run_id == "",
            "chain holds": not loop.breaches(),
            "told": loop.run().notified_at is not None,
            "nothing given up": not loop.poison,
        }
        if not all(kept.values()):
            broken[f"{number} {call}"] = [name for name, value in kept.items() if not value]

    assert not broken
