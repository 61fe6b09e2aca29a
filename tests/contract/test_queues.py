"""What any Queues does: the fake and Storage queues behind Azurite give the same answers."""

import base64
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

import pytest
from azure.storage.queue import QueueClient, QueueServiceClient

from shared.adapters.storage.storage_queues import MAX_BYTES, MAX_DELAY_SECONDS, StorageQueues
from shared.config import Settings
from shared.errors import BadInput, Unavailable
from shared.ports import Queues
from tests.fakes.clock import FakeClock
from tests.fakes.queues import FakeQueues

MESSAGE = {"schema_version": 1, "model": "flight-delay", "run_id": "run-1"}
PATIENCE_SECONDS = 30


class Mailbox(Protocol):
    """One queue of its own a test, seen from the receiving side."""

    name: str
    queues: Queues

    def receive(self) -> list[dict[str, Any]]: ...

    def wait(self, seconds: float) -> list[dict[str, Any]]: ...


@dataclass
class FakeMailbox:
    name: str
    queues: FakeQueues
    clock: FakeClock

    def receive(self):
        return self.queues.take(self.name)

    def wait(self, seconds):
        self.clock.advance(seconds=seconds)
        return self.receive()


@dataclass
class AzuriteMailbox:
    name: str
    queues: StorageQueues
    client: QueueClient

    def receive(self):
        # raw, as the Functions host reads it: a client that decodes would hide a wrong encoding
        raw = self.client.receive_messages(messages_per_page=32, visibility_timeout=600)
        return [json.loads(base64.b64decode(message.content, validate=True)) for message in raw]

    def wait(self, seconds):
        end = time.monotonic() + seconds + PATIENCE_SECONDS
        while time.monotonic() < end:
            if found := self.receive():
                return found
            time.sleep(0.1)
        return []


@contextmanager
def azurite_mailbox(connection: str) -> Iterator[AzuriteMailbox]:
    name = f"q{uuid4().hex[:20]}"
    with (
        QueueServiceClient.from_connection_string(connection) as service,
        service.get_queue_client(name) as client,
    ):
        yield AzuriteMailbox(name, StorageQueues(service), client)
        client.delete_queue()


@pytest.fixture(params=["fake", "azurite"])
def mailbox(request: pytest.FixtureRequest) -> Iterator[Mailbox]:
    if request.param == "fake":
        clock = FakeClock()
        yield FakeMailbox("drift-checks", FakeQueues(clock), clock)
        return
    with azurite_mailbox(request.getfixturevalue("azurite_connection")) as real:
        yield real


def test_a_message_arrives_as_it_was_sent(mailbox):
    message = {**MESSAGE, "text": 'ü 🛫 \u2028 <xml> & "quotes"', "nested": {"list": [1, None]}}

    mailbox.queues.send(mailbox.name, message)

    assert mailbox.receive() == [message]
    assert mailbox.receive() == []


def test_messages_sent_one_by_one_all_arrive(mailbox):
    for number in range(5):
        mailbox.queues.send(mailbox.name, {**MESSAGE, "number": number})

    assert sorted(message["number"] for message in mailbox.receive()) == [0, 1, 2, 3, 4]


def test_a_delayed_message_is_not_seen_before_its_time(mailbox):
    mailbox.queues.send(mailbox.name, MESSAGE, delay_seconds=1.5)

    assert mailbox.receive() == []
    assert mailbox.wait(2) == [MESSAGE]


def test_a_message_can_wait_seven_days(mailbox):
    mailbox.queues.send(mailbox.name, MESSAGE, delay_seconds=MAX_DELAY_SECONDS)

    assert mailbox.receive() == []


@pytest.mark.parametrize("delay", [-1, MAX_DELAY_SECONDS + 0.5, float("nan"), float("inf")])
def test_a_delay_no_queue_can_keep_is_refused(mailbox, delay):
    with pytest.raises(BadInput, match="delay_seconds: "):
        mailbox.queues.send(mailbox.name, MESSAGE, delay_seconds=delay)

    mailbox.queues.send(mailbox.name, MESSAGE)
    assert mailbox.receive() == [MESSAGE]


def test_a_message_of_48_kib_arrives_and_a_larger_one_is_refused(mailbox):
    frame = len(json.dumps({"text": ""}, separators=(",", ":")))
    largest = {"text": "x" * (MAX_BYTES - frame)}

    mailbox.queues.send(mailbox.name, largest)
    with pytest.raises(BadInput, match="message: 49153 bytes"):
        mailbox.queues.send(mailbox.name, {"text": largest["text"] + "x"})

    assert mailbox.receive() == [largest]


def test_many_senders_may_be_the_first_to_a_queue(mailbox):
    def send(number: int) -> None:
        mailbox.queues.send(mailbox.name, {"number": number})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(8)))

    assert sorted(message["number"] for message in mailbox.receive()) == list(range(8))


def test_a_queue_that_is_there_already_is_used_as_it_is(azurite_connection):
    with azurite_mailbox(azurite_connection) as mailbox:
        mailbox.client.create_queue()
        mailbox.client.send_message(base64.b64encode(b'{"number":1}').decode())

        mailbox.queues.send(mailbox.name, {"number": 2})

        assert sorted(message["number"] for message in mailbox.receive()) == [1, 2]


def test_a_message_never_expires(azurite_connection):
    with azurite_mailbox(azurite_connection) as mailbox:
        mailbox.queues.send(mailbox.name, MESSAGE)

        (peeked,) = mailbox.client.peek_messages()

        assert peeked.expires_on.year == 9999


def test_a_queue_is_made_once_and_then_only_written_to(azurite_connection, monkeypatch):
    made = []
    create = QueueClient.create_queue
    monkeypatch.setattr(
        QueueClient, "create_queue", lambda self: (made.append(self.queue_name), create(self))
    )
    with azurite_mailbox(azurite_connection) as mailbox:
        for _ in range(3):
            mailbox.queues.send(mailbox.name, MESSAGE)

    assert made == [mailbox.name]


def test_queues_that_do_not_answer_are_unavailable_within_seconds():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/account"
        settings = _settings(f"AccountName=account;AccountKey=a2V5;QueueEndpoint={url};")
        queues = StorageQueues.connect(settings, credential=None)
        begun = time.monotonic()

        with pytest.raises(Unavailable, match="queue drift-checks: no answer"):
            queues.send("drift-checks", MESSAGE)

        assert time.monotonic() - begun < 10
        queues.close()


def test_the_apps_own_queue_is_found_through_its_settings(azurite_connection):
    queues = StorageQueues.connect(_settings(azurite_connection), credential=None)
    queues.send(name := f"q{uuid4().hex}", MESSAGE)

    with QueueClient.from_connection_string(azurite_connection, name) as client:
        assert json.loads(base64.b64decode(client.receive_message().content)) == MESSAGE
        client.delete_queue()
    queues.close()


def test_a_fake_send_can_be_told_to_fail_and_to_lose_its_answer():
    queues = FakeQueues()
    queues.faults.order(Unavailable("no answer"))
    queues.faults.order(Unavailable("no answer"), done=True)

    for _ in range(2):
        with pytest.raises(Unavailable):
            queues.send("notices", MESSAGE)

    assert queues.visible("notices") == [MESSAGE]


def _settings(connection: str) -> Settings:
    return Settings.model_validate(
        {
            "AzureWebJobsStorage": connection,
            "LAKEHOUSE_URI": "lakehouse",
            "MLFLOW_TRACKING_URI": "http://127.0.0.1",
            "LOGS_INGESTION_ENDPOINT": "http://127.0.0.1",
            "LOGS_INGESTION_RULE_ID": "dcr-1",
        }
    )
