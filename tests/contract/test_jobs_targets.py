"""What only the job services beside Fabric do: keys, run ids in lists, limits, other pipelines."""

import traceback
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from local.processes import free_port
from shared.adapters.jobs.job_answers import MOST_LISTED, run_id_in
from shared.catalogue import JobItems
from shared.domain.run import Trigger, run_id_of
from shared.errors import NotFound, Refused, StartAmbiguous, Throttled, Unavailable
from tests.contract.job_target_worlds import TARGETS, TargetWorld, azureml, devops, github
from tests.fakes.clock import START
from tests.fakes.job_services.service import PAGE_SIZE, Reply

RUN_IDS = (f"run-{number:024x}" for number in count(0xF000))
KEYED = ("azureml", "databricks")


@pytest.fixture(params=[*TARGETS])
def world(request: pytest.FixtureRequest) -> Iterator[TargetWorld]:
    with TARGETS[request.param]() as running:
        yield running


def only(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("world", names, indirect=True)


def moved(items: JobItems, **changes: Any) -> Any:
    return items.model_copy(update=changes)


def start(world: TargetWorld, run_id: str = "", **more: str) -> tuple[str, str]:
    """Give the ids of a run and of its job."""
    run_id = run_id or next(RUN_IDS)
    started = world.jobs.start(world.items, {"run_id": run_id, **more})
    assert started.instance_id is not None
    return run_id, started.instance_id


# --- whose a job is --------------------------------------------------------------------------


def test_a_job_tells_the_run_it_was_started_for(world: TargetWorld):
    run_id, job_id = start(world)

    assert world.jobs.get(world.items, job_id).run_id == run_id
    assert [job.run_id for job in world.jobs.instances(world.items)] == [run_id]


def test_the_form_of_a_run_s_id_is_the_one_that_runs_have():
    run_id = run_id_of("flights", Trigger("alert", "key", "alert", START, "drift"))

    assert run_id_in(f"retrain {run_id} (flights)") == run_id


def test_a_title_with_two_runs_names_none():
    assert run_id_in(f"{next(RUN_IDS)} {next(RUN_IDS)}") == ""


@only("devops", "github", "databricks")
def test_a_scheduled_job_is_not_a_manual_one(world: TargetWorld):
    _, job_id = start(world)
    world.service.jobs[0].by_hand = False

    assert world.jobs.get(world.items, job_id).invoke_type == "Scheduled"


OTHERS = {
    "azureml": {"component": "retrain_hotels:1"},
    "devops": {"pipeline_id": 13},
    "github": {"workflow": "other.yml"},
    "databricks": {"job_id": 78},
}


@pytest.mark.parametrize("operation", ["get", "cancel", "failure_text"])
def test_a_job_of_another_pipeline_is_not_found(world: TargetWorld, operation: str):
    _, job_id = start(world)
    other = moved(world.items, **OTHERS[world.items.target])

    with pytest.raises(NotFound):
        getattr(world.jobs, operation)(other, job_id)

    assert list(world.jobs.instances(other)) == []
    assert world.service.jobs[0].status == "Running"


# --- starting once ---------------------------------------------------------------------------


@only(*KEYED)
def test_a_second_start_of_a_run_is_the_first_one_s_job(world: TargetWorld):
    run_id, first = start(world)

    _, second = start(world, run_id)

    assert second == first
    assert len(world.service.jobs) == 1


def test_a_name_that_is_taken_with_other_settings_is_the_first_start_s_job():
    with azureml() as world:
        run_id, first = start(world)
        world.items = moved(world.items, component="retrain_flights:4")

        _, second = start(world, run_id)

        assert second == first
        assert len(world.service.jobs) == 1


@only("devops", "github")
def test_a_pipeline_that_is_not_there_is_refused(world: TargetWorld):
    nowhere = moved(world.items, **OTHERS[world.items.target])

    with pytest.raises(Refused) as caught:
        world.jobs.start(nowhere, {"run_id": next(RUN_IDS)})

    assert caught.value.code == "NotFound"


@pytest.mark.parametrize("kind", ["not_json", "lost_response"])
def test_an_answer_that_cannot_be_read_leaves_a_start_open(world: TargetWorld, kind: str):
    world.fault("start", kind)

    with pytest.raises(StartAmbiguous):
        start(world)

    assert len(world.service.jobs) == 1


@pytest.mark.parametrize("name", TARGETS)
def test_a_start_that_takes_too_long_is_ambiguous(name: str):
    with TARGETS[name](read_seconds=0.1) as world:
        world.fault("start", "slow")

        with pytest.raises(StartAmbiguous):
            start(world)


@pytest.mark.parametrize("name", TARGETS)
def test_a_start_that_never_left_is_unavailable_and_not_ambiguous(name: str):
    with TARGETS[name]() as world:
        items = world.items
    nobody = f"http://127.0.0.1:{free_port()}"
    if name == "databricks":
        items = moved(items, workspace_url=nobody)

    with pytest.raises(Unavailable) as caught:
        world.jobs.start(items, {"run_id": next(RUN_IDS)})

    assert not isinstance(caught.value, StartAmbiguous)


@pytest.mark.parametrize("name", TARGETS)
def test_a_token_that_is_never_accepted_is_refused_after_two_tries(name: str):
    with TARGETS[name](token="wrong") as world, pytest.raises(Refused) as caught:
        start(world)

    assert len(world.service.asked) == 2
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("token", ["swordfish\n", "swordfish\u2603"])
def test_a_token_that_no_header_takes_is_in_no_error(name: str, token: str):
    with TARGETS[name](token=token) as world, pytest.raises(Unavailable) as caught:
        start(world)

    assert not isinstance(caught.value, StartAmbiguous)
    assert world.service.asked == []
    assert "swordfish" not in "".join(traceback.format_exception(caught.value))


def test_a_redirect_to_the_sign_in_page_is_a_refusal_and_is_not_followed():
    with devops(token="wrong") as world:
        elsewhere = {"Location": "https://login.example/sign-in"}
        world.service.sign_in = lambda: Reply(302, None, elsewhere)

        with pytest.raises(Refused) as caught:
            start(world)

    assert caught.value.code == "Unauthorized"
    assert len(world.service.asked) == 2


# --- watching and ending ---------------------------------------------------------------------


def test_a_job_that_ends_while_it_is_being_cancelled_is_no_error(world: TargetWorld):
    _, job_id = start(world)
    world.fault("cancel", "ends_meanwhile")

    world.jobs.cancel(world.items, job_id)

    assert world.jobs.get(world.items, job_id).status == "Completed"


def test_what_has_ended_is_not_asked_to_be_cancelled(world: TargetWorld):
    _, job_id = start(world)
    world.settle(job_id, "Completed")

    world.jobs.cancel(world.items, job_id)

    assert {asked.method for asked in world.service.asked[-1:]} == {"GET"}


@only("azureml", "databricks")
def test_pages_are_asked_of_the_configured_host(world: TargetWorld):
    for _ in range(2 * PAGE_SIZE + 1):
        start(world)
    before = len(world.service.asked)

    jobs = world.jobs.instances(world.items)

    assert len(jobs) == 2 * PAGE_SIZE + 1
    assert len(world.service.asked) - before == 3


@only("devops", "github")
def test_the_list_holds_the_newest_and_ends_somewhere(world: TargetWorld):
    for _ in range(MOST_LISTED + 5):
        world.service.add(*place(world), {"run_id": next(RUN_IDS)})

    jobs = world.jobs.instances(world.items)

    newest = {str(job.number) for job in world.service.jobs[-MOST_LISTED:]}
    assert {job.instance_id for job in jobs} == newest


def place(world: TargetWorld) -> tuple[str]:
    items: Any = world.items
    return (items.workflow if items.target == "github" else str(items.pipeline_id),)


# --- one service each ------------------------------------------------------------------------


def test_azure_ml_is_given_the_component_its_inputs_and_the_run_in_name_and_tag():
    with azureml() as world:
        world.items = moved(world.items, compute="cpu-cluster")
        run_id, job_id = start(world, alert_id="", model="flights")
        (asked,) = world.service.asked

    properties = asked.body["properties"]
    assert asked.path.endswith(f"/jobs/retrain-{run_id}")
    assert job_id == f"retrain-{run_id}"
    assert properties["componentId"].endswith("/components/retrain_flights/versions/3")
    assert properties["settings"] == {"default_compute": "cpu-cluster"}
    assert properties["tags"]["retrain_run_id"] == run_id
    # an empty literal is none
    assert sorted(properties["inputs"]) == ["model", "run_id"]


def test_a_newer_version_of_the_component_still_finds_the_older_one_s_job():
    with azureml() as world:
        run_id, job_id = start(world)

        newer = moved(world.items, component="retrain_flights:4")

        assert world.jobs.get(newer, job_id).run_id == run_id
        assert newer.place == world.items.place


def test_a_workflow_without_a_run_name_says_nothing_of_its_run():
    with github() as world:
        world.service.named = False
        _, job_id = start(world)

        assert world.jobs.get(world.items, job_id).run_id == ""


def test_an_older_github_is_asked_without_what_it_does_not_know():
    with github() as world:
        world.service.details = False

        started = world.jobs.start(world.items, {"run_id": next(RUN_IDS)})

        assert started.instance_id is None
        assert len(world.service.jobs) == 1


def test_a_workflow_may_be_named_by_its_number():
    with github() as world:
        _, job_id = start(world)

        assert world.jobs.get(moved(world.items, workflow="99"), job_id).instance_id == job_id


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1372680090"}, 90),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1372670000"}, 60),
        ({"X-RateLimit-Remaining": "0"}, 60),
        ({"Retry-After": "11", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9"}, 11),
    ],
)
def test_github_s_budget_says_when_it_is_whole_again(headers: dict[str, str], wait: float):
    dated = {"Date": "Mon, 01 Jul 2013 12:00:00 GMT", **headers}
    with github() as world:
        world.service.throttled = lambda: Reply(403, {"message": "rate limit"}, dated)
        world.fault("list", "throttle")

        with pytest.raises(Throttled) as caught:
            world.jobs.instances(world.items)

    assert caught.value.retry_after == wait


def test_a_token_without_the_right_is_refused_and_no_limit():
    with github() as world:
        world.service.throttled = lambda: Reply(403, {"message": "Resource not accessible"})
        world.fault("start", "throttle")

        with pytest.raises(Refused, match="Resource not accessible"):
            start(world)
