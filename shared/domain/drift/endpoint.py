"""The online endpoint's signals as measures: latency, errors, and how much it is asked.

Facts of operation, told and graded, that ask for no retrain: a slow endpoint is not mended by
another model.
"""

from shared.domain.drift.measures import Comparison, Measure, Metric
from shared.domain.endpoint import EndpointSignals
from shared.sections.drift import DriftSettings

ENDPOINT = "__endpoint__"


def endpoint_measures(
    now: EndpointSignals, before: EndpointSignals, settings: DriftSettings
) -> list[Measure]:
    """Measure a window's requests beside those of the window before it."""
    quiet = "" if now.requests else "the endpoint was not asked"
    pair = Comparison(
        ENDPOINT, before.requests, now.requests, "ready" if now.requests else "insufficient", quiet
    )
    rate = f"{now.failed} of {now.requests} requests failed"
    return [
        _fact(pair, Metric.ENDPOINT_P95_MS, now.p95_ms, settings.endpoint_p95_ms, ""),
        _fact(pair, Metric.ENDPOINT_P99_MS, now.p99_ms, settings.endpoint_p99_ms, ""),
        _fact(pair, Metric.ENDPOINT_ERROR_RATE, now.error_rate, settings.endpoint_error_rate, rate),
        _drop(now, before, settings),
    ]


def endpoint_unknown(why: str) -> list[Measure]:
    """Say that nobody could tell how the endpoint fares."""
    pair = Comparison(ENDPOINT, 0, 0, "unknown", why)
    metrics = (
        Metric.ENDPOINT_P95_MS,
        Metric.ENDPOINT_P99_MS,
        Metric.ENDPOINT_ERROR_RATE,
        Metric.ENDPOINT_REQUEST_DROP,
    )
    return [pair.without(metric, why) for metric in metrics]


def _drop(now: EndpointSignals, before: EndpointSignals, settings: DriftSettings) -> Measure:
    note = (
        f"{now.requests_per_minute:.4g} requests a minute, {before.requests_per_minute:.4g} before"
    )
    if not before.requests:
        pair = Comparison(ENDPOINT, 0, now.requests, "insufficient", "no requests before")
        return pair.without(Metric.ENDPOINT_REQUEST_DROP, note)
    drop = 1 - now.requests_per_minute / before.requests_per_minute
    pair = Comparison(ENDPOINT, before.requests, now.requests, "ready")
    return pair.measure(
        Metric.ENDPOINT_REQUEST_DROP, drop, settings.endpoint_request_drop, 0.0, note
    )


def _fact(
    pair: Comparison, metric: Metric, value: float | None, threshold: float, note: str
) -> Measure:
    """Make a measure that needs no test: what is logged is what happened."""
    if value is None:
        return pair.without(metric, "the endpoint was not asked")
    return pair.measure(metric, value, threshold, 0.0, note)
