"""Whatever call breaks, and however: one job, one outcome, one unbroken ledger, somebody told.

Every scene is played once undisturbed to count the calls its handlers make to the outside, and
then again for each of these calls, with that one broken. What was left behind is picked up by the
messages that come again and by the sweeper, or by the sweeper alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import pytest

from shared.domain.actor import Actor
from shared.domain.run import Run, State
from shared.errors import LoopError, Refused, StartAmbiguous, Throttled, Unavailable
from shared.handlers.project_audit import AUDIT_TABLE
from shared.ports import JobInstance
from tests.fakes.clock import START
from tests.fakes.fuse import BREAKS, Fuse, Killed
from tests.fakes.jobs import ENDED, FakeJobs
from tests.fakes.loop import FakeLoop, poor, resting
from tests.fakes.samples import MODEL, alert_of, catalogue_of, model_document

ANA = Actor("ana@example.com", "user")


@dataclass(frozen=True)
class Scene:
    """One way a run may go.

    Attributes:
        ends: where it may come to rest.
        jobs: how many jobs there are when it does; none as well where ``or_none`` is set.
        act: what an operator does once the alert is in.
    """

    ends: frozenset[State]
    jobs: int = 1
    or_none: bool = False
    kind: str = "drift"
    act: Callable[[FakeLoop], None] = lambda _: None
    prepare: Callable[[FakeLoop], None] = lambda _: None
    policy: dict[str, float] = field(default_factory=dict)


def ending(*states: State) -> frozenset[State]:
    return frozenset(states)


def lost_answer(loop: FakeLoop) -> None:
    loop.ports.jobs.start_faults.order(StartAmbiguous("no answer", sent_at=START), done=True)


def no_instance_id(loop: FakeLoop) -> None:
    loop.ports.jobs.hide_ids = True


def refused(loop: FakeLoop) -> None:
    loop.ports.jobs.start_faults.order(Refused("no such item", code="ItemNotFound"), times=20)


def throttled(loop: FakeLoop) -> None:
    loop.ports.jobs.start_faults.order(Throttled("busy", retry_after=57))


def paused(loop: FakeLoop) -> None:
    loop.ports.jobs.start_faults.order(Throttled("paused", retry_after=300, overloaded=True))


def never_arrived(loop: FakeLoop) -> None:
    loop.ports.jobs.start_faults.order(StartAmbiguous("no answer", sent_at=START))


def unlisted(loop: FakeLoop) -> None:
    loop.ports.jobs.list_faults.order(Unavailable("no answer"))


def deduped(loop: FakeLoop) -> None:
    loop.ports.jobs.next_status = "Deduped"


def cancels(loop: FakeLoop) -> None:
    """Cancel the run, whatever it has come to; an operator asks until there is an answer."""
    loop.step()
    insist(loop, lambda run: loop.cancel(MODEL, run.run_id, "because", ANA))


def releases(loop: FakeLoop) -> None:
    insist(loop, lambda run: loop.release(MODEL, run.run_id, "because", ANA))


def insist(loop: FakeLoop, ask: Callable[[Run], Run]) -> None:
    for run in loop.runs():
        for _ in range(4):
            try:
                ask(run)
            except (Killed, Unavailable):
                loop.ports.clock.advance(seconds=5)
            except LoopError:
                return  # it was done, and only the answer was lost
            else:
                return


def failing(loop: FakeLoop) -> None:
    loop.job_status = "Failed"


def endless(loop: FakeLoop) -> None:
    loop.job_status = ""


def worse(loop: FakeLoop) -> None:
    loop.candidate = poor


def unloadable(loop: FakeLoop) -> None:
    loop.candidate = None


SCENES = {
    "staged": Scene(ending(State.STAGED)),
    "lost answer": Scene(ending(State.STAGED), prepare=lost_answer),
    "no instance id": Scene(ending(State.STAGED), prepare=no_instance_id),
    "throttled": Scene(ending(State.STAGED), prepare=throttled),
    "refused": Scene(ending(State.START_FAILED), jobs=0, prepare=refused),
    "failing": Scene(ending(State.JOB_FAILED), prepare=failing),
    # a worker killed between the cancellation and its record finds a cancelled job
    "endless": Scene(
        ending(State.TIMED_OUT, State.CANCELLED),
        prepare=endless,
        policy={"job_deadline_minutes": 2},
    ),
    "worse": Scene(ending(State.REJECTED), prepare=worse),
    "unloadable": Scene(ending(State.GATE_ERROR), prepare=unloadable),
    "held": Scene(ending(State.HELD), jobs=0, kind="concept"),
    "paused capacity": Scene(ending(State.STAGED), prepare=paused),
    "start that never arrived": Scene(ending(State.STAGED), prepare=never_arrived),
    "jobs that cannot be listed": Scene(ending(State.STAGED), prepare=unlisted),
    "deduped": Scene(ending(State.JOB_FAILED), prepare=deduped),
    "cancelled": Scene(ending(State.CANCELLED), or_none=True, prepare=endless, act=cancels),
    "released": Scene(ending(State.STAGED), kind="concept", act=releases),
}


def arrive(loop: FakeLoop, kind: str, *, again: bool) -> bool:
    """Deliver the alert as an action group does; tells whether it was accepted."""
    for _ in range(3):
        try:
            loop.receive(alert_of(kind=kind))
        except (Killed, Unavailable):
            loop.ports.clock.advance(seconds=5)
        else:
            return True
        if not again:
            return False
    raise AssertionError("the alert was never accepted")


def play(scene: Scene, fuse: Fuse, *, redelivers: bool) -> tuple[FakeLoop, bool]:
    document = model_document(policy=scene.policy)
    # thousands of plays: what a model says to odd rows takes a third of each and breaks no call
    document["gates"] |= {"robustness": {"probes": []}}
    catalogue = catalogue_of(document)
    loop = FakeLoop(catalogue, tap=fuse.tap)
    loop.redelivers = redelivers
    scene.prepare(loop)
    accepted = arrive(loop, scene.kind, again=redelivers)
    scene.act(loop)
    loop.drain()
    loop.settle()
    return loop, accepted


def faults_of(loop: FakeLoop, scene: Scene, *, accepted: bool) -> list[str]:
    """Give every promise that was broken."""
    if not accepted and not loop.runs():
        return []
    (run,) = loop.runs()
    jobs = len(loop.ports.jobs.parameters)
    promises = {
        f"ends in {run.state}": run.state in scene.ends,
        "is not at rest": resting(run),
        f"has {jobs} jobs": jobs == scene.jobs or (scene.or_none and not jobs),
        "left a job at work": all(job.status in ENDED for job in listed(loop)),
        "was told to nobody": bool(loop.ports.notifier.sent),
        f"has a broken chain: {loop.breaches()}": not loop.breaches(),
        "has a gap or a double in the projection": projected(loop) == written(loop),
        "left the lock": lock_is_right(loop, run),
        "staged something unaudited": staging_is_audited(loop, run),
        f"gave up on {loop.poison}": not loop.poison,
    }
    return [promise for promise, kept in promises.items() if not kept]


def listed(loop: FakeLoop) -> Sequence[JobInstance]:
    return FakeJobs.instances(loop.ports.jobs, loop.catalogue.models[0].fabric)


def written(loop: FakeLoop) -> list[int]:
    return [row["sequence"] for row in loop.ports.store.chain(MODEL)]


def projected(loop: FakeLoop) -> list[int]:
    rows = loop.ports.tables.read(AUDIT_TABLE, {"chain": MODEL})
    return [row["sequence"] for row in rows]


def lock_is_right(loop: FakeLoop, run: Run) -> bool:
    lock = loop.ports.store.snapshot(MODEL, run.run_id).lock
    return lock.run_id == (run.run_id if run.state is State.HELD else "")


def staging_is_audited(loop: FakeLoop, run: Run) -> bool:
    challenger = loop.ports.registry.challenger(MODEL)
    if challenger is None:
        return run.state is not State.STAGED
    actions = loop.actions()
    return (
        run.state is State.STAGED
        and challenger.version == run.version
        and actions.count("model.staged/success") == 1
        and actions.index("model.stage/intent") < actions.index("model.staged/success")
    )


@pytest.mark.parametrize("redelivers", [True, False], ids=["messages come again", "sweeper only"])
@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("name", SCENES)
def test_whichever_call_breaks_the_run_ends_as_if_none_had(name, how, redelivers):
    scene = SCENES[name]
    counted = Fuse()
    undisturbed, _ = play(scene, counted, redelivers=redelivers)
    assert not faults_of(undisturbed, scene, accepted=True)

    broken = {}
    for number, call in enumerate(counted.calls, start=1):
        loop, accepted = play(scene, Fuse(number, **BREAKS[how]), redelivers=redelivers)
        if faults := faults_of(loop, scene, accepted=accepted):
            broken[f"{number} {call}"] = faults

    assert not broken


@pytest.mark.parametrize("name", SCENES)
def test_every_scene_goes_through_the_ports_it_is_meant_to_break(name):
    fuse = Fuse()

    play(SCENES[name], fuse, redelivers=True)

    needed = {"store.commit", "queues.send", "notifier.send", "tables.append"}
    needed |= {"jobs.start"} if SCENES[name].kind == "drift" else set()
    assert needed <= set(fuse.calls)


def test_a_worker_killed_twice_anywhere_leaves_no_more_behind_than_one_killed_once():
    scene = SCENES["staged"]
    counted = Fuse()
    play(scene, counted, redelivers=True)
    calls = range(1, len(counted.calls) + 1)

    broken = {}
    for first, second in combinations(calls, 2):
        loop, accepted = play(scene, Fuse(first, second), redelivers=True)
        if faults := faults_of(loop, scene, accepted=accepted):
            broken[first, second] = faults

    assert not broken
