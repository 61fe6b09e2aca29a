"""NCRONTAB by the rules of NCrontab, where croniter's own differ."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from local.functions_host.errors import InvalidSchedule
from local.functions_host.ncrontab import parse_schedule

START = datetime(2013, 7, 1, 12, 0, 30, tzinfo=UTC)  # a Monday


def after(expression, start=START, count=1):
    schedule = parse_schedule(expression)
    found = []
    for _ in range(count):
        start = schedule.next_after(start)
        found.append(start)
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("*/5 * * * * *", START + timedelta(seconds=5)),
        ("0 */5 * * * *", datetime(2013, 7, 1, 12, 5, tzinfo=UTC)),
        ("0 30 2 * * *", datetime(2013, 7, 2, 2, 30, tzinfo=UTC)),
        ("*/5 * * * *", datetime(2013, 7, 1, 12, 5, tzinfo=UTC)),
        ("0 0 0 * * 0", datetime(2013, 7, 7, tzinfo=UTC)),
        ("0 0 0 * * 6", datetime(2013, 7, 6, tzinfo=UTC)),
        ("0 0 0 * * Monday", datetime(2013, 7, 8, tzinfo=UTC)),
        ("0 0 0 1 february *", datetime(2014, 2, 1, tzinfo=UTC)),
        ("0 0 0 * Ju *", datetime(2014, 6, 1, tzinfo=UTC)),
        ("0 0 0 * * tue,THU", datetime(2013, 7, 2, tzinfo=UTC)),
        ("0 0 0 29 2 *", datetime(2016, 2, 29, tzinfo=UTC)),
        ("0 50/4 * * * *", datetime(2013, 7, 1, 12, 50, tzinfo=UTC)),
        ("0 */0 * * * *", datetime(2013, 7, 1, 12, 1, tzinfo=UTC)),
    ],
)
def test_the_next_occurrence_follows_the_rules(expression, expected):
    assert after(expression) == [expected]


def test_day_of_month_and_day_of_week_must_both_match():
    assert after("0 0 0 13 * Fri", count=2) == [
        datetime(2013, 9, 13, tzinfo=UTC),
        datetime(2013, 12, 13, tzinfo=UTC),
    ]


def test_a_step_from_a_number_runs_to_the_end_of_the_field():
    minutes = [moment.minute for moment in after("0 50/4 * * * *", count=4)]

    assert minutes == [50, 54, 58, 50]


def test_a_range_written_backwards_is_turned_round():
    assert parse_schedule("0 0 17-9 * * *").numbers == parse_schedule("0 0 9-17 * * *").numbers


def test_an_occurrence_is_strictly_later_than_the_moment_asked():
    first = after("0 0 * * * *")[0]

    assert after("0 0 * * * *", start=first) == [first + timedelta(hours=1)]


def test_times_of_another_zone_are_taken_in_utc():
    start = START.astimezone(timezone(timedelta(hours=5)))

    assert after("0 0 13 * * *", start=start) == [datetime(2013, 7, 1, 13, tzinfo=UTC)]


def test_a_date_that_does_not_exist_never_fires():
    assert parse_schedule("0 0 0 30 2 *").next_after(START) is None


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 0 * * 7",
        "0 0 0 L * *",
        "0 0 0 15W * *",
        "0 0 0 ? * *",
        "0 0 0 * * 5#2",
        "@hourly",
        "00:05:00",
        "* * * *",
        "* * * * * * *",
        "",
        "60 * * * * *",
        "0 0 24 * * *",
        "0 0 0 0 * *",
        "0 0 0 * 13 *",
        "0 0 0 * * Mondays",
        "0 mon * * * *",
        "0 1, * * * *",
        "0 -5 * * * *",
        "0 *-5 * * * *",
        "0 */-1 * * * *",
        "0 */x * * * *",
    ],
)
def test_what_the_real_host_refuses_is_refused(expression):
    with pytest.raises(InvalidSchedule):
        parse_schedule(expression)


def test_the_error_says_what_is_wrong():
    with pytest.raises(InvalidSchedule, match="day of the week 7 is not between 0 and 6"):
        parse_schedule("0 0 0 * * 7")
