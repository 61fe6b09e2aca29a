"""The loop on fakes, for every handler's tests."""

import pytest

from tests.fakes.loop import FakeLoop


@pytest.fixture
def loop() -> FakeLoop:
    """One model with a champion; nothing has happened yet."""
    return FakeLoop()
