"""Telemetry is set up beside the calls: none waits for it, and all are told of in the end."""

from collections.abc import Iterator
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from shared import telemetry

SECRET = "swordfish-4711"


def row_of(action: str) -> Any:
    entry = SimpleNamespace(action=action, outcome="success", run_id="")
    return SimpleNamespace(chain="flight-delay", entry=entry)


class Notes:
    """Keeps what it is told, in order."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def decided(self, decision: telemetry.Decision) -> None:
        self.told.append(decision.action)

    def ended(self, call: telemetry.Invocation) -> None:
        self.told.append(call.function)


@pytest.fixture
def nobody() -> Iterator[None]:
    telemetry.use(None)
    yield
    telemetry.settle(10)
    telemetry.use(None)


@pytest.mark.usefixtures("nobody")
def test_the_first_call_does_not_wait_for_telemetry_and_is_told_of_all_the_same():
    notes, making = Notes(), Event()

    def maker() -> Notes:
        assert making.wait(10)
        return notes

    with telemetry.invocation("first"):
        telemetry.start(maker)
        telemetry.decided([row_of("run.swept")])
    with telemetry.invocation("second"):
        pass
    before = list(notes.told)
    making.set()
    telemetry.settle(10)
    with telemetry.invocation("third"):
        pass

    assert before == []
    assert notes.told == ["run.swept", "first", "second", "third"]


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize("fault", [ValueError(SECRET), ImportError("not installed")])
def test_telemetry_that_cannot_be_set_up_is_logged_and_stops_nothing(
    fault: Exception, caplog: pytest.LogCaptureFixture
):
    def maker() -> Notes:
        raise fault

    with telemetry.invocation("first"):
        telemetry.start(maker)
    telemetry.settle(10)
    with telemetry.invocation("second"):
        telemetry.decided([row_of("run.swept")])

    assert "nothing will be told" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.usefixtures("nobody")
def test_telemetry_is_set_up_once_whatever_calls_come_together():
    made: list[Notes] = []

    def maker() -> Notes:
        made.append(Notes())
        return made[-1]

    for number in range(3):
        with telemetry.invocation(f"call {number}"):
            telemetry.start(maker)
    telemetry.settle(10)
    telemetry.start(maker)
    with telemetry.invocation("last"):
        pass

    (notes,) = made
    assert notes.told == ["call 0", "call 1", "call 2", "last"]
