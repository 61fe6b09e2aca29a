"""Simulated weeks of champion against challenger, on the loop of fakes."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa

from shared.domain.run import Run, State
from shared.handlers.challenge_days import TABLE
from tests.fakes.clock import START
from tests.fakes.loop import FakeLoop, fair
from tests.fakes.samples import MODEL, alert_of, catalogue_of, model_document

ROWS = 30
"""Rows a day, over the least that a day needs here."""
FIRST = START.date() + timedelta(days=1)
"""The first day that counts for a version that was staged at the start."""


def worse(rows: pa.Table) -> list[float]:
    """Answer near what becomes true, and further off than ``fair``."""
    return [value + 2 + int(value) % 3 for value in fair(rows)]


def challenged(
    *, tap: Callable[[str, Any], Any] = lambda _, port: port, **changes: Any
) -> FakeLoop:
    """Give a loop whose version 2 is staged and beats version 1, the champion, each day."""
    rule = {"min_rows": 20, **changes.pop("challenge", {})}
    loop = FakeLoop(catalogue_of(model_document(challenge=rule, **changes)), tap=tap)
    loop.receive(alert_of())
    loop.drain()
    loop.ports.scorer.answers(MODEL, "1", worse)
    return loop


def serve(loop: FakeLoop, day: date, *, version: str = "1", rows: int = ROWS) -> None:
    """Have the champion answer for a day; each actual is known at once, near ``fair``."""
    noon = datetime.combine(day, time(12), UTC)
    served = [
        {"ts": noon + timedelta(seconds=number), "id": f"{day}-{version}-{number}",
         "distance": float(number), "predicted": 0.0, "model_version": version}
        for number in range(rows)
    ]  # fmt: skip
    actual = [
        {"id": row["id"], "delay": row["distance"] + 10 + 0.1 * (number % 4)}
        for number, row in enumerate(served)
    ]
    loop.ports.windows.write("lh_gold.flights_predictions", served)
    loop.ports.windows.write("lh_gold.flights_actuals", actual)


def compare_on(loop: FakeLoop, day: date) -> None:
    """Run the timer on a morning, as the schedule does."""
    loop.ports.clock.set(datetime.combine(day, time(5, 30), UTC))
    loop.compare.all()


def live(loop: FakeLoop, days: int, *, first: date = FIRST, version: str = "1") -> None:
    """Serve days and compare each on the morning after."""
    for number in range(days):
        day = first + timedelta(days=number)
        serve(loop, day, version=version)
        compare_on(loop, day + timedelta(days=1))


def compared(loop: FakeLoop) -> Sequence[dict[str, Any]]:
    """Give the rows of the comparison, in the order of their days."""
    return sorted(loop.ports.tables.read(TABLE), key=lambda row: row["window_start"])


def promoted(**changes: Any) -> FakeLoop:
    """Give a loop whose version 2 has become the champion in the place of version 1."""
    loop = challenged(**changes)
    live(loop, 7)
    loop.drain()
    assert run_of(loop, "2").state is State.PROMOTED
    return loop


def run_of(loop: FakeLoop, version: str) -> Run:
    """Give the retrain whose job made a version."""
    (run,) = [run for run in loop.runs() if run.version == version and run.retrains]
    return run
