"""Thousands of spoilt alerts: each is a decision or a refusal, soon, and leaves the ledger whole.

``RETRAIN_LOOP_FUZZ`` says how many (``make fuzz``: 20,000), ``RETRAIN_LOOP_FUZZ_SEED`` which ones.
"""

import gc
import json
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import psutil
import pytest

from functions import alert_http
from shared.domain.audit import verify
from shared.handlers.journal import Journal
from shared.handlers.receive_alert import ReceiveAlert
from tests.fakes.clock import FakeClock
from tests.fakes.queues import FakeQueues
from tests.fakes.samples import catalogue_of, model_document
from tests.fakes.state import FakeRunStore
from tests.fuzz.mutation import Mutator

FIXTURES = Path(__file__).parents[1] / "fixtures" / "alerts"
PAYLOADS = int(os.environ.get("RETRAIN_LOOP_FUZZ", "2000"))
SEED = int(os.environ.get("RETRAIN_LOOP_FUZZ_SEED", "20130701"))
BATCH = 500
"""Payloads one store takes; the next batch has a new one, so that memory can be compared."""
SLOWEST = 2.0
"""Seconds for one answer; a fifth of what a sender waits, since test machines are busy."""
GROWTH = 24 * 1024 * 1024
"""Bytes the process may grow after the first batch: allocator noise, far below one body each."""
ALLOWED = {202, 400, 413, 415}


@dataclass
class World:
    """The app on stores in memory."""

    store: FakeRunStore = field(default_factory=FakeRunStore)
    settings: Any = field(default_factory=lambda: SimpleNamespace(alert_callers="key"))

    def __post_init__(self) -> None:
        clock = FakeClock()
        self.queues = FakeQueues(clock)
        rules = [{"rule": "drift-v1", "trigger_kind": "performance"}]
        catalogue = catalogue_of(model_document(alert_rules=rules))
        self.receive_alert = ReceiveAlert(catalogue, Journal(self.store, clock), self.queues)

    def check(self) -> None:
        """Find what hostile payloads must not be able to do to the state."""
        for chain in self.store.chains():
            assert not list(verify(self.store.chain(chain), self.store.head(chain)))
        active = [run for run in self.store.runs("flight-delay") if run.active]
        assert len(active) <= 1


def originals() -> list[Any]:
    return [json.loads(path.read_text("utf-8")) for path in sorted(FIXTURES.rglob("*.json"))]


def answer(body: bytes, content_type: str) -> tuple[int, dict[str, Any], float]:
    request = func.HttpRequest(
        "POST", "/api/alerts", headers={"Content-Type": content_type}, body=body
    )
    began = time.perf_counter()
    response = alert_http.receive_alert(request)
    seconds = time.perf_counter() - began
    document = json.loads(response.get_body())
    assert isinstance(document, dict)
    return response.status_code, document, seconds


def check_answer(body: bytes, status: int, document: dict[str, Any], seconds: float) -> None:
    shown = f"seed {SEED}: {status} {document} after {seconds:.2f} s to {body[:2000]!r}"
    assert status in ALLOWED, shown
    assert seconds < SLOWEST, shown
    assert len(json.dumps(document)) < 8_000, shown
    assert document["decision"] if status == 202 else document["detail"], shown
    assert status != 400 or document["field"], shown


def test_spoilt_alerts_are_decided_or_refused_and_nothing_hangs_or_grows(
    monkeypatch: pytest.MonkeyPatch,
):
    mutator, process = Mutator(SEED, originals()), psutil.Process()
    counts: Counter[str] = Counter()
    slowest, first = 0.0, 0
    current: dict[str, World] = {}
    monkeypatch.setattr(alert_http, "app", lambda: current["world"])
    for start in range(0, PAYLOADS, BATCH):
        world = current["world"] = World()
        for _ in range(min(BATCH, PAYLOADS - start)):
            body = mutator.body()
            status, document, seconds = answer(body, mutator.content_type())
            check_answer(body, status, document, seconds)
            counts[f"{status} {document.get('decision', '')}".strip()] += 1
            slowest = max(slowest, seconds)
        world.check()
        gc.collect()
        first = first or process.memory_info().rss

    grown = process.memory_info().rss - first
    print(  # noqa: T201 - `make fuzz` shows it
        f"\n{PAYLOADS} payloads, seed {SEED}: {dict(sorted(counts.items()))}\n"
        f"slowest {slowest * 1000:.0f} ms, memory {grown / 2**20:+.1f} MiB after the first batch"
    )
    assert sum(counts.values()) == PAYLOADS
    assert {"202 accepted", "202 ignored", "400"} <= set(counts)
    assert grown < GROWTH


def test_the_same_seed_spoils_alike_and_another_does_not():
    def bodies(seed: int) -> list[bytes]:
        mutator = Mutator(seed, originals())
        return [mutator.body() for _ in range(20)]

    assert bodies(1) == bodies(1)
    assert bodies(1) != bodies(2)
