"""Digests tell rows apart, and the same row again under another type."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.delta.row_digests import row_digests

ROWS = pa.table({"distance": [1.0, 2.0, None], "carrier": ["AA", None, "BB"]})
ACTUAL = np.array([4.0, np.nan, 6.0])
GROUPS = {"hub": np.array(["JFK", "LGA", "JFK"])}


def digests(rows=ROWS, actual=ACTUAL, groups=GROUPS):
    return row_digests(rows, actual, groups).tolist()


def test_the_same_rows_have_the_same_digests_and_different_ones_do_not():
    assert digests() == digests()
    assert len(set(digests())) == 3


@pytest.mark.parametrize(
    "changed",
    [
        {"rows": ROWS.set_column(0, "distance", pa.array([1.5, 2.0, None]))},
        {"rows": ROWS.set_column(1, "carrier", pa.array(["AB", None, "BB"]))},
        {"actual": np.array([4.5, np.nan, 6.0])},
        {"groups": {"hub": np.array(["EWR", "LGA", "JFK"])}},
    ],
    ids=["feature", "text", "actual", "group"],
)
def test_a_change_anywhere_changes_that_row_s_digest_alone(changed):
    first, *others = digests(**changed)

    assert first != digests()[0]
    assert others == digests()[1:]


def test_values_that_change_places_between_columns_are_another_row():
    one = pa.table({"a": [1.0], "b": [2.0]})
    other = pa.table({"a": [2.0], "b": [1.0]})

    assert digests(one, ACTUAL[:1], {}) != digests(other, ACTUAL[:1], {})


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=20))
def test_a_column_whose_type_has_widened_holds_the_same_rows(values):
    actual = np.zeros(len(values))
    kinds = (pa.int32(), pa.int64(), pa.float64())

    found = [
        row_digests(pa.table({"a": pa.array(values).cast(kind)}), actual, {}).tolist()
        for kind in kinds
    ]

    assert found[0] == found[1] == found[2]
