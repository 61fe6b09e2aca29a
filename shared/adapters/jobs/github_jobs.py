"""GitHub Actions: the job service for ``job.target: github``.

Not yet run live. Source: GitHub REST API 2022-11-28, Workflows (Create a workflow dispatch event,
with ``return_run_details`` since February 2026), Workflow runs (Get, List, Cancel) and Workflow
jobs (List).

There is no idempotency key, and a dispatch may answer without an id (204, GitHub Enterprise
Server). The run's id travels as an input; the workflow repeats it in its ``run-name``, and so the
list of its runs tells which one is whose.
"""

from collections.abc import Mapping, Sequence
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
    moment,
    objects,
    part,
    read_job,
    read_jobs,
    require_place,
    run_id_in,
    texts,
)
from shared.adapters.rest_http import RestHttp
from shared.errors import Refused
from shared.ports import Clock, JobInstance, Started
from shared.sections.job import GitHubJob

_DETAILS = "return_run_details"
_PAGE = 100
"""Runs a page, the most GitHub gives."""
_CONCLUSIONS: Final = {
    "success": "Completed",
    "cancelled": "Cancelled",
    "failure": "Failed",
    "timed_out": "Failed",
    "startup_failure": "Failed",
    # nothing was trained, though nothing went wrong
    "skipped": "Failed",
    "neutral": "Failed",
    "stale": "Failed",
}


class GitHubJobs:
    """Starts and watches runs of a workflow."""

    def __init__(self, http: RestHttp, clock: Clock) -> None:
        self._http = http
        self._clock = clock

    def start(self, items: GitHubJob, parameters: Mapping[str, Any]) -> Started:
        body = {"ref": items.ref, "inputs": texts(parameters)}
        try:
            return self._dispatch(items, {**body, _DETAILS: True})
        except Refused as error:
            if _DETAILS not in str(error):
                raise
            # an older server refuses what it does not know, and has started nothing
            return self._dispatch(items, body)

    def _dispatch(self, items: GitHubJob, body: Mapping[str, Any]) -> Started:
        path = f"{_workflow(items)}/dispatches"
        return ask_to_start(
            self._clock,
            lambda: self._http.call("POST", path, body=body),
            lambda document: document.get("workflow_run_id"),
        )

    def get(self, items: GitHubJob, instance_id: str) -> JobInstance:
        path = _run(items, instance_id)
        answer = self._http.call("GET", path)
        document = fields(answer, items.service, path)
        require_place(_is_of(document, items), instance_id, items.label)
        return read_job(_job, answer, items.service, path)

    def instances(self, items: GitHubJob) -> Sequence[JobInstance]:
        """List the newest runs, each once, whatever pages repeat while runs are being added."""
        path, found = f"{_workflow(items)}/runs", dict[str, JobInstance]()
        for page in range(1, MOST_LISTED // _PAGE + 1):
            params = {"per_page": str(_PAGE), "page": str(page)}
            body = fields(self._http.call("GET", path, params=params), items.service, path)
            documents = listed(body, "workflow_runs", items.service, path)
            found.update(read_jobs(_job, documents, items.service, path))
            if len(documents) < _PAGE:
                break
        return tuple(found.values())

    def cancel(self, items: GitHubJob, instance_id: str) -> None:
        path = f"{_run(items, instance_id)}/cancel"
        cancel_once(lambda: self.get(items, instance_id), lambda: self._http.call("POST", path))

    def failure_text(self, items: GitHubJob, instance_id: str) -> str:
        """Name the steps that failed: what they wrote is in the log alone."""
        self.get(items, instance_id)  # a run of another workflow is not this one's
        path = f"{_run(items, instance_id)}/jobs"
        answer = self._http.call("GET", path, params={"per_page": str(_PAGE)})
        jobs = objects(fields(answer, items.service, path).get("jobs"))
        return joined([_job_failure(job) for job in jobs])


def _repository(items: GitHubJob) -> str:
    return f"repos/{part(items.owner)}/{part(items.repository)}/actions"


def _workflow(items: GitHubJob) -> str:
    return f"{_repository(items)}/workflows/{part(items.workflow)}"


def _run(items: GitHubJob, instance_id: str) -> str:
    return f"{_repository(items)}/runs/{part(instance_id)}"


def _is_of(document: Mapping[str, Any], items: GitHubJob) -> bool:
    file = str(document.get("path") or "").partition("@")[0].rpartition("/")[2]
    return items.workflow in (file, str(document.get("workflow_id") or ""))


def _job(document: Mapping[str, Any]) -> JobInstance:
    conclusion = str(document.get("conclusion") or "")
    status = _status(str(document["status"]), conclusion)
    return JobInstance(
        instance_id=str(document["id"]),
        status=status,
        invoke_type=MANUAL if document.get("event") == "workflow_dispatch" else SCHEDULED,
        started_at=moment(document.get("run_started_at") or document.get("created_at")),
        failure=f"the workflow's conclusion is {conclusion}" if status == "Failed" else "",
        run_id=run_id_in(document.get("display_title")),
    )


def _status(status: str, conclusion: str) -> str:
    if status != "completed":
        return going_on(status)
    return _CONCLUSIONS.get(conclusion, f"completed/{conclusion}")


def _job_failure(job: Mapping[str, Any]) -> str:
    if _CONCLUSIONS.get(str(job.get("conclusion"))) != "Failed":
        return ""
    steps = [
        str(step.get("name") or "?")
        for step in objects(job.get("steps"))
        if step.get("conclusion") == "failure"
    ]
    where = f" at {', '.join(steps)}" if steps else ""
    return f"{job.get('name', '?')}: {job.get('conclusion')}{where}"
