"""The timer asks for what no alert asks for, once, and when the policy would act on it."""

from datetime import timedelta
from itertools import pairwise

import pytest

from shared.domain.actor import Actor
from shared.domain.run import State
from shared.errors import Unavailable
from shared.handlers.schedule_retrains import METRICS_TABLE
from tests.fakes.clock import START
from tests.fakes.loop import FakeLoop, poor
from tests.fakes.samples import MODEL, alert_of, catalogue_of, model_document

ANA = Actor("ana@example.com")
DAY = timedelta(days=1)
ACTUALS = "lh_gold.flights_actuals"
COLUMNS = {**model_document()["columns"], "actual_timestamp": "known_at"}


def loop_of(*, schedule=None, tags=None, **policy):
    """Give a loop whose champion has the tags that a training writes."""
    quiet = {"volume_growth": None, **(schedule or {})}
    document = model_document(policy={"schedule": quiet, **policy}, columns=COLUMNS)
    loop = FakeLoop(catalogue_of(document))
    training = {"training_end": (START - 30 * DAY).isoformat(), "training_rows": "100"}
    loop.ports.registry.annotate(MODEL, loop.champion, {**training, **(tags or {})})
    return loop


def check(loop, at=None, status="TRIGGER", model=MODEL, metric="DRIFT_VERDICT"):
    """Write the summary row of a drift check, as the drift timer does."""
    moment = at or loop.ports.clock.now()
    row = {
        "run_id": f"check-{moment:%d%H}",
        "run_timestamp": moment,
        "model_name": model,
        "model_version": "1",
        "feature_name": "__summary__",
        "metric_type": metric,
        "status": status,
        "severity": "P1",
        "reference_days": 28,
        "current_days": 28,
        "note": "SEVERE_INPUT_DRIFT: temp",
    }
    batch = int(moment.timestamp())
    loop.ports.tables.append(METRICS_TABLE, [row], writer=f"w:{model}:{metric}", batch=batch)


def days(loop, count, *, first=False, **verdict):
    """Let days pass: each has its drift check at 04:00 and three ticks; gives the receipts.

    With ``first`` it ends with the first day that has one.
    """
    receipts = []
    for _ in range(count):
        loop.ports.clock.set(loop.ports.clock.now().replace(hour=4, minute=0, second=0) + DAY)
        check(loop, **verdict)
        for _ in range(3):
            loop.ports.clock.advance(hours=1)
            receipts += loop.schedule().receipts
            loop.drain()
        if first and receipts:
            return receipts
    return receipts


def ticks(loop, count=4):
    found = [loop.schedule() for _ in range(count)]
    assert not any(tick.failed for tick in found)
    return [receipt for tick in found for receipt in tick.receipts]


def test_the_summary_row_these_tests_write_has_the_drift_check_s_name():
    from shared.domain.drift.measures import SUMMARY

    assert SUMMARY == "__summary__"


def test_a_quiet_catalogue_asks_for_nothing_and_writes_nothing():
    loop = loop_of()

    assert ticks(loop) == []
    assert not loop.ports.store.commits


def test_a_fixed_time_starts_one_run_however_often_the_timer_comes():
    loop = loop_of(schedule={"cron": "0 3 * * *"})

    (receipt,) = ticks(loop)
    loop.drain()

    assert (receipt.decision, loop.run().state) == ("accepted", State.STAGED)
    assert loop.run().trigger.kind == "schedule"
    row = next(iter(loop.ports.store.chain(MODEL)))
    assert (row["subject"], row["subject_type"]) == ("retrain-timer", "system")
    assert ticks(loop) == []


def test_a_fixed_time_in_a_suppression_is_recorded_once_and_passed_over():
    loop = loop_of(schedule={"cron": "0 3 * * *"})
    loop.suppress(MODEL, START + DAY / 2, "stocktaking", ANA)

    (receipt,) = ticks(loop)

    assert receipt.reason.startswith("suppressed: ")
    assert loop.actions() == ["model.suppressed/success", "run.skipped/success"]


def test_a_model_that_is_too_old_is_retrained_and_its_challenger_is_young():
    loop = loop_of(schedule={"max_age_days": 30})

    (receipt,) = ticks(loop)
    loop.drain()
    young = {"training_end": START.isoformat(), "training_rows": "120"}
    loop.ports.registry.annotate(MODEL, loop.run().version, young)
    loop.ports.clock.advance(days=2)

    assert receipt.decision == "accepted"
    assert "30 days ago; 30 are allowed" in loop.run().trigger.reason
    assert ticks(loop) == []


def test_a_retrain_for_age_that_fails_is_tried_again_a_day_later_and_within_the_budget():
    loop = loop_of(schedule={"max_age_days": 30}, budget={"runs": 3, "days": 30})
    loop.job_status = "Failed"

    started = []
    for _ in range(8 * 24):
        started += [loop.ports.clock.now() for _ in loop.schedule().receipts]
        loop.drain()
        loop.ports.clock.advance(hours=1)

    assert len(started) == len(loop.runs()) == 3
    assert all(later - earlier >= DAY for earlier, later in pairwise(started))


def test_new_rows_beyond_the_growth_ask_for_a_retrain():
    loop = loop_of(schedule={"volume_growth": 0.10})
    rows = [
        {"id": f"f-{number}", "delay": 1.0, "known_at": START - DAY - timedelta(minutes=number)}
        for number in range(9)
    ]
    loop.ports.counts.write(ACTUALS, rows)
    assert ticks(loop) == []

    loop.ports.counts.write(ACTUALS, [{"id": "f-9", "delay": 1.0, "known_at": START - DAY}])
    (receipt,) = ticks(loop)

    assert receipt.decision == "accepted"
    assert loop.run().trigger.kind == "volume"
    assert "10 rows became known since version 1 was trained on 100" in loop.run().trigger.reason


def test_rows_are_not_counted_while_the_policy_would_not_act_on_them():
    loop = loop_of(schedule={"volume_growth": 0.10, "retry_hours": 1})
    loop.receive(alert_of())
    loop.drain()
    loop.ports.clock.advance(days=2)
    loop.ports.counts.faults.order(Unavailable("must not be asked"))

    assert ticks(loop) == []


def test_an_alert_passed_over_while_the_model_cooled_down_is_made_up_for_when_it_has():
    loop = loop_of()
    loop.candidate = poor
    loop.receive(alert_of(1))
    loop.drain()
    assert loop.run().state is State.REJECTED
    loop.ports.clock.advance(days=1)
    passed = loop.receive(alert_of(2, fired_at=loop.ports.clock.now()))
    assert passed.reason.startswith("cooling_down: ")

    receipts = days(loop, 12, first=True)

    (receipt,) = receipts
    run = next(run for run in loop.runs() if run.run_id == receipt.run_id)
    assert START + 7 * DAY <= run.created_at < START + 8 * DAY
    assert receipt.decision == "accepted"
    assert (run.trigger.kind, run.trigger.key) == ("drift", "check-0804")
    assert "still says TRIGGER and no run has answered it" in run.trigger.reason
    assert f"({passed.run_id} was skipped: cooling_down: " in run.trigger.reason
    assert not loop.breaches()


def test_an_alert_passed_over_in_a_suppression_is_made_up_for_when_it_is_over():
    loop = loop_of()
    loop.suppress(MODEL, START + 3 * DAY, "stocktaking", ANA)
    loop.receive(alert_of())

    (receipt,) = days(loop, 6, first=True)

    run = next(run for run in loop.runs() if run.run_id == receipt.run_id)
    assert run.created_at == START + 3 * DAY + timedelta(hours=1)


def test_an_alert_merged_into_a_run_that_came_to_nothing_is_made_up_for():
    loop = loop_of()
    loop.job_status = "Failed"
    loop.request.by_hand(MODEL, "why not", ANA, "k")
    merged = loop.receive(alert_of())
    assert merged.reason.startswith("merged: ")
    loop.drain()
    loop.job_status = "Completed"

    (receipt,) = days(loop, 3, first=True)

    assert receipt.decision == "accepted"
    assert [run.state for run in loop.runs()][-1] is State.STAGED


def test_a_verdict_whose_alert_never_came_is_answered_after_an_hour():
    loop = loop_of()
    check(loop)

    assert ticks(loop) == []
    loop.ports.clock.advance(minutes=59)
    assert ticks(loop) == []
    loop.ports.clock.advance(minutes=1)
    (receipt,) = ticks(loop)

    assert receipt.decision == "accepted"


@pytest.mark.parametrize(
    "verdict",
    [
        {"status": "NO_TRIGGER"},
        {"status": "INSUFFICIENT_DATA"},
        {"metric": "DRIFT_VERDICT_CHAMPION"},
        {"model": "another"},
    ],
)
def test_other_rows_of_the_drift_check_ask_for_nothing(verdict):
    loop = loop_of()

    assert days(loop, 2, **verdict) == []


def test_only_the_latest_verdict_counts():
    loop = loop_of()
    check(loop, START - DAY / 2, "TRIGGER")
    check(loop, START - timedelta(hours=2), "NO_TRIGGER")

    assert ticks(loop) == []


def test_a_verdict_older_than_a_replay_may_be_asks_for_nothing():
    loop = loop_of()
    check(loop, START - timedelta(hours=24, microseconds=1))

    assert ticks(loop) == []


def test_drift_that_no_retrain_cures_is_retried_at_the_cool_down_s_pace():
    loop = loop_of()
    loop.candidate = poor
    loop.receive(alert_of())
    loop.drain()

    days(loop, 22)

    acted = [run.created_at for run in loop.runs() if run.state is not State.SKIPPED]
    assert len(acted) == 4
    gaps = [later - earlier for earlier, later in pairwise(acted)]
    assert all(7 * DAY <= gap < 8 * DAY + timedelta(hours=2) for gap in gaps)


def test_a_model_that_cannot_be_looked_at_harms_no_other():
    quiet = {"schedule": {"cron": "0 3 * * *", "volume_growth": None, "max_age_days": 1}}
    names = ("broken", MODEL)
    loop = FakeLoop(catalogue_of(*(model_document(name, policy=quiet) for name in names)))
    version = loop.ports.registry.register("broken")
    loop.ports.registry.set_champion("broken", version)
    loop.suppress("broken", START + timedelta(minutes=30), "so that it is past its cron", ANA)
    loop.schedule()
    loop.ports.clock.advance(hours=1)

    tick = loop.schedule()

    assert list(tick.failed) == ["broken"]
    assert "training_end" in tick.failed["broken"]
    assert loop.run().trigger.kind == "schedule"


def test_a_model_without_a_champion_has_no_age():
    loop = FakeLoop(catalogue_of(model_document("new", policy={"schedule": {"max_age_days": 1}})))

    tick = loop.schedule()

    assert (tick.receipts, tick.failed) == ((), {})


def test_a_lakehouse_that_is_down_is_asked_again_by_the_next_tick():
    loop = loop_of(schedule={"volume_growth": 0.10})
    loop.ports.counts.faults.order(Unavailable("OneLake does not answer"))

    first = loop.schedule()
    loop.ports.counts.write(ACTUALS, [{"id": "f", "delay": 1.0, "known_at": START - DAY}])
    second = loop.schedule()

    assert first.failed == {MODEL: "Unavailable: OneLake does not answer"}
    assert second.failed == {}


def test_a_queue_that_was_down_is_made_up_for_by_the_sweeper():
    loop = loop_of(schedule={"cron": "0 3 * * *"})
    loop.ports.queues.faults.order(Unavailable("queues are down"))

    assert list(loop.schedule().failed) == [MODEL]
    loop.settle()

    assert loop.run().state is State.STAGED
