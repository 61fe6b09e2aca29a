"""A run only goes where the state machine lets it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.run import ACTIVE, NEXT, WORKING, Lock, Run, State, Trigger, run_id_of
from shared.errors import IllegalTransition

NOW = datetime(2013, 7, 1, 4, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
STATES = st.sampled_from(State)
TRIGGER = Trigger("drift", "alert-1", "/alerts/1", NOW, "carrier drifted")


def make_run(state: State = State.REQUESTED) -> Run:
    return Run("flight-delay", "run-1", state, TRIGGER, created_at=NOW, updated_at=NOW)


@given(STATES, STATES)
def test_a_run_goes_where_the_table_says_and_nowhere_else(state, wanted):
    run = make_run(state)

    if wanted in NEXT.get(state, ()):
        assert run.to(wanted, LATER) == replace(run, state=wanted, updated_at=LATER)
    else:
        with pytest.raises(IllegalTransition, match=f"in {state} cannot become {wanted}") as caught:
            run.to(wanted, LATER)
        assert caught.value.subject == "run-1"


@given(st.lists(STATES, max_size=30))
def test_whatever_is_tried_every_step_taken_is_in_the_table(attempts):
    run = make_run()
    path = [run.state]

    for wanted in attempts:
        try:
            run = run.to(wanted, LATER)
        except IllegalTransition:
            continue
        path.append(run.state)

    assert all(after in NEXT[before] for before, after in pairwise(path))
    assert all(not make_run(state).final for state in path[:-1])


def test_a_step_changes_what_it_is_told_and_leaves_the_rest():
    run = make_run(State.STARTING)

    moved = run.to(State.RUNNING, LATER, job_id="job-1", reason="accepted")

    assert (moved.job_id, moved.reason, moved.updated_at) == ("job-1", "accepted", LATER)
    assert (moved.trigger, moved.created_at, moved.run_id) == (TRIGGER, NOW, "run-1")
    assert run == make_run(State.STARTING)


def test_every_state_can_be_reached_from_the_first():
    reached = {State.REQUESTED}
    border = [State.REQUESTED]

    while border:
        new = NEXT.get(border.pop(), frozenset()) - reached
        reached |= new
        border.extend(new)

    assert reached == set(State)


def test_a_state_is_final_or_leads_on_and_never_leads_to_itself():
    for state, following in NEXT.items():
        assert following, f"{state} is in the table and leads nowhere"
        assert state not in following
        assert not make_run(state).final
    assert {state for state in State if make_run(state).final} == {
        State.SKIPPED,
        State.ROLLED_BACK,
        State.START_FAILED,
        State.JOB_FAILED,
        State.TIMED_OUT,
        State.CANCELLED,
        State.REJECTED,
        State.GATE_ERROR,
    }


def test_a_run_that_holds_the_lock_can_always_be_cancelled_and_is_never_final():
    for state in ACTIVE:
        run = make_run(state)
        assert run.active
        assert not run.final
        assert run.to(State.CANCELLED, LATER).final
    assert {State.HELD} == ACTIVE - WORKING


def test_production_is_never_reached_without_the_gates():
    # every way to staged goes through judging
    assert {state for state, following in NEXT.items() if State.STAGED in following} == {
        State.JUDGING
    }
    assert {state for state, following in NEXT.items() if State.CHALLENGING in following} == {
        State.STAGED
    }
    assert {state for state, following in NEXT.items() if State.PROMOTED in following} == {
        State.PROMOTING
    }
    assert {state for state, following in NEXT.items() if State.PROMOTING in following} == {
        State.CHALLENGING,
        State.AWAITING_APPROVAL,
    }


@given(st.text(), st.text(), st.text())
def test_the_same_trigger_always_names_the_same_run(model, kind, key):
    one = Trigger(kind, key, "/alerts/1", NOW, "first delivery")
    again = Trigger(kind, key, "", LATER, "second delivery", actor="someone")

    assert run_id_of(model, one) == run_id_of(model, again)


@pytest.mark.parametrize(
    ("model", "kind", "key"),
    [("other", "drift", "alert-1"), ("m", "manual", "alert-1"), ("m", "drift", "alert-2")],
)
def test_another_model_kind_or_occurrence_names_another_run(model, kind, key):
    here = run_id_of("m", TRIGGER)
    there = run_id_of(model, replace(TRIGGER, kind=kind, key=key))

    assert here != there
    assert here.startswith("run-")


@pytest.mark.parametrize(
    ("holder", "asking", "now", "held"),
    [
        ("", "run-1", NOW, False),
        ("run-1", "run-1", NOW, False),
        ("run-1", "run-2", NOW, True),
        ("run-1", "run-2", LATER - timedelta(microseconds=1), True),
        ("run-1", "run-2", LATER, False),
    ],
    ids=["free", "own", "another's", "another's last moment", "expired"],
)
def test_a_lock_keeps_others_out_until_it_expires(holder, asking, now, held):
    lock = Lock(holder, fence=3, expires_at=LATER)

    assert lock.held_by_other(asking, now) is held
