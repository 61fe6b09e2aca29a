"""Lets the threads of one worker write to a model one after the other; no more goes in here.

They would conflict with each other and read everything again. Nothing rests on this: between
workers, and for what is stored, the store's own conflicts decide.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, RLock

LONGEST_TURN = 3.0
"""Seconds a thread waits before it tries without its turn; an alert's sender waits about ten."""


class Turns:
    """One turn at a time for each name."""

    def __init__(self) -> None:
        self._mutex = Lock()
        # re-entrant: a thread that has the turn would wait for itself
        self._turns: dict[str, RLock] = {}

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        with self._mutex:
            turn = self._turns.setdefault(name, RLock())
        mine = turn.acquire(timeout=LONGEST_TURN)
        try:
            yield
        finally:
            if mine:
                turn.release()
