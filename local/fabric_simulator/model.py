"""What the simulator knows about a job, and how Fabric writes it down. No HTTP, no processes."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """The states of a job instance that Fabric documents; it may add others at any time."""

    NOT_STARTED = "NotStarted"
    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    DEDUPED = "Deduped"

    @property
    def is_final(self) -> bool:
        return self not in {Status.NOT_STARTED, Status.IN_PROGRESS}


class ActivityStatus(StrEnum):
    """The states of one activity of a pipeline run: other words than the job's."""

    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


@dataclass(frozen=True)
class ActivityRun:
    """One attempt at one notebook."""

    id: str
    name: str
    notebook_id: str
    parameters: dict[str, Any]
    status: ActivityStatus
    started: datetime
    ended: datetime | None = None
    exit_code: int | None = None
    error: str = ""

    def to_fabric(self, *, pipeline_id: str, job_id: str) -> dict[str, Any]:
        """Give one entry of the answer of ``queryactivityruns``."""
        failed = self.status is ActivityStatus.FAILED
        length = (self.ended - self.started).total_seconds() if self.ended else 0.0
        return {
            "pipelineId": pipeline_id,
            "pipelineRunId": job_id,
            "activityName": self.name,
            "activityType": "TridentNotebook",
            "activityRunId": self.id,
            "status": self.status.value,
            "activityRunStart": activity_time(self.started),
            "activityRunEnd": activity_time(self.ended),
            "durationInMs": round(length * 1000),
            "input": {"notebookId": self.notebook_id, "parameters": self.parameters},
            "output": {},
            "error": {
                "errorCode": "NotebookExecutionFailed" if failed else "",
                "message": self.error,
                "failureType": "UserError" if failed else "",
                "target": self.name,
                "details": "",
            },
        }


@dataclass(frozen=True)
class Job:
    """One job instance, with what Fabric's answers leave out: the parameters and the progress."""

    id: str
    item_id: str
    item_name: str
    job_type: str
    root_activity_id: str
    parameters: dict[str, Any]
    created: datetime
    status: Status = Status.NOT_STARTED
    started: datetime | None = None
    ended: datetime | None = None
    exit_code: int | None = None
    progress: float | None = None
    progress_text: str = ""
    activities: tuple[ActivityRun, ...] = ()

    def to_fabric(self, request_id: str) -> dict[str, Any]:
        """Give the ``ItemJobInstance`` of the specification.

        As recorded: the start moves when the job leaves NotStarted, times carry no zone, and the
        request id inside ``failureReason`` is the one of the request that asks.
        """
        return {
            "id": self.id,
            "itemId": self.item_id,
            "jobType": self.job_type,
            "invokeType": "Manual",
            "status": self.status.value,
            "failureReason": _failure(request_id) if self.status is Status.FAILED else None,
            "rootActivityId": self.root_activity_id,
            "startTimeUtc": fabric_time(self.started or self.created),
            "endTimeUtc": fabric_time(self.ended),
        }


def fabric_time(moment: datetime | None) -> str | None:
    """Write a job's time: UTC with seven digits of a second and no zone."""
    if moment is None:
        return None
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}0"


def activity_time(moment: datetime | None) -> str | None:
    """Write an activity's time, which does carry its zone."""
    written = fabric_time(moment)
    return None if written is None else written + "Z"


def _failure(request_id: str) -> dict[str, Any]:
    # the reason is always this generic; the text is found with queryactivityruns
    return {
        "requestId": request_id,
        "errorCode": "JobInstanceStatusFailed",
        "message": "Job instance failed without detail error",
        "isRetriable": False,
    }
