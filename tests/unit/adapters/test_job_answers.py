"""What the job services' answers are read as: every documented status, and any other shape."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.jobs.azureml_jobs import AzureMLJobs
from shared.adapters.jobs.databricks_jobs import DatabricksJobs
from shared.adapters.jobs.devops_jobs import DevOpsJobs
from shared.adapters.jobs.github_jobs import GitHubJobs
from shared.adapters.rest_http import Answer
from shared.errors import LoopError
from shared.ports import ENDED, JobInstance
from shared.sections.job import AzureMLJob, DatabricksJob, DevOpsJob, GitHubJob
from tests.fakes.clock import FakeClock

RUN = "run-0123456789abcdef01234567"
WHEN = "2013-07-01T04:00:00Z"


class Answers:
    """An HTTP client that gives the same answer whatever is asked."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def call(self, *_: Any, **__: Any) -> Answer:
        return Answer({}, self._body, None)


def azureml(status: str = "Running") -> dict[str, Any]:
    tags = {"retrain_component": "retrain:1", "retrain_run_id": RUN}
    return {
        "name": f"retrain-{RUN}",
        "properties": {"status": status, "tags": tags, "services": {"Studio": {"endpoint": "u"}}},
        "systemData": {"createdAt": WHEN},
    }


def devops(status: str = "inProgress", result: str | None = None) -> dict[str, Any]:
    return {
        "id": 7,
        "definition": {"id": 12},
        "status": status,
        "result": result,
        "reason": "manual",
        "startTime": WHEN,
        "templateParameters": {"run_id": RUN},
        "records": [{"name": "T", "result": "failed", "issues": [{"type": "error"}]}],
    }


def github(status: str = "in_progress", conclusion: str | None = None) -> dict[str, Any]:
    return {
        "id": 7,
        "path": ".github/workflows/retrain.yml",
        "workflow_id": 9,
        "display_title": f"retrain {RUN}",
        "event": "workflow_dispatch",
        "status": status,
        "conclusion": conclusion,
        "run_started_at": WHEN,
        "jobs": [{"name": "T", "conclusion": "failure", "steps": [{"conclusion": "failure"}]}],
    }


def databricks(life_cycle: str = "RUNNING", result: str | None = None) -> dict[str, Any]:
    return {
        "run_id": 7,
        "job_id": 77,
        "state": {"life_cycle_state": life_cycle, "result_state": result, "state_message": "m"},
        "trigger": "ONE_TIME",
        "start_time": 1372651200000,
        "job_parameters": [{"name": "run_id", "value": RUN}],
        "tasks": [{"task_key": "t", "run_id": 8, "state": {"result_state": "FAILED"}}],
    }


def ask(service: str, operation: str, body: Any) -> Any:
    """Ask an adapter whose service answers with this body, for job 7."""
    http: Any = Answers(body)
    jobs: dict[str, tuple[Any, Any]] = {
        "azureml": (
            AzureMLJobs(http, FakeClock()),
            AzureMLJob(
                target="azureml",
                subscription_id="00000000-0000-4000-8000-000000000001",
                resource_group="rg",
                workspace="ws-ml",
                component="retrain:1",
            ),
        ),
        "devops": (
            DevOpsJobs(http, FakeClock()),
            DevOpsJob(target="devops", organization="o", project="p", pipeline_id=12),
        ),
        "github": (
            GitHubJobs(http, FakeClock()),
            GitHubJob(target="github", owner="o", repository="r", workflow="retrain.yml"),
        ),
        "databricks": (
            DatabricksJobs(lambda _: http, FakeClock()),
            DatabricksJob(target="databricks", workspace_url="http://127.0.0.1", job_id=77),
        ),
    }
    adapter, items = jobs[service]
    if operation == "start":
        return adapter.start(items, {"run_id": RUN})
    arguments = () if operation == "instances" else ("7",)
    return getattr(adapter, operation)(items, *arguments)


DOCUMENTS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "azureml": azureml,
    "devops": devops,
    "github": github,
    "databricks": databricks,
}
LISTS = {"azureml": "value", "devops": "value", "github": "workflow_runs", "databricks": "runs"}
GOES_ON = "goes on"

STATUSES = [
    *(("azureml", (word,), GOES_ON) for word in ("NotStarted", "Starting", "Provisioning")),
    *(("azureml", (word,), GOES_ON) for word in ("Preparing", "Queued", "Running", "Finalizing")),
    *(("azureml", (word,), GOES_ON) for word in ("CancelRequested", "NotResponding", "Paused")),
    *(("azureml", (word,), GOES_ON) for word in ("Unknown", "Scheduled")),
    ("azureml", ("Completed",), "Completed"),
    ("azureml", ("Failed",), "Failed"),
    ("azureml", ("Canceled",), "Cancelled"),
    *(("devops", (word, None), GOES_ON) for word in ("none", "inProgress", "cancelling")),
    *(("devops", (word, None), GOES_ON) for word in ("postponed", "notStarted", "all")),
    ("devops", ("completed", "succeeded"), "Completed"),
    ("devops", ("completed", "partiallySucceeded"), "Failed"),
    ("devops", ("completed", "failed"), "Failed"),
    ("devops", ("completed", "canceled"), "Cancelled"),
    ("devops", ("completed", "none"), GOES_ON),
    *(("github", (word, None), GOES_ON) for word in ("queued", "in_progress", "waiting")),
    *(("github", (word, None), GOES_ON) for word in ("requested", "pending")),
    ("github", ("completed", "success"), "Completed"),
    *(("github", ("completed", word), "Failed") for word in ("failure", "timed_out", "stale")),
    *(("github", ("completed", word), "Failed") for word in ("skipped", "neutral")),
    ("github", ("completed", "startup_failure"), "Failed"),
    ("github", ("completed", "cancelled"), "Cancelled"),
    ("github", ("completed", "action_required"), GOES_ON),
    *(("databricks", (word, None), GOES_ON) for word in ("PENDING", "QUEUED", "RUNNING")),
    *(("databricks", (word, None), GOES_ON) for word in ("TERMINATING", "BLOCKED")),
    ("databricks", ("WAITING_FOR_RETRY", None), GOES_ON),
    ("databricks", ("TERMINATED", "SUCCESS"), "Completed"),
    *(("databricks", ("TERMINATED", word), "Failed") for word in ("FAILED", "TIMEDOUT")),
    *(("databricks", ("TERMINATED", word), "Failed") for word in ("EXCLUDED", "UPSTREAM_FAILED")),
    ("databricks", ("TERMINATED", "SUCCESS_WITH_FAILURES"), "Failed"),
    *(("databricks", ("TERMINATED", w), "Cancelled") for w in ("CANCELED", "UPSTREAM_CANCELED")),
    ("databricks", ("TERMINATED", "MAXIMUM_CONCURRENT_RUNS_REACHED"), "Deduped"),
    ("databricks", ("SKIPPED", None), "Deduped"),
    ("databricks", ("INTERNAL_ERROR", "FAILED"), "Failed"),
]


@pytest.mark.parametrize(("service", "words", "status"), STATUSES)
def test_every_documented_status_is_an_end_or_goes_on(
    service: str, words: tuple[Any, ...], status: str
):
    job = ask(service, "get", DOCUMENTS[service](*words))

    assert (job.status if job.status in ENDED else GOES_ON) == status
    assert bool(job.failure) == (status == "Failed")


@pytest.mark.parametrize("service", DOCUMENTS)
@settings(deadline=None)
@given(word=st.text(max_size=20).filter(lambda text: text not in {"Completed", "Failed"}))
def test_a_status_nobody_knows_is_never_an_end(service: str, word: str):
    ends = [words[0] for name, words, _ in STATUSES if name == service]
    known = {*ends, "completed", "TERMINATED"}

    job = ask(service, "get", DOCUMENTS[service](word if word not in known else "Strange"))

    assert job.status not in ENDED


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@st.composite
def spoiled(draw: st.DrawFn, document: Any) -> Any:
    """Give the document with something in it left out, or replaced by anything."""
    if not isinstance(document, dict | list) or not document or draw(st.integers(0, 3)) == 0:
        return draw(anything)
    keys = list(document) if isinstance(document, dict) else range(len(document))
    key = draw(st.sampled_from(list(keys)))
    copy = document.copy()
    if draw(st.integers(0, 3)) == 0:
        del copy[key]
    else:
        copy[key] = draw(spoiled(document[key]))
    return copy


@pytest.mark.parametrize("operation", ["start", "get", "instances", "cancel", "failure_text"])
@pytest.mark.parametrize("service", DOCUMENTS)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_an_answer_of_any_shape_is_read_or_is_one_of_our_errors(
    service: str, operation: str, data: st.DataObject
):
    whole = DOCUMENTS[service]()
    if operation == "instances":
        whole = {LISTS[service]: [whole], "nextLink": "https://x?$skip=1", "next_page_token": "2"}
    body = data.draw(spoiled(whole))

    try:
        found = ask(service, operation, body)
    except LoopError:
        return

    if operation == "instances":
        assert all(isinstance(job, JobInstance) for job in found)
    if operation == "failure_text":
        assert isinstance(found, str)
