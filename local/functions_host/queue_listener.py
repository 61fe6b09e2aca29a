"""A queue trigger at work: polling, batches, attempts and poison, by the storage extension's rules.

Up to ``batchSize`` messages are received at once, and more when no more than ``newBatchThreshold``
are still running. Each is leased for ten minutes, renewed while it runs; ``visibilityTimeout`` is
only the delay after a failed attempt. An idle queue is polled less and less often, from every
100 ms to every ``maxPollingInterval`` (at most 2 s here, the real host's default is 1 min).
"""

import asyncio
import logging
import random
from dataclasses import dataclass
from datetime import timedelta

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from local.functions_host.host_json import MIN_POLLING_INTERVAL, QueueOptions
from local.functions_host.invoke import Invoker
from local.functions_host.model import QueueTrigger, RegisteredFunction
from local.functions_host.queue_messages import MessageLease, poison_queue_name, received_event
from local.functions_host.storage import QueueClients, decode_body, send_raw
from local.functions_host.waiting import happens_within

logger = logging.getLogger("functions_host")

LEASE = timedelta(minutes=10)  # QueueListener of the storage extension


@dataclass(frozen=True)
class QueueListener:
    """Listens to the queue of one function."""

    function: RegisteredFunction
    trigger: QueueTrigger
    clients: QueueClients
    invoker: Invoker
    options: QueueOptions
    lease: timedelta = LEASE

    async def run(self, stopping: asyncio.Event) -> None:
        """Listen until ``stopping``, then wait for what runs; cancelled, release all of it."""
        running: set[asyncio.Task[None]] = set()
        try:
            await self._listen(stopping, running)
            if running:
                await asyncio.wait(running)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _listen(self, stopping: asyncio.Event, running: set[asyncio.Task[None]]) -> None:
        queue = self.clients.queue(self.trigger.connection, self.trigger.queue)
        delay = MIN_POLLING_INTERVAL
        while not stopping.is_set():
            if len(running) > self.options.new_batch_threshold:
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED, timeout=1)
                continue
            messages = await self._receive(queue)
            for message in messages:
                lease = MessageLease(queue, message, self.lease)
                task = asyncio.create_task(self._process(message, lease, stopping))
                running.add(task)
                task.add_done_callback(running.discard)
            if messages:
                delay = MIN_POLLING_INTERVAL
            elif not await happens_within(stopping, delay):
                delay = self._longer(delay)

    def _longer(self, delay: timedelta) -> timedelta:
        grown = delay * random.uniform(1.5, 2.5)  # noqa: S311 - it spreads polls, no secret
        return min(grown, self.options.max_polling_interval)

    async def _receive(self, queue: QueueClient) -> list[QueueMessage]:
        """Receive one batch, raw; a missing queue is an empty one, and is not created."""
        pages = queue.receive_messages(
            messages_per_page=self.options.batch_size,
            visibility_timeout=round(self.lease.total_seconds()),
        ).by_page()
        try:
            async for page in pages:
                return [message async for message in page]
        except ResourceNotFoundError:
            return []
        except AzureError as error:
            logger.warning("Queue '%s': %s", self.trigger.queue, type(error).__name__)
        return []

    async def _process(
        self, message: QueueMessage, lease: MessageLease, stopping: asyncio.Event
    ) -> None:
        """See one message through: run it, or poison it if it cannot be read or ran too often."""
        try:
            if stopping.is_set():
                await lease.release(timedelta(0))
                return
            body = decode_body(message.content or "", as_base64=self.options.base64)
        except ValueError as error:
            await self._poison(message, lease, str(error))
            return
        if self._attempts(message) > self.options.max_dequeue_count:
            await self._poison(message, lease, "it was received too often")
            return
        await self._finish(message, lease, succeeded=await self._attempt(message, lease, body))

    async def _attempt(self, message: QueueMessage, lease: MessageLease, body: bytes) -> bool:
        event = received_event(message, body, binary=self.trigger.binary)
        renewal = asyncio.create_task(lease.renew_forever())
        try:
            return (await self.invoker.invoke(self.function, event)).succeeded
        except asyncio.CancelledError:
            await lease.release(timedelta(0))
            raise
        finally:
            renewal.cancel()

    async def _finish(self, message: QueueMessage, lease: MessageLease, *, succeeded: bool) -> None:
        if succeeded:
            await lease.delete()
        elif self._attempts(message) >= self.options.max_dequeue_count:
            await self._poison(message, lease, f"attempt {self._attempts(message)} failed")
        else:
            await lease.release(self.options.visibility_timeout)

    async def _poison(self, message: QueueMessage, lease: MessageLease, reason: str) -> None:
        """Move the body to the poison queue; without one the message stays hidden for its lease."""
        name = poison_queue_name(self.trigger.queue)
        logger.error("Message %s goes to %s: %s", message.id, name or "no poison queue", reason)
        if name is None:
            return
        try:
            await send_raw(self.clients.queue(self.trigger.connection, name), message.content or "")
        except AzureError as error:
            logger.warning("Queue '%s': %s", name, type(error).__name__)
            return
        await lease.delete()

    @staticmethod
    def _attempts(message: QueueMessage) -> int:
        return message.dequeue_count or 0
