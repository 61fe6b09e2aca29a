"""The timers of the upkeep: one that fails takes no other with it."""

from types import SimpleNamespace

import pytest

from functions import upkeep
from shared.errors import Unavailable

TIMER = SimpleNamespace(past_due=False)


class World:
    """The app as the timers see it; its sweeper never gets through."""

    def __init__(self) -> None:
        self.expired = 0

    def sweep(self) -> None:
        raise Unavailable("queues are down")

    def expire_approvals(self) -> int:
        self.expired += 1
        return 1


def test_a_sweep_that_fails_keeps_no_approval_from_its_end(monkeypatch: pytest.MonkeyPatch):
    world = World()
    monkeypatch.setattr(upkeep, "app", lambda: world)

    with pytest.raises(Unavailable):
        upkeep.sweep(TIMER)
    upkeep.expire_approvals(TIMER)

    assert world.expired == 1
