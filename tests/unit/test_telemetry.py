"""One trace a run, from the alert to the audit; and nothing in it that nobody may read."""

import inspect
import json
import runpy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest
from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from functions import alert_http, champion_timer, gate_queue, promotion_queue, run_queue, upkeep
from functions.traced import traced
from shared import telemetry
from shared.errors import BadInput, Refused, Unavailable
from shared.handlers import messages
from shared.telemetry.recorder import Recorder
from tests.documents import alert_body, alert_document
from tests.fakes.loop import FakeLoop
from tests.fakes.samples import MODEL, catalogue_of, model_document
from tests.fakes.weeks import FIRST, serve, worse

ROOT = Path(__file__).parents[2]
SECRET = "swordfish-4711"
WINS = 2
FUNCTION_OF = {
    messages.RETRAIN_RUNS: run_queue.watch_run,
    messages.GATE_CHECKS: gate_queue.judge_candidate,
    messages.PROMOTIONS: promotion_queue.promote_candidate,
    messages.NOTICES: upkeep.send_notice,
    messages.AUDIT_ROWS: upkeep.project_audit,
}


class FunctionLoop(FakeLoop):
    """A loop on fakes whose messages reach the functions themselves."""

    def handle(self, queue: str, message: dict[str, Any]) -> None:
        self.work()
        FUNCTION_OF[queue](message_of(message))

    def app(self) -> Any:
        """Give what ``bootstrap.app`` gives, as far as these functions use it."""
        return SimpleNamespace(
            settings=SimpleNamespace(alert_callers="key"),
            receive_alert=self.receive,
            watch_run=self.watch,
            judge_candidate=self.judge,
            compare_champion=self.compare,
            promote=self.promote,
            send_notice=self.notice,
            project_audit=self.project,
            sweep=self.sweep,
            approve_run=self.approval,
        )


@dataclass(frozen=True)
class Told:
    """What was told, kept in memory."""

    spans_of: InMemorySpanExporter
    reader: InMemoryMetricReader

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.spans_of.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def points(self, name: str) -> list[Any]:
        data = self.reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def text(self) -> str:
        """Give all of it as one text."""
        data = self.reader.get_metrics_data()
        return "".join(span.to_json() for span in self.spans) + (data.to_json() if data else "")


@pytest.fixture
def told() -> Iterator[Told]:
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    traces, meters = TracerProvider(), MeterProvider([reader])
    traces.add_span_processor(SimpleSpanProcessor(exporter))
    telemetry.use(Recorder(traces, meters))
    yield Told(exporter, reader)
    telemetry.use(None)
    traces.shutdown()
    meters.shutdown()


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> FunctionLoop:
    challenge = {"wins": WINS, "min_rows": 20}
    loop = FunctionLoop(catalogue_of(model_document(challenge=challenge)))
    loop.ports.clock.advance(minutes=10)
    for module in (alert_http, champion_timer, gate_queue, promotion_queue, run_queue, upkeep):
        monkeypatch.setattr(module, "app", loop.app)
    return loop


def message_of(document: Any) -> func.QueueMessage:
    return func.QueueMessage(body=json.dumps(document).encode())


def post(body: bytes | None = None) -> func.HttpResponse:
    request = func.HttpRequest("POST", "/api/alerts", body=body or alert_body())
    return alert_http.receive_alert(request)


def promote(loop: FunctionLoop) -> str:
    """Take an alert's run all the way to Production; gives its id."""
    assert post().status_code == 202
    loop.drain()
    loop.ports.scorer.answers(MODEL, loop.champion, worse)
    for number in range(WINS):
        serve(loop, FIRST.replace(day=FIRST.day + number), version=loop.champion)
        loop.ports.clock.advance(days=2 if number == 0 else 1)
        champion_timer.compare_champion(SimpleNamespace(past_due=False))
    loop.drain()
    run = loop.run()
    assert run.state == "promoted", (run.state, run.reason)
    return run.run_id


def events(spans: list[ReadableSpan]) -> list[str]:
    return [event.name for span in spans for event in span.events]


def test_a_run_is_one_trace_from_the_alert_to_the_audit(loop: FunctionLoop, told: Told):
    run_id = promote(loop)

    mine = [span for span in told.spans if span.attributes["retrain_loop.run_id"] == run_id]
    assert {span.context.trace_id for span in mine} == {telemetry.trace_id_of(run_id)}
    assert mine == told.spans
    assert list(dict.fromkeys(span.name for span in mine)) == [
        *("receive_alert", "watch_run", "judge_candidate", "send_notice", "project_audit"),
        *("compare_champion", "promote_candidate"),
    ]
    assert all(span.attributes["retrain_loop.model"] == MODEL for span in mine)


def test_the_decisions_of_a_run_are_events_of_the_calls_that_took_them(
    loop: FunctionLoop, told: Told
):
    promote(loop)

    ledger = [row["action"] for row in loop.ports.store.chain(MODEL)]
    assert events(told.spans) == ledger
    assert events(told.named("watch_run"))[:2] == ["job.start", "job.started"]
    assert "model.staged" in events(told.named("judge_candidate"))
    assert "model.promoted" in events(told.named("promote_candidate"))


def test_every_row_of_the_ledger_is_counted_once_by_action_outcome_and_model(
    loop: FunctionLoop, told: Told
):
    promote(loop)

    counted = {
        (point.attributes["action"], point.attributes["outcome"]): point.value
        for point in told.points(telemetry.DECISIONS)
    }
    rows = [(row["action"], row["outcome"]) for row in loop.ports.store.chain(MODEL)]
    assert counted == {row: rows.count(row) for row in rows}
    assert {point.attributes["model"] for point in told.points(telemetry.DECISIONS)} == {MODEL}


def test_every_call_is_timed_by_function_and_error(loop: FunctionLoop, told: Told):
    promote(loop)

    points = told.points(telemetry.DURATION)
    times = {point.attributes["function"]: point.count for point in points}
    assert times == {span.name: len(told.named(span.name)) for span in told.spans}
    assert {point.attributes["error"] for point in points} == {"none"}
    assert all(point.sum > 0 for point in points)


def test_a_second_alert_is_told_of_in_the_trace_of_the_run_it_is_merged_into_or_its_own(
    loop: FunctionLoop, told: Told
):
    post()
    post(alert_body(alertId="/subscriptions/s/providers/Microsoft.AlertsManagement/alerts/a-2"))

    first, second = told.named("receive_alert")
    ids = {run.run_id for run in loop.runs()}
    assert len(ids) == 2
    assert {span.attributes["retrain_loop.run_id"] for span in (first, second)} == ids
    assert first.context.trace_id != second.context.trace_id


def test_a_call_for_several_runs_has_its_own_trace_and_a_link_to_each(told: Told):
    runs = [f"run-{number:024x}" for number in range(3)]

    with telemetry.invocation("sweep"):
        for run_id in runs:
            telemetry.decided([row_of(run_id)])

    (span,) = told.spans
    assert {link.context.trace_id for link in span.links} == set(map(telemetry.trace_id_of, runs))
    assert span.context.trace_id not in set(map(telemetry.trace_id_of, runs))
    assert "retrain_loop.run_id" not in span.attributes


def test_the_hosts_own_span_is_linked_where_the_worker_hands_it_on(told: Told):
    host = trace.SpanContext(0xABC, 0xDEF, is_remote=True)
    token = otel.attach(trace.set_span_in_context(trace.NonRecordingSpan(host)))
    try:
        with telemetry.invocation("watch_run", run_id=f"run-{1:024x}"):
            pass
    finally:
        otel.detach(token)

    (span,) = told.spans
    assert [link.context.trace_id for link in span.links] == [0xABC]
    assert span.context.trace_id == telemetry.trace_id_of(f"run-{1:024x}")


def row_of(run_id: str) -> Any:
    entry = SimpleNamespace(action="run.swept", outcome="success", run_id=run_id)
    return SimpleNamespace(chain=MODEL, entry=entry)


def test_an_errors_class_is_told_and_its_words_are_not(loop: FunctionLoop, told: Told):
    post()
    loop.ports.store.faults.order(Unavailable(f"https://host/?sig={SECRET}"))

    with pytest.raises(Unavailable):
        loop.handle(messages.RETRAIN_RUNS, messages.run_message(loop.runs()[0]))

    (span,) = told.named("watch_run")
    assert span.attributes["retrain_loop.error"] == "Unavailable"
    assert not span.status.is_ok
    assert span.status.description is None
    assert SECRET not in told.text()


@pytest.mark.parametrize("fault", [Refused(f"Bearer {SECRET}"), ValueError(SECRET)])
def test_whatever_is_wrong_no_text_of_it_goes_out(
    loop: FunctionLoop, told: Told, monkeypatch: pytest.MonkeyPatch, fault: Exception
):
    def fails(*_: Any) -> None:
        raise fault

    monkeypatch.setattr(gate_queue, "app", lambda: SimpleNamespace(judge_candidate=fails))

    with pytest.raises(type(fault)):
        gate_queue.judge_candidate(message_of({"v": 1, "model": SECRET.upper(), "run_id": SECRET}))

    (span,) = told.spans
    assert span.attributes["retrain_loop.error"] == type(fault).__name__
    assert SECRET.casefold() not in told.text().casefold()


def test_what_an_alert_says_stays_out_of_it(loop: FunctionLoop, told: Told):
    document = alert_document(description=SECRET, alertRule=SECRET)
    document["data"]["customProperties"]["note"] = SECRET
    document["data"]["alertContext"]["condition"]["searchQuery"] = SECRET

    assert post(json.dumps(document).encode()).status_code == 202

    assert told.named("receive_alert")
    assert SECRET not in told.text()


@pytest.mark.parametrize("body", [b"no json", b"[]", b"\xff", b'{"model": 1, "run_id": null}'])
def test_a_message_that_names_no_run_is_told_of_without_one(
    loop: FunctionLoop, told: Told, body: bytes
):
    with pytest.raises((BadInput, ValueError)):
        run_queue.watch_run(func.QueueMessage(body=body))

    (span,) = told.spans
    assert set(span.attributes) == {"retrain_loop.function", "retrain_loop.error"}


def test_an_answer_that_refuses_is_told_by_its_status(loop: FunctionLoop, told: Told):
    assert post(b"no json").status_code == 400

    (span,) = told.spans
    assert span.attributes["retrain_loop.status"] == 400


def test_without_a_recorder_the_loop_goes_on_and_nothing_is_told(loop: FunctionLoop):
    assert promote(loop)


def test_every_function_but_health_is_told_of_and_keeps_its_signature():
    app = runpy.run_path(str(ROOT / "function_app.py"))["app"]
    functions = {each.get_function_name(): each.get_user_function() for each in app.get_functions()}

    untold = {name for name, each in functions.items() if not hasattr(each, "__wrapped__")}

    assert untold == {"health"}
    for name, each in functions.items():
        assert each.__name__ == name
        assert len(inspect.signature(each).parameters) == 1


def test_an_http_call_is_told_of_by_its_route(told: Told):
    run_id = f"run-{3:024x}"
    route = {"name": MODEL, "run_id": run_id}
    request = func.HttpRequest("POST", "/api", body=b"", route_params=route)

    @traced
    def cancel_run(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(status_code=202)

    cancel_run(req=request)

    (span,) = told.spans
    assert span.name == "cancel_run"
    assert dict(span.attributes) == {
        "retrain_loop.function": "cancel_run",
        "retrain_loop.model": MODEL,
        "retrain_loop.run_id": run_id,
        "retrain_loop.status": 202,
    }
