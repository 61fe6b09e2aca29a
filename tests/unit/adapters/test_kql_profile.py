"""The texts that count: buckets equal numpy's, names and values cannot leave their place."""

import math
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.profiles import kql, kql_profile
from shared.adapters.profiles.kql_profile import (
    ABOVE,
    BELOW,
    MISSING,
    CategoricalLeg,
    NumericLeg,
    ProfileQuery,
    Read,
    RowsOf,
    bucket_expression,
)
from tests.kql.scalars import scalar

NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)
ROWS = RowsOf("Predictions_CL", "ts", "flight_id", "model_version", "3", NOON, NOON)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(cuts=st.lists(FINITE, max_size=40, unique=True), values=st.lists(FINITE, max_size=40))
def test_a_finite_value_is_in_the_bucket_that_numpy_finds(cuts: list[float], values: list[float]):
    edges = np.unique(np.array(cuts, dtype=np.float64))
    on_the_edges = [
        *values,
        *edges.tolist(),
        *(math.nextafter(edge, -math.inf) for edge in edges.tolist()),
    ]
    finite = [value for value in on_the_edges if math.isfinite(value)]
    bucket_of = scalar(bucket_expression("x", edges.tolist()), "x")

    found = [bucket_of(value) for value in finite]

    assert found == np.searchsorted(edges, finite, side="right").tolist()


@pytest.mark.parametrize("cuts", [[], [0.0], [-1.0, 0.0, 1.0]])
def test_what_is_no_finite_number_has_a_bucket_of_its_own(cuts: list[float]):
    bucket_of = scalar(bucket_expression("x", cuts), "x")

    found = [bucket_of(value) for value in (None, math.nan, math.inf, -math.inf)]

    assert found == [MISSING, MISSING, ABOVE, BELOW]


def test_as_many_cuts_as_a_profile_has_are_a_dozen_comparisons_deep():
    cuts = np.sort(np.random.default_rng(1).normal(size=4096)).tolist()

    text = bucket_expression("x", cuts)

    depth = max(np.cumsum([(c == "(") - (c == ")") for c in text]))
    assert depth <= 16
    assert scalar(text, "x")(cuts[4095]) == 4096


@given(FINITE)
def test_a_number_reads_back_as_the_same_double(value: float):
    text = kql.real(value)

    assert text.startswith("real(")
    assert float(text[5:-1]) == value


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_cut_that_is_no_number_is_refused(value: float):
    with pytest.raises(ValueError, match="finite"):
        kql.real(value)


@pytest.mark.parametrize("name", ["", "a b", "a']", "1st", "T | take 1", "ü", "a.b", "x" * 129])
def test_a_name_that_would_have_to_be_quoted_is_refused(name: str):
    with pytest.raises(ValueError, match="KQL name"):
        kql.quoted(name)


def test_a_word_of_the_language_may_be_a_column():
    assert kql.quoted("where") == "['where']"


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_a_text_stays_in_its_quotes(value: str):
    found = kql.text(value)

    inner = found[1:-1].replace("\\\\", "").replace('\\"', "")
    assert found[0] == found[-1] == '"'
    assert '"' not in inner
    assert not any(ord(character) < 32 for character in inner)


def test_a_time_is_told_in_utc_whatever_its_offset():
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))

    assert kql.moment(elsewhere) == kql.moment(NOON) == "datetime(2013-07-01T12:00:00.000000Z)"


def test_a_time_without_an_offset_is_refused():
    with pytest.raises(ValueError, match="offset"):
        kql.moment(NOON.replace(tzinfo=None))


def test_a_long_text_is_cut_between_columns_and_loses_none():
    cuts = tuple(map(float, range(100)))
    legs = tuple(NumericLeg(f"f{i}", Read(f"f{i}", "numeric", "real"), cuts, 0.0) for i in range(7))
    query = ProfileQuery(ROWS, legs)

    parts = kql_profile.batches(query, 8_000)

    assert 1 < len(parts) < 7
    assert [leg for part in parts for leg in part.legs] == list(legs)
    assert all(len(kql_profile.render_profile(part)) <= 8_000 for part in parts)


def test_a_column_too_long_for_any_text_is_asked_for_alone():
    legs = tuple(CategoricalLeg(name, Read(name, "categorical", "string"), ()) for name in "ab")

    parts = kql_profile.batches(ProfileQuery(ROWS, legs), 10)

    assert [len(part.legs) for part in parts] == [1, 1]
