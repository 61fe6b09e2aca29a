"""Writes calls and decisions to OpenTelemetry; imported when there is somebody to tell."""

from typing import TYPE_CHECKING, Final

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)

from shared.telemetry import names

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from shared.telemetry.calls import Decision, Invocation

BOUNDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0)
"""Seconds: from an alert's receipt to host.json's functionTimeout. House rule."""
MOST_LINKS: Final = 100
"""Source: OpenTelemetry, OTEL_SPAN_LINK_COUNT_LIMIT is 128."""


class Recorder:
    """Knows the names of things, and no exporter."""

    def __init__(self, traces: "TracerProvider", meters: "MeterProvider") -> None:
        self._tracer = traces.get_tracer(names.SCOPE)
        meter = meters.get_meter(names.SCOPE)
        self._decisions = meter.create_counter(
            names.DECISIONS, description="Rows written to the ledger"
        )
        self._duration = meter.create_histogram(
            names.DURATION,
            unit="s",
            description="Time of a function's call",
            explicit_bucket_boundaries_advisory=BOUNDS,
        )

    def decided(self, decision: "Decision") -> None:
        told = {"action": decision.action, "outcome": decision.outcome, "model": decision.model}
        self._decisions.add(1, told)

    def ended(self, call: "Invocation") -> None:
        """Write the span of a call that is over: only now is it known which run it worked for."""
        span = self._tracer.start_span(
            call.function,
            context=_context(call.runs),
            links=_links(call.runs),
            attributes=_attributes(call),
            start_time=call.began_ns,
        )
        for each in call.decisions:
            span.add_event(each.action, _event(each), each.at_ns)
        if call.error:
            span.set_status(Status(StatusCode.ERROR))
        span.end(call.ended_ns)
        told = {"function": call.function, "error": call.error or "none"}
        self._duration.record((call.ended_ns - call.began_ns) / 1e9, told)


def _context(runs: tuple[str, ...]) -> Context:
    """Give the run's own trace where there is one run, else an empty context: a new trace."""
    if len(runs) != 1:
        return Context()
    return set_span_in_context(NonRecordingSpan(_parent(runs[0])), Context())


def _links(runs: tuple[str, ...]) -> list[Link]:
    """Link to the host's span, where the worker hands it on, and to each run of several."""
    host = get_current_span().get_span_context()
    found = [Link(host)] if host.is_valid else []
    return found + ([Link(_parent(each)) for each in runs[:MOST_LINKS]] if len(runs) > 1 else [])


def _parent(run_id: str) -> SpanContext:
    return SpanContext(
        names.trace_id_of(run_id),
        names.span_id_of(run_id),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )


def _attributes(call: "Invocation") -> dict[str, str | int]:
    runs = call.runs
    models = {each.model for each in call.decisions} | ({call.model} if call.model else set())
    told: dict[str, str | int] = {
        names.FUNCTION: call.function,
        names.RUN_ID: runs[0] if len(runs) == 1 else "",
        names.MODEL: models.pop() if len(models) == 1 else "",
        names.STATUS: call.status,
        names.ERROR: call.error,
    }
    return {name: value for name, value in told.items() if value}


def _event(decision: "Decision") -> dict[str, str]:
    told = {
        names.ACTION: decision.action,
        names.OUTCOME: decision.outcome,
        names.MODEL: decision.model,
        names.RUN_ID: decision.run_id,
    }
    return {name: value for name, value in told.items() if value}
