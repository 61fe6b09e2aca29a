"""A suppression is a person's word with an end; the last word counts, and each is audited."""

from datetime import timedelta, timezone

import pytest

from shared.domain.actor import Actor
from shared.errors import BadInput, NotFound
from tests.fakes.clock import START
from tests.fakes.samples import MODEL, alert_of

ANA, BO = Actor("ana@example.com"), Actor("bo-app", "service_principal")
DAY = timedelta(days=1)


def rows(loop):
    return [(row["action"], row["subject"], row["reason"]) for row in loop.ports.store.chain(MODEL)]


def test_a_suppression_holds_until_its_end_and_not_longer(loop):
    loop.suppress(MODEL, START + DAY, "stocktaking", ANA)

    assert loop.suppress.standing(MODEL).reason == "stocktaking"
    loop.ports.clock.set(START + DAY)
    assert loop.suppress.standing(MODEL) is None
    assert loop.receive(alert_of(fired_at=START + DAY)).decision == "accepted"


def test_each_word_is_audited_with_who_said_it(loop):
    loop.suppress(MODEL, START + DAY, "stocktaking", ANA)
    loop.suppress(MODEL, START + 2 * DAY, "takes longer", BO)
    loop.suppress.lift(MODEL, "counted", ANA)

    assert rows(loop) == [
        ("model.suppressed", "ana@example.com", "stocktaking"),
        ("model.suppressed", "bo-app", "takes longer"),
        ("model.unsuppressed", "ana@example.com", "counted"),
    ]
    assert not loop.breaches()


def test_the_same_word_again_changes_nothing(loop):
    for _ in range(2):
        loop.suppress(MODEL, START + DAY, "stocktaking", ANA)

    assert len(rows(loop)) == 1


def test_what_is_lifted_no_longer_holds_and_lifting_twice_is_no_fact(loop):
    loop.suppress(MODEL, START + DAY, "stocktaking", ANA)

    assert loop.suppress.lift(MODEL, "counted", BO)
    assert not loop.suppress.lift(MODEL, "counted", BO)

    assert loop.suppress.standing(MODEL) is None
    assert loop.receive(alert_of()).decision == "accepted"
    assert len(rows(loop)) == 3


def test_a_suppression_leaves_an_active_run_alone(loop):
    loop.receive(alert_of())

    loop.suppress(MODEL, START + DAY, "stocktaking", ANA)
    loop.drain()

    assert loop.run().state == "staged"


def test_an_end_may_be_told_in_any_zone(loop):
    there = (START + DAY).astimezone(timezone(timedelta(hours=-5)))

    assert loop.suppress(MODEL, there, "stocktaking", ANA).until == START + DAY


@pytest.mark.parametrize(
    "until", [START, START - DAY, START + 90 * DAY + timedelta(microseconds=1)]
)
def test_an_end_that_has_passed_or_is_too_far_off_is_bad_input(loop, until):
    with pytest.raises(BadInput, match="until: must be after now and not after 2013-09-29"):
        loop.suppress(MODEL, until, "stocktaking", ANA)

    assert not loop.ports.store.commits


def test_a_model_nobody_knows_cannot_be_suppressed(loop):
    for act in (
        lambda: loop.suppress("another", START + DAY, "why", ANA),
        lambda: loop.suppress.lift("another", "why", ANA),
        lambda: loop.suppress.standing("another"),
    ):
        with pytest.raises(NotFound):
            act()
