"""A model's answer is read as one number a row, or refused."""

import numpy as np
import pandas as pd
import pytest

from shared.adapters.scoring.scoring_child import Unusable, numbers


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        ([1, None], [1, np.nan]),
        ([True, False], [1, 0]),
        (np.array([1, 2], dtype=object), [1, 2]),
        (np.array([[1.0], [2.0]]), [1, 2]),
        (pd.Series([1, None], dtype="Int64"), [1, np.nan]),
        (pd.DataFrame({"score": [1.0, 2.0]}), [1, 2]),
        ([None, None], [np.nan, np.nan]),
    ],
)
def test_the_usual_forms_of_one_number_a_row_are_read(answer, read):
    assert np.array_equal(numbers(answer, 2), read, equal_nan=True)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"score": [1, 2]}, "gave a dict instead"),
        (["1", "2"], "something else than numbers: str"),
        ([1, "a"], "something else than numbers: str"),
        ([1j, 2], "something else than numbers: complex"),
        (np.array(["2026-01-01"] * 2, "M8[D]"), "something else than numbers: Timestamp"),
        (np.zeros((2, 3)), "gave 3 values a row"),
        (np.zeros((2, 2)), "gave 2 values a row"),
        (np.zeros((2, 0)), "gave 0 values a row"),
        (np.zeros((2, 1, 1)), "an array of 3 dimensions"),
        ([1.0], "gave 1 values for 2 rows"),
    ],
)
def test_anything_else_is_refused_and_never_guessed_at(answer, said):
    with pytest.raises(Unusable, match=said):
        numbers(answer, 2)
