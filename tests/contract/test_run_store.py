"""What any RunStore does: the fake and Table storage behind Azurite give the same answers."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from threading import Barrier, Thread
from typing import Any
from uuid import uuid4

import pytest
from azure.data.tables import TableClient, TableServiceClient

from shared.adapters.credentials import StaticCredential
from shared.adapters.storage.run_codec import MAX_DOCUMENT, NEVER_TAKEN
from shared.adapters.storage.table_store import TableRunStore
from shared.config import Settings
from shared.domain.audit import AuditEntry, Head, document_of, extend, verify
from shared.domain.run import Lock, Run, State, Suppression, Trigger
from shared.errors import BadInput, Conflict, DataError, Throttled, Unavailable
from shared.ports import Commit, RunStore, Snapshot
from tests.fakes.state import FakeRunStore

NOW = datetime(2013, 7, 1, 4, 0, 0, 123_456, tzinfo=UTC)
MODEL = "flight-delay"


@contextmanager
def azurite_store(connection: str) -> Iterator[TableRunStore]:
    with TableServiceClient.from_connection_string(connection) as service:
        name = f"t{uuid4().hex[:20]}"
        store = TableRunStore(TableClient.from_connection_string(connection, name))
        try:
            yield store
        finally:
            store.close()
            service.delete_table(name)


@pytest.fixture(params=["fake", "azurite"])
def store(request: pytest.FixtureRequest) -> Iterator[RunStore]:
    if request.param == "fake":
        yield FakeRunStore()
        return
    with azurite_store(request.getfixturevalue("azurite_connection")) as real:
        yield real


def make_run(run_id: str = "run-1", **changes: Any) -> Run:
    trigger = Trigger("drift", "a-1", "/alerts/1", NOW, "carrier drifted; PSI 0.31")
    run = Run(MODEL, run_id, State.REQUESTED, trigger, created_at=NOW, updated_at=NOW)
    return replace(run, **changes)


def entry(action: str = "run.requested", **changes: Any) -> AuditEntry:
    return AuditEntry(action, "success", NOW, "runs/run-1", "run", "because", **changes)


def decide(
    snapshot: Snapshot,
    *entries: AuditEntry,
    run: Run | None = None,
    lock: Lock | None = None,
    suppression: Suppression | None = None,
) -> Commit:
    rows, head = extend(snapshot.model, snapshot.head, entries, NOW)
    return Commit(run, lock, rows, head, suppression)


def write(store: RunStore, *entries: AuditEntry, run: Run | None = None, **parts: Any) -> None:
    snapshot = store.snapshot(MODEL, "run-1" if run is None else run.run_id)
    store.commit(snapshot, decide(snapshot, *entries, run=run, **parts))


def test_an_untouched_model_has_no_run_a_free_lock_and_an_empty_chain(store):
    snapshot = store.snapshot(MODEL, "run-1")

    assert snapshot.run is None
    assert snapshot.lock == NEVER_TAKEN
    assert not snapshot.lock.held_by_other("run-1", datetime.now(UTC))
    assert snapshot.head == store.head(MODEL) == Head()
    assert list(store.chain(MODEL)) == []
    assert store.chains() == []


def test_a_reader_sees_exactly_what_was_written(store):
    run = make_run(
        state=State.JUDGING,
        reason="--changeset_1\r\nHTTP/1.1 200 OK\r\n\u2028'quoted' \"too\" % ü 🛫 \x7f",
        intent_at=NOW,
        deadline=NOW + timedelta(microseconds=1),
        notified_at=NOW,
        facts={"psi": 0.1 + 0.2, "rows": 2**60, "nested": [{"a": None}, True, "\u2029"]},
    )
    lock = Lock("run-1", 7, NOW + timedelta(hours=4))
    snapshot = store.snapshot(MODEL, "run-1")
    commit = decide(snapshot, entry(context={"reason": run.reason}), run=run, lock=lock)

    store.commit(snapshot, commit)

    after = store.snapshot(MODEL, "run-1")
    assert (after.run, after.lock, after.head) == (run, lock, commit.head)
    assert list(store.chain(MODEL)) == [document_of(commit.rows[0])]
    assert list(verify(store.chain(MODEL), store.head(MODEL))) == []


SUPPRESSION = Suppression(
    until=NOW + timedelta(days=3, microseconds=1),
    reason="--changeset_1\r\nHTTP/1.1 200 OK\r\n\u2028'stocktaking' ü 🛫 \ud800",
    actor="ana@example.com",
    since=NOW,
)


def test_a_suppression_is_read_with_every_run_of_its_model_and_of_no_other(store):
    assert store.snapshot(MODEL, "run-1").suppression is None

    write(store, entry(), suppression=SUPPRESSION)

    assert store.snapshot(MODEL, "run-1").suppression == SUPPRESSION
    assert store.snapshot(MODEL, "run-2").suppression == SUPPRESSION
    assert store.snapshot("credit-default", "run-1").suppression is None
    assert store.runs(MODEL) == []
    assert store.chains() == [MODEL]


def test_a_suppression_stays_until_another_takes_its_place(store):
    write(store, entry(), suppression=SUPPRESSION, lock=Lock("run-1", 1, NOW))
    write(store, entry(), run=make_run())
    assert store.snapshot(MODEL, "run-1").suppression == SUPPRESSION
    lifted = replace(SUPPRESSION, until=NOW, reason="counted", actor="bo@example.com")

    write(store, entry(), run=make_run(), suppression=lifted)

    after = store.snapshot(MODEL, "run-1")
    assert (after.suppression, after.lock) == (lifted, Lock("run-1", 1, NOW))


def test_a_run_moves_on_and_its_lock_changes_hands(store):
    write(store, entry(), run=make_run(), lock=Lock("run-1", 1, NOW))
    snapshot = store.snapshot(MODEL, "run-1")
    moved = make_run().to(State.STARTING, NOW, fence=1)

    store.commit(snapshot, decide(snapshot, entry("run.starting"), run=moved))

    after = store.snapshot(MODEL, "run-1")
    assert after.run == moved
    assert after.lock == Lock("run-1", 1, NOW)
    assert [row["action"] for row in store.chain(MODEL)] == ["run.requested", "run.starting"]


def test_a_commit_without_rows_leaves_the_chain_as_it_is(store):
    write(store, entry(), run=make_run())
    before = store.head(MODEL)

    write(store, run=make_run(polls=3))

    assert store.head(MODEL) == before
    assert store.snapshot(MODEL, "run-1").run == make_run(polls=3)


@pytest.mark.parametrize(
    "first", ["run", "lock", "rows", "suppression", "another run", "nothing at all"]
)
@pytest.mark.parametrize("known", [False, True])
def test_a_commit_on_a_stale_snapshot_writes_nothing(store, first, known):
    if known:
        write(store, entry(), run=make_run(), lock=Lock("run-0", 1, NOW))
    stale = store.snapshot(MODEL, "run-1")
    moved = make_run(polls=1)
    parts = {
        "run": ([], {"run": moved}),
        "lock": ([], {"lock": Lock("run-2", 2, NOW)}),
        "rows": ([entry("model.staged")], {}),
        "suppression": ([], {"suppression": SUPPRESSION}),
        "another run": ([], {"run": make_run("run-2")}),
        "nothing at all": ([], {}),
    }
    entries, changed = parts[first]
    fresh = store.snapshot(MODEL, "run-2") if first == "another run" else stale
    store.commit(fresh, decide(fresh, *entries, **changed))
    between = store.snapshot(MODEL, "run-1")
    rows = list(store.chain(MODEL))

    late = decide(stale, entry(), entry(), run=make_run(polls=9), lock=Lock("run-1", 9, NOW))
    with pytest.raises(Conflict):
        store.commit(stale, late)

    assert store.snapshot(MODEL, "run-1") == between
    assert list(store.chain(MODEL)) == rows


def test_the_same_commit_twice_is_done_once(store):
    snapshot = store.snapshot(MODEL, "run-1")
    commit = decide(snapshot, entry(), run=make_run())
    store.commit(snapshot, commit)

    with pytest.raises(Conflict):
        store.commit(snapshot, commit)

    assert len(list(store.chain(MODEL))) == 1


def test_models_do_not_disturb_each_other(store):
    here, there = store.snapshot(MODEL, "run-1"), store.snapshot("credit-default", "run-1")
    store.commit(here, decide(here, entry(), run=make_run()))

    store.commit(there, decide(there, entry(), run=make_run(model="credit-default")))

    assert [run.model for run in store.runs(MODEL)] == [MODEL]
    assert [run.model for run in store.runs("credit-default")] == ["credit-default"]
    assert sorted(store.chains()) == ["credit-default", MODEL]


def test_a_chain_is_unprojected_from_its_first_row_until_its_end_was_noted(store):
    assert store.unprojected() == []
    write(store, entry(), entry())
    assert store.unprojected() == [MODEL]

    assert store.projected(MODEL) == 0
    store.note_projected(MODEL, 1)
    assert store.unprojected() == [MODEL]
    store.note_projected(MODEL, 2)
    assert store.unprojected() == []
    assert store.projected(MODEL) == 2

    write(store, entry())
    assert store.unprojected() == [MODEL]


def test_what_is_noted_of_a_projection_disturbs_no_decision(store):
    write(store, entry(), run=make_run())
    snapshot = store.snapshot(MODEL, "run-1")

    store.note_projected(MODEL, 1)
    store.commit(snapshot, decide(snapshot, entry(), run=make_run(polls=1)))

    after = store.snapshot(MODEL, "run-1")
    assert (after.run.polls, after.lock, after.suppression) == (1, NEVER_TAKEN, None)
    assert store.chains() == [MODEL]


@pytest.mark.parametrize("round_", range(5))
def test_of_many_that_race_for_a_lock_exactly_one_gets_it(store, round_):
    racers = 4
    together = Barrier(racers)

    def race(number: int) -> str | None:
        name = f"run-{number}"
        snapshot = store.snapshot(MODEL, name)
        together.wait(timeout=30)
        wanted = decide(snapshot, entry(run_id=name), run=make_run(name), lock=Lock(name, 1, NOW))
        try:
            store.commit(snapshot, wanted)
        except Conflict:
            return None
        return name

    with ThreadPoolExecutor(racers) as pool:
        winners = [name for name in pool.map(race, range(racers)) if name is not None]

    assert len(winners) == 1
    assert store.snapshot(MODEL, winners[0]).lock.run_id == winners[0]
    assert [run.run_id for run in store.runs(MODEL)] == winners
    assert [row["run_id"] for row in store.chain(MODEL)] == winners


def test_writers_that_decide_again_after_a_conflict_lose_nothing_and_never_fork_the_chain(store):
    def add_three(writer: int) -> None:
        done = 0
        for _ in range(500):
            snapshot = store.snapshot(MODEL, f"run-{writer}")
            run = snapshot.run or make_run(f"run-{writer}")
            wanted = decide(
                snapshot, entry(run_id=run.run_id), run=replace(run, polls=run.polls + 1)
            )
            try:
                store.commit(snapshot, wanted)
            except Conflict:
                continue
            done += 1
            if done == 3:
                return

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add_three, range(4)))

    assert list(verify(store.chain(MODEL), store.head(MODEL))) == []
    assert store.head(MODEL).sequence == 12
    assert [run.polls for run in store.runs(MODEL)] == [3, 3, 3, 3]


def test_one_transaction_takes_a_hundred_entities_and_no_more(store):
    snapshot = store.snapshot(MODEL, "run-1")
    run, lock = make_run(), Lock("run-1", 1, NOW)
    too_many = decide(snapshot, *[entry()] * 98, run=run, lock=lock)
    most = decide(snapshot, *[entry()] * 97, run=run, lock=lock)

    with pytest.raises(BadInput, match="101 entities"):
        store.commit(snapshot, too_many)
    assert store.head(MODEL) == Head()
    store.commit(snapshot, most)

    assert [row["sequence"] for row in store.chain(MODEL)] == list(range(1, 98))


@pytest.mark.parametrize("large", ["x" * MAX_DOCUMENT, "🛫" * (MAX_DOCUMENT // 2)])
def test_a_row_or_a_run_too_large_for_a_property_is_refused_and_nothing_is_written(store, large):
    snapshot = store.snapshot(MODEL, "run-1")

    for commit in (
        decide(snapshot, entry(context={"values": large})),
        decide(snapshot, entry(), run=make_run(reason=large)),
    ):
        with pytest.raises(DataError, match="a table property holds 30000"):
            store.commit(snapshot, commit)

    assert store.snapshot(MODEL, "run-1") == snapshot
    assert list(store.chain(MODEL)) == []


def test_a_row_just_below_the_limit_is_stored_whole(store):
    snapshot = store.snapshot(MODEL, "run-1")
    commit = decide(snapshot, entry(context={"values": "🛫" * 14_500}))

    store.commit(snapshot, commit)

    assert list(store.chain(MODEL)) == [document_of(commit.rows[0])]


def test_rows_that_do_not_go_on_where_the_chain_ends_are_refused(store):
    write(store, entry())
    snapshot = store.snapshot(MODEL, "run-1")
    gap, gap_head = extend(MODEL, Head(5, snapshot.head.hash_self), [entry()], NOW)
    other, other_head = extend("credit-default", snapshot.head, [entry()], NOW)
    forged, forged_head = extend(MODEL, Head(1, "f" * 64), [entry()], NOW)

    for rows, head in ((gap, gap_head), (other, other_head), (forged, forged_head)):
        with pytest.raises(BadInput, match="does not follow row 1"):
            store.commit(snapshot, Commit(None, None, rows, head))
    with pytest.raises(BadInput, match="names row 2"):
        store.commit(snapshot, Commit(None, None, (), Head(2, "f" * 64)))

    assert store.head(MODEL) == snapshot.head


def test_a_run_of_another_model_is_refused(store):
    snapshot = store.snapshot(MODEL, "run-1")

    with pytest.raises(BadInput, match="belongs to credit-default"):
        store.commit(snapshot, decide(snapshot, run=make_run(model="credit-default")))


def test_a_run_other_than_the_one_that_was_read_is_refused_or_a_conflict(store):
    write(store, run=make_run("run-1"))
    known, unknown = store.snapshot(MODEL, "run-1"), store.snapshot(MODEL, "run-2")

    with pytest.raises(BadInput, match="run-2 is not run-1, which was read"):
        store.commit(known, decide(known, run=make_run("run-2")))
    with pytest.raises(Conflict):
        store.commit(unknown, decide(unknown, run=make_run("run-1", polls=1)))

    assert store.runs(MODEL) == [make_run("run-1")]


@pytest.mark.parametrize("name", ["a", "0", "a" * 63, "a--b", "9-lives-"])
def test_every_name_the_catalogue_allows_is_a_partition(store, name):
    snapshot = store.snapshot(name, "run-1")

    store.commit(snapshot, decide(snapshot, entry(), run=make_run(model=name)))

    assert store.chains() == [name]
    assert [run.model for run in store.runs(name)] == [name]


@pytest.mark.parametrize("name", ["", "a/b", "a\\b", "a#b", "a?b", "a'b", "a b", "ä", "a\n", "-a"])
def test_a_name_no_key_can_carry_is_refused(store, name):
    with pytest.raises(BadInput, match="model: "):
        store.snapshot(name, "run-1")
    with pytest.raises(BadInput, match="run_id: "):
        store.snapshot(MODEL, name)
    with pytest.raises(BadInput, match="model: "):
        store.head(name)
    with pytest.raises(BadInput, match="model: "):
        store.runs(name)
    with pytest.raises(BadInput, match="model: "):
        list(store.chain(name))


def test_runs_come_oldest_first_from_a_moment_on(store):
    moments = [NOW + timedelta(microseconds=step) for step in (2, 0, 1)]
    for number, moment in enumerate(moments):
        write(store, run=make_run(f"run-{number}", created_at=moment))

    assert [run.run_id for run in store.runs(MODEL)] == ["run-1", "run-2", "run-0"]
    since = NOW + timedelta(microseconds=1)
    assert [run.run_id for run in store.runs(MODEL, since=since)] == ["run-2", "run-0"]
    assert store.runs(MODEL, since=NOW + timedelta(days=1)) == []


def test_runs_are_found_by_their_states(store):
    times = [NOW + timedelta(minutes=number) for number in range(4)]
    states = (State.STAGED, State.AWAITING_APPROVAL, State.PROMOTED, State.AWAITING_APPROVAL)
    for number, (state, at) in enumerate(zip(states, times, strict=True)):
        write(store, run=make_run(f"run-{number}", state=state, created_at=at))

    def found(*wanted: State, **how: Any) -> list[str]:
        return [run.run_id for run in store.runs(MODEL, states=wanted, **how)]

    assert found(State.AWAITING_APPROVAL) == ["run-1", "run-3"]
    assert found(State.PROMOTED, State.STAGED) == ["run-0", "run-2"]
    assert found(State.AWAITING_APPROVAL, since=times[2]) == ["run-3"]
    assert found(State.LIVE) == found() == []


def test_a_run_is_unsettled_until_it_rests_and_its_outcome_is_told(store):
    numbers = count()

    def put(state: State, notified_at: datetime | None) -> str:
        run_id = f"run-{next(numbers)}"
        write(store, run=make_run(run_id, state=state, notified_at=notified_at))
        return run_id

    working = [put(State.RUNNING, None), put(State.HELD, NOW), put(State.REQUESTED, NOW)]
    untold = [put(State.STAGED, None), put(State.SKIPPED, None)]
    put(State.STAGED, NOW)
    put(State.JOB_FAILED, NOW)

    assert [run.run_id for run in store.unsettled(MODEL)] == working + untold


def test_a_long_chain_is_read_in_order_from_any_row_on(store):
    for _ in range(11):
        write(store, *[entry()] * 95)

    sequences = [row["sequence"] for row in store.chain(MODEL)]
    assert sequences == list(range(1, 1046))
    assert [row["sequence"] for row in store.chain(MODEL, after=1043)] == [1044, 1045]
    assert list(store.chain(MODEL, after=1045)) == []


def test_a_model_with_runs_and_no_rows_has_no_chain(store):
    write(store, run=make_run())

    assert store.chains() == []


def test_a_lost_answer_leaves_a_state_that_the_next_snapshot_shows():
    store = FakeRunStore()
    store.faults.order(Unavailable("no answer"), done=True)

    with pytest.raises(Unavailable):
        write(store, entry(), run=make_run())

    assert store.snapshot(MODEL, "run-1").run == make_run()
    assert store.head(MODEL).sequence == 1


def test_an_entity_removed_by_hand_makes_the_commit_a_conflict(azurite_connection):
    with azurite_store(azurite_connection) as store:
        write(store, entry(), run=make_run())
        snapshot = store.snapshot(MODEL, "run-1")
        store._table.delete_entity(MODEL, "run:run-1")

        with pytest.raises(Conflict, match="removed since it was read"):
            store.commit(snapshot, decide(snapshot, entry(), run=make_run(polls=1)))

        assert store.head(MODEL) == snapshot.head


def test_a_table_that_is_there_already_is_used_as_it_is(azurite_connection):
    with azurite_store(azurite_connection) as store:
        write(store, entry())
        again = TableRunStore(
            TableClient.from_connection_string(azurite_connection, store._table.table_name)
        )

        with again._table:
            assert again.head(MODEL).sequence == 1


def test_a_store_that_does_not_answer_is_unavailable():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/account"
        store = TableRunStore.connect(settings(account(url)), credential=None)
        begun = time.monotonic()

        with pytest.raises(Unavailable, match="table retrainloop: no answer"):
            store.snapshot(MODEL, "run-1")

        assert time.monotonic() - begun < 10
        store.close()


def test_a_busy_store_says_when_to_come_back_and_is_asked_once():
    asked: list[str] = []

    class Busy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(503)
            self.send_header("Retry-After", "30")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Busy) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/account"
        store = TableRunStore.connect(settings(account(url)), credential=None)
        try:
            with pytest.raises(Throttled) as caught:
                store.snapshot(MODEL, "run-1")
        finally:
            store.close()
            server.shutdown()
            thread.join()

    assert caught.value.retry_after == 30
    assert asked == ["/account/Tables"]


def test_the_apps_own_table_is_found_through_its_settings(azurite_connection):
    model = f"m-{uuid4().hex}"
    store = TableRunStore.connect(settings(azurite_connection), credential=None)

    snapshot = store.snapshot(model, "run-1")
    store.commit(snapshot, decide(snapshot, entry()))

    assert store._table.table_name == "retrainloop"
    assert model in store.chains()
    store.close()


def test_in_the_cloud_the_table_is_reached_by_its_address_and_an_identity():
    uris = {
        f"AzureWebJobsStorage__{kind}ServiceUri": f"https://account.{kind}.core.windows.net"
        for kind in ("table", "queue", "blob")
    }
    credential = StaticCredential("t-1")

    store = TableRunStore.connect(settings("", **uris), credential)

    assert store._table.url == "https://account.table.core.windows.net"
    assert store._table.credential is credential
    store.close()


def account(url: str) -> str:
    return f"AccountName=account;AccountKey=a2V5;TableEndpoint={url};"


def settings(connection: str, **changes: str) -> Settings:
    return Settings.model_validate(
        {
            "AzureWebJobsStorage": connection,
            "LAKEHOUSE_URI": "lakehouse",
            "MLFLOW_TRACKING_URI": "http://127.0.0.1",
            "LOGS_INGESTION_ENDPOINT": "http://127.0.0.1",
            "LOGS_INGESTION_RULE_ID": "dcr-1",
            **changes,
        }
    )
