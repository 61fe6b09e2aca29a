"""What is stored is what is read, whatever a run, a lock or a row carries."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.storage import run_codec as codec
from shared.domain.audit import AuditEntry, Head, document_of, extend
from shared.domain.run import Lock, Run, State, Trigger
from shared.errors import DataError

NOW = datetime(2013, 7, 1, 4, 0, tzinfo=UTC)
MOMENTS = st.datetimes(
    min_value=datetime(1601, 1, 2),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(9999, 12, 30),  # noqa: DTZ001 - hypothesis adds the zone
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5)), timezone(timedelta(hours=5.5))]),
)
MAYBE = st.none() | MOMENTS
IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}", fullmatch=True)
# lone surrogates too: JSON carries them, so an alert can
TEXT = st.text(st.characters() | st.sampled_from("\ud800\udbff"), max_size=40)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # two code points that JSON joins to one are not text
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
COUNTS = st.integers(min_value=0, max_value=2**31 - 1)
TRIGGERS = st.builds(Trigger, kind=TEXT, key=TEXT, alert_id=TEXT, fired_at=MOMENTS, reason=TEXT)
RUNS = st.builds(
    Run,
    model=IDS,
    run_id=IDS,
    state=st.sampled_from(State),
    trigger=TRIGGERS,
    created_at=MOMENTS,
    updated_at=MOMENTS,
    reason=st.text(max_size=40),
    intent_at=MAYBE,
    job_id=st.text(max_size=40),
    deadline=MAYBE,
    polls=COUNTS,
    starts=COUNTS,
    version=st.text(max_size=9),
    fence=COUNTS,
    notified_at=MAYBE,
    asked_at=MAYBE,
    due_at=MAYBE,
    facts=st.dictionaries(st.text(max_size=9), JSON, max_size=4),
)


def make_run(**changes: object) -> Run:
    trigger = Trigger("drift", "a-1", "", NOW, "drifted")
    fields = {"state": State.REQUESTED, "created_at": NOW, "updated_at": NOW, **changes}
    return Run(model="m", run_id="run-1", trigger=trigger, **fields)


@given(RUNS)
def test_a_run_is_read_as_it_was_written(run):
    assert codec.run_of(codec.run_entity(run)) == run


@given(RUNS)
def test_a_stored_run_is_ascii_and_all_its_times_are_utc(run):
    text = codec.encode_run(run)

    assert text.isascii()
    assert json.loads(text)["created_at"].endswith("+00:00")


@given(MOMENTS, MOMENTS)
def test_text_order_of_times_is_time_order(one, other):
    assert (one < other) == (codec.time_text(one) < codec.time_text(other))


def test_a_time_without_a_zone_is_a_defect():
    with pytest.raises(ValueError, match="no time zone"):
        codec.time_text(NOW.replace(tzinfo=None))


@given(st.builds(Lock, run_id=TEXT, fence=COUNTS, expires_at=MOMENTS))
def test_a_lock_is_read_as_it_was_written(lock):
    assert codec.lock_of(codec.lock_entity("m", lock)) == lock


@given(st.builds(Head, sequence=COUNTS, hash_self=st.text("0123456789abcdef", min_size=64)))
def test_a_head_is_read_as_it_was_written(head):
    assert codec.head_of(codec.head_entity("m", head)) == head


@given(st.dictionaries(st.text(max_size=9), JSON, max_size=4), st.text(max_size=40))
def test_a_row_is_read_as_it_was_hashed(context, reason):
    entry = AuditEntry("run.requested", "success", NOW, "runs/1", "run", reason, context=context)
    (row,), _ = extend("m", Head(), [entry], NOW)

    assert codec.row_document(codec.row_entity(row)) == document_of(row)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("notified_at", [None, NOW])
def test_settled_is_at_rest_and_told(state, notified_at):
    entity = codec.run_entity(make_run(state=state, notified_at=notified_at))

    working = {"requested", "starting", "running", "judging", "held"}
    assert entity["settled"] == (state.value not in working and notified_at is not None)


def test_row_keys_sort_as_their_numbers_do():
    numbers = [1, 2, 9, 10, 99, 100, 999_999, 1_000_000]

    assert sorted(map(codec.row_key, reversed(numbers))) == [codec.row_key(n) for n in numbers]


def test_fields_of_a_newer_version_are_passed_over():
    document = json.loads(codec.encode_run(make_run()))
    document["rollout"] = {"percent": 5}

    assert codec.decode_run(json.dumps(document)) == make_run()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"schema_version": 2}',
        json.dumps({**json.loads(codec.encode_run(make_run())), "state": "flying"}),
        json.dumps({**json.loads(codec.encode_run(make_run())), "trigger": {}}),
        json.dumps({**json.loads(codec.encode_run(make_run())), "created_at": "yesterday"}),
    ],
)
def test_what_is_no_run_is_a_data_error(text):
    with pytest.raises(DataError):
        codec.decode_run(text)


@pytest.mark.parametrize("stored", [{}, {"document": "{"}, {"document": "[1]"}, {"document": 7}])
def test_what_is_no_ledger_row_is_a_data_error_that_names_its_place(stored):
    with pytest.raises(DataError, match="flights, audit:000000000003"):
        codec.row_document({"PartitionKey": "flights", "RowKey": "audit:000000000003", **stored})
