"""What asks without an alert: once an occurrence, with the numbers behind it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.run import Run, SkipReason, State, Trigger
from shared.domain.standing import (
    Past,
    Trained,
    by_age,
    by_clock,
    by_verdict,
    by_volume,
)
from shared.sections.policy import Policy

NOW = datetime(2013, 7, 1, 4, 0, tzinfo=UTC)
TICK = timedelta(microseconds=1)
TRAINED = Trained("3", NOW - timedelta(days=90), 1000)
NOTHING = Past(())
VERDICT = {
    "run_id": "check-1",
    "status": "TRIGGER",
    "run_timestamp": NOW - timedelta(hours=1),
    "note": "SEVERE_INPUT_DRIFT: temp",
}


def policy(**schedule):
    return Policy.model_validate({"schedule": schedule})


def run_of(state, created_at, run_id="run-1", reason=""):
    trigger = Trigger("drift", "k", "", created_at, "drift was seen")
    return Run("m", run_id, state, trigger, created_at, created_at, reason=reason)


def test_a_fixed_time_asks_once_for_its_occurrence():
    monthly = policy(cron="0 3 1 * *")

    trigger = by_clock(monthly, NOW)

    assert trigger == Trigger(
        "schedule",
        "cron:2013-07-01T03:00:00+00:00",
        "",
        NOW - timedelta(hours=1),
        "schedule: 0 3 1 * * came at 2013-07-01 03:00Z",
        "retrain-timer",
    )
    assert by_clock(monthly, NOW + timedelta(hours=20)) == trigger


@pytest.mark.parametrize(
    ("cron", "now", "asks"),
    [
        (None, NOW, False),
        ("0 4 1 7 *", NOW, True),
        ("0 4 1 7 *", NOW - TICK, False),
        ("0 4 * * *", NOW + timedelta(hours=23), True),
        ("0 4 1 7 *", NOW + timedelta(hours=24), True),
        ("0 4 1 7 *", NOW + timedelta(hours=24) + TICK, False),
    ],
)
def test_a_fixed_time_that_was_missed_is_made_up_for_within_a_day(cron, now, asks):
    assert (by_clock(policy(cron=cron), now) is not None) == asks


def test_day_and_weekday_must_both_match_as_in_the_app_s_timers():
    first_monday = policy(cron="0 3 1-7 * MON")

    assert first_monday.schedule.latest(datetime(2013, 7, 31, tzinfo=UTC)) == datetime(
        2013, 7, 1, 3, tzinfo=UTC
    )


def test_age_asks_when_the_training_rows_end_too_long_ago():
    limited = policy(max_age_days=90)

    trigger = by_age(limited, TRAINED, NOTHING, NOW)

    assert (trigger.kind, trigger.key) == ("schedule", "age:3:first")
    assert "rows up to 2013-04-02, 90 days ago; 90 are allowed" in trigger.reason
    assert by_age(limited, TRAINED, NOTHING, NOW - TICK) is None
    assert by_age(policy(), TRAINED, NOTHING, NOW + timedelta(days=999)) is None


@pytest.mark.parametrize(
    ("rows", "growth", "asks"),
    [(100, 0.10, True), (99, 0.10, False), (500, None, False), (251, 0.25, True)],
)
def test_new_rows_ask_once_they_are_enough_beside_those_of_the_training(rows, growth, asks):
    trigger = by_volume(policy(volume_growth=growth), TRAINED, rows, NOTHING, NOW)

    assert (trigger is not None) == asks


def test_the_reason_of_growth_has_the_rows_in_it():
    trigger = by_volume(policy(), TRAINED, 134, NOTHING, NOW)

    assert (trigger.kind, trigger.key) == ("volume", "volume:3:first")
    assert trigger.reason == (
        "volume: 134 rows became known since version 3 was trained on 1000: +13.4%, "
        "asked for at +10.0%"
    )


@pytest.mark.parametrize("rows", [None, 0])
def test_a_version_that_does_not_say_its_rows_cannot_have_outgrown_them(rows):
    assert by_volume(policy(), replace(TRAINED, rows=rows), 10**9, NOTHING, NOW) is None


def test_what_still_stands_after_a_run_asks_anew_and_not_under_the_old_name():
    after = Past((run_of(State.JOB_FAILED, NOW - timedelta(days=2)),))

    first = by_age(policy(max_age_days=1), TRAINED, NOTHING, NOW)
    second = by_age(policy(max_age_days=1), TRAINED, after, NOW)

    assert (first.key, second.key) == ("age:3:first", "age:3:run-1")


def test_a_verdict_that_nobody_answered_asks_in_its_check_s_name():
    trigger = by_verdict(Policy(), VERDICT, NOTHING, NOW)

    assert (trigger.kind, trigger.key, trigger.fired_at) == (
        "drift",
        "check-1",
        VERDICT["run_timestamp"],
    )
    assert trigger.reason == (
        "drift: check check-1 of 2013-07-01 03:00Z still says TRIGGER and no run has answered it; "
        "SEVERE_INPUT_DRIFT: temp"
    )


def test_the_reason_names_the_trigger_that_was_passed_over():
    passed = run_of(
        State.SKIPPED,
        NOW - timedelta(days=3),
        "run-s",
        f"{SkipReason.COOLING_DOWN}: run-0 answered",
    )
    trigger = by_verdict(Policy(), VERDICT, Past((passed,)), NOW)

    assert "(run-s was skipped: cooling_down: run-0 answered)" in trigger.reason


@pytest.mark.parametrize(
    ("verdict", "runs"),
    [
        (None, ()),
        ({**VERDICT, "status": "NO_TRIGGER"}, ()),
        ({**VERDICT, "status": "INSUFFICIENT_DATA"}, ()),
        ({**VERDICT, "run_timestamp": NOW - timedelta(hours=1) + TICK}, ()),
        (VERDICT, (run_of(State.REJECTED, NOW - timedelta(minutes=55)),)),
        (VERDICT, (run_of(State.RUNNING, VERDICT["run_timestamp"]),)),
    ],
    ids=[
        "never checked",
        "quiet",
        "too little data",
        "its alert may come",
        "answered",
        "answering",
    ],
)
def test_other_verdicts_ask_for_nothing(verdict, runs):
    assert by_verdict(Policy(), verdict, Past(runs), NOW) is None


@pytest.mark.parametrize("state", [State.SKIPPED, State.REJECTED, State.JOB_FAILED])
def test_a_verdict_is_not_answered_by_an_older_run_or_by_a_record(state):
    moment = NOW if state is State.SKIPPED else NOW - timedelta(days=8)

    assert by_verdict(Policy(), VERDICT, Past((run_of(state, moment),)), NOW) is not None


def test_what_stands_rests_after_any_run_but_not_after_a_record():
    acted = run_of(State.JOB_FAILED, NOW - timedelta(hours=24) + TICK)

    assert not Past((acted,)).rested(Policy(), NOW)
    assert Past((acted,)).rested(Policy(), NOW + TICK)
    assert Past((replace(acted, state=State.SKIPPED),)).rested(Policy(), NOW)
    assert NOTHING.rested(Policy(), NOW)


@given(
    st.datetimes(datetime(2013, 1, 1), datetime(2016, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis wants naive bounds
    st.sampled_from(
        ["*/15 * * * *", "0 3 * * MON", "30 2 29 2 *", "0 0 1-7 * 0", "5,35 */6 * 1-6 *"]
    ),
)
def test_the_latest_fixed_time_is_never_ahead_and_the_same_until_the_next(now, cron):
    schedule = policy(cron=cron).schedule

    latest = schedule.latest(now)

    assert latest <= now
    assert schedule.latest(latest) == latest
    assert schedule.latest(latest - TICK) < latest
