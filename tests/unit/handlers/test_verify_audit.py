"""Whatever is done to the ledger, its table or its evidence is found and named."""

from copy import deepcopy
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.audit import NOT_HASHED, Head
from shared.errors import DataError, Unavailable
from shared.handlers.project_audit import AUDIT_TABLE
from shared.handlers.verify_audit import CHECKS, OF_THE_PROJECTION
from tests.fakes.duel import duel, live
from tests.fakes.samples import MODEL, alert_of
from tests.fakes.tables import FakeTables


@pytest.fixture(scope="module")
def told():
    """A chain of everything that happens to a model up to a promotion, projected."""
    loop = duel()
    live(loop, 3)
    loop.drain()
    loop.project(MODEL)
    return list(loop.ports.store.chain(MODEL)), table_of(loop)


def table_of(loop):
    return deepcopy(loop.ports.tables.read(AUDIT_TABLE, {"chain": MODEL}))


class Altered:
    """A loop whose ledger and table a test may write to as no adapter can."""

    def __init__(self):
        self.loop = duel()
        live(self.loop, 3)
        self.loop.drain()
        self.loop.project(MODEL)
        self.ledger = list(self.loop.ports.store.chain(MODEL))
        self.table = table_of(self.loop)
        store, tables = self.loop.ports.store, self.loop.ports.tables
        real_chain, real_read = store.chain, tables.read

        def chain(name, *, after=0):
            return iter(self.ledger[after:]) if name == MODEL else real_chain(name, after=after)

        store.chain = chain
        tables.read = lambda table, where=None, **how: (
            self.table if table == AUDIT_TABLE else real_read(table, where, **how)
        )

    def breaches(self):
        return self.loop.verify(MODEL).breaches

    def places(self):
        return {(found.place, found.sequence) for found in self.breaches()}


@pytest.fixture(scope="module")
def shared_world():
    return Altered()


@pytest.fixture
def world(shared_world):
    ledger, table = deepcopy(shared_world.ledger), deepcopy(shared_world.table)
    yield shared_world
    shared_world.ledger, shared_world.table = ledger, table


def other(value):
    """Give another value of the same kind."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case dict():
            return {**value, "added": 1}
        case None:
            return "something"
        case str():
            return value + "x"
    return value + timedelta(seconds=1)


def test_an_untouched_audit_holds(world):
    checked = world.loop.verify(MODEL)

    assert checked.breaches == ()
    assert checked.projected == checked.head.sequence == len(world.ledger) > 8


def test_each_field_of_each_row_of_the_ledger_is_held(world):
    whole = deepcopy(world.ledger)
    missed = []
    for place, row in enumerate(whole):
        for name in row:
            world.ledger = deepcopy(whole)
            world.ledger[place][name] = other(row[name])
            sequence = row["sequence"]
            found = [b for b in world.breaches() if b.sequence in (sequence, sequence + 1)]
            if not found:
                missed.append((sequence, name))
    assert not missed


def test_what_is_not_hashed_is_held_by_the_table(world):
    assert {"hash_prev", "hash_self", "received_ts"} == NOT_HASHED
    world.ledger[2]["received_ts"] = "2001-01-01T00:00:00.000000Z"

    (found,) = world.breaches()

    assert (found.sequence, found.place, found.field) == (3, "table", "received_ts")


def test_each_field_of_each_row_of_the_table_is_held(world):
    whole = deepcopy(world.table)
    missed = []
    for place, row in enumerate(whole):
        for name in set(row) - OF_THE_PROJECTION:
            world.table = deepcopy(whole)
            world.table[place][name] = other(row[name])
            if not any(b.place == "table" for b in world.breaches()):
                missed.append((place, name))
    assert not missed


@pytest.mark.parametrize("side", ["ledger", "table"])
@pytest.mark.parametrize("place", [0, 3, -1])
def test_a_row_that_is_gone_is_found(world, side, place):
    rows = getattr(world, side)
    sequence = rows[place]["sequence"]
    del rows[place]

    assert {found for found in world.places() if found[1] in (sequence, sequence + 1)}


@pytest.mark.parametrize("side", ["ledger", "table"])
@pytest.mark.parametrize("place", [0, 3, -1])
def test_a_row_that_is_there_twice_is_found(world, side, place):
    rows = getattr(world, side)
    rows.insert(place % len(rows), deepcopy(rows[place]))

    assert side in {found.place for found in world.breaches()}


def test_rows_of_the_ledger_in_another_order_are_found(world):
    world.ledger[2], world.ledger[3] = world.ledger[3], world.ledger[2]

    assert "ledger" in {found.place for found in world.breaches()}


def test_rows_of_the_table_come_in_any_order_and_those_with_each_other_s_number_are_found(world):
    world.table.reverse()
    assert world.breaches() == ()

    one, other = world.table[2], world.table[3]
    one["sequence"], other["sequence"] = other["sequence"], one["sequence"]

    assert {found.place for found in world.breaches()} == {"table"}


def test_a_row_that_only_the_table_has_is_found(world):
    made_up = {**deepcopy(world.table[-1]), "sequence": 99}
    world.table.append(made_up)

    assert ("table", 99) in world.places()


def test_a_row_that_was_put_behind_the_end_is_found(world):
    last = world.ledger[-1]
    world.ledger.append({**deepcopy(last), "sequence": last["sequence"] + 1})

    (found,) = world.breaches()

    assert (found.place, found.sequence) == ("ledger", last["sequence"] + 1)
    assert found.reason == f"was added: the chain ends at row {last['sequence']}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("context", {"psi": float("nan")}),
        ("reason", "half a pair: \ud800"),
        ("sequence", None),
        ("sequence", "3"),
    ],
)
def test_a_row_that_was_made_something_no_ledger_writes_is_named_and_ends_no_check(
    world, name, value
):
    world.ledger[2][name] = value

    assert ("ledger", 3) in world.places()


def test_a_row_of_the_table_without_a_number_is_named(world):
    world.table[2]["sequence"] = None

    assert world.places() == {("table", 0), ("table", 3)}


def test_a_row_that_cannot_be_read_at_all_is_named(world, monkeypatch):
    whole = world.loop.ports.store.chain

    def chain(name, *, after=0):
        yield from list(whole(name, after=after))[:2]
        raise DataError("the ledger's row at flight-delay, audit:000000000003 cannot be read")

    monkeypatch.setattr(world.loop.ports.store, "chain", chain)

    found = world.breaches()

    assert (found[0].place, found[0].sequence) == ("ledger", 3)


def test_a_table_that_is_gone_is_found_by_the_ledger_s_own_mark():
    loop = duel()
    loop.project(MODEL)
    rows = loop.ports.store.head(MODEL).sequence
    gone = replace(loop.verify, tables=FakeTables())

    missing = [found.sequence for found in gone(MODEL).breaches if found.reason == "is missing"]
    assert missing == list(range(1, rows + 1))


@pytest.mark.parametrize("first", [True, False])
def test_rows_that_are_projected_during_a_check_are_neither_missing_nor_added(first):
    loop = duel()
    loop.project(MODEL)
    real = loop.ports.tables.read

    def read(table, where=None, **how):
        loop.ports.tables.read = real
        before = real(table, where, **how)
        loop.receive(alert_of(9))
        loop.project(MODEL)
        return before if first else real(table, where, **how)

    loop.ports.tables.read = read

    checked = loop.verify(MODEL)

    assert (checked.breaches, loop.ports.tables.read) == ((), real)


def test_rows_of_a_chain_that_the_ledger_does_not_have_are_found():
    loop = duel()
    loop.project(MODEL)
    made_up = {**table_of(loop)[0], "chain": "made-up"}
    loop.ports.tables.append(AUDIT_TABLE, [made_up], writer="somebody", batch=1)

    loop.verify.all()

    assert checks(loop)[-1]["context"]["breaches"] == [
        "made-up: table row 0: is of no chain of the ledger"
    ]


def test_rows_that_are_not_projected_yet_are_no_breach(world):
    world.loop.receive(alert_of(9))

    fresh = duel()
    fresh.receive(alert_of(9))

    assert fresh.verify(MODEL).breaches == ()
    assert fresh.verify(MODEL).projected < fresh.verify(MODEL).head.sequence


@pytest.mark.parametrize(("how", "reason"), [("changed", "was changed"), ("gone", "is gone")])
def test_evidence_that_is_not_what_the_ledger_names_is_found(how, reason):
    loop = duel()
    contents = loop.ports.evidence.contents
    (name,) = contents
    if how == "changed":
        contents[name] += b" "
    else:
        del contents[name]

    (found, *_) = loop.verify(MODEL).breaches

    assert found.place == "evidence"
    assert found.reason == f"{name} {reason}"


@settings(max_examples=40, deadline=None)
@given(
    of_the_table=st.booleans(),
    # each place once: to change a flag twice changes nothing
    changes=st.sets(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=3),
)
def test_whatever_several_changes_there_are_one_is_found(told, of_the_table, changes):
    ledger, table = deepcopy(told[0]), deepcopy(told[1])
    shared = _shared_altered()
    side = table if of_the_table else ledger
    names = sorted(set(side[0]) - OF_THE_PROJECTION)
    for place, name in {(row % len(side), names[nth % len(names)]) for row, nth in changes}:
        side[place][name] = other(side[place][name])
    shared.ledger, shared.table = ledger, table

    assert shared.breaches()


_ALTERED = []


def _shared_altered():
    if not _ALTERED:
        _ALTERED.append(Altered())
    return _ALTERED[0]


# --- every night ------------------------------------------------------------------------------


def checks(loop):
    return list(loop.ports.store.chain(CHECKS))


def test_the_nightly_check_leaves_the_ends_of_all_chains():
    loop = duel()
    loop.project(MODEL)

    loop.verify.all()

    (row,) = checks(loop)
    head = loop.ports.store.head(MODEL)
    assert (row["action"], row["outcome"]) == ("audit.verified", "success")
    assert row["context"]["ends"][MODEL] == [head.sequence, head.hash_self]
    assert not [n for n in loop.ports.notifier.sent if "does not hold" in n.title]


def test_a_chain_that_was_cut_with_its_head_is_found_the_next_night(world):
    world.loop.verify.all()
    store = world.loop.ports.store
    real = store.head
    del world.ledger[-1]
    world.table.pop()
    last = world.ledger[-1]
    cut = Head(last["sequence"], last["hash_self"])
    store.head = lambda chain: cut if chain == MODEL else real(chain)

    checked = {one.chain: one for one in world.loop.verify.all()}
    store.head = real

    (found,) = checked[MODEL].breaches
    assert found.reason == "was there at the last check and is gone"


def test_a_chain_that_was_cut_is_told_each_night_and_whenever_somebody_asks():
    loop = duel()
    loop.verify.all()
    cut_last_row(loop)

    loop.verify.all()
    loop.verify.all()

    gone = "was there at the last check and is gone"
    told = [gone in str(row["context"]["breaches"]) for row in checks(loop)]
    assert told == [False, True, True]
    assert gone in [found.reason for found in loop.verify(MODEL).breaches]


def cut_last_row(loop):
    """Take a chain's last row away, and have its head agree."""
    store = loop.ports.store
    real_chain, real_head = store.chain, store.head
    rows = list(real_chain(MODEL))[:-1]
    cut = Head(rows[-1]["sequence"], rows[-1]["hash_self"])
    store.head = lambda chain: cut if chain == MODEL else real_head(chain)
    store.chain = lambda chain, *, after=0: (
        iter(rows[after:]) if chain == MODEL else real_chain(chain, after=after)
    )


def test_a_night_on_which_a_chain_could_not_be_read_keeps_its_end():
    loop = duel()
    loop.verify.all()
    (before,) = checks(loop)
    real = loop.ports.tables.read
    loop.ports.tables.read = away

    with pytest.raises(Unavailable):
        loop.verify.all()

    loop.ports.tables.read = real
    assert checks(loop)[-1]["context"]["ends"][MODEL] == before["context"]["ends"][MODEL]


def away(table, where=None, **how):
    raise Unavailable("away")


@pytest.mark.parametrize("context", [None, {"ends": {MODEL: 1}}, {"ends": {MODEL: [0, "x"]}}])
def test_what_is_done_to_the_checks_own_chain_is_found(context):
    loop = duel()
    loop.verify.all()
    real = loop.ports.store.chain

    def chain(name, *, after=0):
        for row in real(name, after=after):
            yield {**row, "context": context} if name == CHECKS else row

    loop.ports.store.chain = chain

    found = {one.chain: one.breaches for one in loop.verify.all()}

    assert [breach.reason for breach in found[CHECKS]] == ["was changed after it was written"]


def test_a_breach_is_told_and_on_record(world):
    world.table[0]["reason"] = "because"

    world.loop.verify.all()

    assert checks(world.loop)[-1]["outcome"] == "failure"
    notice = [n for n in world.loop.ports.notifier.sent if "does not hold" in n.title][-1]
    assert "table row 1, reason: differs from the ledger" in notice.text


def test_a_chain_that_cannot_be_read_keeps_no_other_from_being_checked():
    loop = duel()
    loop.receive(alert_of(model="nobody"))
    real = loop.ports.tables.read

    def read(table, where=None, **how):
        if where == {"chain": MODEL}:
            raise Unavailable("away")
        return real(table, where, **how)

    loop.ports.tables.read = read

    with pytest.raises(Unavailable):
        loop.verify.all()

    (row,) = checks(loop)
    assert row["outcome"] == "partial"
    assert list(row["context"]["ends"]) == ["unrouted.alerts"]
