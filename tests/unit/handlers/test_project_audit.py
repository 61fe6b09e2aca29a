"""The ledger reaches the audit table whole, in order, each row exactly once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest

from shared.domain.audit import AuditEntry
from shared.domain.tables import PROMOTION_AUDIT
from shared.errors import Unavailable
from shared.handlers import project_audit
from shared.handlers.journal import Change
from shared.handlers.project_audit import AUDIT_TABLE, Provenance, audit_row
from tests.fakes.clock import START
from tests.fakes.loop import poor
from tests.fakes.samples import MODEL, alert_of

HERE = Provenance("c0ffee", "main")


def note(loop, *actions, chain=MODEL):
    entries = tuple(
        AuditEntry(action, "success", START, "models/m", "model", "because") for action in actions
    )
    loop.journal.apply(chain, "no-run", lambda _: Change(entries=entries))


def table(loop, chain=MODEL):
    return loop.ports.tables.read(AUDIT_TABLE, {"chain": chain})


def sequences(loop, chain=MODEL):
    return [row["sequence"] for row in table(loop, chain)]


def test_what_is_missing_is_appended_and_counted(loop):
    note(loop, "a", "b", "c")
    assert loop.project(MODEL) == 3
    note(loop, "d")

    assert loop.project(MODEL) == 1

    assert [row["action"] for row in table(loop)] == ["a", "b", "c", "d"]
    assert sequences(loop) == [1, 2, 3, 4]


def test_a_projection_that_has_nothing_to_do_writes_nothing(loop):
    note(loop, "a")
    loop.project(MODEL)

    assert loop.project(MODEL) == 0
    assert loop.project("unknown") == 0
    assert sequences(loop) == [1]


def test_a_long_chain_is_appended_in_batches(loop, monkeypatch):
    monkeypatch.setattr(project_audit, "BATCH_ROWS", 4)
    for number in range(10):
        note(loop, f"action-{number}")

    assert loop.project(MODEL) == 10

    assert sequences(loop) == list(range(1, 11))
    assert loop.ports.tables.last_batch(AUDIT_TABLE, f"ledger:{MODEL}") == 10


def test_a_chain_without_news_does_not_open_the_table(loop, monkeypatch):
    note(loop, "a")
    loop.project(MODEL)
    asked = []
    monkeypatch.setattr(loop.ports.tables, "last_batch", lambda *_: asked.append("last_batch"))
    monkeypatch.setattr(loop.ports.tables, "append", lambda *_, **__: asked.append("append"))

    assert loop.project(MODEL) == 0
    assert asked == []


@pytest.mark.parametrize("mark", [0, 1, 9], ids=["never noted", "behind", "ahead"])
def test_a_mark_that_is_not_where_the_table_is_costs_no_row(loop, mark):
    note(loop, "a", "b")
    loop.project(MODEL)
    note(loop, *(f"action-{number}" for number in range(10)))
    loop.ports.store.note_projected(MODEL, mark)

    loop.project(MODEL)

    assert sequences(loop) == list(range(1, 13))
    assert loop.ports.store.projected(MODEL) == 12


def test_every_chain_is_projected_apart(loop):
    note(loop, "a", "b")
    note(loop, "c", chain="unrouted.alerts")

    assert sum(loop.project(chain) for chain in loop.ports.store.chains()) == 3

    assert sequences(loop) == [1, 2]
    assert sequences(loop, "unrouted.alerts") == [1]


@pytest.mark.parametrize("done", [False, True], ids=["not written", "written, answer lost"])
def test_a_projection_that_failed_is_made_up_for_without_doubles(loop, done):
    note(loop, "a", "b")
    loop.ports.tables.faults.order(Unavailable("no answer"), done=done)
    with pytest.raises(Unavailable):
        loop.project(MODEL)
    note(loop, "c")

    loop.project(MODEL)

    assert sequences(loop) == [1, 2, 3]


def test_projections_at_the_same_time_append_each_row_once(loop):
    for number in range(30):
        note(loop, f"action-{number}")
    together = Barrier(6)

    def project(_):
        together.wait()
        return loop.project(MODEL)

    with ThreadPoolExecutor(6) as pool:
        appended = sum(pool.map(project, range(6)))

    assert appended == 30
    assert sequences(loop) == list(range(1, 31))


def test_a_projection_that_read_before_another_wrote_leaves_no_double_and_no_gap(loop):
    note(loop, "a", "b")
    append = loop.ports.tables.append

    def late(*args, **named):
        loop.ports.tables.append = append
        loop.project(MODEL)
        note(loop, "c")
        return append(*args, **named)

    loop.ports.tables.append = late

    assert loop.project(MODEL) == 1

    assert sequences(loop) == [1, 2, 3]


def test_a_projector_that_saw_more_rows_than_the_faster_one_appends_no_overlap(loop):
    note(loop, "a")
    append = loop.ports.tables.append

    def faster(*args, **named):
        """Another projector had read before the second row was written."""
        loop.ports.tables.append = append
        row = audit_row(next(iter(loop.ports.store.chain(MODEL))), HERE)
        append(AUDIT_TABLE, [row], writer=f"ledger:{MODEL}", batch=1, after=0)
        return append(*args, **named)

    note(loop, "b")
    loop.ports.tables.append = faster
    loop.project(MODEL)
    loop.project(MODEL)

    assert sequences(loop) == [1, 2]


def test_a_row_says_who_what_when_and_why_and_what_was_deployed(loop):
    note(loop, "a")

    loop.project(MODEL)

    (row,) = table(loop)
    (document,) = loop.ports.store.chain(MODEL)
    assert (row["event_id"], row["audit_id"]) == ("flight-delay/1", "flight-delay/1")
    assert (
        row["event_timestamp"] == row["event_ts"] == row["event_time"] == row["audit_ts"] == START
    )
    assert (row["actor"], row["subject_type"], row["rationale"]) == (
        "retrain-loop",
        "system",
        "because",
    )
    assert (row["git_sha"], row["git_branch"]) == ("c0ffee", "main")
    assert (row["hash_prev"], row["hash_self"]) == (document["hash_prev"], document["hash_self"])
    assert (row["promoted"], row["version"], row["block_promotion"]) == (False, None, None)


def test_a_row_says_when_it_was_projected_and_how_long_it_is_kept(loop):
    note(loop, "a")
    note(loop, "b", chain="unrouted.alerts")
    loop.ports.clock.advance(hours=1)

    loop.project(MODEL)
    loop.project("unrouted.alerts")

    ((row,), (other,)) = table(loop), table(loop, "unrouted.alerts")
    assert row["_audit_inserted_at"] == START + timedelta(hours=1)
    assert row["received_ts"] == START
    assert (row["retention_class"], other["retention_class"]) == ("standard", "ai-decision")


def test_a_staged_version_reads_as_promoted_with_its_gates_and_figures(loop):
    loop.receive(alert_of())

    loop.drain()

    intent, row = table(loop)[-2:]
    assert (intent["action"], intent["promoted"]) == ("model.stage", False)
    assert (row["action"], row["promoted"], row["version"]) == ("model.staged", True, 2)
    assert (row["from_stage"], row["to_stage"]) == ("None", "Staging")
    assert (row["gate1_passed"], row["gate2_passed"], row["gate3_passed"]) == (True, True, True)
    assert row["challenger_r2"] == pytest.approx(1)
    assert row["baseline_r2"] == pytest.approx(1)


def test_a_rejected_version_reads_as_blocked(loop):
    loop.candidate = poor
    loop.receive(alert_of())

    loop.drain()

    row = table(loop)[-1]
    assert (row["promoted"], row["block_promotion"], row["gate1_passed"]) == (False, "True", False)
    assert (row["outcome"], row["model_version"]) == ("denied", "2")


def test_every_row_fits_the_table(loop):
    loop.receive(alert_of())
    loop.drain()

    columns = {column.name for column in PROMOTION_AUDIT.columns}
    for document in loop.ports.store.chain(MODEL):
        row = audit_row(document, HERE)
        assert set(row) <= columns
        assert isinstance(row["received_ts"], datetime)
        assert row["event_ts"].tzinfo is not None
        assert row["event_ts"].astimezone(UTC) == row["event_ts"]
