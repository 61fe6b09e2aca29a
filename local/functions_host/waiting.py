"""Waiting that ends early when something happens."""

import asyncio
from datetime import timedelta


async def happens_within(event: asyncio.Event, limit: timedelta) -> bool:
    """Wait for ``event`` for at most ``limit`` of real time and tell whether it came."""
    try:
        async with asyncio.timeout(max(0.0, limit.total_seconds())):
            await event.wait()
    except TimeoutError:
        return False
    return True
