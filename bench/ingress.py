"""How fast alerts are received: ``python -m bench.ingress``, everything in one run.

Prints the calls an alert makes, alerts per second beside the same storage operations alone, and
what a cold start costs. Ends with 1 where a figure misses its aim. Needs nothing but this machine:
storage is Azurite in memory, so the rates say how much the app adds, not what Azure gives.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import azure.functions as func
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableClient
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from functions import alert_http
from local.azurite import AzuritePorts, start_azurite
from local.node import tools_folder
from shared import bootstrap
from tests.calls import counted
from tests.documents import alert_body, catalogue_document
from tests.fakes.samples import model_document

ROOT = Path(__file__).resolve().parents[1]
ALERTS = int(os.environ.get("ALERTS", "900"))
ROUNDS = 3
THREADS = min(32, (os.cpu_count() or 1) + 4)
"""What the Python worker runs functions with. Source: ThreadPoolExecutor's default."""
STARTS = int(os.environ.get("STARTS", "9"))
FABRIC = "127.0.0.1:1"
"""Where nobody listens: Fabric is down."""
SHARE_AIM, INDEX_AIM, IMPORT_AIM = 0.60, 1.3, 1.0
HEAVY = ("numpy", "pandas", "mlflow", "deltalake", "pyarrow", "scipy", "sklearn")
EMPTY_APP = """\
import azure.functions as func

app = func.FunctionApp()


@app.route(route="nothing")
def nothing(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse()
"""
INDEX = "import function_app; function_app.app.get_functions()"
IMPORTS = f"""\
import sys, time
began = time.perf_counter()
import function_app
from shared.bootstrap import app
loop = app()
loop.receive_alert, loop.store, loop.queues
seconds = time.perf_counter() - began
print(seconds, *sorted(set({HEAVY!r}) & set(sys.modules)))
"""
TOKENS = """\
import time
import function_app
from shared.bootstrap import app
loop = app()
loop.receive_alert, loop.store, loop.queues
began = time.perf_counter()
loop.tokens
print(time.perf_counter() - began)
"""


@dataclass
class Report:
    """What was measured, and which aims were missed."""

    missed: list[str] = field(default_factory=list)

    def line(self, what: str, shown: str, *, aim: str = "", met: bool = True) -> None:
        print(
            f"  {what:<58}{shown:>14}" + (f"   aim {aim}{'' if met else '  MISSED'}" if aim else "")
        )
        if not met:
            self.missed.append(what)


@dataclass(frozen=True)
class Timed:
    """Some work done by several threads.

    Attributes:
        seconds: wall time of it all.
        latencies: seconds of each piece.
    """

    seconds: float
    latencies: Sequence[float]

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def milliseconds(self, percent: int) -> float:
        return statistics.quantiles(self.latencies, n=100)[percent - 1] * 1000


def timed(pool: ThreadPoolExecutor, work: Callable[[int], None], numbers: Sequence[int]) -> Timed:
    def one(number: int) -> float:
        began = time.perf_counter()
        work(number)
        return time.perf_counter() - began

    began = time.perf_counter()
    latencies = list(pool.map(one, numbers))
    return Timed(time.perf_counter() - began, latencies)


def joined(parts: Sequence[Timed]) -> Timed:
    latencies = [seconds for part in parts for seconds in part.latencies]
    return Timed(sum(part.seconds for part in parts), latencies)


def model_name(number: int) -> str:
    return f"model-{number:05d}"


def body(number: int, *, model: int | None = None, **changes: Any) -> bytes:
    """Give an alert of its own id, about the model of its number if no other is said."""
    name = model_name(number if model is None else model)
    at = datetime.now(UTC).isoformat()
    essentials = {"alertId": f"/subscriptions/s/alerts/{number}", "firedDateTime": at}
    return alert_body(**({"model": name, **essentials} | changes))


def post(content: bytes, decision: str = "") -> None:
    request = func.HttpRequest("POST", "/api/alerts", body=content)
    answer = alert_http.receive_alert(request)
    document = json.loads(answer.get_body())
    if answer.status_code != 202 or (decision and document["decision"] != decision):
        raise AssertionError(document)


@contextmanager
def world() -> Iterator[str]:
    """Run storage, and the app on it with one model an alert; gives the connection string."""
    with TemporaryDirectory() as folder, start_azurite(None, tools_folder()) as azurite:
        models = Path(folder) / "models.yaml"
        named = [model_document(model_name(number)) for number in range(ALERTS + 10)]
        models.write_text(json.dumps(catalogue_document(*named)), encoding="utf-8")
        os.environ.update(environment(models, azurite.connection_string))
        bootstrap.app.cache_clear()
        try:
            yield azurite.connection_string
        finally:
            bootstrap.app().store.close()
            bootstrap.app().queues.close()


def environment(models: Path, connection: str) -> dict[str, str]:
    return {
        "MODELS_FILE": str(models),
        "AUTH_MODE": "local",
        "LOCAL_TOKEN": "local-only",
        "AzureWebJobsStorage": connection,
        "FABRIC_API_URL": f"http://{FABRIC}/v1",
        "LAKEHOUSE_URI": ".",
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:1",
        "LOGS_INGESTION_ENDPOINT": "http://127.0.0.1:1",
        "LOGS_INGESTION_RULE_ID": "dcr-1",
    }


class Alone:
    """The storage operations of an accepted alert with nothing around them."""

    def __init__(self, connection: str) -> None:
        self.table = TableClient.from_connection_string(connection, "alone")
        self.queue = QueueClient.from_connection_string(
            connection, "alone", message_encode_policy=TextBase64EncodePolicy()
        )
        self.table.create_table()
        self.queue.create_queue()

    def close(self) -> None:
        self.table.close()
        self.queue.close()

    def __call__(self, number: int) -> None:
        """Do what one alert does: two ranges and a run read, a transaction, a message."""
        key = model_name(number)
        self._range(key, "head", "lock;")
        with suppress(ResourceNotFoundError):
            self.table.get_entity(key, "run:run-1")
        self._range(key, "run:", "run;")
        rows = [("head", 90), ("lock", 110), ("run:run-1", 1400), ("audit:000000000001", 1100)]
        self.table.submit_transaction(
            [
                ("create", {"PartitionKey": key, "RowKey": row, "document": "x" * size})
                for row, size in rows
            ]
        )
        self.queue.send_message(json.dumps({"v": 1, "model": key, "run_id": "run-1", "step": 0}))

    def _range(self, key: str, first: str, end: str) -> None:
        query = "PartitionKey eq @model and RowKey ge @first and RowKey lt @end"
        keys = {"model": key, "first": first, "end": end}
        list(self.table.query_entities(query, parameters=keys))


def calls_of_an_alert(report: Report) -> None:
    """Print what each kind of alert sends, on models that the rates do not use."""
    print("calls an alert makes")
    first, last, fabric = ALERTS + 1, ALERTS + 9, 0
    post(body(last))  # the first of all makes the table and the queue
    for name, content in (
        ("accepted", body(first)),
        ("duplicate", body(first)),
        ("skipped", body(first + 1, model=first)),
        ("ignored", alert_body(model="somebody-elses")),
        ("resolved", body(first, monitorCondition="Resolved")),
    ):
        with counted() as calls:
            post(content, name)
        shown = ", ".join(f"{count} {kind}" for kind, count in sorted(calls.counts.items()))
        report.line(f"{name}: {shown}", f"{calls.total}")
        fabric += sum(count for kind, count in calls.counts.items() if FABRIC in kind)
    report.line("of these to Fabric", f"{fabric}", aim="0", met=fabric == 0)


def rates(report: Report, connection: str) -> None:
    """Print alerts per second beside the same operations alone, in turns on the same machine."""
    print(f"\n{ALERTS} alerts for as many models, {THREADS} threads, in {ROUNDS} turns")
    alone, app_turns, alone_turns = Alone(connection), [], []
    size = ALERTS // ROUNDS
    with ThreadPoolExecutor(THREADS) as pool:
        for turn in range(ROUNDS):
            numbers = range(turn * size, (turn + 1) * size)
            alone_turns.append(timed(pool, alone, numbers))
            app_turns.append(timed(pool, lambda n: post(body(n), "accepted"), numbers))
    alone.close()
    app, raw = joined(app_turns), joined(alone_turns)
    share = app.rate / raw.rate
    report.line("storage operations alone", f"{raw.rate:.0f}/s")
    report.line("alerts accepted", f"{app.rate:.0f}/s")
    report.line("share", f"{share:.0%}", aim=f">= {SHARE_AIM:.0%}", met=share >= SHARE_AIM)
    report.line("one alert, p50", f"{app.milliseconds(50):.1f} ms")
    report.line(
        "one alert, p99",
        f"{app.milliseconds(99):.1f} ms",
        aim="< 10 s",
        met=app.milliseconds(99) < 10_000,
    )


def storm(report: Report) -> None:
    """Print what many alerts for one chain at once come to: they have to wait for each other."""
    print(f"\nstorms: 200 alerts on one chain, {THREADS} threads")
    storms: tuple[tuple[str, Callable[[int], None]], ...] = (
        ("for one model (merged)", lambda n: post(body(1_000_000 + n, model=0), "skipped")),
        ("for no model of ours (ignored)", lambda _: post(alert_body(model="foreign"), "ignored")),
    )
    with ThreadPoolExecutor(THREADS) as pool:
        for what, work in storms:
            with counted() as calls:
                done = timed(pool, work, range(200))
            report.line(what, f"{done.rate:.0f}/s")
            report.line(
                "  p99, and calls an alert",
                f"{done.milliseconds(99):.0f} ms, {calls.total / 200:.1f}",
            )


def cold_start(report: Report) -> None:
    """Print what the host waits for before the first alert, in fresh interpreters."""
    print(f"\ncold start, median of {STARTS}")
    with TemporaryDirectory() as folder:
        (Path(folder) / "function_app.py").write_text(EMPTY_APP, encoding="utf-8")
        # in turns, so that a busy moment of the machine falls on both
        pairs = [(run_fresh(INDEX, Path(folder)), run_fresh(INDEX, ROOT)) for _ in range(STARTS)]
        models = Path(folder) / "models.yaml"
        models.write_text(json.dumps(catalogue_document(model_document("m"))), encoding="utf-8")
        os.environ.update(environment(models, AzuritePorts.free().connection_string))
        words = [run_fresh(IMPORTS, ROOT)[1].split() for _ in range(STARTS)]
        more = [float(run_fresh(TOKENS, ROOT)[1]) for _ in range(STARTS)]
    empty, ours = (
        statistics.median(seconds for seconds, _ in each) for each in zip(*pairs, strict=True)
    )
    print_index(report, empty, ours)
    print_imports(report, statistics.median(float(word[0]) for word in words), words[0][1:])
    extra = statistics.median(more) * 1000
    report.line("more where tokens are checked (PyJWT, cryptography)", f"{extra:.0f} ms")


def print_index(report: Report, empty: float, ours: float) -> None:
    ratio = ours / empty
    report.line("indexing an app of one empty function", f"{empty * 1000:.0f} ms")
    report.line("indexing this app", f"{ours * 1000:.0f} ms")
    report.line("ratio", f"{ratio:.2f}", aim=f"<= {INDEX_AIM}", met=ratio <= INDEX_AIM)


def print_imports(report: Report, seconds: float, heavy: Sequence[str]) -> None:
    aim, met = f"<= {IMPORT_AIM} s", seconds <= IMPORT_AIM
    report.line(
        "imports on an alert's way, settings and catalogue read",
        f"{seconds:.2f} s",
        aim=aim,
        met=met,
    )
    shown = ", ".join(heavy) or "none"
    report.line("heavy libraries among them", shown, aim="none", met=not heavy)


def run_fresh(code: str, folder: Path) -> tuple[float, str]:
    """Run code in a fresh interpreter; gives its seconds and what it printed."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    return time.perf_counter() - began, done.stdout


def main() -> int:
    report = Report()
    with world() as connection:
        calls_of_an_alert(report)
        rates(report, connection)
        storm(report)
    cold_start(report)
    for what in report.missed:
        print(f"missed: {what}")
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(main())
