"""Azure DevOps' pipelines and builds. Source: REST API 7.1, Pipelines and Build."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from tests.fakes.job_services.service import Asked, Job, Operation, Reply, SimulatedService

_RUNS = re.compile(r"/org/my%20project/_apis/pipelines/(\d+)/runs")
_BUILDS = re.compile(r"/org/my%20project/_apis/build/builds(/([^/]+))?(/timeline)?")
PIPELINE = 12


class DevOps(SimulatedService):
    """A token that is not taken gets the sign-in page, with 203."""

    words: ClassVar[Mapping[str, Any]] = {
        "Running": ("inProgress", None),
        "Completed": ("completed", "succeeded"),
        "Failed": ("completed", "failed"),
        "Cancelled": ("completed", "canceled"),
        "Odd": ("postponed", None),
    }

    def route(self, asked: Asked) -> Operation:
        runs, builds = _RUNS.fullmatch(asked.path), _BUILDS.fullmatch(asked.path)
        if asked.query.get("api-version") != "7.1" or not (runs or builds):
            return "none", lambda: self.error(404, "NotFoundException", "no such address")
        if runs:
            return "start", lambda: self._start(int(runs[1]), asked.body)
        assert builds is not None
        if builds[3]:
            return "texts", lambda: self._timeline(builds[2])
        if asked.method == "PATCH":
            return "cancel", lambda: self._cancel(builds[2], asked.body)
        if builds[2]:
            return "get", lambda: self._get(builds[2])
        return "list", lambda: self._list(asked)

    def error(self, status: int, code: str, text: str) -> Reply:
        return Reply(status, {"typeKey": code, "message": text})

    def sign_in(self) -> Reply:
        return Reply(203, "<html>sign in</html>")

    def _start(self, pipeline: int, body: dict[str, Any]) -> Reply:
        if pipeline != PIPELINE:
            return self.error(404, "PipelineNotFoundException", "no such pipeline")
        job = self.add(str(pipeline), body["templateParameters"])
        return Reply(200, {"id": job.number, "name": "20130701.1", "state": "inProgress"})

    def _get(self, number: str) -> Reply:
        job = self.find(number)
        missing = self.error(404, "BuildNotFoundException", f"no build {number}")
        return Reply(200, self._document(job)) if job else missing

    def _cancel(self, number: str, body: dict[str, Any]) -> Reply:
        job = self.find(number)
        if job is None:
            return self.error(404, "BuildNotFoundException", f"no build {number}")
        if job.status == "Completed" or body != {"status": "cancelling"}:
            return self.error(400, "InvalidBuildStateException", "the build is over")
        job.status = "Cancelled"
        return Reply(200, self._document(job))

    def _list(self, asked: Asked) -> Reply:
        ours = [job for job in self.jobs if job.place == asked.query["definitions"]]
        newest = sorted(ours, key=lambda job: -job.number)[: int(asked.query["$top"])]
        return Reply(200, {"count": len(newest), "value": [self._document(job) for job in newest]})

    def _timeline(self, number: str) -> Reply:
        job = self.find(number)
        if job is None or job.status != "Failed":
            return Reply(200, {"records": [{"name": "Train", "result": "succeeded"}]})
        text = "ValueError: no rows before the cut-off"
        issues = [{"type": "warning", "message": "slow"}, {"type": "error", "message": text}]
        return Reply(200, {"records": [{"name": "Train", "result": "failed", "issues": issues}]})

    def _document(self, job: Job) -> dict[str, Any]:
        status, result = self.words[job.status]
        return {
            "id": job.number,
            "definition": {"id": int(job.place)},
            "status": status,
            "result": result,
            "reason": "manual" if job.by_hand else "schedule",
            "queueTime": job.created.isoformat(),
            "templateParameters": job.parameters,
        }
