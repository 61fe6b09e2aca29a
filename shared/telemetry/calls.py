"""The calls of functions and the decisions in them, noted while they last; knows no exporter."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import TYPE_CHECKING, Final, Protocol

from shared.telemetry.names import name_in, run_id_in

if TYPE_CHECKING:
    from shared.domain.audit import AuditRow

KEPT: Final = 1000
"""Calls and decisions that wait for the exporter; it takes a second. House rule."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Decision:
    """One ledger row, as far as it may be told.

    Attributes:
        at_ns: nanoseconds since 1970, as OpenTelemetry counts.
    """

    action: str
    outcome: str
    model: str
    run_id: str
    at_ns: int


@dataclass
class Invocation:
    """One call of a function.

    Attributes:
        began_ns, ended_ns: nanoseconds since 1970.
        status: of its HTTP answer; 0 where it gives none.
        error: the class of the error it ended with; empty where it ended well.
    """

    function: str
    model: str = ""
    run_id: str = ""
    began_ns: int = 0
    ended_ns: int = 0
    status: int = 0
    error: str = ""
    decisions: list[Decision] = field(default_factory=list)

    @property
    def runs(self) -> tuple[str, ...]:
        """Give the runs it worked for, in the order they came up."""
        named = [self.run_id, *(each.run_id for each in self.decisions)]
        return tuple(dict.fromkeys(run_id for run_id in named if run_id))


class Told(Protocol):
    """Whoever is told."""

    def decided(self, decision: Decision) -> None: ...

    def ended(self, call: Invocation) -> None: ...


@dataclass
class _Desk:
    """Whom this worker tells, and what waits until that is known.

    Attributes:
        maker: makes whom to tell; None where nobody is, or it is being made.
        waiting: None where nothing is to be kept.
    """

    told: Told | None = None
    maker: Callable[[], Told] | None = None
    waiting: deque[Callable[[Told], None]] | None = None
    thread: Thread | None = None
    lock: Lock = field(default_factory=Lock)

    def tell(self, what: Callable[[Told], None]) -> None:
        with self.lock:
            told = self.told
            if told is None and self.waiting is not None:
                self.waiting.append(what)
        if told is not None:
            what(told)

    def open(self) -> None:
        """Have whom to tell made, beside the calls: none of them waits for it."""
        with self.lock:
            maker, self.maker = self.maker, None
        if maker is not None:
            self.thread = Thread(target=self._make, args=(maker,), daemon=True)
            self.thread.start()

    def _make(self, maker: Callable[[], Told]) -> None:
        try:
            told = maker()
        except (ImportError, OSError, ValueError) as error:  # not installed, no connection string
            # without its words: they may hold the connection string
            log.error("no telemetry: %s; nothing will be told", type(error).__name__)  # noqa: TRY400 - see above
            self._give(None)
        else:
            for what in self._give(told):
                what(told)

    def _give(self, told: Told | None) -> Iterable[Callable[[Told], None]]:
        """Set whom to tell; gives what has waited."""
        with self.lock:
            kept, self.waiting, self.told = self.waiting or (), None, told
        return kept


_DESK = _Desk()
_CURRENT: ContextVar[Invocation | None] = ContextVar("invocation", default=None)


def start(maker: Callable[[], Told]) -> None:
    """Have everything told from now on; what is to be told is kept until there is somebody.

    Args:
        maker: makes whom to tell; called once the call that is going on has ended, because what
            it imports would delay the first alert of a worker.
    """
    with _DESK.lock:
        if _DESK.told is None and _DESK.waiting is None:
            _DESK.maker, _DESK.waiting = maker, deque(maxlen=KEPT)


def settle(seconds: float) -> None:
    """Wait until it is known whom to tell, where that is being found out."""
    if _DESK.thread is not None:
        _DESK.thread.join(seconds)


def use(told: Told | None) -> None:
    """Have everything told to somebody from now on; None: to nobody."""
    with _DESK.lock:
        _DESK.told, _DESK.maker, _DESK.waiting = told, None, None


@contextmanager
def invocation(function: str, *, model: str = "", run_id: str = "") -> Iterator[Invocation]:
    """Tell of one call of a function: how long it took, for which run, what was decided in it.

    Args:
        function: its name.
        model: the model it is about, as the caller says; left out where it is no name.
        run_id: the run, likewise.
    """
    call = Invocation(function, name_in(model), run_id_in(run_id), time.time_ns())
    token = _CURRENT.set(call)
    began = time.perf_counter_ns()
    try:
        yield call
    except BaseException as error:
        call.error = type(error).__name__
        raise
    finally:
        _CURRENT.reset(token)
        # by the clock that never jumps: a duration is no difference of two times of day
        call.ended_ns = call.began_ns + time.perf_counter_ns() - began
        _DESK.tell(lambda told: told.ended(call))
        _DESK.open()


def decided(rows: "Sequence[AuditRow]") -> None:
    """Tell of rows that were just written to the ledger."""
    for row in rows:
        decision = Decision(
            action=row.entry.action,
            outcome=row.entry.outcome,
            model=row.chain,
            run_id=run_id_in(row.entry.run_id),
            at_ns=time.time_ns(),
        )
        _note(decision)


def _note(decision: Decision) -> None:
    call = _CURRENT.get()
    if call is not None:
        call.decisions.append(decision)
    _DESK.tell(lambda told: told.decided(decision))
