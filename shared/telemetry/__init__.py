"""What the app tells about itself: one trace a run, a count of decisions, durations.

What may go in here: names, ids and numbers, and how they reach OpenTelemetry. No text that a
caller, a model or an error wrote goes out, only what has the form of an id. Nothing is imported
before somebody wants to be told: without a connection string all this costs a context variable.
"""

from shared.telemetry.calls import Decision, Invocation, decided, invocation, settle, start, use
from shared.telemetry.names import DECISIONS, DURATION, trace_id_of

__all__ = [
    "DECISIONS",
    "DURATION",
    "Decision",
    "Invocation",
    "decided",
    "invocation",
    "settle",
    "start",
    "trace_id_of",
    "use",
]
