"""What the simulated job services have in common: a server, its token, its jobs and its faults."""

import json
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

TOKEN = "a-token-of-the-service"
PAGE_SIZE = 2
RETRY_AFTER = 7
SLOW_SECONDS = 0.5
ENDED = frozenset({"Completed", "Failed", "Cancelled", "Deduped"})


@dataclass
class Job:
    """One job; ``status`` in the words of the port, which each service has its own for."""

    number: int
    place: str
    parameters: dict[str, Any]
    name: str = ""
    status: str = "Running"
    by_hand: bool = True
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True)
class Asked:
    """One request, as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Reply:
    """What is answered; ``document`` None is an answer without a body."""

    status: int
    document: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


Operation = tuple[str, Callable[[], Reply]]


class SimulatedService:
    """One service. A subclass knows its routes, its words and its ways to say no.

    ``order`` makes the next call of an operation (start, get, list, cancel) go wrong: ``throttle``,
    ``unauthorized``, ``server_error`` and ``reset`` before anything is done, ``lost_response``,
    ``not_json`` and ``location_without_id`` after it; ``slow``; ``deduped``, ``unknown_status`` and
    ``ends_meanwhile`` change jobs.
    """

    page_size = PAGE_SIZE
    words: ClassVar[Mapping[str, Any]] = {}

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.asked: list[Asked] = []
        self._faults: deque[tuple[str, str]] = deque()
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Begin anew, without jobs."""
        self.jobs.clear()
        self.asked.clear()
        self._faults.clear()

    def order(self, operation: str, kind: str) -> None:
        self._faults.append((operation, kind))

    def find(self, number: object) -> Job | None:
        return next((job for job in self.jobs if str(job.number) == str(number)), None)

    def add(self, place: str, parameters: Mapping[str, Any], **more: Any) -> Job:
        job = Job(1000 + len(self.jobs), place, dict(parameters), **more)
        self.jobs.append(job)
        return job

    def page(self, jobs: list[Job], start: int) -> tuple[list[Job], int | None]:
        """Give the newest first, and where the next page begins."""
        newest = sorted(jobs, key=lambda job: -job.number)
        end = start + self.page_size
        return newest[start:end], end if end < len(newest) else None

    # --- what a service says in its own way ---

    def route(self, asked: Asked) -> Operation:
        raise NotImplementedError

    def error(self, status: int, code: str, text: str) -> Reply:
        raise NotImplementedError

    def sign_in(self) -> Reply:
        return self.error(401, "Unauthorized", "who are you")

    def throttled(self) -> Reply:
        reply = self.error(429, "TooManyRequests", "slow down")
        return Reply(429, reply.document, {"Retry-After": str(RETRY_AFTER)})

    def without_id(self, reply: Reply) -> Reply:
        return Reply(reply.status, {})

    # --- the server's part ---

    def answer(self, asked: Asked) -> Reply | None:
        """Give the answer; None: the connection is closed without one."""
        with self._lock:
            self.asked.append(asked)
            if asked.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self.sign_in()
            operation, act = self.route(asked)
            return self._with_fault(self._fault(operation), act)

    def _fault(self, operation: str) -> str:
        for ordered in list(self._faults):
            if ordered[0] == operation:
                self._faults.remove(ordered)
                return ordered[1]
        return ""

    def _with_fault(self, kind: str, act: Callable[[], Reply]) -> Reply | None:
        """Do what was asked, or not, and tell it, or not."""
        refusals = {
            "throttle": self.throttled,
            "unauthorized": self.sign_in,
            "server_error": lambda: self.error(503, "ServiceUnavailable", "not now"),
        }
        if kind in refusals:
            return refusals[kind]()
        if kind == "reset":
            return None
        self._before(kind)
        reply = act()
        if kind == "deduped":
            self.jobs[-1].status = "Deduped"
        told = {"location_without_id": self.without_id(reply), "not_json": Reply(200, "<html>")}
        return None if kind == "lost_response" else told.get(kind, reply)

    def _before(self, kind: str) -> None:
        statuses = {"ends_meanwhile": "Completed", "unknown_status": "Odd"}
        for job in self.jobs if kind in statuses else ():
            job.status = statuses[kind]
        if kind == "slow":
            time.sleep(SLOW_SECONDS)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about a caller that did not wait for its answer."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serve(service: SimulatedService) -> Iterator[str]:
    """Run a service on a free port of this machine; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            reply = service.answer(self._asked())
            self.close_connection = True
            if reply is None:
                return
            text = reply.document if isinstance(reply.document, str) else None
            body = text.encode() if text is not None else json.dumps(reply.document).encode()
            body = b"" if reply.document is None else body
            if "Date" in reply.headers:
                self.send_response_only(reply.status)
            else:
                self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = handle_any  # noqa: N815 - http.server's names

        def _asked(self) -> Asked:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            return Asked(self.command, parts.path, query, dict(self.headers), body)

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
