"""Sends messages to Azure Storage queues; receiving is the Functions host's work."""

import json
import math
from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from azure.storage.queue import (
    LinearRetry,
    QueueClient,
    QueueServiceClient,
    TextBase64EncodePolicy,
)

from shared.adapters.azure_errors import azure_creation, azure_errors
from shared.errors import BadInput

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from shared.config import Settings

MAX_DELAY_SECONDS: Final = 7 * 24 * 3600
"""The longest a message may stay invisible. Source: Storage queues, Put Message."""
MAX_BYTES: Final = 48 * 1024
"""Bytes of text in a message: base64 makes 64 KiB of it. Source: Storage queues, limits."""
_FOR_EVER: Final = -1
# seconds; an alert's sender waits about ten, and the SDK would wait 15 before its first retry
_PATIENCE: Final = {"connection_timeout": 2, "read_timeout": 5}


class StorageQueues:
    """Queues on one storage account; each is made at the first message to it.

    Messages are JSON in base64, as the Functions host expects them, and never expire: a run that
    is forgotten because a queue was paused for a week would be a lost alert. A message may arrive
    twice, also because a send whose answer was lost is sent again.
    """

    def __init__(self, service: QueueServiceClient) -> None:
        self._service = service
        self._making = Lock()
        self._queues: dict[str, QueueClient] = {}

    @classmethod
    def connect(cls, settings: "Settings", credential: "TokenCredential") -> "StorageQueues":
        """Make one on the app's storage account; nothing is sent yet."""
        connection = settings.storage_connection.get_secret_value()
        options: dict[str, Any] = {
            **_PATIENCE,
            "retry_policy": LinearRetry(backoff=1, retry_total=1, random_jitter_range=0),
        }
        if connection:
            return cls(QueueServiceClient.from_connection_string(connection, **options))
        return cls(QueueServiceClient(settings.queue_uri, credential=credential, **options))

    def close(self) -> None:
        self._service.close()

    def send(self, queue: str, message: Mapping[str, Any], *, delay_seconds: float = 0) -> None:
        """Send a message that becomes visible after a delay, rounded up to whole seconds.

        Raises:
            BadInput: the delay is negative or above seven days, or the message above 48 KiB.
        """
        text, delay = encode(message), whole_seconds(delay_seconds)
        client = self._ready(queue)
        with azure_errors(f"queue {queue}"):
            client.send_message(text, visibility_timeout=delay, time_to_live=_FOR_EVER)

    def _ready(self, queue: str) -> QueueClient:
        with self._making:
            client = self._queues.get(queue)
            if client is None:
                client = self._make(queue)
                self._queues[queue] = client
        return client

    def _make(self, queue: str) -> QueueClient:
        client = self._service.get_queue_client(
            queue, message_encode_policy=TextBase64EncodePolicy()
        )
        with azure_creation(f"queue {queue}"):
            client.create_queue()
        return client


def encode(message: Mapping[str, Any]) -> str:
    """Write a message as JSON.

    Raises:
        BadInput: it is too large for a queue.
    """
    text = json.dumps(message, separators=(",", ":"), allow_nan=False)
    if len(text) > MAX_BYTES:
        raise BadInput("message", f"{len(text)} bytes, a queue takes {MAX_BYTES}")
    return text


def whole_seconds(delay_seconds: float) -> int:
    """Round a delay up to what a queue can count.

    Raises:
        BadInput: it is negative, or longer than a queue can hide a message.
    """
    if not 0 <= delay_seconds <= MAX_DELAY_SECONDS:
        raise BadInput("delay_seconds", f"{delay_seconds} is not in 0 to {MAX_DELAY_SECONDS}")
    return math.ceil(delay_seconds)
