"""The queue trigger's rules, on a real queue service."""

import asyncio
import base64
import logging
import uuid
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue.aio import QueueClient

from local.functions_host.host_json import QueueOptions
from local.functions_host.invoke import Invoker
from local.functions_host.model import QueueTrigger, RegisteredFunction, TriggerParameter
from local.functions_host.queue_listener import QueueListener
from local.functions_host.queue_messages import poison_queue_name
from local.functions_host.settings import Settings
from local.functions_host.storage import QueueStorage, decode_body

STORAGE = "AzureWebJobsStorage"
OPTIONS = QueueOptions(
    batch_size=16,
    new_batch_threshold=8,
    max_dequeue_count=3,
    visibility_timeout=timedelta(0),
    base64=True,
    max_polling_interval=timedelta(seconds=0.2),
)


@dataclass
class Seen:
    """Stands for a function: notes each message, fails or blocks where told."""

    failing: bool = False
    gate: asyncio.Event | None = None
    messages: list = field(default_factory=list)
    running: int = 0
    most: int = 0

    async def __call__(self, msg):
        self.messages.append(msg)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            if self.gate:
                await self.gate.wait()
            if self.failing:
                raise ValueError("failing on purpose")
        finally:
            self.running -= 1

    @property
    def bodies(self):
        return [message.get_body().decode() for message in self.messages]


class Bench:
    """One queue, one listener on it, and what the test looks at."""

    def __init__(self, connection, seen, options=OPTIONS, lease=timedelta(minutes=10), name=None):
        self.name = name or f"q-{uuid.uuid4()}"
        self.seen = seen
        self.storage = QueueStorage(Settings({STORAGE: connection}))
        self.stopping = asyncio.Event()
        self.invoker = Invoker(self._no_output, 2)
        trigger = QueueTrigger(self.name, STORAGE, binary=False)
        function = RegisteredFunction(
            name="probe",
            call=seen.__call__,
            directory=Path(),
            is_async=True,
            wants_context=False,
            disabled=False,
            parameter=TriggerParameter("msg", "queueTrigger", plain=False),
            trigger=trigger,
            outputs={},
            returns=None,
        )
        self.listener = QueueListener(
            function, trigger, self.storage, self.invoker, options, lease=lease
        )

    async def _no_output(self, output, payload):
        raise AssertionError((output, payload))

    def queue(self, suffix="") -> QueueClient:
        return self.storage.queue(STORAGE, self.name + suffix)

    async def send(self, *bodies):
        for body in bodies:
            await self.queue().send_message(base64.b64encode(body.encode()).decode())

    async def count(self, suffix=""):
        """Count all messages, the invisible ones too; None if there is no such queue."""
        with suppress(ResourceNotFoundError):
            return (await self.queue(suffix).get_queue_properties()).approximate_message_count
        return None

    async def poisoned(self):
        return [message.content async for message in self.queue("-poison").receive_messages()]


@asynccontextmanager
async def bench(connection, seen, *, create=True, waiting=(), **options):
    """Run a listener on a new queue, with the messages ``waiting`` in it from the start."""
    made = Bench(connection, seen, **options)
    if create:
        await made.queue().create_queue()
    await made.send(*waiting)
    task = asyncio.create_task(made.listener.run(made.stopping))
    try:
        yield made, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        made.invoker.close()
        await made.storage.close()


async def until(condition, seconds=15):
    """Wait for an (async) condition to hold."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - the queue service sends no events
            await asyncio.sleep(0.05)


def test_a_message_is_seen_as_the_real_host_shows_it_and_then_deleted(azurite_connection):
    async def scenario():
        async with bench(azurite_connection, Seen()) as (made, _):
            await made.send("größe")
            await until(lambda: _is(made.count(), 0))
            return made.seen

    seen = asyncio.run(scenario())

    assert seen.bodies == ["größe"]
    assert seen.messages[0].dequeue_count == 1
    assert seen.messages[0].pop_receipt
    lifetime = seen.messages[0].expiration_time - seen.messages[0].insertion_time
    assert lifetime == timedelta(days=7)
    assert seen.messages[0].time_next_visible > seen.messages[0].insertion_time


def test_a_failing_message_is_tried_max_dequeue_count_times_then_poisoned(azurite_connection):
    async def scenario():
        async with bench(azurite_connection, Seen(failing=True)) as (made, _):
            await made.send("bad")
            await until(lambda: _is(made.count("-poison"), 1))
            await until(lambda: _is(made.count(), 0))
            return made.seen, await made.poisoned()

    seen, poisoned = asyncio.run(scenario())

    assert [message.dequeue_count for message in seen.messages] == [1, 2, 3]
    assert poisoned == [base64.b64encode(b"bad").decode()]


def test_undecodable_messages_are_poisoned_as_they_are_and_stall_nothing(azurite_connection):
    async def scenario():
        async with bench(azurite_connection, Seen()) as (made, _):
            await made.queue().send_message("{not base64}")
            await made.send("good")
            await made.queue().send_message("YQ")
            await until(lambda: _is(made.count("-poison"), 2))
            await until(lambda: _is(made.count(), 0))
            return made.seen.bodies, await made.poisoned()

    bodies, poisoned = asyncio.run(scenario())

    assert bodies == ["good"]
    assert sorted(poisoned) == ["YQ", "{not base64}"]


def test_a_message_received_too_often_is_poisoned_without_running(azurite_connection):
    async def scenario():
        made = Bench(azurite_connection, Seen(), OPTIONS)
        await made.queue().create_queue()
        await made.send("old")
        for _ in range(OPTIONS.max_dequeue_count):
            message = await made.queue().receive_message()
            await made.queue().update_message(message, visibility_timeout=0)
        task = asyncio.create_task(made.listener.run(made.stopping))
        await until(lambda: _is(made.count("-poison"), 1))
        await until(lambda: _is(made.count(), 0))
        made.stopping.set()
        await task
        await made.storage.close()
        return made.seen.bodies

    assert asyncio.run(scenario()) == []


def test_the_visibility_timeout_delays_only_after_a_failure(azurite_connection):
    delayed = replace(OPTIONS, visibility_timeout=timedelta(seconds=2), max_dequeue_count=2)

    async def scenario():
        async with bench(azurite_connection, Seen(failing=True), options=delayed) as (made, _):
            await made.send("bad")
            await until(lambda: _is(made.count("-poison"), 1))
            return made.seen.messages

    first, second = asyncio.run(scenario())

    # the lease of the second attempt began when the first's delay was over
    waited = second.time_next_visible - first.time_next_visible
    assert waited >= timedelta(seconds=2)


def test_a_long_run_keeps_its_message_by_renewing_the_lease(azurite_connection):
    async def scenario():
        gate = asyncio.Event()
        seen = Seen(gate=gate)
        async with bench(azurite_connection, seen, lease=timedelta(seconds=2)) as (made, _):
            await made.send("long")
            await until(lambda: _is(_value(len(seen.messages)), 1))
            await asyncio.sleep(5)  # real time: more than two leases
            gate.set()
            await until(lambda: _is(made.count(), 0))
            return seen.bodies

    assert asyncio.run(scenario()) == ["long"]


def test_a_missing_queue_is_waited_for_and_not_created(azurite_connection, caplog):
    async def scenario():
        async with bench(azurite_connection, Seen(), create=False) as (made, task):
            await asyncio.sleep(0.5)  # a few polls
            missing = await made.count()
            assert not task.done()
            await made.queue().create_queue()
            await made.send("late")
            await until(lambda: _is(made.count(), 0))
            return missing, made.seen.bodies

    with caplog.at_level(logging.WARNING, "functions_host"):
        missing, bodies = asyncio.run(scenario())

    assert missing is None
    assert bodies == ["late"]
    assert caplog.records == []


def test_batch_size_one_and_threshold_zero_run_one_message_at_a_time(azurite_connection):
    serial = replace(OPTIONS, batch_size=1, new_batch_threshold=0)

    async def scenario():
        serially = {"options": serial, "waiting": "abcde"}
        async with bench(azurite_connection, Seen(), **serially) as (made, _):
            await until(lambda: _is(made.count(), 0))
            return made.seen

    seen = asyncio.run(scenario())

    assert sorted(seen.bodies) == list("abcde")
    assert seen.most == 1


def test_no_more_than_batch_size_and_threshold_run_at_once(azurite_connection):
    narrow = replace(OPTIONS, batch_size=4, new_batch_threshold=2)

    async def scenario():
        seen = Seen(gate=asyncio.Event())
        waiting = "abcdefghij"
        async with bench(azurite_connection, seen, options=narrow, waiting=waiting) as (made, _):
            await until(lambda: _is(_value(seen.running), 4))
            await asyncio.sleep(0.5)  # time in which a wrong listener would fetch more
            held = seen.running
            seen.gate.set()
            await until(lambda: _is(made.count(), 0))
            return held, seen

    held, seen = asyncio.run(scenario())

    assert held == 4
    assert seen.most <= 6
    assert sorted(seen.bodies) == list("abcdefghij")


def test_stopping_lets_running_messages_finish_and_takes_no_more(azurite_connection):
    async def scenario():
        seen = Seen(gate=asyncio.Event())
        async with bench(azurite_connection, seen) as (made, task):
            await made.send("running")
            await until(lambda: _is(_value(seen.running), 1))
            made.stopping.set()
            await made.send("later")
            seen.gate.set()
            await task
            return seen.bodies, await made.count()

    bodies, left = asyncio.run(scenario())

    assert bodies == ["running"]
    assert left == 1


def test_a_cancelled_listener_releases_its_messages_at_once(azurite_connection):
    async def scenario():
        seen = Seen(gate=asyncio.Event())
        async with bench(azurite_connection, seen) as (made, task):
            await made.send("stuck")
            await until(lambda: _is(_value(seen.running), 1))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return [message.content async for message in made.queue().receive_messages()]

    assert asyncio.run(scenario()) == [base64.b64encode(b"stuck").decode()]


def test_two_hundred_messages_are_each_run_once(azurite_connection):
    async def scenario():
        async with bench(azurite_connection, Seen()) as (made, _):
            await made.send(*(str(number) for number in range(200)))
            await until(lambda: _is(made.count(), 0), seconds=60)
            return made.seen.bodies

    assert sorted(asyncio.run(scenario()), key=int) == [str(number) for number in range(200)]


def test_without_base64_the_text_is_the_body(azurite_connection):
    plain = replace(OPTIONS, base64=False)

    async def scenario():
        async with bench(azurite_connection, Seen(), options=plain) as (made, _):
            await made.queue().send_message("{not base64}")
            await until(lambda: _is(made.count(), 0))
            return made.seen.bodies

    assert asyncio.run(scenario()) == ["{not base64}"]


@pytest.mark.parametrize(
    ("queue", "poison"),
    [
        ("runs", "runs-poison"),
        ("runs-poison", None),
        ("q" * 56, "q" * 56 + "-poison"),
        ("q" * 57, None),
    ],
)
def test_a_queue_has_a_poison_queue_unless_it_is_one_or_its_name_is_too_long(queue, poison):
    assert poison_queue_name(queue) == poison


@pytest.mark.parametrize("text", ["YQ", "Y Q = =", "YQ==\n", "Y!Q=="])
def test_base64_is_as_strict_as_in_dotnet(text):
    if "=" in text and "!" not in text:
        assert decode_body(text, as_base64=True) == b"a"
    else:
        with pytest.raises(ValueError, match="not base64"):
            decode_body(text, as_base64=True)


async def _is(value, expected):
    return await value == expected


async def _value(value):
    return value
