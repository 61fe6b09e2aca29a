"""The rows the scenarios are made of."""

from datetime import date, timedelta

import numpy as np
import pytest

from local.scenarios import SCENARIOS
from local.scenarios.slot_revenue import AFTER, BEFORE, draw
from local.scenarios.tables import is_held

EVERY_SCENARIO = pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)


@EVERY_SCENARIO
def test_rows_have_unique_ids_and_ordered_utc_timestamps(scenario):
    columns = scenario.spec.columns

    rows = scenario.source()

    assert rows[columns.id].is_unique
    assert rows[columns.timestamp].is_monotonic_increasing
    assert str(rows[columns.timestamp].dt.tz) == "UTC"
    assert (rows[columns.actual_at] - rows[columns.timestamp]).eq(scenario.spec.label_lag).all()


@EVERY_SCENARIO
def test_the_story_reaches_past_its_next_check(scenario):
    spec = scenario.spec
    last = scenario.source()[spec.columns.timestamp].max()

    assert spec.champion_as_of < spec.alarm_at < spec.next_check_at < last


def test_flights_are_those_that_left_new_york_in_2013():
    rows = SCENARIOS["flights"].source()

    # 336,776 flights were scheduled and 8,255 of them never left.
    assert len(rows) == 336_776 - 8_255
    assert rows["dep_delay"].notna().all()
    assert set(rows["origin"]) == {"EWR", "JFK", "LGA"}


def test_a_flights_departure_in_new_york_is_told_in_utc():
    rows = SCENARIOS["flights"].source()

    first = rows[rows["flight_id"] == "2013-01-01-UA1545-EWR-515"].iloc[0]

    assert first["scheduled_departure"].isoformat() == "2013-01-01T10:15:00+00:00"
    assert (first["sched_dep_minute"], first["arr_delay"]) == (315, 11)
    assert first["temp"] == pytest.approx(39.02, abs=5)


def test_the_floor_after_the_rearrangement_has_the_shifted_distributions():
    before = draw(np.random.default_rng(1), BEFORE, 20_000)
    after = draw(np.random.default_rng(1), AFTER, 20_000)

    expected = {
        "coin_in": (1000, 1300), "coin_out": (900, 1200), "handle_pulls": (800, 950),
        "session_minutes": (35, 28), "payout_ratio": (0.90, 0.93), "unique_players": (10, 12),
        "avg_bet": (2.4, 2.9),
    }  # fmt: skip
    for name, means in expected.items():
        assert before[name].mean() == pytest.approx(means[0], rel=0.02)
        assert after[name].mean() == pytest.approx(means[1], rel=0.02)


def test_the_slot_rows_are_the_same_in_every_process():
    rows = SCENARIOS["slot-revenue"].source()

    assert rows.groupby("business_date").size().eq(200).all()
    assert rows["coin_in"].iloc[0] == pytest.approx(1008.5481918132961)


def test_days_set_aside_cover_every_weekday_alike():
    import pandas as pd

    days = pd.Series([(date(2013, 1, 1) + timedelta(days=n)).isoformat() for n in range(28)])

    held = days[is_held(days, every=4)]

    assert sorted(date.fromisoformat(day).weekday() for day in held) == list(range(7))
