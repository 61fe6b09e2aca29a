"""What becomes of a trigger follows from trigger, history, lock, policy and now: nothing else."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.policy import DID_NOTHING, HELD_KINDS, Decision, decide, history_since
from shared.domain.run import (
    Lock,
    Run,
    SkipReason,
    State,
    Suppression,
    Trigger,
    run_id_of,
)
from shared.sections.policy import TRIGGER_KINDS, Budget, Cooldowns, Policy, TriggerKind

NOW = datetime(2013, 7, 1, 4, 0, tzinfo=UTC)
TICK = timedelta(microseconds=1)
FREE = Lock("", 3, NOW)
POLICY = Policy()
KINDS = sorted(TRIGGER_KINDS)
ANSWERED = sorted(set(State) - DID_NOTHING)


def trigger_of(kind="drift", fired_at=NOW):
    return Trigger(kind, "alert-2", "/alerts/2", fired_at, f"{kind} was seen")


def run_of(state=State.STAGED, created_at=NOW, run_id="run-1", kind="drift", starts=0):
    trigger = trigger_of(kind)
    return Run("flight-delay", run_id, state, trigger, created_at, created_at, starts=starts)


def decision_on(trigger=None, **situation):
    quiet = {"policy": POLICY, "history": (), "lock": FREE, "now": NOW, "suppression": None}
    return decide(trigger or trigger_of(), "run-2", **(quiet | situation))


def outcome(decision):
    return decision.skip or decision.state


LOCKED = Lock("run-1", 4, NOW + timedelta(hours=1))
OLD = NOW - timedelta(hours=25)
YESTERDAY = (run_of(created_at=NOW - timedelta(days=1)),)
SPENT = tuple(
    run_of(State.JOB_FAILED, NOW - timedelta(days=day, hours=1), f"run-f{day}", starts=1)
    for day in range(POLICY.budget.runs)
)
ASKED = Suppression(NOW + timedelta(days=2), "stocktaking", "ana@example.com", NOW)
CLOSED = Policy.model_validate(
    {
        "quiet": [
            {
                "start": "2013-06-30T00:00:00+02:00",
                "end": "2013-07-02T00:00:00Z",
                "reason": "half-year accounts",
                "kinds": ["drift", "manual"],
            }
        ]
    }
)


@pytest.mark.parametrize(
    ("kind", "situation", "expected"),
    [
        ("drift", {"suppression": ASKED}, SkipReason.SUPPRESSED),
        ("manual", {"suppression": ASKED}, SkipReason.SUPPRESSED),
        ("concept", {"suppression": ASKED}, SkipReason.SUPPRESSED),
        ("drift", {"suppression": replace(ASKED, until=NOW + TICK)}, SkipReason.SUPPRESSED),
        ("drift", {"suppression": replace(ASKED, until=NOW)}, State.REQUESTED),
        ("drift", {"suppression": ASKED, "lock": LOCKED}, SkipReason.SUPPRESSED),
        ("drift", {"policy": CLOSED}, SkipReason.SUPPRESSED),
        ("manual", {"policy": CLOSED}, SkipReason.SUPPRESSED),
        ("volume", {"policy": CLOSED}, State.REQUESTED),
        ("drift", {"history": SPENT}, SkipReason.OVER_BUDGET),
        ("manual", {"history": SPENT}, SkipReason.OVER_BUDGET),
        ("concept", {"history": SPENT}, SkipReason.OVER_BUDGET),
        ("drift", {"history": SPENT[1:]}, State.REQUESTED),
        ("drift", {"history": SPENT, "lock": LOCKED}, SkipReason.MERGED),
        ("drift", {"history": (*YESTERDAY, *SPENT)}, SkipReason.COOLING_DOWN),
    ],
)
def test_suppression_lock_cool_down_and_budget_are_asked_in_this_order(kind, situation, expected):
    assert outcome(decision_on(trigger_of(kind), **situation)) == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2013, 6, 29, 22, tzinfo=UTC) - TICK, State.REQUESTED),
        (datetime(2013, 6, 29, 22, tzinfo=UTC), SkipReason.SUPPRESSED),
        (datetime(2013, 7, 2, tzinfo=UTC) - TICK, SkipReason.SUPPRESSED),
        (datetime(2013, 7, 2, tzinfo=UTC), State.REQUESTED),
    ],
)
def test_the_calendar_is_quiet_from_its_start_up_to_its_end(now, expected):
    decision = decision_on(trigger_of(fired_at=now), now=now, policy=CLOSED)

    assert outcome(decision) == expected


def test_a_suppression_names_who_asked_until_when_and_why():
    asked = decision_on(suppression=ASKED).reason
    calendar = decision_on(policy=CLOSED).reason

    assert asked == "ana@example.com suppressed it until 2013-07-03 04:00Z: stocktaking"
    assert calendar == "the calendar keeps it quiet until 2013-07-02 00:00Z: half-year accounts"


def test_the_budget_says_when_there_is_room_again():
    reason = decision_on(history=SPENT).reason
    oldest = SPENT[-1].created_at

    assert reason == (
        "10 runs asked for a job in 30 days, 10 are allowed; the next may at 2013-07-22 03:00Z"
    )
    later = oldest + timedelta(days=30)
    assert decision_on(trigger_of(fired_at=later), history=SPENT, now=later).skip is None
    before = later - TICK
    held = decision_on(trigger_of(fired_at=before), history=SPENT, now=before)
    assert held.skip is SkipReason.OVER_BUDGET


def test_a_run_that_never_asked_for_a_job_costs_nothing():
    idle = [replace(run, starts=0, state=State.CANCELLED) for run in SPENT]

    assert decision_on(history=idle).state is State.REQUESTED


@pytest.mark.parametrize(
    ("held", "kind", "expected"),
    [
        ((), "concept", State.REQUESTED),
        (("volume",), "volume", State.HELD),
        (("volume",), "concept", State.REQUESTED),
    ],
)
def test_which_kinds_are_held_is_the_policy_s(held, kind, expected):
    decision = decision_on(trigger_of(kind), policy=Policy(held_kinds=held))

    assert decision.state is expected
    assert decision.reason


def test_history_reaches_back_as_far_as_any_rule_looks():
    assert history_since(POLICY, NOW) == NOW - timedelta(days=30)
    long = Policy.model_validate({"cooldown_days": {"concept": 45}})
    assert history_since(long, NOW) == NOW - timedelta(days=45)


@pytest.mark.parametrize(
    ("kind", "fired_at", "lock", "history", "expected"),
    [
        ("drift", NOW, FREE, (), State.REQUESTED),
        ("concept", NOW, FREE, (), State.HELD),
        ("anomaly", NOW, FREE, (), State.HELD),
        ("drift", NOW, FREE, YESTERDAY, SkipReason.COOLING_DOWN),
        ("concept", NOW, FREE, YESTERDAY, SkipReason.COOLING_DOWN),
        ("drift", NOW, LOCKED, (), SkipReason.MERGED),
        ("drift", NOW, LOCKED, YESTERDAY, SkipReason.MERGED),
        ("concept", NOW, LOCKED, (), SkipReason.MERGED),
        ("manual", NOW, LOCKED, (), SkipReason.MERGED),
        ("drift", OLD, FREE, (), SkipReason.STALE),
        ("drift", OLD, LOCKED, YESTERDAY, SkipReason.STALE),
        ("concept", OLD, LOCKED, YESTERDAY, SkipReason.STALE),
        ("manual", NOW, FREE, YESTERDAY, State.REQUESTED),
        ("schedule", NOW, FREE, YESTERDAY, State.REQUESTED),
    ],
)
def test_the_first_rule_that_applies_decides(kind, fired_at, lock, history, expected):
    decision = decision_on(trigger_of(kind, fired_at), lock=lock, history=history)

    assert outcome(decision) == expected
    assert decision.reason
    assert (decision.state is State.SKIPPED) == (decision.skip is not None)


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(hours=24), State.REQUESTED),
        (timedelta(hours=24) + TICK, SkipReason.STALE),
        (timedelta(minutes=-10), State.REQUESTED),
    ],
    ids=["on the limit", "past it", "the sender's clock is ahead"],
)
def test_an_alert_is_stale_once_it_is_older_than_the_policy_says(age, expected):
    assert outcome(decision_on(trigger_of(fired_at=NOW - age))) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_rests_exactly_as_long_as_its_cool_down(kind):
    rest = timedelta(days=Cooldowns().of(kind))
    last = run_of(created_at=NOW)
    over = decision_on(trigger_of(kind, fired_at=NOW + rest), history=[last], now=NOW + rest)
    before = NOW + rest - TICK
    within = decision_on(trigger_of(kind, fired_at=before), history=[last], now=before)

    assert over.skip is None
    assert within.skip is (SkipReason.COOLING_DOWN if rest else None)


def test_the_reason_of_a_cool_down_names_the_run_and_the_end():
    decision = decision_on(history=YESTERDAY)

    assert "run-1 answered at 2013-06-30 04:00Z" in decision.reason
    assert "rests until 2013-07-07 04:00Z" in decision.reason


@pytest.mark.parametrize("state", sorted(DID_NOTHING))
def test_a_run_that_gave_no_verdict_starts_no_cool_down(state):
    assert decision_on(history=[run_of(state)]).state is State.REQUESTED


@pytest.mark.parametrize("state", ANSWERED)
def test_any_other_run_does(state):
    assert decision_on(history=[run_of(state)]).skip is SkipReason.COOLING_DOWN


def test_a_failed_run_does_not_hide_the_answer_before_it():
    failed = run_of(State.JOB_FAILED, NOW - timedelta(hours=1), "run-3")

    assert decision_on(history=[*YESTERDAY, failed]).skip is SkipReason.COOLING_DOWN


def test_the_kind_of_the_new_trigger_decides_how_long_it_rests():
    history = [run_of(created_at=NOW - timedelta(days=10), kind="concept")]

    assert decision_on(trigger_of("drift"), history=history).state is State.REQUESTED
    assert decision_on(trigger_of("performance"), history=history).skip is SkipReason.COOLING_DOWN


@pytest.mark.parametrize(
    ("lock", "expected"),
    [
        (LOCKED, SkipReason.MERGED),
        (replace(LOCKED, expires_at=NOW + TICK), SkipReason.MERGED),
        (replace(LOCKED, expires_at=NOW), State.REQUESTED),
        (replace(LOCKED, run_id="run-2"), State.REQUESTED),
        (FREE, State.REQUESTED),
    ],
    ids=["held", "held for a tick", "expired", "held by itself", "free"],
)
def test_a_lock_counts_while_another_run_holds_it(lock, expected):
    assert outcome(decision_on(lock=lock)) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_only_kinds_that_need_a_person_are_held(kind):
    decision = decision_on(trigger_of(kind))

    assert set(POLICY.held_kinds) == set(HELD_KINDS)
    assert (decision.state is State.HELD) == (kind in HELD_KINDS)
    assert decision.reason == HELD_KINDS.get(kind, f"{kind} was seen")


MOMENTS = st.datetimes(datetime(2013, 1, 1), datetime(2014, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds
RUNS = st.builds(
    run_of,
    st.sampled_from(State),
    MOMENTS,
    st.sampled_from(["run-1", "run-3"]),
    st.sampled_from(KINDS),
    st.integers(0, 2),
)
POLICIES = st.builds(
    Policy,
    held_kinds=st.lists(st.sampled_from(KINDS), max_size=2, unique=True).map(tuple),
    budget=st.builds(Budget, runs=st.integers(1, 3), days=st.integers(1, 60)),
)
SUPPRESSIONS = st.none() | st.builds(
    Suppression, MOMENTS, st.just("stocktaking"), st.just("ana"), MOMENTS
)
SITUATIONS = st.fixed_dictionaries(
    {
        "trigger": st.builds(trigger_of, st.sampled_from(KINDS), MOMENTS),
        "history": st.lists(RUNS, max_size=5),
        "lock": st.builds(Lock, st.sampled_from(["", "run-1", "run-2"]), st.just(4), MOMENTS),
        "now": MOMENTS,
        "suppression": SUPPRESSIONS,
        "policy": POLICIES,
    }
)


@given(SITUATIONS)
def test_the_same_situation_always_gets_the_same_decision(situation):
    first = decision_on(**situation)

    assert decision_on(**situation) == first
    assert decision_on(**{**situation, "history": situation["history"][::-1]}).skip == first.skip


@given(SITUATIONS)
def test_nothing_is_requested_while_another_run_holds_an_unexpired_lock(situation):
    lock, now = situation["lock"], situation["now"]

    decision = decision_on(**situation)

    if lock.run_id == "run-1" and now < lock.expires_at:
        assert decision.state is State.SKIPPED
    assert decision.state in (State.REQUESTED, State.HELD, State.SKIPPED)


@given(SITUATIONS)
def test_nothing_acts_while_it_is_suppressed(situation):
    suppression, now = situation["suppression"], situation["now"]

    decision = decision_on(**situation)

    if suppression is not None and now < suppression.until:
        assert decision.skip in (SkipReason.SUPPRESSED, SkipReason.STALE)


@given(SITUATIONS)
def test_within_a_period_no_more_runs_act_than_the_budget_has(situation):
    budget, now = situation["policy"].budget, situation["now"]
    since = now - timedelta(days=budget.days)
    spent = [run for run in situation["history"] if run.starts and run.created_at > since]

    decision = decision_on(**situation)

    assert not (decision.acts and len(spent) >= budget.runs)


@given(SITUATIONS)
def test_a_person_is_never_told_to_wait_for_a_cool_down(situation):
    trigger = replace(situation["trigger"], kind="manual")

    decision = decision_on(**{**situation, "trigger": trigger})

    assert decision.skip is not SkipReason.COOLING_DOWN


@given(SITUATIONS)
def test_a_record_of_a_passed_over_trigger_changes_nothing(situation):
    skipped = run_of(State.SKIPPED, situation["now"], "run-9")
    with_it = {**situation, "history": [*situation["history"], skipped]}

    assert decision_on(**with_it) == decision_on(**situation)


@given(SITUATIONS)
def test_a_decision_says_why(situation):
    decision = decision_on(**situation)

    assert isinstance(decision, Decision)
    assert decision.reason


def test_the_same_occurrence_names_the_same_run_and_another_one_another():
    again = replace(trigger_of(), fired_at=NOW + timedelta(minutes=5), reason="told otherwise")
    names = {
        run_id_of("flight-delay", trigger_of()),
        run_id_of("slot-revenue", trigger_of()),
        run_id_of("flight-delay", trigger_of("volume")),
        run_id_of("flight-delay", replace(trigger_of(), key="alert-3")),
    }

    assert run_id_of("flight-delay", again) == run_id_of("flight-delay", trigger_of())
    assert len(names) == 4


def test_the_kinds_that_a_policy_can_name_are_those_that_have_a_cool_down():
    assert set(get_args(TriggerKind)) == TRIGGER_KINDS
