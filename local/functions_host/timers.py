"""Timer triggers: they follow real time in UTC, whatever a scenario's clock says."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from local.functions_host.converters import json_datum
from local.functions_host.invoke import Invoker, TriggerEvent
from local.functions_host.model import RegisteredFunction, TimerTrigger
from local.functions_host.waiting import happens_within

logger = logging.getLogger("functions_host")

# The machine's clock may be set while a timer waits, so that a wait is never longer than this.
_LONGEST_WAIT = timedelta(minutes=1)


class Clock(Protocol):
    """The real time."""

    def now(self) -> datetime: ...


@dataclass(frozen=True)
class TimerLoop:
    """Fires one function on its schedule. An occurrence during a run of it is passed over."""

    function: RegisteredFunction
    trigger: TimerTrigger
    invoker: Invoker
    clock: Clock

    async def run(self, stopping: asyncio.Event) -> None:
        """Fire until ``stopping`` is set, finishing the invocation that runs then."""
        if self.trigger.run_on_startup:
            await self.invoker.invoke(self.function, timer_event(self.trigger, self.clock.now()))
        due = self.trigger.schedule.next_after(self.clock.now())
        while due is not None and not await self._stopped_before(due, stopping):
            await self.invoker.invoke(self.function, timer_event(self.trigger, due))
            due = self.trigger.schedule.next_after(max(due, self.clock.now()))
        if due is None:
            logger.warning("Timer '%s' never fires again", self.function.name)

    async def _stopped_before(self, due: datetime, stopping: asyncio.Event) -> bool:
        while (left := due - self.clock.now()) > timedelta(0):
            if await happens_within(stopping, min(left, _LONGEST_WAIT)):
                return True
        return stopping.is_set()


def timer_event(trigger: TimerTrigger, moment: datetime) -> TriggerEvent:
    """Give the event of a timer firing at ``moment``; this host keeps no schedule status."""
    following = trigger.schedule.next_after(moment)
    status = {
        "Last": moment.isoformat(),
        "Next": following.isoformat() if following else None,
        "LastUpdated": moment.isoformat(),
    }
    info = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": False}
    return TriggerEvent(json_datum(info))
