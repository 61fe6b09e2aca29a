"""The Fabric simulator over real HTTP: shapes, jobs that really run, faults, restarts."""

import json
import re
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psutil
import pytest
import requests

from local.fabric_simulator.faults import Kind, Operation
from local.processes import ProcessError, free_port, start_process, wait_until_ready
from shared.adapters.clock import write_offset

WORKSPACE = "4b218778-e7a5-4d73-8187-f10824047715"
PIPELINE = "aaaaaaaa-0000-4000-8000-000000000001"
NOTEBOOK = "bbbbbbbb-0000-4000-8000-000000000002"
TOKEN = "secret-token"
FABRIC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}")
PATIENCE_SECONDS = 15

# stands for the notebook runner: does what its parameters say
RUNNER = """
import json, os, sys, time
from pathlib import Path
parameters = json.loads(Path(sys.argv[3]).read_text())
print("source", sys.argv[1])
print("parameters", json.dumps(parameters))
print("lakehouse", os.environ.get("LAKEHOUSE_ROOT"), os.environ.get("MLFLOW_TRACKING_URI"))
print("PROGRESS 0.1 reading", flush=True)
print("PROGRESS 0.4 fitting the model", flush=True)
time.sleep(parameters.get("seconds", 0))
if parameters.get("model") == "broken":
    sys.exit("Traceback\\nValueError: no rows for the model")
"""


@dataclass(frozen=True)
class Simulator:
    url: str
    process: object
    state: Path

    @property
    def jobs_url(self):
        return f"{self.url}/v1/workspaces/{WORKSPACE}/items/{PIPELINE}/jobs"

    def call(self, method, url, **options):
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return requests.request(method, url, headers=headers, timeout=10, **options)

    def start(self, **parameters):
        body = {"executionData": {"parameters": parameters}}
        return self.call("POST", f"{self.jobs_url}/instances?jobType=Pipeline", json=body)

    def get(self, location):
        return self.call("GET", location).json()

    def run(self, **parameters):
        return self.wait_for(self.start(**parameters).headers["Location"])

    def wait_for(self, location, statuses=("Completed", "Failed", "Cancelled")):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (job := self.get(location))["status"] not in statuses:
            assert time.monotonic() < deadline, f"still {job['status']}"
            time.sleep(0.02)
        return job

    def activity_runs(self, job_id, **body):
        url = f"{self.url}/v1/workspaces/{WORKSPACE}/datapipelines/pipelineruns/{job_id}"
        return self.call("POST", f"{url}/queryactivityruns", json=body).json()

    def fault(self, operation, kind, **more):
        order = {"operation": operation, "kind": kind, **more}
        return requests.post(f"{self.url}/_simulator/faults", json=order, timeout=10)

    def seen(self):
        return requests.get(f"{self.url}/_simulator/jobs", timeout=10).json()

    def job(self, job_id):
        return next(job for job in self.seen()["jobs"] if job["id"] == job_id)


def write_item(item, logical_id, content_name, content):
    item.mkdir(parents=True)
    name, kind = item.name.split(".")
    platform = {
        "metadata": {"type": kind, "displayName": name},
        "config": {"version": "2.0", "logicalId": logical_id},
    }
    (item / ".platform").write_text(json.dumps(platform))
    (item / content_name).write_text(content)


def expression(name, kind):
    reference = {"value": f"@pipeline().parameters.{name}", "type": "Expression"}
    return {"value": reference, "type": kind}


def activity(name="Train", *, needs=(), notebook=NOTEBOOK, **policy):
    return {
        "name": name,
        "type": "TridentNotebook",
        "dependsOn": [{"activity": n, "dependencyConditions": ["Succeeded"]} for n in needs],
        "policy": policy,
        "typeProperties": {
            "notebookId": notebook,
            "workspaceId": "00000000-0000-0000-0000-000000000000",
            "parameters": {
                "run_id": expression("run_id", "string"),
                "model": expression("model", "string"),
                "seconds": expression("seconds", "float"),
                "stage": {"value": name, "type": "string"},
            },
        },
    }


def write_items(folder, *activities):
    properties = {
        "activities": activities or [activity()],
        "parameters": {
            "run_id": {"type": "string"},
            "model": {"type": "string", "defaultValue": "delays"},
            "seconds": {"type": "float", "defaultValue": 0},
        },
    }
    content = json.dumps({"properties": properties})
    write_item(folder / "Retrain.DataPipeline", PIPELINE, "pipeline-content.json", content)
    write_item(folder / "Train.Notebook", NOTEBOOK, "notebook-content.py", "# a notebook\n")


@pytest.fixture(scope="module")
def runner_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runner")
    (folder / "toy_runner.py").write_text(RUNNER)
    return folder


@pytest.fixture(scope="module")
def serve(runner_folder):
    @contextmanager
    def run(folder, *options, items=None):
        if items is None:
            items = folder / "items"
            if not items.exists():
                write_items(items)
        port = free_port()
        argv = [sys.executable, "-m", "local.fabric_simulator", "--port", str(port)]
        argv += ["--workspace-id", WORKSPACE, "--items", items, "--state", folder / "state"]
        argv += ["--token", TOKEN, "--queue-seconds", "0.05", "--runner-module", "toy_runner"]
        environment = {"PYTHONPATH": str(runner_folder)}
        with start_process(
            "fabric", [*argv, *options], log=folder / "fabric.log", env=environment
        ) as process:
            url = f"http://127.0.0.1:{port}"
            wait_until_ready(process, f"{url}/_simulator/health")
            yield Simulator(url, process, folder / "state")

    return run


@pytest.fixture(scope="module")
def fabric(serve, tmp_path_factory):
    with serve(tmp_path_factory.mktemp("fabric"), "--lakehouse-root", "/lake") as simulator:
        yield simulator


@pytest.fixture(autouse=True)
def no_fault_is_left(request):
    yield
    if "fabric" in request.fixturenames:
        simulator = request.getfixturevalue("fabric")
        pending = requests.get(f"{simulator.url}/_simulator/faults", timeout=10).json()["faults"]
        requests.delete(f"{simulator.url}/_simulator/faults", timeout=10)
        assert pending == [], "a fault that was ordered did not happen"


def test_a_start_is_accepted_as_recorded(fabric):
    answer = fabric.start(run_id="r-1")

    assert answer.status_code == 202
    assert answer.content == b""
    assert answer.headers["Retry-After"] == "1"
    location, job_id = answer.headers["Location"].rsplit("/", 1)
    assert location == f"{fabric.jobs_url}/instances"
    assert UUID(job_id)
    job = fabric.wait_for(answer.headers["Location"])
    assert job["rootActivityId"] == answer.headers["RequestId"]


def test_a_finished_job_has_the_documented_shape(fabric):
    job = fabric.run(run_id="r-2")

    assert set(job) == {
        "id",
        "itemId",
        "jobType",
        "invokeType",
        "status",
        "failureReason",
        "rootActivityId",
        "startTimeUtc",
        "endTimeUtc",
    }
    assert (job["status"], job["itemId"], job["jobType"]) == ("Completed", PIPELINE, "Pipeline")
    assert (job["invokeType"], job["failureReason"]) == ("Manual", None)
    assert FABRIC_TIME.fullmatch(job["startTimeUtc"])
    assert FABRIC_TIME.fullmatch(job["endTimeUtc"])


def test_a_job_passes_through_not_started_and_in_progress(serve, tmp_path):
    with serve(tmp_path, "--queue-seconds", "0.5", "--retry-after", "7") as fabric:
        location = fabric.start(run_id="r", seconds=0.5).headers["Location"]

        waiting = fabric.call("GET", location)
        running = fabric.wait_for(location, ["InProgress"])
        done = fabric.wait_for(location)
        last = fabric.call("GET", location)

    assert waiting.json()["status"] == "NotStarted"
    assert waiting.headers["Retry-After"] == "7"
    assert waiting.json()["endTimeUtc"] is None
    # recorded: the start moves when the job really begins
    assert waiting.json()["startTimeUtc"] < running["startTimeUtc"] == done["startTimeUtc"]
    assert "Retry-After" not in last.headers


def test_the_notebook_gets_the_parameters_the_defaults_and_the_environment(fabric):
    job = fabric.run(run_id="r-3", unknown="ignored", seconds="0.01")

    printed = (fabric.state / "jobs" / job["id"] / "01-stdout.log").read_text()
    assert 'parameters {"run_id": "r-3", "model": "delays", "seconds": 0.01' in printed
    assert "unknown" not in printed
    assert "lakehouse /lake None" in printed
    assert "Train.Notebook/notebook-content.py" in printed


def test_a_failed_notebook_gives_a_generic_reason_and_its_text_among_the_activities(fabric):
    job = fabric.run(run_id="r-4", model="broken")

    assert job["status"] == "Failed"
    assert job["failureReason"]["errorCode"] == "JobInstanceStatusFailed"
    assert job["failureReason"]["message"] == "Job instance failed without detail error"
    assert job["failureReason"]["isRetriable"] is False
    assert UUID(job["failureReason"]["requestId"]) != UUID(job["rootActivityId"])
    (run,) = fabric.activity_runs(job["id"], filters=[], orderBy=[])
    assert run["status"] == "Failed"
    assert run["error"]["message"].endswith("ValueError: no rows for the model")
    assert fabric.job(job["id"])["exit_code"] == 1


def test_a_finished_activity_is_described_as_documented(fabric):
    job = fabric.run(run_id="r-5", seconds=0.05)

    (run,) = fabric.activity_runs(job["id"], filters=[], orderBy=[])

    assert (run["activityName"], run["activityType"]) == ("Train", "TridentNotebook")
    assert (run["status"], run["pipelineRunId"]) == ("Succeeded", job["id"])
    assert run["durationInMs"] >= 50
    assert run["input"]["parameters"]["run_id"] == "r-5"
    assert run["error"]["message"] == ""


def test_activity_runs_outside_the_asked_time_are_left_out(fabric):
    job = fabric.run(run_id="r-6")
    hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()

    assert fabric.activity_runs(job["id"], lastUpdatedBefore=hour_ago) == []
    assert len(fabric.activity_runs(job["id"], lastUpdatedAfter=hour_ago)) == 1


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"run_id": "r", "seconds": "soon"}, "parameter seconds: 'soon' is no float"),
        ({}, "pipeline parameter run_id has no value and no default"),
    ],
)
def test_parameters_that_do_not_fit_fail_the_job(fabric, parameters, text):
    job = fabric.run(**parameters)

    assert job["status"] == "Failed"
    assert fabric.activity_runs(job["id"])[0]["error"]["message"] == text


def test_activities_run_in_the_order_of_their_dependencies_until_one_fails(serve, tmp_path):
    items = tmp_path / "items"
    write_items(items, activity("Register", needs=["Train"]), activity("Train", retry=1))

    with serve(tmp_path) as fabric:
        good, bad = fabric.run(run_id="r"), fabric.run(run_id="r", model="broken")

        assert [run["activityName"] for run in fabric.activity_runs(good["id"])] == [
            "Train",
            "Register",
        ]
        newest_first = [{"orderBy": "ActivityRunStart", "order": "DESC"}]
        assert [
            (run["activityName"], run["status"])
            for run in fabric.activity_runs(bad["id"], orderBy=newest_first)
        ] == [("Train", "Failed"), ("Train", "Failed")]


def test_an_activity_that_takes_too_long_is_ended(serve, tmp_path):
    write_items(tmp_path / "items", activity(timeout="0.00:00:01"))

    with serve(tmp_path) as fabric:
        job = fabric.run(run_id="r", seconds=60)

        assert job["status"] == "Failed"
        (run,) = fabric.activity_runs(job["id"])
        assert run["error"]["message"] == "The notebook did not end within 0:00:01."
        assert notebook_processes(fabric) == []


def notebook_processes(fabric):
    """The notebooks that still run, seen from outside the simulator."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "--parameters" in command and any(str(fabric.state) in part for part in command):
            found.append(process.pid)
    return found


def wait_until_no_notebook_runs(fabric):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while notebook_processes(fabric):
        assert time.monotonic() < deadline, "a notebook was left behind"
        time.sleep(0.02)


def test_cancel_ends_the_notebook(fabric):
    location = fabric.start(run_id="r-7", seconds=60).headers["Location"]
    fabric.wait_for(location, ["InProgress"])

    answer = fabric.call("POST", f"{location}/cancel")
    again = fabric.call("POST", f"{location}/cancel")
    job = fabric.wait_for(location)

    assert (answer.status_code, answer.headers["Location"]) == (202, location)
    assert answer.headers["Retry-After"] == "1"
    assert again.status_code in {202, 400}
    assert (job["status"], job["failureReason"]) == ("Cancelled", None)
    assert FABRIC_TIME.fullmatch(job["endTimeUtc"])
    assert notebook_processes(fabric) == []


def test_a_job_that_has_not_started_can_be_cancelled(serve, tmp_path):
    with serve(tmp_path, "--queue-seconds", "60") as fabric:
        location = fabric.start(run_id="r").headers["Location"]

        fabric.call("POST", f"{location}/cancel")

        assert fabric.wait_for(location)["status"] == "Cancelled"


def test_a_completed_job_cannot_be_cancelled(fabric):
    job = fabric.run(run_id="r-8")

    answer = fabric.call("POST", f"{fabric.jobs_url}/instances/{job['id']}/cancel")

    assert_refused(answer, 400, "JobAlreadyCompleted")


def assert_refused(answer, status, code):
    assert answer.status_code == status
    assert answer.headers["x-ms-public-api-error-code"] == code
    body = answer.json()
    assert body["errorCode"] == code
    assert body["message"]
    assert body["requestId"] == answer.headers["RequestId"]


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic c2VjcmV0", "Bearer"])
def test_a_request_without_the_right_token_is_refused(fabric, header):
    headers = {} if header is None else {"Authorization": header}

    answer = requests.get(f"{fabric.jobs_url}/instances", headers=headers, timeout=10)

    assert_refused(answer, 401, "Unauthorized")


def test_what_does_not_exist_is_not_found(fabric):
    other = "cccccccc-0000-4000-8000-000000000003"
    elsewhere = fabric.jobs_url.replace(WORKSPACE, other)
    no_item = fabric.jobs_url.replace(PIPELINE, other)

    assert_refused(fabric.call("GET", f"{no_item}/instances"), 404, "ItemNotFound")
    assert_refused(fabric.call("GET", f"{elsewhere}/instances"), 404, "EntityNotFound")
    assert_refused(
        fabric.call("GET", f"{fabric.jobs_url}/instances/{other}"), 404, "EntityNotFound"
    )
    assert_refused(fabric.call("GET", f"{fabric.url}/v1/nothing"), 404, "EndpointNotFound")


@pytest.mark.parametrize("query", ["", "?jobType=RunNotebook", "?jobType=Nonsense"])
def test_a_job_type_that_the_item_does_not_have_is_refused(fabric, query):
    answer = fabric.call("POST", f"{fabric.jobs_url}/instances{query}", json={})

    assert_refused(answer, 400, "InvalidJobType")


@pytest.mark.parametrize(
    "body", ["{", "[]", '{"executionData": {"parameters": []}}', '{"parameters": {}}']
)
def test_a_body_that_is_not_understood_is_refused(fabric, body):
    answer = fabric.call("POST", f"{fabric.jobs_url}/instances?jobType=Pipeline", data=body)

    assert_refused(answer, 400, "InvalidInput")


TYPED = {"parameters": [{"name": "run_id", "value": "r-9", "type": "Text"}]}


def test_pipelines_refuse_the_typed_parameter_list(fabric):
    answer = fabric.call("POST", f"{fabric.jobs_url}/Execute/instances", json=TYPED)

    assert_refused(answer, 400, "FeatureNotAvailable")


def test_pipelines_take_the_typed_parameter_list_where_it_is_allowed(serve, tmp_path):
    with serve(tmp_path, "--allow-typed-parameters") as fabric:
        answer = fabric.call("POST", f"{fabric.jobs_url}/Execute/instances", json=TYPED)

        job = fabric.wait_for(answer.headers["Location"])
        assert (job["status"], job["jobType"]) == ("Completed", "Execute")
        assert fabric.job(job["id"])["parameters"] == {"run_id": "r-9"}


def test_a_notebook_job_takes_typed_parameters(fabric):
    url = f"{fabric.jobs_url.replace(PIPELINE, NOTEBOOK)}/instances?jobType=RunNotebook"
    parameters = {
        "text": {"type": "string", "value": "a"},
        "count": {"type": "int", "value": "10"},
        "share": {"type": "float", "value": 1},
        "dry": {"type": "bool", "value": "True"},
    }

    answer = fabric.call("POST", url, json={"executionData": {"parameters": parameters}})
    job = fabric.wait_for(answer.headers["Location"])

    assert (job["status"], job["itemId"]) == ("Completed", NOTEBOOK)
    printed = (fabric.state / "jobs" / job["id"] / "01-stdout.log").read_text()
    assert 'parameters {"text": "a", "count": 10, "share": 1.0, "dry": true}' in printed


def test_the_list_is_paged_with_a_continuation_token(serve, tmp_path):
    with serve(tmp_path, "--page-size", "2") as fabric:
        started = [fabric.run(run_id=str(number))["id"] for number in range(3)]

        first = fabric.call("GET", f"{fabric.jobs_url}/instances").json()
        second = fabric.call("GET", first["continuationUri"]).json()
        by_token = fabric.call(
            "GET",
            f"{fabric.jobs_url}/instances",
            params={"continuationToken": first["continuationToken"]},
        ).json()

    assert [job["id"] for job in first["value"] + second["value"]] == started[::-1]
    assert by_token == second
    assert set(second) == {"value"}


def test_only_the_last_hundred_completed_jobs_are_listed_but_all_active_ones(serve, tmp_path):
    with serve(tmp_path, "--page-size", "1000") as fabric:
        running = fabric.start(run_id="oldest", seconds=60).headers["Location"].rsplit("/", 1)[1]
        fabric.fault("start", "deduped", times=105)
        for number in range(105):
            fabric.start(run_id=str(number))

        listed = fabric.call("GET", f"{fabric.jobs_url}/instances").json()["value"]

    assert len(listed) == 101
    assert running in {job["id"] for job in listed}


@pytest.mark.parametrize(
    ("kind", "refusal"),
    [
        ("throttle", (429, "RequestBlocked", "9")),
        ("capacity", (429, "CapacityLimitExceeded", "9")),
        ("server_error", (500, "InternalServerError", None)),
        ("unauthorized", (401, "TokenExpired", None)),
    ],
)
@pytest.mark.parametrize("operation", ["start", "get", "list", "cancel"])
def test_a_refusal_happens_as_often_as_ordered(fabric, operation, kind, refusal):
    status, code, retry_after = refusal
    job_id = fabric.run(run_id="r")["id"]
    requests_by_operation = {
        "start": lambda: fabric.start(run_id="r"),
        "get": lambda: fabric.call("GET", f"{fabric.jobs_url}/instances/{job_id}"),
        "list": lambda: fabric.call("GET", f"{fabric.jobs_url}/instances"),
        "cancel": lambda: fabric.call("POST", f"{fabric.jobs_url}/instances/{job_id}/cancel"),
    }
    before = len(fabric.seen()["jobs"])
    fabric.fault(operation, kind, times=2, retry_after=9)

    refused = [requests_by_operation[operation]() for _ in range(2)]

    for answer in refused:
        assert_refused(answer, status, code)
        assert answer.headers.get("Retry-After") == retry_after
    assert len(fabric.seen()["jobs"]) == before
    assert requests_by_operation[operation]().headers.get("x-ms-public-api-error-code") != code


def test_a_lost_response_leaves_a_job_that_runs(fabric):
    fabric.fault("start", "lost_response")

    with pytest.raises(requests.ConnectionError):
        fabric.start(run_id="lost")

    (job,) = [job for job in fabric.seen()["jobs"] if job["parameters"] == {"run_id": "lost"}]
    done = fabric.wait_for(f"{fabric.jobs_url}/instances/{job['id']}")
    assert done["status"] == "Completed"


@pytest.mark.parametrize(
    ("kind", "more"), [("reset", {}), ("timeout", {"seconds": 0.2})], ids=["reset", "timeout"]
)
def test_a_broken_connection_before_the_start_leaves_no_job(fabric, kind, more):
    fabric.fault("start", kind, **more)

    with pytest.raises(requests.ConnectionError):
        fabric.start(run_id=f"never-{kind}")

    seen = fabric.seen()
    assert all(job["parameters"].get("run_id") != f"never-{kind}" for job in seen["jobs"])
    assert seen["start_requests"][-1]["fault"] == kind
    assert seen["start_requests"][-1]["job_id"] is None


def test_a_timeout_outlasts_the_clients_patience(fabric):
    fabric.fault("list", "timeout", seconds=3)

    with pytest.raises(requests.ReadTimeout):
        requests.get(
            f"{fabric.jobs_url}/instances",
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=0.2,
        )


def test_a_slow_start_is_a_start(fabric):
    fabric.fault("start", "slow", seconds=0.3)
    began = time.monotonic()

    answer = fabric.start(run_id="slow")

    assert answer.status_code == 202
    assert time.monotonic() - began >= 0.3


def test_a_location_can_lack_the_id(fabric):
    fabric.fault("start", "location_without_id")

    answer = fabric.start(run_id="no-id")

    assert answer.status_code == 202
    assert answer.headers["Location"] == f"{fabric.jobs_url}/instances?jobType=Pipeline"
    assert any(job["parameters"] == {"run_id": "no-id"} for job in fabric.seen()["jobs"])


def test_a_start_can_be_deduped(fabric):
    fabric.fault("start", "deduped")

    job = fabric.get(fabric.start(run_id="twin").headers["Location"])

    assert job["status"] == "Deduped"
    assert fabric.activity_runs(job["id"]) == []


def test_a_status_can_be_one_that_nobody_knows(fabric):
    location = fabric.start(run_id="odd").headers["Location"]
    fabric.fault("get", "unknown_status")

    assert fabric.get(location)["status"] == "Suspended"
    assert fabric.wait_for(location)["status"] == "Completed"


def test_a_listing_can_name_a_job_twice(fabric):
    fabric.run(run_id="r")
    fabric.fault("list", "duplicate_listing")

    listed = fabric.call("GET", f"{fabric.jobs_url}/instances").json()["value"]

    ids = [job["id"] for job in listed]
    assert ids[0::2] == ids[1::2]


@pytest.mark.parametrize(
    "order",
    [
        {"operation": "list", "kind": "deduped"},
        {"operation": "get", "kind": "lost_response"},
        {"operation": "start", "kind": "nonsense"},
        {"operation": "start", "kind": "slow", "time": 3},
    ],
)
def test_an_order_that_could_not_happen_is_refused(fabric, order):
    answer = fabric.fault(**order)

    assert answer.status_code == 400
    assert answer.json()["error"]


def test_every_fault_can_happen_to_some_operation(serve, tmp_path):
    with serve(tmp_path) as fabric:
        for kind in Kind:
            accepted = [fabric.fault(op.value, kind.value).status_code == 201 for op in Operation]
            assert any(accepted), kind


def test_every_start_request_is_counted_the_refused_ones_too(serve, tmp_path):
    with serve(tmp_path) as fabric:
        fabric.fault("start", "throttle")
        refused = fabric.start(run_id="r")
        accepted = fabric.start(run_id="r")
        requests.post(f"{fabric.jobs_url}/instances?jobType=Pipeline", timeout=10)

        first, second, third = fabric.seen()["start_requests"]

    assert (first["fault"], first["job_id"]) == ("throttle", None)
    assert first["request_id"] == refused.headers["RequestId"]
    assert json.loads(second["body"])["executionData"]["parameters"] == {"run_id": "r"}
    assert accepted.headers["Location"].endswith(second["job_id"])
    assert (third["authorized"], third["job_id"]) == (False, None)


def test_progress_is_seen_while_the_notebook_runs(fabric):
    location = fabric.start(run_id="p", seconds=60).headers["Location"]
    job_id = location.rsplit("/", 1)[1]
    deadline = time.monotonic() + PATIENCE_SECONDS

    while (job := fabric.job(job_id))["progress"] != 0.4:
        assert time.monotonic() < deadline, job
        time.sleep(0.02)

    assert (job["status"], job["progress_text"]) == ("InProgress", "fitting the model")
    fabric.call("POST", f"{location}/cancel")
    fabric.wait_for(location)


def test_jobs_of_one_pipeline_run_side_by_side(fabric):
    locations = [fabric.start(run_id=str(n), seconds=1).headers["Location"] for n in range(3)]

    began = time.monotonic()
    done = [fabric.wait_for(location)["status"] for location in locations]

    assert done == ["Completed"] * 3
    assert time.monotonic() - began < 2.9


def test_starts_from_many_threads_are_all_kept(fabric):
    before = len(fabric.seen()["jobs"])
    fabric.fault("start", "deduped", times=40)
    threads = [
        threading.Thread(target=lambda: [fabric.start(run_id="many") for _ in range(5)])
        for _ in range(8)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(fabric.seen()["jobs"]) == before + 40


def test_times_follow_the_shared_clock(serve, tmp_path):
    clock_file = tmp_path / "clock.json"
    write_offset(clock_file, datetime(2013, 7, 4, 12, tzinfo=UTC))

    with serve(tmp_path, "--clock-file", str(clock_file)) as fabric:
        job = fabric.run(run_id="r", seconds=0.2)

    assert job["startTimeUtc"].startswith("2013-07-04T12:0")
    started, ended = (datetime.fromisoformat(job[f"{end}TimeUtc"]) for end in ("start", "end"))
    assert timedelta(seconds=0.2) <= ended - started < timedelta(seconds=10)


def test_after_a_kill_the_jobs_are_listed_and_the_interrupted_one_has_failed(serve, tmp_path):
    with serve(tmp_path) as fabric:
        done = fabric.run(run_id="done")
        location = fabric.start(run_id="cut", seconds=60).headers["Location"]
        fabric.wait_for(location, ["InProgress"])
        fabric.process.kill()
        wait_until_no_notebook_runs(fabric)

    with serve(tmp_path) as fabric:
        cut_id = location.rsplit("/", 1)[1]
        listed = fabric.call("GET", f"{fabric.jobs_url}/instances").json()["value"]
        cut = next(job for job in listed if job["id"] == cut_id)

        assert done in listed
        assert (cut["status"], cut["failureReason"]["errorCode"]) == (
            "Failed",
            "JobInstanceStatusFailed",
        )
        assert fabric.activity_runs(cut_id)[0]["error"]["message"] == "The Spark session was lost."
        assert len(fabric.seen()["start_requests"]) == 2


def test_a_stop_ends_the_notebooks(serve, tmp_path):
    with serve(tmp_path) as fabric:
        location = fabric.start(run_id="cut", seconds=60).headers["Location"]
        fabric.wait_for(location, ["InProgress"])

        exit_code = fabric.process.stop()

        assert exit_code == 0
        assert notebook_processes(fabric) == []


def bad_item(**changes):
    return {**activity(), **changes}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (bad_item(type="Copy"), "type Copy is not simulated"),
        (activity(notebook=PIPELINE), "there is no notebook with logical id"),
        (activity(needs=["Nobody"]), "Nobody"),
        (activity(needs=["Train"]), "Train"),
        (activity(timeout="soon"), "soon is no time span"),
        (
            bad_item(dependsOn=[{"activity": "A", "dependencyConditions": ["Failed"]}]),
            "only the dependency condition Succeeded",
        ),
        (
            bad_item(
                typeProperties={
                    "notebookId": NOTEBOOK,
                    "parameters": {"a": {"value": "@concat('a')", "type": "string"}},
                }
            ),
            "is not simulated",
        ),
        (
            bad_item(
                typeProperties={
                    "notebookId": NOTEBOOK,
                    "parameters": {"a": expression("missing", "string")},
                }
            ),
            "the pipeline has no parameter missing",
        ),
    ],
)
def test_an_item_that_cannot_be_simulated_is_refused_at_the_start(serve, tmp_path, raw, message):
    write_items(tmp_path / "items", raw)

    with pytest.raises(ProcessError, match=message), serve(tmp_path):
        pass


def test_a_folder_without_items_is_refused_at_the_start(serve, tmp_path):
    (tmp_path / "empty").mkdir()

    with (
        pytest.raises(ProcessError, match="no pipeline and no notebook under"),
        serve(tmp_path, items=tmp_path / "empty"),
    ):
        pass


def test_a_port_that_is_taken_is_reported(serve, tmp_path, fabric):
    port = fabric.url.rsplit(":", 1)[1]

    with (
        pytest.raises(ProcessError, match="the Fabric simulator cannot start: "),
        serve(tmp_path, "--port", port),
    ):
        pass
