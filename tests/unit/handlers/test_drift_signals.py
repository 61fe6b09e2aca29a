"""Which signals a check gathers, for which version, and what is read for them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from shared.catalogue import Model
from shared.domain.drift.check import plan_check
from shared.domain.drift.columns import Scratch
from shared.domain.drift.spec import DayProfile, Reference
from shared.domain.drift.window import profile_reference
from shared.errors import Unavailable
from shared.handlers.drift_signals import Signals
from shared.ports import Groups, ModelVersion, Window
from tests.fakes.endpoint import FakeEndpointMonitor, Request
from tests.fakes.samples import model_document

NOW = datetime(2013, 6, 1, 4, tzinfo=UTC)
DAY = timedelta(days=1)
CUTOFF = NOW - 30 * DAY
NAMES = ("a", "b", "c", "d")


@dataclass
class FakeWindows:
    """A hundred rows a day, as many of each site; the south is favoured less from ``apart`` on."""

    apart: datetime = NOW + DAY
    reads: list = field(default_factory=list)

    def groups(self, model, version, start, end):
        self.reads.append(("groups", version, start, end))
        parts = [self._day(start + DAY * step) for step in range(round((end - start) / DAY))]
        site = np.tile(["north", "south"], 50 * len(parts))
        return Groups(np.concatenate(parts), {"site": site})

    def _day(self, day):
        south = 0.0 if day >= self.apart else 1.0
        return np.tile([1.0, south], 50)

    def served(self, model, version, start, end):
        self.reads.append(("served", version, start, end))
        values = np.random.default_rng(1).normal(size=(500, len(NAMES)))
        table = pa.table(dict(zip(NAMES, values.T, strict=True)))
        return Window(start, end, table, values[:, 0], values @ np.arange(1.0, 5.0))


def signals(windows, serves=True, tags=None, **drift):
    features = [{"name": name, "kind": "numeric"} for name in NAMES]
    model = Model.model_validate(model_document(features=features, drift=drift))
    version = ModelVersion(model.name, "3", "r", "Production", frozenset(), tags or {}, "")
    plan = plan_check(model, CUTOFF, NOW)
    return Signals(windows, lambda: {"numpy": "2.4.6"}, model, version, plan, serves)


def found(gathered, rows=100):
    """Give each window's measures by metric, for a version with so many rows a day."""
    model, plan = gathered.model, gathered.plan
    table = pa.table({name: np.arange(9000.0) for name in NAMES})
    blank = np.full(9000, np.nan)
    whole = Window(plan.reference.start, plan.reference.end, table, blank, blank)
    profile = profile_reference(model, whole, Scratch())
    reference = Reference(plan.reference.start, plan.reference.end, 10, profile)
    first, end = plan.days
    empty = reference.spec.blank()
    days = [
        DayProfile(first + DAY * step, profile if rows else empty)
        for step in range((end - first).days)
    ]
    return [{str(m.metric): m for m in window} for window in gathered.measures(reference, days)]


def test_a_champion_has_volume_in_every_window_and_the_rest_in_the_latest():
    windows = FakeWindows()

    latest, *earlier = found(signals(windows))

    assert set(latest) == {"VOLUME_DROP", "STALE_HOURS", "PACKAGES_DIFFER"}
    assert [set(window) for window in earlier] == [{"VOLUME_DROP"}] * 2
    assert windows.reads == []


def test_a_challenger_that_nobody_asks_is_not_told_to_be_silent():
    latest, *_ = found(signals(FakeWindows(), serves=False), rows=0)

    assert set(latest) == {"PACKAGES_DIFFER"}


def test_a_champion_that_nobody_asks_any_more_is():
    latest, *_ = found(signals(FakeWindows()), rows=0)

    assert latest["VOLUME_DROP"].value == 1
    assert latest["STALE_HOURS"].value == 9 * 24


def test_the_packages_are_held_against_the_versions_lock():
    latest, *_ = found(signals(FakeWindows(), tags={"requirements": "numpy==2.4.5"}))

    assert latest["PACKAGES_DIFFER"].value == 1


def test_parity_is_measured_in_every_window_and_each_row_is_read_once():
    windows = FakeWindows(apart=NOW - 2 * DAY - timedelta(hours=4))

    measured = found(signals(windows, parity_attributes=["site"]))

    values = [window["PARITY_DIFFERENCE"].value for window in measured]
    assert values == [pytest.approx(share) for share in (2 / 7, 1 / 7, 0)]
    spans = sorted((start, end) for _, _, start, end in windows.reads)
    assert spans[0] == (CUTOFF - 90 * DAY, CUTOFF)
    assert all(one[1] <= two[0] for one, two in pairwise(spans))


def test_importance_is_measured_where_it_is_asked_for():
    windows = FakeWindows()

    latest, *earlier = found(signals(windows, importance=True))

    assert latest["IMPORTANCE_SPEARMAN"].value == pytest.approx(1)
    assert all("IMPORTANCE_SPEARMAN" not in window for window in earlier)
    assert [read[0] for read in windows.reads] == ["served", "served"]


def with_endpoint(monitor, serves=True):
    log = {"workspace_id": "6f0d3a52-8c1e-4b67-9a44-2d5b1f7c9e02", "value": "POST /score"}
    features = [{"name": name, "kind": "numeric"} for name in NAMES]
    document = model_document(features=features, endpoint_log=log)
    model = Model.model_validate(document)
    version = ModelVersion(model.name, "3", "r", "Production", frozenset(), {}, "")
    plan = plan_check(model, CUTOFF, NOW)
    return Signals(FakeWindows(), dict, model, version, plan, serves, monitor)


def asked(count, days_ago, milliseconds=20.0, ok=True):
    at = datetime(2013, 6, 1, tzinfo=UTC) - days_ago * DAY
    return [Request("POST /score", at, milliseconds, ok) for _ in range(count)]


def test_a_slow_endpoint_that_fails_and_is_asked_less_is_told_with_its_figures():
    monitor = FakeEndpointMonitor()
    monitor.requests = asked(90, 1) + asked(10, 1, milliseconds=400.0, ok=False) + asked(400, 8)

    latest, *earlier = found(with_endpoint(monitor))

    assert latest["ENDPOINT_P99_MS"].value == 400.0
    assert latest["ENDPOINT_P95_MS"].value == 400.0
    assert latest["ENDPOINT_ERROR_RATE"].value == pytest.approx(0.1)
    assert latest["ENDPOINT_REQUEST_DROP"].value == pytest.approx(0.75)
    assert latest["ENDPOINT_REQUEST_DROP"].value > latest["ENDPOINT_REQUEST_DROP"].threshold
    assert not any(name.startswith("ENDPOINT") for window in earlier for name in window)


def test_an_endpoint_nobody_asked_has_no_figures_and_says_so():
    latest, *_ = found(with_endpoint(FakeEndpointMonitor()))

    for name in ("ENDPOINT_P95_MS", "ENDPOINT_P99_MS", "ENDPOINT_ERROR_RATE"):
        assert latest[name].value is None
        assert latest[name].readiness == "insufficient"
    assert latest["ENDPOINT_REQUEST_DROP"].note == "no requests before"


def test_a_log_that_does_not_answer_is_unknown_and_the_check_goes_on():
    monitor = FakeEndpointMonitor()
    monitor.faults.order(Unavailable("log analytics: 503"))

    latest, *_ = found(with_endpoint(monitor))

    assert latest["ENDPOINT_P99_MS"].readiness == "unknown"
    assert "503" in latest["ENDPOINT_P99_MS"].note
    assert "VOLUME_DROP" in latest


def test_only_the_champions_endpoint_is_looked_at():
    latest, *_ = found(with_endpoint(FakeEndpointMonitor(), serves=False))

    assert not any(name.startswith("ENDPOINT") for name in latest)
