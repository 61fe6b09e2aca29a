"""Runs jobs: one notebook process after another, each killed when its job is cancelled.

Decides how a job goes through its states; knows nothing of HTTP.
"""

import asyncio
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from local.fabric_simulator.items import Activity, Items
from local.fabric_simulator.model import ActivityRun, ActivityStatus, Job, Status
from local.fabric_simulator.parameters import ParameterError
from local.fabric_simulator.settings import Settings
from local.fabric_simulator.store import Store
from local.processes import guarded, tail
from shared.ports import Clock

_PROGRESS = re.compile(r"^PROGRESS +(\d+(?:\.\d+)?) *(.*)$", re.MULTILINE)
_TAIL_LINES = 200
_ERROR_LINES = 20
_KILL_GRACE_SECONDS = 2.0


class Runner:
    """The simulator's compute: every job in it is one asyncio task."""

    def __init__(self, store: Store, items: Items, clock: Clock, settings: Settings) -> None:
        self._store = store
        self._items = items
        self._clock = clock
        self._settings = settings
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._closing = False

    def launch(self, job: Job, activities: Sequence[Activity], values: Mapping[str, Any]) -> None:
        """Run the activities in order; the first that fails ends the job."""
        task = asyncio.create_task(self._run(job.id, activities, values))
        self._tasks[job.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(job.id))

    def cancel(self, job_id: str) -> None:
        """Ask for the end; the job is Cancelled once its process is gone."""
        task = self._tasks[job_id]
        if not task.cancelling():  # a second cancel would cut short the wait for the process' end
            task.cancel()

    async def close(self) -> None:
        """Kill what runs. The jobs stay as they are: the next start finds them interrupted."""
        self._closing = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def progress(self, job: Job) -> Job:
        """Give the job with the progress that its newest notebook has printed by now."""
        printed = tail(self._output(job.id, len(job.activities), "stdout"), _TAIL_LINES)
        found = _PROGRESS.findall(printed)
        if not found:
            return job
        share, text = found[-1]
        return replace(job, progress=float(share), progress_text=text.strip())

    async def _run(
        self, job_id: str, activities: Sequence[Activity], values: Mapping[str, Any]
    ) -> None:
        try:
            await asyncio.sleep(self._settings.queue_seconds)
            self._store.update(job_id, status=Status.IN_PROGRESS, started=self._clock.now())
            for activity in activities:
                if not await self._try(job_id, activity, values):
                    self._finish(job_id, Status.FAILED)
                    return
            self._finish(job_id, Status.COMPLETED)
        except asyncio.CancelledError:
            if self._closing:
                raise
            self._finish(job_id, Status.CANCELLED)

    async def _try(self, job_id: str, activity: Activity, values: Mapping[str, Any]) -> bool:
        for _ in range(activity.retries + 1):
            run = await self._attempt(job_id, activity, values)
            if run.status is ActivityStatus.SUCCEEDED:
                return True
        return False

    async def _attempt(
        self, job_id: str, activity: Activity, values: Mapping[str, Any]
    ) -> ActivityRun:
        run = self._begin(job_id, activity)
        try:
            run = replace(run, parameters=activity.resolve(values, job_id))
            async with asyncio.timeout(activity.timeout.total_seconds()):
                code = await self._execute(job_id, activity, run)
        except ParameterError as error:
            run = self._failed(run, str(error))
        except TimeoutError:
            run = self._failed(run, f"The notebook did not end within {activity.timeout}.")
        except asyncio.CancelledError:
            self._end(job_id, replace(run, status=ActivityStatus.CANCELLED))
            raise
        else:
            run = self._judge(job_id, run, code)
        return self._end(job_id, run)

    async def _execute(self, job_id: str, activity: Activity, run: ActivityRun) -> int:
        """Run the notebook and give its exit code; gone when this returns, however it returns."""
        process = await self._spawn(job_id, activity, run)
        try:
            return await process.wait()
        finally:
            if process.stdin is not None:
                process.stdin.close()  # tells the guardian to end it
            await process.wait()

    async def _spawn(
        self, job_id: str, activity: Activity, run: ActivityRun
    ) -> asyncio.subprocess.Process:
        number = len(self._job(job_id).activities)
        parameters = self._output(job_id, number, "parameters", "json")
        parameters.write_text(json.dumps(run.parameters), encoding="utf-8")
        notebook = self._items.notebook(activity.notebook_id).source
        module = [sys.executable, "-m", self._settings.runner_module]
        with (
            self._output(job_id, number, "stdout").open("wb") as stdout,
            self._output(job_id, number, "stderr").open("wb") as stderr,
        ):
            return await asyncio.create_subprocess_exec(
                *guarded(
                    [*module, notebook, "--parameters", parameters],
                    grace_seconds=_KILL_GRACE_SECONDS,
                ),
                stdin=asyncio.subprocess.PIPE,
                stdout=stdout,
                stderr=stderr,
                env={**os.environ, **self._settings.notebook_environment},
                start_new_session=True,
            )

    def _begin(self, job_id: str, activity: Activity) -> ActivityRun:
        run = ActivityRun(
            id=str(uuid4()),
            name=activity.name,
            notebook_id=activity.notebook_id,
            parameters={},
            status=ActivityStatus.IN_PROGRESS,
            started=self._clock.now(),
        )
        self._store.update(job_id, activities=(*self._job(job_id).activities, run))
        return run

    def _judge(self, job_id: str, run: ActivityRun, code: int) -> ActivityRun:
        if code == 0:
            return replace(run, status=ActivityStatus.SUCCEEDED, exit_code=code)
        printed = tail(
            self._output(job_id, len(self._job(job_id).activities), "stderr"), _ERROR_LINES
        )
        return replace(
            self._failed(run, printed or f"The notebook ended with exit code {code}."),
            exit_code=code,
        )

    def _failed(self, run: ActivityRun, error: str) -> ActivityRun:
        return replace(run, status=ActivityStatus.FAILED, error=error)

    def _end(self, job_id: str, run: ActivityRun) -> ActivityRun:
        run = replace(run, ended=self._clock.now())
        earlier = self._job(job_id).activities[:-1]
        self._store.update(job_id, activities=(*earlier, run), exit_code=run.exit_code)
        return run

    def _finish(self, job_id: str, status: Status) -> None:
        job = self.progress(self._job(job_id))
        self._store.add(replace(job, status=status, ended=self._clock.now()))

    def _job(self, job_id: str) -> Job:
        job = self._store.get(job_id)
        if job is None:
            raise KeyError(job_id)
        return job

    def _output(self, job_id: str, number: int, what: str, kind: str = "log") -> Path:
        return self._store.outputs(job_id) / f"{number:02d}-{what}.{kind}"
