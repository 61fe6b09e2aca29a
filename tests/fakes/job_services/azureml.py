"""Azure ML's jobs under Azure Resource Manager. Source: REST API 2024-04-01, Jobs."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from tests.fakes.job_services.service import Asked, Job, Operation, Reply, SimulatedService

_JOBS = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.MachineLearningServices"
    r"/workspaces/(?P<workspace>[^/]+)/jobs(/(?P<name>[^/]+))?(?P<cancel>/cancel)?"
)


class AzureML(SimulatedService):
    """The same body for a name that exists changes nothing; another one is refused."""

    words: ClassVar[Mapping[str, Any]] = {
        "Running": "Running",
        "Completed": "Completed",
        "Failed": "Failed",
        "Cancelled": "Canceled",
        "Odd": "Suspended",
    }

    def __init__(self) -> None:
        super().__init__()
        self.bodies: dict[str, Any] = {}

    def forget(self) -> None:
        super().forget()
        self.bodies.clear()

    def route(self, asked: Asked) -> Operation:
        found = _JOBS.fullmatch(asked.path)
        if found is None or asked.query.get("api-version") != "2024-04-01":
            return "none", lambda: self.error(404, "NotFound", "no such address")
        name = found["name"]
        if asked.method == "PUT":
            return "start", lambda: self._put(name, asked.body["properties"])
        if found["cancel"]:
            return "cancel", lambda: self._cancel(name)
        if name:
            return "get", lambda: self._get(name)
        return "list", lambda: self._list(asked)

    def error(self, status: int, code: str, text: str) -> Reply:
        return Reply(status, {"error": {"code": code, "message": text}})

    def _put(self, name: str, properties: dict[str, Any]) -> Reply:
        if self.bodies.get(name, properties) != properties:
            text = "A job with this name already exists. Only tags can be updated."
            return self.error(400, "UserError", text)
        known = self._named(name)
        if known is not None:
            return Reply(200, self._document(known))
        self.bodies[name] = properties
        told = {key: given["value"] for key, given in properties["inputs"].items()}
        return Reply(201, self._document(self.add(properties["componentId"], told, name=name)))

    def _get(self, name: str) -> Reply:
        job = self._named(name)
        missing = self.error(404, "UserError", f"Job {name} not found")
        return Reply(200, self._document(job)) if job else missing

    def _cancel(self, name: str) -> Reply:
        job = self._named(name)
        if job is None:
            return self.error(404, "UserError", f"Job {name} not found")
        if job.status == "Completed":
            return self.error(400, "UserError", "the job is in a terminal state")
        job.status = "Cancelled"
        return Reply(202, None, {"Retry-After": "1"})

    def _list(self, asked: Asked) -> Reply:
        tag = asked.query.get("tag", "")
        tagged = [job for job in self.jobs if tag in self.bodies[job.name]["tags"]]
        jobs, more = self.page(tagged, int(asked.query.get("$skip", 0)))
        document: dict[str, Any] = {"value": [self._document(job) for job in jobs]}
        if more is not None:
            # its host is not the one that was asked: nobody may send a token there
            document["nextLink"] = f"https://elsewhere.example/jobs?api-version=x&$skip={more}"
        return Reply(200, document)

    def without_id(self, reply: Reply) -> Reply:
        return Reply(reply.status, {"properties": {}})

    def _named(self, name: str) -> Job | None:
        return next((job for job in self.jobs if job.name == name), None)

    def _document(self, job: Job) -> dict[str, Any]:
        body = self.bodies[job.name]
        studio = {"endpoint": f"https://ml.azure.com/runs/{job.name}", "jobServiceType": "Studio"}
        return {
            "name": job.name,
            "properties": {
                **body,
                "status": self.words[job.status],
                "services": {"Studio": studio},
            },
            "systemData": {"createdAt": job.created.isoformat()},
        }
