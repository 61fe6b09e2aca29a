"""The simulator's memory: a JSON file for each job, a line for each start request.

Read back when the simulator starts again. Nothing here decides what a job does.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from local.fabric_simulator.model import ActivityStatus, Job, Status
from shared.ports import Clock

RECENTLY_COMPLETED = 100  # "a limit of 100 recently completed entities", none for active ones
_JOB = TypeAdapter(Job)


class Store:
    """Every job instance and every start request that was seen, refused ones included."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder / "jobs"
        self._requests = folder / "start-requests.jsonl"
        self._clock = clock
        self._folder.mkdir(parents=True, exist_ok=True)
        self._jobs = {job.id: job for job in self._read()}
        for job in self.active():
            self._fail_what_a_crash_interrupted(job)

    def add(self, job: Job) -> None:
        self._jobs[job.id] = job
        self._write(job)

    def get(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id.lower())

    def update(self, job_id: str, **changes: Any) -> Job:
        job = replace(self._jobs[job_id], **changes)
        self.add(job)
        return job

    def all(self) -> list[Job]:
        """Give every job, the newest first."""
        return sorted(self._jobs.values(), key=lambda job: job.created, reverse=True)

    def active(self) -> list[Job]:
        return [job for job in self._jobs.values() if not job.status.is_final]

    def listed(self, item_id: str) -> list[Job]:
        """Give what Fabric lists of an item: all active jobs, and the last hundred that ended."""
        jobs = [job for job in self.all() if job.item_id == item_id]
        completed = [job for job in jobs if job.status.is_final]
        forgotten = {job.id for job in completed[RECENTLY_COMPLETED:]}
        return [job for job in jobs if job.id not in forgotten]

    def outputs(self, job_id: str) -> Path:
        """Give the folder for what the job's notebooks print."""
        folder = self._folder / job_id
        folder.mkdir(exist_ok=True)
        return folder

    def record_request(self, request: dict[str, Any]) -> None:
        with self._requests.open("a", encoding="utf-8") as file:
            file.write(json.dumps(request) + "\n")

    def requests(self) -> list[dict[str, Any]]:
        if not self._requests.exists():
            return []
        lines = self._requests.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def _read(self) -> Iterator[Job]:
        for path in self._folder.glob("*.json"):
            yield _JOB.validate_json(path.read_bytes())

    def _write(self, job: Job) -> None:
        path = self._folder / f"{job.id}.json"
        draft = path.with_suffix(".new")
        draft.write_bytes(_JOB.dump_json(job, indent=1))
        draft.replace(path)

    def _fail_what_a_crash_interrupted(self, job: Job) -> None:
        now = self._clock.now()
        activities = tuple(
            run
            if run.ended
            else replace(
                run, status=ActivityStatus.FAILED, ended=now, error="The Spark session was lost."
            )
            for run in job.activities
        )
        self.update(job.id, status=Status.FAILED, ended=now, activities=activities)
