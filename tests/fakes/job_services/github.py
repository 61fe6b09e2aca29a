"""GitHub Actions. Source: GitHub REST API 2022-11-28, Workflows, Workflow runs, Workflow jobs."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from tests.fakes.job_services.service import (
    RETRY_AFTER,
    Asked,
    Job,
    Operation,
    Reply,
    SimulatedService,
)

WORKFLOW = "retrain.yml"
_BASE = "/repos/acme/models/actions"
_DISPATCH = re.compile(rf"{_BASE}/workflows/([^/]+)/dispatches")
_LIST = re.compile(rf"{_BASE}/workflows/([^/]+)/runs")
_RUN = re.compile(rf"{_BASE}/runs/([^/]+)(/cancel|/jobs)?")


class GitHub(SimulatedService):
    """The workflow's run-name repeats the run's id; ``named`` False: it has none.

    With ``details`` False it is an older server, which gives no id and refuses to be asked for one.
    """

    page_size = 100
    named = True
    details = True
    words: ClassVar[Mapping[str, Any]] = {
        "Running": ("in_progress", None),
        "Completed": ("completed", "success"),
        "Failed": ("completed", "failure"),
        "Cancelled": ("completed", "cancelled"),
        "Odd": ("completed", "action_required"),
    }

    def route(self, asked: Asked) -> Operation:
        dispatch, listed = _DISPATCH.fullmatch(asked.path), _LIST.fullmatch(asked.path)
        run = _RUN.fullmatch(asked.path)
        if dispatch:
            return "start", lambda: self._start(dispatch[1], asked.body)
        if listed:
            return "list", lambda: self._list(listed[1], asked)
        if run is None:
            return "none", lambda: self.error(404, "", "Not Found")
        match run[2]:
            case "/cancel":
                return "cancel", lambda: self._cancel(run[1])
            case "/jobs":
                return "texts", lambda: self._jobs(run[1])
            case _:
                return "get", lambda: self._get(run[1])

    def error(self, status: int, code: str, text: str) -> Reply:
        return Reply(status, {"message": text, "documentation_url": "https://docs.github.com"})

    def throttled(self) -> Reply:
        reply = self.error(403, "", "You have exceeded a secondary rate limit")
        return Reply(403, reply.document, {"Retry-After": str(RETRY_AFTER)})

    def without_id(self, reply: Reply) -> Reply:
        return Reply(204)

    def _start(self, workflow: str, body: dict[str, Any]) -> Reply:
        if workflow != WORKFLOW:
            return self.error(404, "", "Not Found")
        if "return_run_details" in body and not self.details:
            return self.error(422, "", '"return_run_details" is not a permitted key.')
        job = self.add(workflow, body["inputs"])
        if not body.get("return_run_details"):
            return Reply(204)
        return Reply(200, {"workflow_run_id": job.number, "run_url": "", "html_url": ""})

    def _get(self, number: str) -> Reply:
        job = self.find(number)
        return Reply(200, self._document(job)) if job else self.error(404, "", "Not Found")

    def _cancel(self, number: str) -> Reply:
        job = self.find(number)
        if job is None:
            return self.error(404, "", "Not Found")
        if job.status == "Completed":
            return self.error(409, "", "Cannot cancel a workflow run that is completed.")
        job.status = "Cancelled"
        return Reply(202, {})

    def _list(self, workflow: str, asked: Asked) -> Reply:
        ours = [job for job in self.jobs if job.place == workflow]
        start = (int(asked.query["page"]) - 1) * self.page_size
        jobs, _ = self.page(ours, start)
        runs = [self._document(job) for job in jobs]
        return Reply(200, {"total_count": len(ours), "workflow_runs": runs})

    def _jobs(self, number: str) -> Reply:
        job = self.find(number)
        failed = job is not None and job.status == "Failed"
        steps = [{"name": "Set up", "conclusion": "success"}]
        steps += [{"name": "no rows before the cut-off", "conclusion": "failure"}] if failed else []
        conclusion = "failure" if failed else "success"
        return Reply(200, {"jobs": [{"name": "Train", "conclusion": conclusion, "steps": steps}]})

    def _document(self, job: Job) -> dict[str, Any]:
        status, conclusion = self.words[job.status]
        title = f"retrain {job.parameters.get('run_id', '')}" if self.named else "Retrain"
        return {
            "id": job.number,
            "path": f".github/workflows/{job.place}",
            "workflow_id": 99,
            "display_title": title,
            "event": "workflow_dispatch" if job.by_hand else "schedule",
            "status": status,
            "conclusion": conclusion,
            "created_at": job.created.isoformat(),
        }
