"""Spoils alerts: takes payloads that are right and makes them wrong, the same way for a seed."""

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from random import Random
from typing import Any

Place = tuple[Any, Any]

HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 10**30, 10**400, float("nan"), float("inf"), -float("inf")),
    *("", " ", "\x00", "\ud800", "\U0001f525" * 300, "x" * 600, "x" * 70_000, "../../etc/passwd"),
    *("a/b?c#d\\e", "'; DROP TABLE runs; --", "{{7*7}}", "${jndi:ldap://x}", "<script>", "%00%0a"),
    *("Fired", "Resolved", "Activated", "Deactivated", "azureMonitorCommonAlertSchema", "manual"),
    *("flight-delay", "FLIGHT-DELAY ", "concept", "12.7m", "1e999", "9" * 5_000),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2013-02-30T00:00:00Z"),
    *("2013-07-01T03:56:32.12345678901Z", "7/1/2013 3:56:32 AM", "2013-W27-1", "-2013-07-01"),
    *([], {}, [[]], [None], [{}], {"": ""}, {"model": {"model": []}}, [{"name": 7, "value": []}]),
)
TYPES = ("", "application/json", "application/json; charset=utf-8", "text/plain", "a/b+json", ";;")


def places(document: Any) -> list[Place]:
    """Give every container with each of its keys."""
    found: list[Place] = []
    waiting = [document]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        found += [(holder, key) for key in keys]
        waiting += [holder[key] for key in keys if isinstance(holder[key], dict | list)]
    return found


class Mutator:
    """Gives one spoilt request after the other."""

    def __init__(self, seed: int, originals: Sequence[Any]) -> None:
        self._random = Random(seed)
        self._originals = list(originals)

    def body(self) -> bytes:
        """Give a body: a document spoilt in one to four places, and perhaps its bytes as well."""
        document = deepcopy(self._random.choice(self._originals))
        for _ in range(self._random.choice((1, 1, 2, 4))):
            document = self._random.choice(self._DOCUMENTS)(self, document)
        body = json.dumps(document, ensure_ascii=self._random.random() < 0.9).encode(
            "utf-8", "surrogatepass"
        )
        return self._random.choice(self._BYTES)(self, body) if self._random.random() < 0.3 else body

    def content_type(self) -> str:
        return self._random.choice(TYPES) if self._random.random() < 0.1 else "application/json"

    # --- documents ---------------------------------------------------------------------------

    def _place(self, document: Any) -> Place | None:
        found = places(document) if isinstance(document, dict | list) else []
        return self._random.choice(found) if found else None

    def _replace(self, document: Any) -> Any:
        place = self._place(document)
        if place is None:
            return self._random.choice(HOSTILE)
        place[0][place[1]] = deepcopy(self._random.choice(HOSTILE))
        return document

    def _remove(self, document: Any) -> Any:
        place = self._place(document)
        if place is not None:
            del place[0][place[1]]
        return document

    def _rename(self, document: Any) -> Any:
        place = self._place(document)
        if place is not None and isinstance(place[0], dict):
            holder, key = place
            changed = self._random.choice((str.upper, str.lower, str.title, lambda _: "model"))
            holder[changed(key)] = holder.pop(key)
        return document

    def _splice(self, document: Any) -> Any:
        """Put a part of another payload somewhere."""
        source = self._place(self._random.choice(self._originals))
        target = self._place(document)
        if source is not None and target is not None:
            target[0][target[1]] = deepcopy(source[0][source[1]])
        return document

    def _nest(self, document: Any) -> Any:
        place = self._place(document)
        deep: Any = "end"
        for _ in range(self._random.choice((5, 100, 200))):
            deep = [deep] if self._random.random() < 0.5 else {"model": deep}
        if place is not None:
            place[0][place[1]] = deep
        return document

    def _crowd(self, document: Any) -> Any:
        """Add more of what there may be several of."""
        place = self._place(document)
        if place is not None:
            place[0][place[1]] = [{"name": f"n{n}", "value": n} for n in range(500)]
        return document

    # --- bytes -------------------------------------------------------------------------------

    def _cut(self, body: bytes) -> bytes:
        return body[: self._random.randrange(len(body) + 1)]

    def _flip(self, body: bytes) -> bytes:
        spoilt = bytearray(body)
        for _ in range(self._random.choice((1, 3, 20)) if spoilt else 0):
            spoilt[self._random.randrange(len(spoilt))] = self._random.randrange(256)
        return bytes(spoilt)

    def _insert(self, body: bytes) -> bytes:
        at = self._random.randrange(len(body) + 1)
        junk = self._random.choice((b"\x00", b"\xff\xfe", b",", b'"', b"}" * 50, b"[" * 5_000))
        return body[:at] + junk + body[at:]

    def _recode(self, body: bytes) -> bytes:
        name = self._random.choice(("utf-16", "utf-32", "utf-8-sig", "latin-1"))
        return body.decode("utf-8", "replace").encode(name, "replace")

    def _swell(self, body: bytes) -> bytes:
        return body.ljust(self._random.choice((200_000, 262_144, 262_145, 400_000)))

    def _double(self, body: bytes) -> bytes:
        return self._random.choice((body + body, body + b"\n" + body, b"[" + body + b"]"))

    _DOCUMENTS: tuple[Callable[["Mutator", Any], Any], ...] = (
        *(_replace, _replace, _replace, _remove, _rename, _splice, _nest, _crowd),
    )
    _BYTES: tuple[Callable[["Mutator", bytes], bytes], ...] = (
        *(_cut, _flip, _insert, _recode, _swell, _double),
    )
