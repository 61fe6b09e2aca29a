"""Counts the requests that leave the process, by what they do; for tests and bench."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter


@dataclass
class Calls:
    """What was sent, such as ``GET table``; hosts that are no storage by their own name."""

    counts: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def _kind(method: str, url: str) -> str:
    path = urlsplit(url).path
    if "/$batch" in path:
        return "POST table transaction"
    if "/messages" in path:
        return f"{method} queue message"
    if "PartitionKey=" in path:
        return f"{method} table entity"
    if path.endswith("()"):
        return f"{method} table query"
    return f"{method} {urlsplit(url).netloc}{path}"


@contextmanager
def counted() -> Iterator[Calls]:
    """Count what any thread sends in the block; every SDK of the app sends through requests."""
    calls, send = Calls(), HTTPAdapter.send

    def counting(self: HTTPAdapter, request: Any, **options: Any) -> Any:
        calls.counts[_kind(request.method, request.url)] += 1
        return send(self, request, **options)

    with patch.object(HTTPAdapter, "send", counting):
        yield calls
