"""What any job service does: the fake, Fabric's REST as the simulator speaks it, and the others.

The services beside Fabric are simulated by their documentation: ``tests/fakes/job_services``.
"""

from collections.abc import Iterator
from datetime import timedelta
from itertools import count

import pytest
import requests

from local.processes import free_port
from shared.adapters.credentials import StaticCredential
from shared.adapters.fabric_http import CAPACITY_WAIT_SECONDS
from shared.catalogue import FabricItems
from shared.errors import NotFound, Refused, StartAmbiguous, Throttled, Unavailable
from shared.ports import ENDED
from tests.contract.job_target_worlds import TARGETS
from tests.contract.jobs_worlds import (
    CLOCK,
    PAGE_SIZE,
    UNKNOWN,
    WORKSPACE,
    FakeWorld,
    RealWorld,
    Simulator,
    World,
    adapter,
    items,
    run_simulator,
)


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with run_simulator(tmp_path_factory.mktemp("fabric")) as running:
        yield running


@pytest.fixture(params=["fake", "fabric", *TARGETS])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "fake":
        yield FakeWorld()
        return
    if request.param in TARGETS:
        with TARGETS[request.param]() as beside:
            yield beside
        return
    simulator = request.getfixturevalue("simulator")
    yield RealWorld(simulator)
    requests.delete(f"{simulator.url}/_simulator/faults", timeout=5).raise_for_status()


@pytest.fixture
def real(simulator: Simulator) -> Iterator[RealWorld]:
    yield RealWorld(simulator)
    requests.delete(f"{simulator.url}/_simulator/faults", timeout=5).raise_for_status()


RUN_IDS = (f"run-{number:024x}" for number in count(1))


def only(*names: str) -> pytest.MarkDecorator:
    """Run a test in these worlds alone: the others have no such thing."""
    return pytest.mark.parametrize("world", names, indirect=True)


def parameters(mode: str = "ok") -> dict[str, str]:
    """Give the parameters of a run that nobody asked for yet."""
    return {"mode": mode, "run_id": next(RUN_IDS)}


def started(world: World, mode: str = "ok") -> str:
    instance_id = world.jobs.start(world.items, parameters(mode)).instance_id
    assert instance_id is not None
    return instance_id


def test_an_accepted_start_names_its_instance_and_when_to_look_again(world: World):
    answer = world.jobs.start(world.items, parameters())

    assert [job.instance_id for job in world.jobs.instances(world.items)] == [answer.instance_id]
    assert answer.retry_after == world.first_wait


def test_a_start_hands_all_parameters_over_as_they_are(world: World):
    given = {**parameters(), "as_of": "2013-07-01T00:00:00Z", "cost_center": "CC-1 & more"}

    world.jobs.start(world.items, given)

    assert world.parameters() == [given]


def test_a_job_is_seen_until_it_has_completed(world: World):
    instance_id = started(world)

    job = world.settle(instance_id, "Completed")

    assert job.instance_id == instance_id
    assert job.invoke_type == "Manual"
    assert job.failure == ""
    assert job.retry_after is None


def test_a_job_that_has_not_ended_says_when_to_look_again(world: World):
    instance_id = started(world, "hang")

    job = world.jobs.get(world.items, instance_id)

    assert job.status not in ENDED
    assert job.retry_after == world.next_wait
    world.jobs.cancel(world.items, instance_id)


def test_a_start_time_is_an_aware_utc_time(world: World):
    before = CLOCK.now() - timedelta(seconds=1)
    instance_id = started(world)

    job = world.settle(instance_id, "Completed")

    assert job.started_at is not None
    assert job.started_at.utcoffset() == timedelta(0)
    assert before < job.started_at <= CLOCK.now()


def test_a_failed_job_says_so_and_its_activities_say_why(world: World):
    instance_id = started(world, "fail")

    job = world.settle(instance_id, "Failed")

    assert world.failure_code in job.failure
    text = world.jobs.failure_text(world.items, instance_id)
    assert [words for words in world.texts if words not in text] == []


def test_a_job_without_failures_has_no_failure_text(world: World):
    instance_id = started(world)
    world.settle(instance_id, "Completed")

    assert world.jobs.failure_text(world.items, instance_id) == ""


def test_a_cancelled_job_ends_cancelled(world: World):
    instance_id = started(world, "hang")

    world.jobs.cancel(world.items, instance_id)

    assert world.settle(instance_id, "Cancelled").status == "Cancelled"


def test_to_cancel_what_has_ended_is_no_error(world: World):
    instance_id = started(world)
    world.settle(instance_id, "Completed")

    world.jobs.cancel(world.items, instance_id)

    assert world.jobs.get(world.items, instance_id).status == "Completed"


def test_the_list_holds_every_instance_of_all_pages(world: World):
    instance_ids = {started(world) for _ in range(2 * PAGE_SIZE + 1)}

    listed = world.jobs.instances(world.items)

    assert {job.instance_id for job in listed} == instance_ids
    assert len(listed) == len(instance_ids)


@only("fake", "fabric")
def test_an_instance_that_a_page_repeats_is_listed_once(world: World):
    instance_id = started(world)
    world.fault("list", "duplicate_listing")

    assert [job.instance_id for job in world.jobs.instances(world.items)] == [instance_id]


def test_a_pipeline_without_jobs_has_an_empty_list(world: World):
    assert list(world.jobs.instances(world.items)) == []


@only("fake", "fabric", "databricks")
def test_a_skipped_job_is_accepted_and_reported_as_deduped(world: World):
    world.fault("start", "deduped")

    instance_id = started(world)

    assert world.jobs.get(world.items, instance_id).status == "Deduped"


@pytest.mark.parametrize("operation", ["get", "cancel", "failure_text"])
def test_an_unknown_instance_is_not_found(world: World, operation: str):
    with pytest.raises(NotFound):
        getattr(world.jobs, operation)(world.items, world.unknown)


@only("fake", "fabric", "devops", "github", "databricks")
def test_an_answer_without_an_id_gives_none_and_the_job_is_in_the_list(world: World):
    world.fault("start", "location_without_id")

    answer = world.jobs.start(world.items, parameters())

    assert answer.instance_id is None
    assert len(world.jobs.instances(world.items)) == 1


@pytest.mark.parametrize("operation", ["start", "get", "list", "cancel"])
def test_throttled_says_when_to_come_back(world: World, operation: str):
    instance_id = started(world)
    world.fault(operation, "throttle")

    with pytest.raises(Throttled) as caught:
        call(world, operation, instance_id)

    assert caught.value.retry_after == 7


def test_a_throttled_start_has_started_nothing(world: World):
    world.fault("start", "throttle")

    with pytest.raises(Throttled):
        world.jobs.start(world.items, parameters())

    assert world.parameters() == []


@only("fake", "fabric")
def test_an_overloaded_capacity_is_left_alone_for_longer(world: World):
    world.fault("start", "capacity")

    with pytest.raises(Throttled) as caught:
        world.jobs.start(world.items, parameters())

    assert caught.value.retry_after >= CAPACITY_WAIT_SECONDS


@pytest.mark.parametrize(
    ("kind", "jobs"), [("lost_response", 1), ("reset", 0), ("server_error", 0)]
)
def test_a_start_without_an_answer_is_ambiguous(world: World, kind: str, jobs: int):
    before = CLOCK.now()
    world.fault("start", kind)

    with pytest.raises(StartAmbiguous) as caught:
        world.jobs.start(world.items, parameters())

    assert before <= caught.value.sent_at <= CLOCK.now()
    assert len(world.parameters()) == jobs
    assert len(world.jobs.instances(world.items)) == jobs


@pytest.mark.parametrize("kind", ["server_error", "reset"])
@pytest.mark.parametrize("operation", ["get", "list", "cancel"])
def test_a_lost_look_is_unavailable(world: World, operation: str, kind: str):
    instance_id = started(world)
    world.fault(operation, kind)

    with pytest.raises(Unavailable):
        call(world, operation, instance_id)


def test_a_token_that_is_not_accepted_is_fetched_once_more(world: World):
    world.fault("start", "unauthorized")

    started(world)

    assert len(world.parameters()) == 1


def call(world: World, operation: str, instance_id: str) -> None:
    match operation:
        case "start":
            world.jobs.start(world.items, parameters())
        case "list":
            world.jobs.instances(world.items)
        case _:
            getattr(world.jobs, operation)(world.items, instance_id)


@only("fabric", *TARGETS)
def test_a_status_nobody_knows_is_handed_on(world: World):
    instance_id = started(world, "hang")
    world.fault("get", "unknown_status")

    status = world.jobs.get(world.items, instance_id).status

    assert status not in ENDED
    world.jobs.cancel(world.items, instance_id)


# --- Fabric only -----------------------------------------------------------------------------


def test_a_token_that_is_never_accepted_is_refused_after_two_tries(real: RealWorld):
    jobs = adapter(f"{real.simulator.url}/v1", StaticCredential("wrong"))

    with pytest.raises(Refused) as caught:
        jobs.start(real.items, {})

    assert caught.value.code == "Unauthorized"
    assert len(real.simulator.requests(real.items.pipeline_id)) == 2


def test_a_pipeline_that_is_not_there_is_refused_with_its_code(real: RealWorld):
    nowhere = FabricItems(workspace_id=WORKSPACE, pipeline_id=UNKNOWN)

    with pytest.raises(Refused) as caught:
        real.jobs.start(nowhere, {})

    assert caught.value.code == "ItemNotFound"


def test_a_start_that_takes_too_long_is_ambiguous(real: RealWorld):
    jobs = adapter(f"{real.simulator.url}/v1", read_seconds=0.2)
    real.simulator.order("start", "slow", seconds=0.5)

    with pytest.raises(StartAmbiguous):
        jobs.start(real.items, {"mode": "ok"})


def test_a_start_that_never_left_is_unavailable_and_not_ambiguous():
    jobs = adapter(f"http://127.0.0.1:{free_port()}/v1")

    with pytest.raises(Unavailable) as caught:
        jobs.start(items(0), {})

    assert not isinstance(caught.value, StartAmbiguous)
