"""A decision is written against what it was taken on, or taken again."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.audit import AuditEntry, verify
from shared.domain.run import Run, State, Trigger
from shared.errors import Conflict, Unavailable
from shared.handlers.journal import ATTEMPTS, Change, Journal, entry
from tests.fakes.clock import START, FakeClock
from tests.fakes.samples import MODEL
from tests.fakes.state import FakeRunStore

TRIGGER = Trigger("drift", "alert-1", "/alerts/1", START, "distance drifted")
RUN = Run(MODEL, "run-1", State.REQUESTED, TRIGGER, START, START, reason="because")


@pytest.fixture
def store():
    return FakeRunStore()


@pytest.fixture
def journal(store):
    return Journal(store, FakeClock())


def noting(action="run.requested"):
    return Change(RUN, None, (entry(RUN, action, START),))


def test_a_decision_is_written_with_what_explains_it(journal, store):
    applied = journal.apply(MODEL, "run-1", lambda _: noting())

    assert (applied.changed, applied.run, applied.before.run) == (True, RUN, None)
    assert store.runs(MODEL) == [RUN]
    (row,) = store.chain(MODEL)
    assert (row["sequence"], row["action"], row["run_id"]) == (1, "run.requested", "run-1")
    assert row["received_ts"] == "2013-07-01T04:00:00.000000Z"


def test_a_decision_for_nothing_writes_nothing(journal, store):
    journal.apply(MODEL, "run-1", lambda _: noting())

    applied = journal.apply(MODEL, "run-1", lambda _: None)

    assert (applied.changed, applied.run) == (False, RUN)
    assert len(store.commits) == 1


def test_a_decision_that_leaves_the_run_gives_the_run_as_it_is(journal):
    journal.apply(MODEL, "run-1", lambda _: noting())

    applied = journal.apply(MODEL, "run-1", lambda _: Change(entries=(entry(RUN, "seen", START),)))

    assert (applied.changed, applied.run) == (True, RUN)


def test_a_decision_that_lost_is_taken_again_on_what_is_there_now(journal, store):
    seen = []

    def decide(snapshot):
        seen.append(snapshot.run and snapshot.run.state)
        if len(seen) == 1:
            journal.apply(MODEL, "run-1", lambda _: noting("by another"))
        return noting("by this one")

    applied = journal.apply(MODEL, "run-1", decide)

    assert applied.changed
    assert seen == [None, State.REQUESTED]
    assert [row["action"] for row in store.chain(MODEL)] == ["by another", "by this one"]


def test_a_decision_that_is_overtaken_by_another_may_be_dropped(journal, store):
    def decide(snapshot):
        if snapshot.run is not None:
            return None
        journal.apply(MODEL, "run-1", lambda _: noting("by another"))
        return noting("by this one")

    applied = journal.apply(MODEL, "run-1", decide)

    assert not applied.changed
    assert [row["action"] for row in store.chain(MODEL)] == ["by another"]


def test_writers_that_never_let_go_are_reported_as_unavailable(journal, store):
    store.faults.order(Conflict("written to"), times=ATTEMPTS)

    with pytest.raises(Unavailable, match=f"lost {ATTEMPTS} writes in a row"):
        journal.apply(MODEL, "run-1", lambda _: noting())

    assert not store.runs(MODEL)


def test_an_answer_that_is_lost_is_not_taken_for_a_conflict(journal, store):
    store.faults.order(Unavailable("no answer"), done=True)

    with pytest.raises(Unavailable, match="no answer"):
        journal.apply(MODEL, "run-1", lambda _: noting())

    assert len(store.commits) == 1


def test_what_goes_wrong_while_deciding_writes_nothing(journal, store):
    def decide(_):
        raise KeyError("a defect")

    with pytest.raises(KeyError):
        journal.apply(MODEL, "run-1", decide)

    assert not store.commits


@given(st.lists(st.sampled_from(["write", "drop", "lose", "conflict"]), max_size=12))
def test_whatever_happens_to_the_writes_the_chain_holds(events):
    store = FakeRunStore()
    journal = Journal(store, FakeClock())
    written = 0

    for number, event in enumerate(events):
        if event in ("lose", "conflict"):
            error = Unavailable("no answer") if event == "lose" else Conflict("written to")
            store.faults.order(error, done=event == "lose")
        change = None if event == "drop" else noting(f"event-{number}")
        written += change is not None
        try:
            journal.apply(MODEL, "run-1", lambda _, change=change: change)
        except Unavailable:
            assert event == "lose"

    assert len(list(store.chain(MODEL))) == written
    assert not list(verify(store.chain(MODEL), store.head(MODEL)))


def test_an_entry_about_a_run_names_it_and_its_trigger():
    noted = entry(RUN, "run.requested", START, context={"value": 0.31})

    assert (noted.resource, noted.resource_type) == ("models/flight-delay/runs/run-1", "run")
    assert (noted.run_id, noted.reason, noted.outcome) == ("run-1", "because", "success")
    assert noted.context == {"state": "requested", "trigger": "drift", "value": 0.31}


def test_an_entry_about_a_stage_names_the_version():
    run = replace(RUN, version="7", updated_at=START + timedelta(minutes=1))

    noted = entry(
        run, "model.staged", START, reason="passed", from_stage="None", to_stage="Staging"
    )

    assert (noted.resource, noted.resource_type) == (
        "models/flight-delay/versions/7",
        "model_version",
    )
    assert (noted.model_version, noted.from_stage, noted.to_stage) == ("7", "None", "Staging")
    assert noted.reason == "passed"


def test_a_chain_of_rows_without_and_with_a_class_of_its_own_holds():
    store = FakeRunStore()
    noted = AuditEntry("a", "success", START, "models/m", "model", "because")

    Journal(store, FakeClock()).apply(MODEL, "no-run", lambda _: Change(entries=(noted,)))
    named = Journal(store, FakeClock(), retention=lambda _: "standard")
    named.apply(MODEL, "no-run", lambda _: Change(entries=(noted, noted)))

    rows = list(store.chain(MODEL))
    assert [row["retention_class"] for row in rows] == ["ai-decision", "standard", "standard"]
    assert not list(verify(rows, store.head(MODEL), chain=MODEL))
