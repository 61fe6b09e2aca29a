"""Azure Databricks' jobs. Source: Databricks REST API, Jobs 2.2."""

from collections.abc import Mapping
from typing import Any, ClassVar

from tests.fakes.job_services.service import Asked, Job, Operation, Reply, SimulatedService

JOB = 77
_API = "/api/2.2/jobs"


class Databricks(SimulatedService):
    """One run an idempotency token, for as long as the run is there."""

    words: ClassVar[Mapping[str, Any]] = {
        "Running": ("RUNNING", None),
        "Completed": ("TERMINATED", "SUCCESS"),
        "Failed": ("TERMINATED", "FAILED"),
        "Cancelled": ("TERMINATED", "CANCELED"),
        "Deduped": ("SKIPPED", None),
        "Odd": ("BLOCKED", None),
    }

    def __init__(self) -> None:
        super().__init__()
        self.tokens: dict[str, Job] = {}

    def forget(self) -> None:
        super().forget()
        self.tokens.clear()

    def route(self, asked: Asked) -> Operation:
        match (asked.method, asked.path.removeprefix(_API)):
            case ("POST", "/run-now"):
                return "start", lambda: self._start(asked.body)
            case ("GET", "/runs/get"):
                return "get", lambda: self._get(asked.query["run_id"])
            case ("GET", "/runs/list"):
                return "list", lambda: self._list(asked)
            case ("POST", "/runs/cancel"):
                return "cancel", lambda: self._cancel(asked.body["run_id"])
            case ("GET", "/runs/get-output"):
                return "texts", lambda: self._output(asked.query["run_id"])
            case _:
                return "none", lambda: self.error(404, "ENDPOINT_NOT_FOUND", "no such address")

    def error(self, status: int, code: str, text: str) -> Reply:
        return Reply(status, {"error_code": code, "message": text})

    def throttled(self) -> Reply:
        reply = super().throttled()
        return Reply(429, {"error_code": "REQUEST_LIMIT_EXCEEDED"}, reply.headers)

    def _start(self, body: dict[str, Any]) -> Reply:
        if body["job_id"] != JOB:
            return self.error(400, "INVALID_PARAMETER_VALUE", "Job 1 does not exist.")
        token = body["idempotency_token"]
        if token not in self.tokens:
            self.tokens[token] = self.add(str(JOB), body["job_parameters"])
        return Reply(200, {"run_id": self.tokens[token].number, "number_in_job": 1})

    def _get(self, number: str) -> Reply:
        job = self.find(number)
        return Reply(200, self._document(job)) if job else self._missing(number)

    def _cancel(self, number: int) -> Reply:
        job = self.find(number)
        if job is None:
            return self._missing(number)
        if job.status == "Completed":
            return self.error(400, "INVALID_STATE", "the run is over")
        job.status = "Cancelled"
        return Reply(200, {})

    def _missing(self, number: object) -> Reply:
        return self.error(400, "INVALID_PARAMETER_VALUE", f"Run {number} does not exist.")

    def _list(self, asked: Asked) -> Reply:
        ours = [job for job in self.jobs if job.place == asked.query["job_id"]]
        jobs, more = self.page(ours, int(asked.query.get("page_token", 0)))
        document: dict[str, Any] = {"runs": [self._document(job) for job in jobs]} if jobs else {}
        if more is not None:
            document["next_page_token"] = str(more)
        return Reply(200, document)

    def _output(self, number: str) -> Reply:
        return Reply(200, {"error": "ValueError: no rows before the cut-off", "metadata": number})

    def _document(self, job: Job) -> dict[str, Any]:
        life_cycle, result = self.words[job.status]
        state = {"life_cycle_state": life_cycle, "state_message": "Workload failed"}
        state |= {"result_state": result} if result else {}
        return {
            "run_id": job.number,
            "job_id": int(job.place),
            "state": state,
            "trigger": "ONE_TIME" if job.by_hand else "PERIODIC",
            "start_time": int(job.created.timestamp() * 1000),
            "job_parameters": [
                {"name": name, "default": "", "value": value}
                for name, value in job.parameters.items()
            ],
            "tasks": [{"task_key": "Train", "run_id": job.number + 5000, "state": state}],
        }
