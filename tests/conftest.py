"""Fixtures that more than one folder of tests needs."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

TOOLS = Path(os.environ.get("RETRAIN_LOOP_TOOLS", Path(__file__).parents[1] / ".local" / "tools"))


@pytest.fixture(scope="session")
def azurite_connection() -> Iterator[str]:
    """A connection string to an Azurite of this test session's own."""
    given = os.environ.get("RETRAIN_LOOP_AZURITE")
    if given:
        yield given
        return
    from local.azurite import start_azurite

    with start_azurite(data=None, tools=TOOLS) as azurite:
        yield azurite.connection_string
