"""The ledger: whatever is done to a stored chain is found."""

import copy
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.domain.audit import (
    GENESIS,
    NOT_HASHED,
    AuditEntry,
    Head,
    canonical,
    document_of,
    extend,
    hash_of,
    row_of,
    timestamp,
    verify,
)

NOW = datetime(2013, 7, 1, 4, 0, tzinfo=UTC)
TEXT = st.text(max_size=12)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
ENTRIES = st.builds(
    AuditEntry,
    action=st.sampled_from(["run.requested", "run.starting", "model.staged"]),
    outcome=st.sampled_from(["success", "failure", "denied", "partial", "intent"]),
    event_ts=st.datetimes(
        min_value=datetime(1900, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
        timezones=st.just(UTC),
    ),
    resource=TEXT,
    resource_type=TEXT,
    reason=TEXT,
    run_id=TEXT,
    context=st.dictionaries(TEXT, JSON, max_size=3),
    model_version=TEXT,
)

Documents = list[dict[str, Any]]


def stored(entries: list[AuditEntry], chain: str = "flight-delay") -> tuple[Documents, Head]:
    rows, head = extend(chain, Head(), entries, NOW)
    return [json.loads(canonical(document_of(row))) for row in rows], head


CHAINS = st.lists(ENTRIES, min_size=1, max_size=5).map(stored)


def entry(reason: str = "because", **changes: Any) -> AuditEntry:
    return AuditEntry("run.requested", "success", NOW, "runs/run-1", "run", reason, **changes)


@given(CHAINS)
def test_an_untouched_chain_holds(chain):
    documents, head = chain

    assert list(verify(documents, head)) == []
    assert [document["sequence"] for document in documents] == [*range(1, len(documents) + 1)]
    assert documents[0]["hash_prev"] == GENESIS


@given(st.lists(ENTRIES, max_size=3), st.lists(ENTRIES, max_size=3))
def test_a_chain_extended_twice_is_the_chain_extended_once(first, second):
    rows, head = extend("m", Head(), first, NOW)
    more, end = extend("m", head, second, NOW)

    assert (rows + more, end) == extend("m", Head(), first + second, NOW)


@given(ENTRIES)
def test_a_row_is_read_as_it_was_written(given_entry):
    (row,), _ = extend("m", Head(), [given_entry], NOW)

    assert row_of(json.loads(canonical(document_of(row)))) == row


@given(CHAINS, st.data())
def test_a_change_of_any_field_of_any_row_is_found(chain, data):
    documents, head = chain
    forged = copy.deepcopy(documents)
    row = data.draw(st.sampled_from(forged))
    # when a row was received is not hashed: a restored copy is received again
    name = data.draw(st.sampled_from(sorted(set(row) - {"received_ts"})))
    value = data.draw(st.integers(1, 99) if name in ("sequence", "schema_version") else JSON)
    assume(canonical({"": value}) != canonical({"": row[name]}))
    if name in ("hash_prev", "hash_self"):
        value = str(value)
    row[name] = value

    assert list(verify(forged, head))


@given(CHAINS, st.data())
def test_a_field_added_to_or_taken_from_a_row_is_found(chain, data):
    documents, head = chain
    added, taken = copy.deepcopy(documents), copy.deepcopy(documents)
    place = data.draw(st.integers(0, len(documents) - 1))
    added[place]["note"] = "harmless"
    fields = set(taken[place]) - NOT_HASHED - {"sequence"}
    del taken[place][data.draw(st.sampled_from(sorted(fields)))]

    assert list(verify(added, head))
    assert list(verify(taken, head))


@given(CHAINS, st.data())
def test_a_row_removed_anywhere_is_found(chain, data):
    documents, head = chain
    place = data.draw(st.integers(0, len(documents) - 1))

    assert list(verify(documents[:place] + documents[place + 1 :], head))


@given(CHAINS, ENTRIES, st.data())
def test_a_row_added_anywhere_is_found(chain, more, data):
    documents, head = chain
    place = data.draw(st.integers(0, len(documents)))
    before = documents[place - 1] if place else {"sequence": 0, "hash_self": GENESIS}
    (forged,), _ = stored_after(Head(before["sequence"], before["hash_self"]), more)

    assert list(verify([*documents[:place], forged, *documents[place:]], head))


@given(CHAINS, st.data())
def test_rows_in_another_order_are_found(chain, data):
    documents, head = chain
    assume(len(documents) > 1)
    shuffled = data.draw(st.permutations(documents))
    assume(shuffled != documents)

    assert list(verify(shuffled, head))


@given(CHAINS, ENTRIES, st.data())
def test_a_chain_rewritten_from_some_row_on_does_not_reach_the_head(chain, other, data):
    documents, head = chain
    place = data.draw(st.integers(0, len(documents) - 1))
    kept = documents[:place]
    end = Head(kept[-1]["sequence"], kept[-1]["hash_self"]) if kept else Head()
    rewritten, _ = stored_after(end, *[other] * (len(documents) - place))
    assume(rewritten[-1]["hash_self"] != head.hash_self)

    assert list(verify(kept + rewritten)) == []
    assert list(verify(kept + rewritten, head))


def test_rows_of_another_chain_are_found():
    here, _ = stored([entry(), entry()])
    there, head = stored([entry(), entry()], chain="credit-default")

    assert list(verify([here[0], there[1]], head))


def test_a_whole_chain_copied_under_another_name_is_found():
    documents, head = stored([entry(), entry()])

    assert [breach.sequence for breach in verify(documents, head, chain="other")] == [1, 2]


@pytest.mark.parametrize("field", ["sequence", "hash_prev", "hash_self", "chain"])
def test_a_row_without_a_field_of_its_place_is_a_breach_and_no_crash(field):
    documents, head = stored([entry(), entry()])
    del documents[1][field]

    assert list(verify(documents, head))


def test_a_sequence_that_is_no_number_is_a_breach_and_no_crash():
    documents, head = stored([entry(), entry()])
    documents[1]["sequence"] = "two"

    assert list(verify(documents, head))


def test_numbers_left_out_are_found_though_every_hash_fits():
    documents, head = stored_after(Head(1, GENESIS), entry(), entry())

    breaches = list(verify(documents, head))

    assert [(breach.sequence, breach.reason) for breach in breaches] == [
        (1, "row 2 stands here: one is missing, added or moved")
    ]


def test_a_breach_says_where_and_what():
    documents, head = stored([entry("first"), entry("second"), entry("third")])
    documents[1]["reason"] = "forged"
    del documents[2]

    breaches = list(verify(documents, head))

    assert [(breach.sequence, breach.reason) for breach in breaches] == [
        (2, "was changed after it was written"),
        (3, "the head names row 3, the rows end before"),
    ]


def test_an_empty_chain_holds_and_one_that_lost_all_rows_does_not():
    assert list(verify([], Head())) == []
    assert [breach.sequence for breach in verify([], Head(2, "f" * 64))] == [1]


OLD_ROW = {
    "action": "run.requested",
    "audit_id": "flight-delay/1",
    "chain": "flight-delay",
    "context": {"state": "requested"},
    "event_ts": "2026-01-01T04:00:15.000000Z",
    "from_stage": "",
    "hash_prev": GENESIS,
    "hash_self": "76d1771bd8e094b41e7fde87f6f9be4b3d834f12f1a3c53286b32568517ac41f",
    "model_version": "",
    "outcome": "success",
    "reason": "alert 1",
    "received_ts": "2026-01-01T04:00:15.000000Z",
    "resource": "models/flight-delay/runs/run-1",
    "resource_type": "run",
    "retention_class": "ai-decision",
    "run_id": "run-1",
    "schema_version": 1,
    "sequence": 1,
    "subject": "retrain-loop",
    "subject_type": "system",
    "to_stage": "",
}
"""A row as the first release stored it."""


def test_a_chain_that_the_first_release_wrote_holds_and_goes_on():
    head = Head(1, str(OLD_ROW["hash_self"]))
    old = row_of(OLD_ROW)
    more, end = extend("flight-delay", head, [replace(old.entry, retention_class="standard")], NOW)

    assert not list(verify([OLD_ROW, document_of(more[0])], end, chain="flight-delay"))
    assert document_of(old) == OLD_ROW


def test_the_hash_can_be_recomputed_with_nothing_but_a_json_library():
    (document,), head = stored([entry(context={"psi": 0.31, "größe": [1, None]})])
    body = {name: value for name, value in document.items() if name not in NOT_HASHED}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    assert hashlib.sha256((text + "0" * 64).encode()).hexdigest() == head.hash_self


def test_the_hash_does_not_depend_on_when_a_row_was_received_or_in_which_order_keys_stand():
    (row,), head = extend("m", Head(), [entry(context={"a": 1, "b": 2})], NOW)
    (late,), late_head = extend(
        "m", Head(), [entry(context={"b": 2, "a": 1})], NOW.replace(year=2014)
    )

    assert late_head == head
    assert hash_of(dict(reversed(document_of(row).items())), GENESIS) == head.hash_self
    assert late.received_ts != row.received_ts


def test_a_number_json_does_not_know_is_never_written():
    with pytest.raises(ValueError, match="JSON"):
        extend("m", Head(), [entry(context={"psi": float("nan")})], NOW)


def test_times_are_written_in_utc_with_microseconds():
    east = timezone(timedelta(hours=2))

    assert timestamp(datetime(2013, 7, 1, 6, 0, tzinfo=east)) == "2013-07-01T04:00:00.000000Z"


def test_verifying_reads_one_row_at_a_time():
    documents, _ = stored([entry(), entry()])
    documents[0]["reason"] = "forged"
    read: list[int] = []

    def stream() -> Iterator[dict[str, Any]]:
        for document in documents:
            read.append(document["sequence"])
            yield document

    next(verify(stream()))

    assert read == [1]


def stored_after(head: Head, *entries: AuditEntry) -> tuple[Documents, Head]:
    rows, end = extend("flight-delay", head, entries, NOW)
    return [json.loads(canonical(document_of(row))) for row in rows], end
