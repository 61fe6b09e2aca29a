"""The REST v1 operations of Fabric's job scheduler that the loop uses."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from local.fabric_simulator.answers import ApiError, accepted, answer
from local.fabric_simulator.faults import Kind, Operation
from local.fabric_simulator.gateway import Call, Gateway
from local.fabric_simulator.items import Items, Notebook, Pipeline
from local.fabric_simulator.model import ActivityRun, Job, Status
from local.fabric_simulator.runner import Runner
from local.fabric_simulator.settings import Settings
from local.fabric_simulator.start_request import read_start_request
from local.fabric_simulator.store import Store
from shared.ports import Clock

_UNKNOWN_STATUS = "Suspended"


class JobScheduler:
    """Answers the operations; the gateway has checked the token and applied the faults."""

    def __init__(
        self, store: Store, items: Items, runner: Runner, clock: Clock, settings: Settings
    ) -> None:
        self._store = store
        self._items = items
        self._runner = runner
        self._clock = clock
        self._settings = settings

    def routes(self, gateway: Gateway) -> Iterable[web.AbstractRouteDef]:
        item = "/v1/workspaces/{workspace}/items/{item}/jobs"
        runs = "/v1/workspaces/{workspace}/datapipelines/pipelineruns/{job}/queryactivityruns"
        start = gateway.handler(Operation.START, self._start)
        return [
            web.post(f"{item}/instances", start),
            web.post(f"{item}/{{job_type}}/instances", start),
            web.get(f"{item}/instances", gateway.handler(Operation.LIST, self._list)),
            web.get(f"{item}/instances/{{job}}", gateway.handler(Operation.GET, self._get)),
            web.post(
                f"{item}/instances/{{job}}/cancel",
                gateway.handler(Operation.CANCEL, self._cancel),
            ),
            web.post(runs, gateway.handler(Operation.ACTIVITY_RUNS, self._activity_runs)),
        ]

    async def _start(self, call: Call) -> web.Response:
        item, job_type = self._item(call.request), _job_type(call.request)
        wanted = read_start_request(
            item,
            job_type,
            _json(await call.request.text()),
            allow_typed=self._settings.allow_typed_parameters,
        )
        job = self._new_job(call, item, job_type, wanted.parameters)
        if job.status is Status.NOT_STARTED:
            self._runner.launch(job, wanted.activities, wanted.values)
        return self._accepted(call, item.id, job)

    def _new_job(
        self, call: Call, item: Pipeline | Notebook, job_type: str, parameters: dict[str, Any]
    ) -> Job:
        now, skipped = self._clock.now(), call.has(Kind.DEDUPED)
        job = Job(
            id=call.new_id(),
            item_id=item.id,
            item_name=item.name,
            job_type=job_type,
            root_activity_id=call.request_id,
            parameters=parameters,
            created=now,
            status=Status.DEDUPED if skipped else Status.NOT_STARTED,
            ended=now if skipped else None,
        )
        self._store.add(job)
        return job

    async def _get(self, call: Call) -> web.Response:
        job = self._job(call.request)
        headers = {} if job.status.is_final else self._retry_after()
        return answer(call.request_id, self._written(call, job), headers=headers)

    async def _list(self, call: Call) -> web.Response:
        jobs = self._store.listed(self._item(call.request).id)
        offset, size = _offset(call.request), self._settings.page_size
        page = [self._written(call, job) for job in jobs[offset : offset + size]]
        if call.has(Kind.DUPLICATE_LISTING):
            page = [entry for entry in page for _ in range(2)]
        body: dict[str, Any] = {"value": page}
        if offset + size < len(jobs):
            token = urlsafe_b64encode(str(offset + size).encode()).decode()
            body["continuationToken"] = token
            body["continuationUri"] = str(call.request.url.with_query({"continuationToken": token}))
        return answer(call.request_id, body)

    async def _cancel(self, call: Call) -> web.Response:
        job = self._job(call.request)
        if job.status.is_final:
            raise ApiError(400, "JobAlreadyCompleted", "The job instance has already completed")
        self._runner.cancel(job.id)
        return self._accepted(call, job.item_id, job)

    async def _activity_runs(self, call: Call) -> web.Response:
        self._check_workspace(call.request)
        job = self._store.get(call.request.match_info["job"])
        if job is None or not isinstance(self._items.get(job.item_id), Pipeline):
            raise ApiError(404, "EntityNotFound", "The requested pipeline run is not found")
        body = _json(await call.request.text())
        runs = [run for run in job.activities if _updated_within(run, body)]
        if any(order.get("order") == "DESC" for order in body.get("orderBy", [])):
            runs.reverse()
        written = [run.to_fabric(pipeline_id=job.item_id, job_id=job.id) for run in runs]
        return answer(call.request_id, written)

    def _accepted(self, call: Call, item_id: str, job: Job) -> web.Response:
        path = f"/v1/workspaces/{self._settings.workspace_id}/items/{item_id}/jobs/instances"
        if call.has(Kind.LOCATION_WITHOUT_ID):
            location = call.request.url.origin().with_path(path).with_query(jobType=job.job_type)
        else:
            location = call.request.url.origin().with_path(f"{path}/{job.id}")
        return accepted(call.request_id, str(location), self._settings.retry_after_seconds)

    def _written(self, call: Call, job: Job) -> dict[str, Any]:
        written = job.to_fabric(call.request_id)
        return {**written, "status": _UNKNOWN_STATUS} if call.has(Kind.UNKNOWN_STATUS) else written

    def _retry_after(self) -> dict[str, str]:
        return {"Retry-After": str(self._settings.retry_after_seconds)}

    def _check_workspace(self, request: web.Request) -> None:
        if request.match_info["workspace"].lower() != self._settings.workspace_id.lower():
            raise ApiError(404, "EntityNotFound", "The requested workspace is not found")

    def _item(self, request: web.Request) -> Pipeline | Notebook:
        self._check_workspace(request)
        item = self._items.get(request.match_info["item"])
        if item is None:
            raise ApiError(404, "ItemNotFound", "The requested item is not found")
        return item

    def _job(self, request: web.Request) -> Job:
        item = self._item(request)
        job = self._store.get(request.match_info["job"])
        if job is None or job.item_id != item.id:
            raise ApiError(404, "EntityNotFound", "The requested job instance is not found")
        return job


def _job_type(request: web.Request) -> str:
    return request.match_info.get("job_type") or request.query.get("jobType", "")


def _json(text: str) -> Any:
    try:
        return json.loads(text) if text else {}
    except json.JSONDecodeError as error:
        raise ApiError(400, "InvalidInput", f"the body is no JSON: {error}") from error


def _offset(request: web.Request) -> int:
    token = request.query.get("continuationToken")
    try:
        return int(urlsafe_b64decode(token)) if token else 0
    except ValueError as error:
        raise ApiError(400, "InvalidInput", "the continuation token is invalid") from error


def _updated_within(run: ActivityRun, body: dict[str, Any]) -> bool:
    updated = run.ended or run.started
    after, before = (_moment(body.get(name)) for name in ("lastUpdatedAfter", "lastUpdatedBefore"))
    return (after is None or updated >= after) and (before is None or updated <= before)


def _moment(text: Any) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise ApiError(400, "InvalidInput", f"{text!r} is no time") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
