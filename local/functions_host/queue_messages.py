"""What a queue message is to the host: its event, its lease, the name of its poison queue."""

import asyncio
import logging
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from azure.core.exceptions import AzureError, HttpResponseError
from azure.functions.meta import Datum
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from local.functions_host.converters import bytes_datum, json_datum, text_datum, time_datum
from local.functions_host.invoke import TriggerEvent
from local.functions_host.storage import error_code, is_lost_message

logger = logging.getLogger("functions_host")

_POISON_SUFFIX = "-poison"
_MAX_QUEUE_NAME = 63


def poison_queue_name(queue: str) -> str | None:
    """Give the poison queue of a queue; None where the name is one already or has no room."""
    name = queue + _POISON_SUFFIX
    return None if queue.endswith(_POISON_SUFFIX) or len(name) > _MAX_QUEUE_NAME else name


def received_event(message: QueueMessage, body: bytes, *, binary: bool) -> TriggerEvent:
    """Give the event of a message; bytes that are not UTF-8 are replaced in text, as in .NET."""
    metadata = {
        "Id": text_datum(str(message.id)),
        "PopReceipt": text_datum(str(message.pop_receipt)),
        "DequeueCount": json_datum(message.dequeue_count),
        "InsertionTime": time_datum(message.inserted_on),
        "ExpirationTime": time_datum(message.expires_on),
        "NextVisibleTime": time_datum(message.next_visible_on),
    }
    return _event(body, metadata, binary=binary)


def manual_event(text: str, *, binary: bool) -> TriggerEvent:
    """Give the event of a message that exists only in the request that started the function."""
    now = datetime.now(UTC)
    metadata = {
        "Id": text_datum(str(uuid4())),
        "PopReceipt": text_datum(""),
        "DequeueCount": json_datum(0),
        "InsertionTime": time_datum(now),
        "ExpirationTime": time_datum(now + timedelta(days=7)),
        "NextVisibleTime": time_datum(now),
    }
    return _event(text.encode(), metadata, binary=binary)


def _event(body: bytes, metadata: dict[str, Datum], *, binary: bool) -> TriggerEvent:
    text = text_datum(body.decode(errors="replace"))
    payload = bytes_datum(body) if binary else text
    return TriggerEvent(payload, metadata | {"QueueTrigger": text})


class MessageLease:
    """The right to a received message. Each renewal changes the pop receipt, so it lives here."""

    def __init__(self, queue: QueueClient, message: QueueMessage, duration: timedelta) -> None:
        self._queue = queue
        self._id = str(message.id)
        self._receipt = str(message.pop_receipt)
        self._duration = duration
        self._lock = asyncio.Lock()
        self._held = True

    async def renew_forever(self) -> None:
        """Renew at half of the duration, until cancelled."""
        while True:
            await asyncio.sleep(self._duration.total_seconds() / 2)
            # Cut short, a renewal would leave a receipt nobody knows: it always runs to its end.
            await asyncio.shield(self._renew())

    async def delete(self) -> None:
        """Remove the message for good."""
        async with self._lock:
            self._held = False
            await self._attempt(self._queue.delete_message(self._id, self._receipt))

    async def release(self, delay: timedelta) -> None:
        """Let the message be received again after ``delay``."""
        async with self._lock:
            self._held = False
            await self._hide_for(delay)

    async def _renew(self) -> None:
        async with self._lock:
            if self._held:
                await self._hide_for(self._duration)

    async def _hide_for(self, delay: timedelta) -> None:
        seconds = round(delay.total_seconds())
        update = self._queue.update_message(self._id, self._receipt, visibility_timeout=seconds)
        updated = await self._attempt(update)
        if updated is not None:
            self._receipt = str(updated.pop_receipt)

    async def _attempt(self, call: Awaitable[Any]) -> Any:
        """Await a call on the message; None if it failed, after which the lease just runs out."""
        try:
            return await call
        except HttpResponseError as error:
            if not is_lost_message(error):
                logger.warning("Message %s: %s", self._id, error_code(error))
        except AzureError as error:
            logger.warning("Message %s: %s", self._id, type(error).__name__)
        return None
