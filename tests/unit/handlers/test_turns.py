"""Threads of one worker take turns at a model, and nobody waits for ever."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from time import perf_counter

import pytest

from shared.domain.audit import AuditEntry
from shared.handlers import turns
from shared.handlers.journal import Change, Journal
from shared.handlers.turns import Turns
from tests.fakes.clock import START, FakeClock
from tests.fakes.state import FakeRunStore

NOTE = AuditEntry("test", "success", START, "r", "test", "because")


class CountingStore(FakeRunStore):
    """Counts the reads, which grow with every lost write."""

    reads = 0

    def snapshot(self, model, run_id):
        self.reads += 1
        return super().snapshot(model, run_id)


def test_threads_of_one_worker_do_not_conflict_with_each_other():
    store, together = CountingStore(), Barrier(16)
    journal = Journal(store, FakeClock())

    def write(_):
        together.wait()
        journal.apply("model", "no-run", lambda _: Change(entries=(NOTE,)))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(16)))

    assert store.head("model").sequence == 16
    assert store.reads == 16


def test_one_model_does_not_wait_for_another():
    holding, taken, own = Event(), Event(), Turns()

    def hold() -> bool:
        with own.of("a"):
            holding.set()
            return taken.wait(5)

    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(hold)
        assert holding.wait(5)
        with own.of("b"):
            taken.set()
        assert held.result()


def test_a_turn_that_never_comes_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(turns, "LONGEST_TURN", 0.05)
    own, done = Turns(), Event()

    def late():
        began = perf_counter()
        with own.of("a"):
            done.set()
            return perf_counter() - began

    with ThreadPoolExecutor(1) as pool, own.of("a"):
        waiting = pool.submit(late)
        assert done.wait(5)

    assert 0.04 < waiting.result() < 2


def test_a_thread_does_not_wait_for_itself():
    own, began = Turns(), perf_counter()

    with own.of("a"), own.of("a"):
        assert perf_counter() - began < 1


def test_a_turn_ends_with_an_error():
    own = Turns()

    for _ in range(2):
        with pytest.raises(ZeroDivisionError), own.of("a"):
            raise ZeroDivisionError

    began = perf_counter()
    with own.of("a"):
        assert perf_counter() - began < 1
