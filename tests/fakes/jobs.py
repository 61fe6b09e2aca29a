"""A job service in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from shared.catalogue import FabricItems
from shared.errors import NotFound
from shared.ports import Clock, JobInstance, Started
from tests.fakes.clock import FakeClock
from tests.fakes.faults import Faults

RETRY_AFTER = 1.0
ENDED = frozenset({"Completed", "Failed", "Cancelled", "Deduped"})


@dataclass(frozen=True)
class StartRequest:
    """One request for a run, accepted or not."""

    pipeline_id: str
    parameters: dict[str, Any]


class FakeJobs:
    """Jobs move only when a test says so: ``set_status``.

    ``requests`` are all starts that were asked for, ``parameters`` those of the jobs there are.
    ``start_faults``, ``get_faults``, ``list_faults`` and ``cancel_faults`` order failures;
    ``start_faults.order(StartAmbiguous(...), done=True)`` is a lost 202.
    With ``hide_ids`` a start's answer carries no instance id; ``next_status`` is what new jobs get.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or FakeClock()
        self._jobs: dict[str, tuple[str, JobInstance]] = {}
        self._texts: dict[str, str] = {}
        self.requests: list[StartRequest] = []
        self.parameters: dict[str, dict[str, Any]] = {}
        self.start_faults = Faults()
        self.get_faults = Faults()
        self.list_faults = Faults()
        self.cancel_faults = Faults()
        self.hide_ids = False
        self.next_status = "NotStarted"

    def start(self, items: FabricItems, parameters: Mapping[str, Any]) -> Started:
        self.requests.append(StartRequest(items.pipeline_id, dict(parameters)))
        fault = self.start_faults.before()
        instance_id = self.add(items, parameters)
        self.start_faults.after(fault)
        return Started(None if self.hide_ids else instance_id, RETRY_AFTER)

    def get(self, items: FabricItems, instance_id: str) -> JobInstance:
        self.get_faults.before()
        job = self._find(items, instance_id)
        return job if job.status in ENDED else replace(job, retry_after=RETRY_AFTER)

    def instances(self, items: FabricItems) -> Sequence[JobInstance]:
        self.list_faults.before()
        return tuple(job for owner, job in self._jobs.values() if owner == items.pipeline_id)

    def cancel(self, items: FabricItems, instance_id: str) -> None:
        fault = self.cancel_faults.before()
        if self._find(items, instance_id).status not in ENDED:
            self.set_status(instance_id, "Cancelled")
        self.cancel_faults.after(fault)

    def failure_text(self, items: FabricItems, instance_id: str) -> str:
        self._find(items, instance_id)
        return self._texts.get(instance_id, "")

    def add(
        self, items: FabricItems, parameters: Mapping[str, Any], *, invoke_type: str = "Manual"
    ) -> str:
        """Put a job there that nobody asked this port for, such as a scheduled one."""
        instance_id = str(UUID(int=len(self._jobs) + 1))
        now = self._clock.now()
        job = JobInstance(instance_id, self.next_status, invoke_type, now)
        self._jobs[instance_id] = (items.pipeline_id, job)
        self.parameters[instance_id] = dict(parameters)
        return instance_id

    def set_status(self, instance_id: str, status: str, failure_text: str = "") -> None:
        """Move a job; a failed one says little itself, and more in ``failure_text``."""
        pipeline_id, job = self._jobs[instance_id]
        generic = "JobInstanceStatusFailed: Job instance failed without detail error"
        failure = generic if status == "Failed" else ""
        self._jobs[instance_id] = (pipeline_id, replace(job, status=status, failure=failure))
        self._texts[instance_id] = failure_text

    def _find(self, items: FabricItems, instance_id: str) -> JobInstance:
        pipeline_id, job = self._jobs.get(instance_id, ("", None))
        if job is None or pipeline_id != items.pipeline_id:
            raise NotFound(f"no job instance {instance_id}", subject=instance_id)
        return job
