"""Profiles as bytes: read as they were written, by this version and the next, or refused aloud."""

import hashlib
import json
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.drift import container
from shared.domain.drift.codec import (
    day_name,
    decode_day,
    decode_reference,
    encode_day,
    encode_reference,
    reference_name,
)
from shared.domain.drift.columns import Scratch
from shared.domain.drift.container import pack, unpack
from shared.domain.drift.profile import NumericProfile
from shared.domain.drift.spec import DayProfile, Reference
from shared.domain.drift.window import Unlabelled, profile_reference, profile_window
from shared.errors import DataError

FIXTURES = Path(__file__).parents[3] / "fixtures" / "profiles"
START, END = datetime(2013, 4, 1, tzinfo=UTC), datetime(2013, 7, 1, 4, tzinfo=UTC)
DAY = date(2013, 7, 2)


@pytest.fixture(scope="module")
def model(make_model):
    return make_model({"distance": "numeric", "carrier": "categorical", "gone": "numeric"})


def rows_of(distance, carrier, prediction):
    columns = {"distance": pa.array(distance, pa.float64()), "carrier": pa.array(carrier)}
    return Unlabelled(pa.table(columns), np.array(prediction, dtype=float))


def reference_of(model, rows):
    return Reference(START, END, model.drift.bins, profile_reference(model, rows, Scratch()))


def usual():
    values = [float(number % 40) for number in range(400)]
    return rows_of(values, ["AA", "UA", "ü", ""] * 100, values)


def other():
    values = [np.inf, -np.inf, None, np.nan, 1.5, 70.0]
    return rows_of(values, ["AA", "日本", None, "x", "AA", ""], [1.0, 2.0, np.nan, 4.0, 5.0, 1e308])


def day_of(model, reference, rows):
    return DayProfile(DAY, profile_window(model, rows, reference.spec.blank(), Scratch()))


@pytest.fixture(scope="module")
def reference(model):
    return reference_of(model, usual())


@pytest.fixture(scope="module")
def day(model, reference):
    return day_of(model, reference, other())


def same(one, two):
    assert (one.rows, dict(one.odd), list(one.features)) == (
        two.rows,
        dict(two.odd),
        list(two.features),
    )
    for left, right in zip(
        [*one.features.values(), one.prediction],
        [*two.features.values(), two.prediction],
        strict=True,
    ):
        for name, value in vars(left).items():
            found = getattr(right, name)
            if name == "edges":
                assert found.cuts.tobytes() == value.cuts.tobytes()
                assert found.coarse.tolist() == value.coarse.tolist()
            elif isinstance(value, np.ndarray):
                assert (found.dtype, found.tobytes()) == (value.dtype, value.tobytes())
            else:
                assert np.array_equal(found, value, equal_nan=isinstance(value, float))


def test_a_reference_is_read_as_it_was_written_to_the_last_bit(reference, model):
    found = decode_reference(encode_reference(reference), "r")

    same(found.profile, reference.profile)
    assert (found.start, found.end, found.bins) == (START, END, 10)
    assert found.spec.digest == reference.spec.digest
    assert found.fits(model, START, END)


def test_a_day_is_read_as_it_was_written_to_the_last_bit(reference, day):
    found = decode_day(encode_day(day, reference.spec), reference.spec, "d")

    assert found.day == DAY
    same(found.profile, day.profile)


@given(
    st.lists(st.tuples(st.floats(), st.text(max_size=4), st.floats()), max_size=50),
    st.lists(st.tuples(st.floats(), st.text(max_size=4), st.floats()), max_size=50),
)
def test_any_rows_are_read_as_they_were_written(model, before, after):
    made = [
        rows_of(*([list(part) for part in zip(*r, strict=True)] or [[], [], []]))
        for r in (before, after)
    ]
    base = reference_of(model, made[0])
    day = day_of(model, base, made[1])

    read = decode_reference(encode_reference(base), "r")

    same(read.profile, base.profile)
    same(decode_day(encode_day(day, base.spec), read.spec, "d").profile, day.profile)


def test_equal_profiles_are_equal_bytes(model, reference, day):
    again = reference_of(model, usual())

    assert encode_reference(again) == encode_reference(reference)
    assert encode_day(day_of(model, again, other()), again.spec) == encode_day(day, reference.spec)


def test_a_day_counted_on_other_edges_is_none(model, reference, day):
    moved = reference_of(model, rows_of([1.0, 2.0] * 50, ["AA"] * 100, [1.0] * 100))

    assert decode_day(encode_day(day, reference.spec), moved.spec, "d") is None


@given(st.data())
def test_any_changed_byte_is_found_and_the_object_named(reference, day, data):
    content = bytearray(encode_day(day, reference.spec))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))

    with pytest.raises(DataError, match=r"profile m/3/d\.rlp: ") as caught:
        decode_day(bytes(content), reference.spec, "m/3/d.rlp")

    assert caught.value.subject == "m/3/d.rlp"


@given(st.data())
def test_any_part_of_an_object_is_refused(reference, data):
    content = encode_reference(reference)
    length = data.draw(st.integers(0, len(content) - 1))

    with pytest.raises(DataError, match="profile r: "):
        decode_reference(content[:length], "r")


@given(st.binary(max_size=200))
def test_what_is_no_profile_is_refused(content):
    with pytest.raises(DataError):
        decode_reference(content, "r")


def test_a_day_is_no_reference_and_a_reference_no_day(reference, day):
    with pytest.raises(DataError, match="not in the form of a reference"):
        decode_reference(encode_day(day, reference.spec), "r")
    with pytest.raises(DataError, match="not in the form of a day's"):
        decode_day(encode_reference(reference), reference.spec, "d")


def resealed(content, *, major=1, minor=0, **fields):
    """Give an object as another version of the app would write it."""
    header, arrays = unpack(content, "given")
    header.pop("arrays")
    body = bytearray(pack({**header, **fields}, {**arrays, "later": np.arange(9)})[:-32])
    body[4:8] = major.to_bytes(2, "little") + minor.to_bytes(2, "little")
    return bytes(body) + hashlib.sha256(body).digest()


def test_fields_and_arrays_of_a_later_minor_version_are_skipped(reference, day):
    later = resealed(encode_day(day, reference.spec), minor=7, sketch={"kind": "later"})

    same(decode_day(later, reference.spec, "d").profile, day.profile)


def test_another_major_version_is_refused_by_its_number(reference):
    with pytest.raises(DataError, match=r"profile r: written in format 2\.3, read is 1"):
        decode_reference(resealed(encode_reference(reference), major=2, minor=3), "r")


@pytest.mark.parametrize("wrong", [{"rows": 7}, {"features": []}, {"day": "today"}, {"odd": 3}])
def test_a_header_that_does_not_fit_its_arrays_is_refused(reference, day, wrong):
    content = resealed(encode_day(day, reference.spec), **wrong)

    with pytest.raises(DataError, match="not in the form"):
        decode_day(content, reference.spec, "d")


def test_counts_take_the_smallest_type_that_holds_them():
    kinds = [container.narrow(np.array([most])).dtype.str for most in (255, 256, 2**16, 2**32)]

    assert kinds == ["|u1", "<u2", "<u4", "<i8"]


def test_objects_lie_by_model_version_and_day():
    assert day_name("fares", "3", DAY) == "fares/3/2013-07-02.rlp"
    assert reference_name("fares", "3") == "fares/3/reference.rlp"


def test_objects_of_format_1_0_are_read_by_every_later_version():
    expected = json.loads((FIXTURES / "format_1_0.json").read_text(encoding="utf-8"))
    reference = decode_reference((FIXTURES / "format_1_0_reference.rlp").read_bytes(), "r")

    day = decode_day((FIXTURES / "format_1_0_day.rlp").read_bytes(), reference.spec, "d")

    assert told(reference.profile) == expected["reference"]
    assert told(day.profile) == expected["day"]
    assert (day.day, reference.start, reference.end) == (DAY, START, END)


def told(profile):
    """Give what a profile says, as JSON has it."""
    columns = {**profile.features, "__prediction__": profile.prediction}
    return {
        "rows": profile.rows,
        "odd": dict(profile.odd),
        "columns": {
            name: {
                "rows": column.rows,
                "missing": column.missing,
                "filled": column.counts[column.counts > 0].tolist(),
                **(
                    {"infinite": column.infinite, "bins": column.bins().tolist()}
                    if isinstance(column, NumericProfile)
                    else {"categories": list(column.categories), "unseen": column.unseen}
                ),
            }
            for name, column in columns.items()
        },
    }
