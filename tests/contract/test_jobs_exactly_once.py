"""A run has one job wherever it runs: the handlers with each service's adapter, faults between."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.run import Run, State
from shared.ports import JobService, Started
from tests.contract.job_target_worlds import TARGETS, TargetWorld, github
from tests.fakes.fuse import Fuse, Killed
from tests.fakes.loop import FakeLoop
from tests.fakes.samples import MODEL, alert_of, catalogue_of, model_document

OTHER = "flight-cancel"
GRACE = timedelta(seconds=121)
LOOKS = 12


@pytest.fixture(params=[*TARGETS])
def world(request: pytest.FixtureRequest) -> Iterator[TargetWorld]:
    with TARGETS[request.param]() as running:
        yield running


def loop_on(
    world: TargetWorld, *models: str, jobs: Any = None, fuse: Fuse | None = None
) -> FakeLoop:
    """Give a loop whose models retrain at the service, a run of each requested."""
    job = world.items.model_dump()
    fabric = {"workspace_id": "00000000-0000-4000-8000-000000000001"}
    documents = [model_document(name, job=job, fabric=fabric) for name in models or (MODEL,)]
    used = jobs or world.jobs

    def tap(name: str, port: Any) -> Any:
        chosen = used if name == "jobs" else port
        return fuse.tap(name, chosen) if fuse else chosen

    loop = FakeLoop(catalogue_of(*documents), tap=tap)
    for number, name in enumerate(models or (MODEL,), start=1):
        loop.receive(alert_of(number, model=name))
    return loop


def look_on(loop: FakeLoop, model: str = MODEL) -> Run:
    """Look until the run is done with its start, each time past the grace period."""
    for _ in range(LOOKS):
        (run,) = loop.runs(model)
        if run.state not in {State.REQUESTED, State.STARTING}:
            return run
        loop.watch(model, run.run_id, run.polls)
        loop.ports.clock.advance(GRACE)
    return loop.runs(model)[0]


@pytest.mark.parametrize(
    "faults",
    [
        (),
        ("lost_response",),
        ("reset", "lost_response"),
        ("server_error", "server_error"),
        ("throttle", "lost_response"),
        ("not_json",),
        ("unauthorized",),
        ("reset", "throttle", "reset"),
    ],
    ids="-".join,
)
def test_a_run_has_one_job_whatever_becomes_of_its_start(
    world: TargetWorld, faults: tuple[str, ...]
):
    loop = loop_on(world)
    for fault in faults:
        world.fault("start", fault)

    run = look_on(loop)

    (job,) = world.service.jobs
    assert run.state is State.RUNNING
    assert run.job_id in (str(job.number), job.name)
    assert job.parameters["run_id"] == run.run_id
    assert not loop.breaches()


class Dying:
    """A job service whose worker dies right after a start was taken, the first time."""

    def __init__(self, jobs: JobService[Any]) -> None:
        self._jobs = jobs
        self._alive = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._jobs, name)

    def start(self, items: Any, parameters: Mapping[str, Any]) -> Started:
        started = self._jobs.start(items, parameters)
        if self._alive:
            self._alive = False
            raise Killed
        return started


def test_a_worker_that_dies_after_the_start_was_taken_leaves_one_job(world: TargetWorld):
    loop = loop_on(world, jobs=Dying(world.jobs))
    with pytest.raises(Killed):
        loop.look()

    run = look_on(loop)

    (job,) = world.service.jobs
    assert run.state is State.RUNNING
    assert run.job_id in (str(job.number), job.name)


def broken_start(world: TargetWorld, fuse: Fuse, fault: str = "") -> Run:
    """Play a start whose worker dies where the fuse says, and another takes it up."""
    world.service.forget()
    if fault:
        world.fault("start", fault)
    loop = loop_on(world, fuse=fuse)
    try:
        run = look_on(loop)
    except Killed:
        run = look_on(loop)
    assert not loop.breaches()
    return run


@pytest.mark.parametrize("fault", ["", "lost_response", "reset", "throttle"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_worker_may_die_at_any_call_of_a_start(world: TargetWorld, fault: str, *, after: bool):
    asked, plain = Fuse(), Fuse()
    loop_on(world, fuse=asked)
    broken_start(world, plain, fault)

    for number in range(len(asked.calls) + 1, len(plain.calls) + 1):
        run = broken_start(world, Fuse(number, after=after), fault)

        found = [(str(job.number), job.name) for job in world.service.jobs]
        assert len(found) == 1, plain.calls[number - 1]
        assert run.state is State.RUNNING, plain.calls[number - 1]
        assert run.job_id in found[0]


@pytest.mark.parametrize("world", ["devops", "github"], indirect=True)
def test_two_jobs_of_one_run_are_a_persons_to_decide(world: TargetWorld):
    loop = loop_on(world)
    world.fault("start", "lost_response")
    loop.look()
    (job,) = world.service.jobs
    world.service.add(job.place, job.parameters)

    run = look_on(loop)

    assert run.state is State.HELD
    assert "2 job instances may be this run's" in run.reason


def test_an_id_that_an_answer_does_not_name_is_found_in_the_list():
    with github() as world:
        world.service.details = False
        loop = loop_on(world)

        run = look_on(loop)

        (job,) = world.service.jobs
        assert (run.state, run.job_id) == (State.RUNNING, str(job.number))


def test_a_run_follows_its_job_to_the_gates(world: TargetWorld):
    loop = loop_on(world)
    run = look_on(loop)
    world.settle(run.job_id, "Completed")

    assert loop.look().state is State.JUDGING


def test_a_failed_job_ends_its_run_with_what_the_service_says(world: TargetWorld):
    loop = loop_on(world)
    run = look_on(loop)
    world.settle(run.job_id, "Failed")

    run = loop.look()

    assert run.state is State.JOB_FAILED
    assert [words for words in world.texts if words not in run.reason] == []


def test_a_job_that_was_cancelled_names_where(world: TargetWorld):
    loop = loop_on(world)
    run = look_on(loop)
    world.settle(run.job_id, "Cancelled")

    run = loop.look()

    assert run.state is State.CANCELLED
    assert run.reason == f"the job was cancelled in {world.items.service}"


def test_a_status_nobody_knows_keeps_the_run_looking(world: TargetWorld):
    loop = loop_on(world)
    look_on(loop)
    world.fault("get", "unknown_status")

    assert loop.look().state is State.RUNNING


def test_of_two_lost_starts_of_one_pipeline_each_run_finds_its_own(world: TargetWorld):
    loop = loop_on(world, MODEL, OTHER)
    for _ in range(2):
        world.fault("start", "lost_response")
    for name in (MODEL, OTHER):  # both are asked for before either is looked for
        loop.watch(name, loop.runs(name)[0].run_id, 0)

    runs = [look_on(loop, name) for name in (MODEL, OTHER)]

    assert [run.state for run in runs] == [State.RUNNING, State.RUNNING]
    named = {job.parameters["run_id"]: (str(job.number), job.name) for job in world.service.jobs}
    assert [run.job_id in named[run.run_id] for run in runs] == [True, True]


def test_of_two_lost_starts_without_names_neither_takes_the_other_s():
    with github() as world:
        world.service.named = False
        loop = loop_on(world, MODEL, OTHER)
        for _ in range(2):
            world.fault("start", "lost_response")
        for name in (MODEL, OTHER):
            loop.watch(name, loop.runs(name)[0].run_id, 0)

        runs = [look_on(loop, name) for name in (MODEL, OTHER)]

        assert [run.state for run in runs] == [State.HELD, State.HELD]
        assert len(world.service.jobs) == 2


def test_a_job_that_somebody_else_began_is_not_taken_for_a_lost_one(world: TargetWorld):
    loop = loop_on(world)
    world.fault("start", "reset")
    loop.look()
    stranger = "run-" + "f" * 24
    world.jobs.start(world.items, {"run_id": stranger})

    run = look_on(loop)

    named = {job.parameters["run_id"]: (str(job.number), job.name) for job in world.service.jobs}
    assert run.state is State.RUNNING
    assert run.job_id in named[run.run_id]
    assert run.job_id not in named[stranger]


def test_the_ledger_names_what_was_started(world: TargetWorld):
    loop = loop_on(world)
    look_on(loop)

    rows = [row for row in loop.ports.store.chain(MODEL) if row["action"] == "job.start"]

    assert [world.items.label in str(row) for row in rows] == [True]
