"""Azure Machine Learning's pipeline jobs: the job service for ``job.target: azureml``.

Not yet run live. Source: Azure Machine Learning REST API 2024-04-01, Jobs (Create Or Update, Get,
List, Cancel), and the PipelineJob of its specification.

A job's name is chosen by who makes it, and the run's id is in it: a second start names the same
job. The service takes the same body again as no change, and refuses another one because the name
exists; both mean that the first one took.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from shared.adapters.jobs.job_answers import (
    MANUAL,
    ask_to_start,
    cancel_once,
    fields,
    going_on,
    listed,
    moment,
    part,
    read_job,
    read_jobs,
    require_place,
    texts,
)
from shared.adapters.rest_http import DEFAULT_WAIT_SECONDS, Answer, RestHttp
from shared.errors import NotFound, Refused, Unavailable
from shared.ports import Clock, JobInstance, Started
from shared.sections.job import AzureMLJob

_VERSION = {"api-version": "2024-04-01"}
_COMPONENT_TAG = "retrain_component"
_RUN_TAG = "retrain_run_id"
_MAY_BE_TAKEN = frozenset({"UserError", "Conflict"})
"""Codes of a refusal that may mean: the name is the job's of an earlier start."""
_MOST_PAGES = 100
_STATUSES: Final = {"Completed": "Completed", "Failed": "Failed", "Canceled": "Cancelled"}


class AzureMLJobs:
    """Starts and watches jobs of pipeline components."""

    def __init__(self, http: RestHttp, clock: Clock) -> None:
        self._http = http
        self._clock = clock

    def start(self, items: AzureMLJob, parameters: Mapping[str, Any]) -> Started:
        name = f"retrain-{parameters['run_id']}"
        path = f"{_jobs(items)}/{part(name)}"
        body = {"properties": _pipeline_job(items, name, parameters)}
        try:
            return ask_to_start(
                self._clock,
                lambda: self._http.call("PUT", path, params=_VERSION, body=body),
                lambda document: document.get("name"),
            )
        except Refused as error:
            if error.code not in _MAY_BE_TAKEN:
                raise
            try:
                self.get(items, name)
            except NotFound:
                raise error from None
            return Started(name, DEFAULT_WAIT_SECONDS)

    def get(self, items: AzureMLJob, instance_id: str) -> JobInstance:
        answer = self._answer(items, instance_id)
        return read_job(_job, answer, items.service, instance_id)

    def instances(self, items: AzureMLJob) -> Sequence[JobInstance]:
        """List the component's jobs that a run began: they carry a tag."""
        path, found = _jobs(items), dict[str, JobInstance]()
        more: Mapping[str, str] = {}
        for _ in range(_MOST_PAGES):
            params = {**_VERSION, "jobType": "Pipeline", "tag": _COMPONENT_TAG, **more}
            body = fields(self._http.call("GET", path, params=params), items.service, path)
            ours = [
                each for each in listed(body, "value", items.service, path) if _is_of(each, items)
            ]
            found.update(read_jobs(_job, ours, items.service, path))
            more = _next_page(body.get("nextLink"))
            if not more:
                return tuple(found.values())
        message = f"{items.service}: the list has more than {_MOST_PAGES} pages"
        raise Unavailable(message, subject=path)

    def cancel(self, items: AzureMLJob, instance_id: str) -> None:
        path = f"{_jobs(items)}/{part(instance_id)}/cancel"
        cancel_once(
            lambda: self.get(items, instance_id),
            lambda: self._http.call("POST", path, params=_VERSION),
        )

    def failure_text(self, items: AzureMLJob, instance_id: str) -> str:
        """Give where the studio shows the job: the job itself does not carry its steps' errors."""
        properties = self._answer(items, instance_id).body["properties"]
        if properties.get("status") != "Failed":
            return ""
        services = properties.get("services")
        studio = services.get("Studio") if isinstance(services, dict) else None
        endpoint = studio.get("endpoint") if isinstance(studio, dict) else None
        return f"see {endpoint}" if endpoint else ""

    def _answer(self, items: AzureMLJob, instance_id: str) -> Answer:
        path = f"{_jobs(items)}/{part(instance_id)}"
        answer = self._http.call("GET", path, params=_VERSION)
        document = fields(answer, items.service, path)
        require_place(_is_of(document, items), instance_id, items.label)
        return answer


def _workspace(items: AzureMLJob) -> str:
    return (
        f"subscriptions/{items.subscription_id}/resourceGroups/{part(items.resource_group)}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{part(items.workspace)}"
    )


def _jobs(items: AzureMLJob) -> str:
    return f"{_workspace(items)}/jobs"


def _pipeline_job(items: AzureMLJob, name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    component, _, version = items.component.partition(":")
    inputs = {
        key: {"jobInputType": "literal", "value": value}
        for key, value in texts(parameters).items()
        if value  # the service has no empty literal; an input that is optional is left out
    }
    settings = {"default_compute": items.compute} if items.compute else {}
    return {
        "jobType": "Pipeline",
        "componentId": f"/{_workspace(items)}/components/{component}/versions/{version}",
        "displayName": name,
        "experimentName": items.experiment,
        "inputs": inputs,
        "settings": settings,
        "tags": {_COMPONENT_TAG: items.component, _RUN_TAG: str(parameters["run_id"])},
    }


def _is_of(document: Any, items: AzureMLJob) -> bool:
    properties = document.get("properties") if isinstance(document, dict) else None
    tags = properties.get("tags") if isinstance(properties, dict) else None
    # not by its version: the catalogue may name a newer one while a job of the older one runs
    named = str(tags.get(_COMPONENT_TAG) or "") if isinstance(tags, dict) else ""
    return named.partition(":")[0] == items.component.partition(":")[0]


def _job(document: Mapping[str, Any]) -> JobInstance:
    properties = document["properties"]
    status = str(properties["status"])
    return JobInstance(
        instance_id=str(document["name"]),
        status=_STATUSES.get(status) or going_on(status),
        invoke_type=MANUAL,
        started_at=moment((document.get("systemData") or {}).get("createdAt")),
        failure="the pipeline job failed" if status == "Failed" else "",
        run_id=str(properties["tags"].get(_RUN_TAG) or ""),
    )


def _next_page(link: Any) -> Mapping[str, str]:
    """Read where the next page begins; the host that the link names is not called."""
    skip = parse_qs(urlsplit(str(link or "")).query).get("$skip")
    return {"$skip": skip[0]} if skip else {}
