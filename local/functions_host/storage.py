"""Queue storage as the host uses it: one client a connection, queues made on demand."""

import base64
import binascii
from typing import Protocol

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from local.functions_host.settings import Settings


class QueueClients(Protocol):
    """Where listeners and outputs get the client of a queue."""

    def queue(self, connection: str, name: str) -> QueueClient: ...


class QueueStorage:
    """The storage accounts that the app's connections name. Messages are read and sent raw."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._services: dict[str, QueueServiceClient] = {}

    def queue(self, connection: str, name: str) -> QueueClient:
        """Give the client of a queue; ``connection`` is the name of a setting."""
        service = self._services.get(connection)
        if service is None:
            # The SDK waits 15 s before its first retry: too long beside a local emulator.
            service = QueueServiceClient.from_connection_string(
                self._settings.connection_string(connection),
                initial_backoff=1,
                increment_base=1,
                random_jitter_range=0,
                retry_total=2,
            )
            self._services[connection] = service
        return service.get_queue_client(name)

    async def close(self) -> None:
        for service in self._services.values():
            await service.close()


async def send_raw(queue: QueueClient, text: str) -> None:
    """Send a message as it is, creating the queue if it is missing."""
    try:
        await queue.send_message(text)
    except ResourceNotFoundError:
        await _create(queue)
        await queue.send_message(text)


async def _create(queue: QueueClient) -> None:
    try:
        await queue.create_queue()
    except ResourceExistsError:
        return  # another invocation won the race to create it


def encode_body(body: str | bytes, *, as_base64: bool) -> str:
    """Give the text that goes on the wire under ``messageEncoding``."""
    raw = body.encode() if isinstance(body, str) else body
    return base64.b64encode(raw).decode("ascii") if as_base64 else raw.decode()


def decode_body(text: str, *, as_base64: bool) -> bytes:
    """Give a message's body; ValueError if it is not base64 where it should be."""
    if not as_base64:
        return text.encode()
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise ValueError("the message is not base64") from error


def is_lost_message(error: HttpResponseError) -> bool:
    """Tell whether the message is gone or another consumer's: nothing is left to do with it."""
    lost = {"MessageNotFound", "PopReceiptMismatch", "QueueNotFound"}
    return isinstance(error, ResourceNotFoundError) or error_code(error) in lost


def error_code(error: HttpResponseError) -> str:
    """Give the service's code for an error: the storage SDK adds it to azure-core's class."""
    return str(getattr(error, "error_code", None) or error.reason)
