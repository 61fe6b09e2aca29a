"""Azure DevOps pipelines: the job service for ``job.target: devops``.

Not yet run live. Source: Azure DevOps REST API 7.1, Pipelines (Runs: Run Pipeline) and Build
(Builds: Get, List, Update Build; Timeline: Get); a pipeline's run and its build have one id.

There is no idempotency key. The run's id travels as a template parameter, which builds tell again.
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
from shared.ports import Clock, JobInstance, Started
from shared.sections.job import DevOpsJob

_VERSION = {"api-version": "7.1"}
_BY_HAND: Final = frozenset({"manual", "userCreated"})
"""A build's reason where a person or the API asked for it."""
_RESULTS: Final = {
    "succeeded": "Completed",
    "partiallySucceeded": "Failed",  # a step failed and was let pass: nobody knows which
    "failed": "Failed",
    "canceled": "Cancelled",
}


class DevOpsJobs:
    """Starts and watches runs of YAML pipelines."""

    def __init__(self, http: RestHttp, clock: Clock) -> None:
        self._http = http
        self._clock = clock

    def start(self, items: DevOpsJob, parameters: Mapping[str, Any]) -> Started:
        path = f"{_project(items)}/_apis/pipelines/{items.pipeline_id}/runs"
        body = {
            "resources": {"repositories": {"self": {"refName": items.ref}}},
            "templateParameters": texts(parameters),
        }
        return ask_to_start(
            self._clock,
            lambda: self._http.call("POST", path, params=_VERSION, body=body),
            lambda document: document.get("id"),
        )

    def get(self, items: DevOpsJob, instance_id: str) -> JobInstance:
        path = _build(items, instance_id)
        answer = self._http.call("GET", path, params=_VERSION)
        document = fields(answer, items.service, path)
        require_place(_is_of(document, items), instance_id, items.label)
        return read_job(_job, answer, items.service, path)

    def instances(self, items: DevOpsJob) -> Sequence[JobInstance]:
        path = f"{_project(items)}/_apis/build/builds"
        params = {
            **_VERSION,
            "definitions": str(items.pipeline_id),
            "queryOrder": "queueTimeDescending",
            "$top": str(MOST_LISTED),
        }
        body = fields(self._http.call("GET", path, params=params), items.service, path)
        return tuple(
            read_jobs(
                _job, listed(body, "value", items.service, path), items.service, path
            ).values()
        )

    def cancel(self, items: DevOpsJob, instance_id: str) -> None:
        path, body = _build(items, instance_id), {"status": "cancelling"}
        cancel_once(
            lambda: self.get(items, instance_id),
            lambda: self._http.call("PATCH", path, params=_VERSION, body=body),
        )

    def failure_text(self, items: DevOpsJob, instance_id: str) -> str:
        self.get(items, instance_id)  # a build of another pipeline is not this one's
        path = f"{_build(items, instance_id)}/timeline"
        body = fields(self._http.call("GET", path, params=_VERSION), items.service, path)
        records = [each for each in objects(body.get("records")) if each.get("result") == "failed"]
        return joined([_record_failure(record) for record in records])


def _project(items: DevOpsJob) -> str:
    return f"{part(items.organization)}/{part(items.project)}"


def _build(items: DevOpsJob, instance_id: str) -> str:
    return f"{_project(items)}/_apis/build/builds/{part(instance_id)}"


def _is_of(document: Mapping[str, Any], items: DevOpsJob) -> bool:
    definition = document.get("definition")
    return isinstance(definition, dict) and definition.get("id") == items.pipeline_id


def _job(document: Mapping[str, Any]) -> JobInstance:
    status = _status(str(document["status"]), str(document.get("result") or ""))
    failure = f"the build's result is {document.get('result')}" if status == "Failed" else ""
    by_hand = str(document.get("reason") or "manual") in _BY_HAND
    return JobInstance(
        instance_id=str(document["id"]),
        status=status,
        invoke_type=MANUAL if by_hand else SCHEDULED,
        started_at=moment(document.get("startTime") or document.get("queueTime")),
        failure=failure,
        run_id=run_id_in((document.get("templateParameters") or {}).get("run_id")),
    )


def _status(status: str, result: str) -> str:
    if status != "completed":
        return going_on(status)
    return _RESULTS.get(result, f"completed/{result}")


def _record_failure(record: Mapping[str, Any]) -> str:
    issues = [
        str(issue.get("message") or "")
        for issue in objects(record.get("issues"))
        if issue.get("type") == "error"
    ]
    return f"{record.get('name', '?')}: {' '.join(issues)}" if any(issues) else ""
