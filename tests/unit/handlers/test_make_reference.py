"""A version's reference profile is made once, kept, attached, and never in the way of staging."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.drift.codec import decode_reference
from shared.errors import NoTable, Unavailable
from shared.handlers.make_reference import MakeReference
from tests.fakes.clock import FakeClock
from tests.fakes.profiles import FakeProfiles, FakeSource
from tests.fakes.registry import FakeRegistry
from tests.fakes.samples import catalogue_of
from tests.fakes.windows import FakeWindows

CUTOFF = datetime(2013, 7, 1, tzinfo=UTC)
NAME = "flight-delay/1/reference.rlp"


class World:
    def __init__(self) -> None:
        (self.model,) = catalogue_of().models
        self.registry, self.store = FakeRegistry(), FakeProfiles()
        self.windows = FakeWindows(clock := FakeClock(CUTOFF + timedelta(days=1)))
        self.source = FakeSource(self.windows)
        self.make = MakeReference(self.registry, self.source, self.store, clock)

    def register(self, run_id: str = "abc", **tags: str):
        tags = tags or {"training_end": CUTOFF.isoformat()}
        version = self.registry.register(self.model.name, tags=tags, run_id=run_id)
        return self.registry.version(self.model.name, version)

    def serve(self, rows: int = 200) -> None:
        data, columns = self.model.data, self.model.columns
        made = [
            {
                columns.timestamp: CUTOFF - timedelta(hours=number + 1),
                columns.id: str(number),
                columns.prediction: float(number),
                columns.model_version: "1",
                "distance": float(number % 17),
            }
            for number in range(rows)
        ]
        self.windows.write(data.predictions, made)
        self.windows.write(data.actuals, [])


@pytest.fixture
def world() -> World:
    return World()


def test_a_reference_is_kept_and_attached_to_its_version(world):
    world.serve()

    outcome = world.make(world.model, world.register())

    content = world.store.contents[NAME]
    assert world.registry.attached["flight-delay", "1", "drift_reference.rlp"] == content
    assert outcome == {
        "made": True,
        "name": NAME,
        "artifact": "drift_reference.rlp",
        "sha256": hashlib.sha256(content).hexdigest(),
        "rows": 200,
    }
    assert decode_reference(content, NAME).end == CUTOFF


def test_to_make_a_reference_twice_counts_the_rows_once(world):
    world.serve()
    version = world.register()

    first = world.make(world.model, version)

    assert world.make(world.model, version) == first
    assert len(world.source.reads) == 1


def test_a_version_that_has_answered_nothing_gets_its_reference_later(world):
    world.serve(rows=0)

    outcome = world.make(world.model, world.register())

    assert outcome["made"] is False
    assert "no row" in outcome["reason"]
    assert not world.store.contents
    assert not world.registry.attached


@pytest.mark.parametrize("error", [Unavailable("lakehouse: 503"), NoTable("no such table")])
def test_what_goes_wrong_is_told_and_not_raised(world, error):
    world.serve()
    world.windows.faults.order(error)

    outcome = world.make(world.model, world.register())

    assert outcome == {"made": False, "reason": f"{type(error).__name__}: {error}"}


def test_a_version_without_a_cut_off_is_told(world):
    outcome = world.make(world.model, world.register(purpose="none"))

    assert "training_end" in outcome["reason"]


def test_a_version_without_a_run_keeps_its_reference_all_the_same(world):
    world.serve()

    outcome = world.make(world.model, world.register(run_id=""))

    assert NAME in world.store.contents
    assert outcome["made"] is True
    assert outcome["artifact"] == ""
