"""What exists only here: faults on order, and a look at everything that happened."""

from collections.abc import Iterable
from typing import Any

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from local.fabric_simulator.faults import Fault, FaultBox
from local.fabric_simulator.items import Items
from local.fabric_simulator.model import Job
from local.fabric_simulator.runner import Runner
from local.fabric_simulator.store import Store

_JOBS = TypeAdapter(list[Job])


class Control:
    """The ``/_simulator`` routes: no token, for tests and drills."""

    def __init__(self, store: Store, items: Items, runner: Runner, faults: FaultBox) -> None:
        self._store = store
        self._items = items
        self._runner = runner
        self._faults = faults

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [
            web.get("/_simulator/health", self._health),
            web.get("/_simulator/jobs", self._jobs),
            web.get("/_simulator/faults", self._pending),
            web.post("/_simulator/faults", self._order),
            web.delete("/_simulator/faults", self._clear),
        ]

    async def _health(self, _: web.Request) -> web.Response:
        items = [
            {"id": item.id, "name": item.name, "type": type(item).__name__}
            for item in self._items.all()
        ]
        return web.json_response({"status": "ok", "items": items})

    async def _jobs(self, _: web.Request) -> web.Response:
        jobs = [
            job if job.status.is_final else self._runner.progress(job) for job in self._store.all()
        ]
        started = {job.root_activity_id: job.id for job in jobs}
        requests: list[dict[str, Any]] = [
            {**request, "job_id": started.get(request["request_id"])}
            for request in self._store.requests()
        ]
        return web.json_response(
            {"jobs": _JOBS.dump_python(jobs, mode="json"), "start_requests": requests}
        )

    async def _pending(self, _: web.Request) -> web.Response:
        pending = [fault.model_dump(mode="json") for fault in self._faults.pending()]
        return web.json_response({"faults": pending})

    async def _order(self, request: web.Request) -> web.Response:
        try:
            fault = Fault.model_validate_json(await request.read())
        except ValidationError as error:
            return web.json_response({"error": str(error)}, status=400)
        self._faults.order(fault)
        return web.json_response(fault.model_dump(mode="json"), status=201)

    async def _clear(self, _: web.Request) -> web.Response:
        self._faults.clear()
        return web.Response(status=204)
