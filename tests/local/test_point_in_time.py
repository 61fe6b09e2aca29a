"""Features as they were known at the label's time: never later ones, whatever the tables hold."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.point_in_time import FeatureClock, LeakError, join_as_of

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
KEYS = ["a", "b"]


def stamps(moments):
    return pd.to_datetime(pd.Series(list(moments), dtype="object"), utc=True).dt.as_unit("us")


def keys(rows):
    return pd.Series([row[0] for row in rows], dtype="str")


def labels(*rows):
    """Rows of (key, time)."""
    return pd.DataFrame({"key": keys(rows), "at": stamps(at for _, at in rows)})


def features(*rows):
    """Rows of (key, time, value)."""
    return pd.DataFrame(
        {
            "key": keys(rows),
            "seen": stamps(seen for _, seen, _ in rows),
            "value": pd.Series([value for *_, value in rows], dtype="float64"),
        }
    )


def joined(left, right, **clock):
    return join_as_of(left, right, by=["key"], at="at", clock=FeatureClock("seen", **clock))


def values(left, right, **clock):
    found = joined(left, right, **clock)["value"]
    return [None if pd.isna(value) else value for value in found]


def test_the_latest_value_before_the_label_counts_and_no_later_one():
    right = features(("a", NOON - HOUR, 1.0), ("a", NOON - MINUTE, 2.0), ("a", NOON + MINUTE, 3.0))

    assert values(labels(("a", NOON)), right) == [2.0]


def test_a_value_of_another_key_is_nobodys():
    assert values(labels(("a", NOON)), features(("b", NOON - HOUR, 1.0))) == [None]


def test_a_value_known_at_the_labels_very_time_counts_unless_only_earlier_ones_do():
    right = features(("a", NOON - HOUR, 1.0), ("a", NOON, 2.0))

    assert values(labels(("a", NOON)), right) == [2.0]
    assert values(labels(("a", NOON)), right, before=True) == [1.0]


def test_a_value_counts_from_when_it_could_be_read_not_from_its_own_time():
    right = features(("a", NOON - 3 * HOUR, 1.0), ("a", NOON - HOUR, 2.0))

    assert values(labels(("a", NOON)), right, delay=2 * HOUR) == [1.0]
    assert values(labels(("a", NOON)), right, delay=HOUR) == [2.0]


def test_a_value_too_old_is_missing_and_its_age_is_counted_from_its_own_time():
    right = features(("a", NOON - 3 * HOUR, 1.0))

    assert values(labels(("a", NOON)), right, max_age=3 * HOUR) == [1.0]
    assert values(labels(("a", NOON)), right, max_age=3 * HOUR - MINUTE) == [None]
    assert values(labels(("a", NOON)), right, delay=2 * HOUR, max_age=3 * HOUR) == [1.0]


def test_the_labels_keep_their_order_index_and_columns():
    left = labels(("b", NOON), ("a", NOON - HOUR), ("a", NOON)).set_index(pd.Index([7, 3, 5]))
    right = features(("a", NOON - 2 * HOUR, 1.0), ("a", NOON - MINUTE, 2.0))

    found = joined(left, right)

    assert found.index.tolist() == [7, 3, 5]
    assert found.columns.tolist() == ["key", "at", "value"]
    assert found["value"].isna().tolist() == [True, False, False]
    assert found["value"].tolist()[1:] == [1.0, 2.0]


def test_the_age_of_a_value_can_be_told():
    clock = FeatureClock("seen", delay=MINUTE)
    right = features(("a", NOON - HOUR, 1.0))

    found = join_as_of(labels(("a", NOON)), right, by=["key"], at="at", clock=clock, age="old")

    assert found["old"].tolist() == [pd.Timedelta(HOUR)]


def test_the_age_takes_no_features_place():
    clock = FeatureClock("seen")
    right = features(("a", NOON, 1.0))

    with pytest.raises(LeakError, match="two columns of these names: value"):
        join_as_of(labels(("a", NOON)), right, by=["key"], at="at", clock=clock, age="value")


def test_of_two_values_of_one_time_the_later_row_counts():
    right = features(("a", NOON - HOUR, 1.0), ("a", NOON - HOUR, 2.0))

    assert values(labels(("a", NOON)), right) == [2.0]


def test_times_of_different_units_are_compared_to_the_last_digit():
    left, right = labels(("a", NOON)), features(("a", NOON, 1.0))
    late = right.assign(seen=right["seen"].dt.as_unit("ns") + pd.Timedelta(1, "ns"))

    assert values(left, late) == [None]
    assert values(left, right.assign(seen=right["seen"].dt.as_unit("s"))) == [1.0]


def test_times_of_different_zones_are_compared_as_moments():
    left = labels(("a", NOON))
    berlin = left.assign(at=left["at"].dt.tz_convert("Europe/Berlin"))
    right = features(("a", NOON - MINUTE, 1.0), ("a", NOON + MINUTE, 2.0))
    tokyo = right.assign(seen=right["seen"].dt.tz_convert("Asia/Tokyo"))

    found = joined(berlin, tokyo)

    assert found["value"].tolist() == [1.0]
    assert found["at"].tolist() == berlin["at"].tolist()
    assert str(found["at"].dt.tz) == "Europe/Berlin"


def naive(rows, name):
    return rows.assign(**{name: rows[name].dt.tz_localize(None)})


def test_feature_rows_without_time_or_key_are_left_out():
    right = features(("a", None, 9.0), (None, NOON - MINUTE, 8.0), ("a", NOON - HOUR, 1.0))

    assert values(labels(("a", NOON)), right) == [1.0]


@pytest.mark.parametrize(
    ("left", "right", "said"),
    [
        (labels(("a", None)), features(("a", NOON, 1.0)), "without a time"),
        (labels(("a", NOON)).assign(value=0.0), features(("a", NOON, 1.0)), "already: value"),
        (labels(("a", NOON)).drop(columns="key"), features(("a", NOON, 1.0)), "no column key"),
        (labels(("a", NOON)), features(("a", NOON, 1.0)).drop(columns="seen"), "no column seen"),
        (naive(labels(("a", NOON)), "at"), features(("a", NOON, 1.0)), "of at and seen has a zone"),
        (
            labels(("a", NOON)),
            naive(features(("a", NOON, 1.0)), "seen"),
            "of at and seen has a zone",
        ),
        (labels(("a", NOON)).assign(at="2026"), features(("a", NOON, 1.0)), "at holds str"),
        (labels(("a", NOON)), features(("a", NOON, 1.0)).assign(seen=7), "seen holds int64"),
    ],
)
def test_what_would_be_a_guess_is_refused(left, right, said):
    with pytest.raises(LeakError, match=said):
        joined(left, right)


@pytest.mark.parametrize("clock", [{"delay": -MINUTE}, {"delay": HOUR, "max_age": MINUTE}])
def test_a_clock_that_contradicts_itself_is_refused(clock):
    with pytest.raises(LeakError):
        FeatureClock("seen", **clock)


minutes = st.integers(-240, 240).map(lambda n: NOON + n * MINUTE)
some_labels = st.lists(st.tuples(st.sampled_from(KEYS), minutes), min_size=1, max_size=8)
some_features = st.lists(
    st.tuples(st.sampled_from(KEYS), minutes, st.integers(0, 99).map(float)), max_size=12
)
clocks = st.fixed_dictionaries(
    {
        "delay": st.integers(0, 60).map(lambda n: n * MINUTE),
        "max_age": st.none() | st.integers(60, 300).map(lambda n: n * MINUTE),
        "before": st.booleans(),
    }
)


def known(seen, at, clock):
    ready = seen + clock["delay"]
    return ready < at or (ready == at and not clock["before"])


def expected(label, rows, clock):
    """What the definition says, row by row."""
    key, at = label
    usable = [
        (seen, place, value)
        for place, (owner, seen, value) in enumerate(rows)
        if owner == key and known(seen, at, clock)
    ]
    if not usable:
        return None
    seen, _, value = max(usable)
    too_old = clock["max_age"] is not None and at - seen > clock["max_age"]
    return None if too_old else value


@settings(max_examples=60, deadline=None)
@given(left=some_labels, right=some_features, clock=clocks)
def test_the_join_gives_what_its_definition_says(left, right, clock):
    found = values(labels(*left), features(*right), **clock)

    assert found == [expected(label, right, clock) for label in left]


@settings(max_examples=60, deadline=None)
@given(left=some_labels, right=some_features, clock=clocks, data=st.data())
def test_no_row_of_the_future_changes_anything(left, right, clock, data):
    key, at = data.draw(st.sampled_from(left))
    usual = values(labels((key, at)), features(*right), **clock)
    shift = data.draw(st.integers(0, 500)) * MINUTE
    lie = data.draw(st.floats(allow_nan=False, allow_infinity=False))

    tampered = [row if known(row[1], at, clock) else (row[0], row[1] + shift, lie) for row in right]
    without = [row for row in right if known(row[1], at, clock)]

    assert values(labels((key, at)), features(*tampered), **clock) == usual
    assert values(labels((key, at)), features(*without), **clock) == usual
