"""Azure Databricks jobs: the job service for ``job.target: databricks``.

Not yet run live. Source: Databricks REST API, Jobs 2.2 (run-now, runs/get, runs/list, runs/cancel,
runs/get-output).

A start carries the run's id as ``idempotency_token``: the service begins one run for it and gives
that run's id to whoever asks again. The id is a job parameter as well, so the list tells it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from shared.adapters.jobs.job_answers import (
    MANUAL,
    MOST_LISTED,
    SCHEDULED,
    ask_to_start,
    cancel_once,
    fields,
    going_on,
    joined,
    listed,
    moment_of,
    objects,
    read_job,
    read_jobs,
    require_place,
    run_id_in,
    texts,
)
from shared.adapters.rest_http import Answer, RestHttp
from shared.errors import NotFound, Refused
from shared.ports import Clock, JobInstance, Started
from shared.sections.job import DatabricksJob

_API = "api/2.2/jobs"
_PAGE = 25
"""Runs a page, the most Databricks gives."""
_MOST_OUTPUTS = 5
"""Failed tasks whose error is fetched, one request each."""
_RESULTS: Final = {
    "SUCCESS": "Completed",
    "CANCELED": "Cancelled",
    "UPSTREAM_CANCELED": "Cancelled",
    "MAXIMUM_CONCURRENT_RUNS_REACHED": "Deduped",
    "FAILED": "Failed",
    "TIMEDOUT": "Failed",
    "UPSTREAM_FAILED": "Failed",
    "EXCLUDED": "Failed",
    "SUCCESS_WITH_FAILURES": "Failed",  # a task failed and was let pass: nobody knows which
}
_LIFE_CYCLE_ENDS: Final = {"SKIPPED": "Deduped", "INTERNAL_ERROR": "Failed"}


class DatabricksJobs:
    """Starts and watches runs of jobs; each workspace has a host of its own."""

    def __init__(self, connect: Callable[[str], RestHttp], clock: Clock) -> None:
        self._connect = connect
        self._clock = clock

    def start(self, items: DatabricksJob, parameters: Mapping[str, Any]) -> Started:
        http = self._http(items)
        body = {
            "job_id": items.job_id,
            "idempotency_token": str(parameters["run_id"]),
            "job_parameters": texts(parameters),
        }
        return ask_to_start(
            self._clock,
            lambda: http.call("POST", f"{_API}/run-now", body=body),
            lambda document: document.get("run_id"),
        )

    def get(self, items: DatabricksJob, instance_id: str) -> JobInstance:
        answer = self._answer(items, instance_id)
        return read_job(_job, answer, items.service, instance_id)

    def instances(self, items: DatabricksJob) -> Sequence[JobInstance]:
        path, found = f"{_API}/runs/list", dict[str, JobInstance]()
        params = {"job_id": str(items.job_id), "limit": str(_PAGE)}
        for _ in range(MOST_LISTED // _PAGE):
            answer = self._http(items).call("GET", path, params=params)
            body = fields(answer, items.service, path)
            found.update(
                read_jobs(_job, listed(body, "runs", items.service, path), items.service, path)
            )
            token = str(body.get("next_page_token") or "")
            if not token:
                break
            params["page_token"] = token
        return tuple(found.values())

    def cancel(self, items: DatabricksJob, instance_id: str) -> None:
        http, path = self._http(items), f"{_API}/runs/cancel"
        cancel_once(
            lambda: self.get(items, instance_id),
            lambda: http.call("POST", path, body={"run_id": int(instance_id)}),
        )

    def failure_text(self, items: DatabricksJob, instance_id: str) -> str:
        tasks = objects(self._answer(items, instance_id).body.get("tasks"))
        failed = [task for task in tasks if _state(task).get("result_state") == "FAILED"]
        return joined([self._task_failure(items, task) for task in failed[:_MOST_OUTPUTS]])

    def _task_failure(self, items: DatabricksJob, task: Mapping[str, Any]) -> str:
        params = {"run_id": str(task.get("run_id"))}
        try:
            answer = self._http(items).call("GET", f"{_API}/runs/get-output", params=params)
            text = fields(answer, items.service, "runs/get-output").get("error")
        except (NotFound, Refused):
            text = None  # some tasks have no output to give
        text = text or _state(task).get("state_message")
        return f"{task.get('task_key', '?')}: {text}" if text else ""

    def _answer(self, items: DatabricksJob, instance_id: str) -> Answer:
        path = f"{_API}/runs/get"
        require_place(instance_id.isdecimal(), instance_id, items.label)
        answer = self._http(items).call("GET", path, params={"run_id": instance_id})
        document = fields(answer, items.service, path)
        require_place(document.get("job_id") == items.job_id, instance_id, items.label)
        return answer

    def _http(self, items: DatabricksJob) -> RestHttp:
        return self._connect(items.workspace_url)


def _state(task: Mapping[str, Any]) -> Mapping[str, Any]:
    state = task.get("state")
    return state if isinstance(state, dict) else {}


def _job(document: Mapping[str, Any]) -> JobInstance:
    state = document["state"]
    status = _status(str(state["life_cycle_state"]), str(state.get("result_state") or ""))
    message = str(state.get("state_message") or "")
    return JobInstance(
        instance_id=str(document["run_id"]),
        status=status,
        invoke_type=MANUAL if document.get("trigger", "ONE_TIME") == "ONE_TIME" else SCHEDULED,
        started_at=moment_of(document.get("start_time")),
        failure=f"{state.get('result_state')}: {message}" if status == "Failed" else "",
        run_id=_run_id(document.get("job_parameters")),
    )


def _status(life_cycle: str, result: str) -> str:
    if life_cycle in _LIFE_CYCLE_ENDS:
        return _LIFE_CYCLE_ENDS[life_cycle]
    if life_cycle != "TERMINATED":
        return going_on(life_cycle)
    return _RESULTS.get(result, f"TERMINATED/{result}")


def _run_id(parameters: Any) -> str:
    named = [each for each in objects(parameters) if each.get("name") == "run_id"]
    return run_id_in(named[0].get("value") or named[0].get("default")) if named else ""
