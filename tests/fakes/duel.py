"""A loop whose challenger meets its champion day by day, on fakes."""

from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from shared.domain.actor import Actor
from shared.domain.run import Run
from tests.fakes.fuse import Fuse
from tests.fakes.loop import APPROVER_ROLE, FakeLoop, fair
from tests.fakes.samples import MODEL, alert_of, catalogue_of, model_document

PREDICTIONS, ACTUALS = "lh_gold.flights_predictions", "lh_gold.flights_actuals"
ROWS = 20
WINS = 3
ANA = Actor("ana@example.com", "user", "oid-ana", frozenset({APPROVER_ROLE}))
BEN = Actor("ben@example.com", "user", "oid-ben", frozenset({APPROVER_ROLE}))


def off(rows: pa.Table) -> list[float]:
    """Answer a little off: passes the gates, and loses to ``fair``."""
    return [value + 1 - 2 * (int(value) % 2) for value in fair(rows)]


def duel(*, answer: Any = fair, champion: Any = off, fuse: Fuse | None = None, **model: Any):
    """Give a loop with a staged challenger (version 2) and a champion (version 1)."""
    challenge = {"wins": WINS, "min_rows": 10, "max_days": 10}
    document = model_document(**({"challenge": challenge} | model))
    loop = (
        FakeLoop(catalogue_of(document), tap=fuse.tap) if fuse else FakeLoop(catalogue_of(document))
    )
    loop.candidate = answer
    loop.ports.scorer.answers(MODEL, loop.champion, champion)
    loop.ports.registry.promote(MODEL, loop.champion)
    serve(loop, loop.ports.clock.now() - timedelta(days=3), rows=1)
    loop.receive(alert_of())
    loop.drain()
    return loop


def serve(loop: FakeLoop, at: datetime, *, rows: int = ROWS, version: str = "") -> None:
    """Have the champion serve rows on a day, with their actuals known at once."""
    start = at.replace(hour=0, minute=0, second=0, microsecond=0)
    name = f"{start:%Y%m%d}-{version or loop.champion}"
    loop.ports.windows.write(PREDICTIONS, [
        {"ts": start + timedelta(minutes=n), "id": f"{name}-{n}", "distance": float(n),
         "predicted": 0.0, "model_version": version or loop.champion} for n in range(rows)
    ])  # fmt: skip
    loop.ports.windows.write(
        ACTUALS, [{"id": f"{name}-{n}", "delay": n + 10.0} for n in range(rows)]
    )


def live(loop: FakeLoop, days: int, *, rows: int = ROWS, version: str = "") -> None:
    """Let days pass on which the champion serves; the timer comes after each."""
    for _ in range(days):
        loop.ports.clock.advance(days=1)
        serve(loop, loop.ports.clock.now(), rows=rows, version=version)
    loop.ports.clock.advance(days=1)
    loop.compare.all()
    loop.ports.clock.advance(days=-1)


def run_of(loop: FakeLoop, version: str = "2") -> Run:
    """Give the run whose version this is."""
    (found,) = [run for run in loop.runs() if run.version == version]
    return found


def comparisons(loop: FakeLoop) -> list[dict[str, Any]]:
    return loop.ports.tables.read("lh_gold.ml_champion_challenger")
