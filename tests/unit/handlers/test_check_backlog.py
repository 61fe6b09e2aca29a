"""A timer that is killed, two hundred models, and what is caught up with afterwards."""

import threading
from datetime import timedelta

import pytest

from shared.domain.audit import timestamp
from shared.errors import NoChampion, Unavailable
from shared.handlers import check_drift, messages
from shared.handlers.check_backlog import AGAIN, CheckBacklog
from shared.handlers.check_drift import CheckResult, DriftDeps, check_all, check_model
from shared.handlers.sweep import Sweep
from tests.fakes.clock import START, FakeClock
from tests.fakes.fuse import Killed
from tests.fakes.loop import STALLED_AFTER, FakeLoop
from tests.fakes.marks import FakeMarks
from tests.fakes.queues import FakeQueues
from tests.fakes.samples import catalogue_of, model_document

MODELS = 200


class Checks:
    """Stands for the check of one model: notes it, and breaks where a test says so."""

    def __init__(self, monkeypatch):
        self.done = []
        self.errors = {}
        self.most = self._now = 0
        self._lock = threading.Lock()
        monkeypatch.setattr(check_drift, "_check", self)

    def __call__(self, deps, model, now):
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            if model.name in self.errors:
                raise self.errors[model.name]
            self.done.append((model.name, now))
            return CheckResult(model.name, "1", ("1",), "c", "NO_TRIGGER", "HEALTHY", (), "")
        finally:
            with self._lock:
                self._now -= 1


@pytest.fixture
def catalogue():
    return catalogue_of(*(model_document(f"model-{number}") for number in range(MODELS)))


@pytest.fixture
def checks(monkeypatch):
    return Checks(monkeypatch)


@pytest.fixture
def deps():
    clock = FakeClock()
    queues, marks = FakeQueues(clock), FakeMarks()
    nothing = (None,) * 4
    return DriftDeps(*nothing, queues, None, None, marks, dict)


def sweep_at(deps, catalogue, after):
    loop = FakeLoop(catalogue_of())
    loop.ports.clock.set(START + after)
    backlog = CheckBacklog(deps.marks, deps.queues)
    return Sweep(catalogue, loop.steps, STALLED_AFTER, backlog)().checks


def queued(deps):
    return [sent.message for sent in deps.queues.sent if sent.queue == messages.DRIFT_CHECKS]


def test_two_hundred_models_are_checked_a_few_at_a_time_with_the_progress_in_the_log(
    deps, catalogue, checks, caplog
):
    caplog.set_level("INFO")

    summary = check_all(deps, catalogue.models, START, concurrency=4)

    assert [result.model for result in summary.results] == [m.name for m in catalogue.models]
    assert 1 <= checks.most <= 4
    assert f"drift check {MODELS} of {MODELS}: " in caplog.text
    assert queued(deps) == []


def test_models_that_fail_harm_no_other(deps, catalogue, checks):
    checks.errors = {f"model-{n}": Unavailable("registry: 503") for n in range(0, MODELS, 10)}

    summary = check_all(deps, catalogue.models, START, concurrency=4)

    assert len(summary.results) == MODELS * 9 // 10
    assert {message["model"] for message in queued(deps)} == set(checks.errors) == {*summary.failed}


def test_a_timer_that_was_killed_leaves_nothing_unchecked_and_nothing_checked_twice(
    deps, catalogue, checks
):
    checks.errors = {"model-100": Killed("the worker is gone")}
    with pytest.raises(Killed):
        check_all(deps, catalogue.models, START, concurrency=4)
    done = len(checks.done)
    checks.errors = {}

    count = sweep_at(deps, catalogue, STALLED_AFTER)
    for message in queued(deps):
        check_model(deps, catalogue.find(message["model"]), START)

    assert 100 - 4 <= done < MODELS
    assert count == MODELS - done
    assert len(checks.done) == MODELS == len({name for name, _ in checks.done})
    assert sweep_at(deps, catalogue, 2 * AGAIN) == 0


def test_a_message_means_the_moment_the_timer_meant(deps, catalogue, checks):
    checks.errors = {"model-0": Killed("gone")}
    with pytest.raises(Killed):
        check_all(deps, catalogue.models, START + timedelta(microseconds=5), concurrency=1)

    sweep_at(deps, catalogue, STALLED_AFTER)

    assert {message["at"] for message in queued(deps)} == {timestamp(START)}


def test_a_timer_that_is_still_at_work_is_left_to_it(deps, catalogue, checks):
    deps.backlog.begin(START)

    assert sweep_at(deps, catalogue, STALLED_AFTER - timedelta(seconds=1)) == 0
    assert sweep_at(deps, catalogue, STALLED_AFTER) == MODELS


def test_before_the_first_timer_nothing_is_due(deps, catalogue):
    assert sweep_at(deps, catalogue, timedelta(days=400)) == 0


def test_what_is_queued_is_left_alone_for_an_hour_and_then_queued_again(deps, catalogue, checks):
    deps.backlog.begin(START)
    sweep_at(deps, catalogue, STALLED_AFTER)

    assert sweep_at(deps, catalogue, STALLED_AFTER + AGAIN - timedelta(seconds=1)) == 0
    assert sweep_at(deps, catalogue, STALLED_AFTER + AGAIN) == MODELS


def test_a_check_that_no_retry_helps_is_tried_by_the_queue_and_not_by_the_sweeper(
    deps, catalogue, checks, caplog
):
    checks.errors = {"model-7": NoChampion("model-7 has no champion")}

    summary = check_all(deps, catalogue.models, START, concurrency=4)

    assert summary.failed == {"model-7": "NoChampion: model-7 has no champion"}
    assert [message["model"] for message in queued(deps)] == ["model-7"]
    assert sweep_at(deps, catalogue, AGAIN) == 0
    assert "model-7 has no champion" in caplog.text


def test_a_queue_that_is_down_leaves_the_check_to_the_sweeper(deps, catalogue, checks, caplog):
    checks.errors = {"model-7": Unavailable("registry: 503")}
    deps.queues.faults.order(Unavailable("queues: 503"))

    summary = check_all(deps, catalogue.models, START, concurrency=4)
    checks.errors = {}

    assert len(summary.results) == MODELS - 1
    assert queued(deps) == []
    assert sweep_at(deps, catalogue, STALLED_AFTER) == 1
    assert [message["model"] for message in queued(deps)] == ["model-7"]


def test_the_next_timer_makes_all_of_them_due_again(deps, catalogue, checks):
    check_all(deps, catalogue.models, START, concurrency=4)
    deps.backlog.begin(START + timedelta(days=1))

    assert sweep_at(deps, catalogue, timedelta(days=1) + STALLED_AFTER) == MODELS
