"""Readiness on the loop of fakes: what is found is what the handlers have left behind."""

from datetime import timedelta
from typing import Any

import pytest

from shared.domain.readiness.facts import Link, Surroundings
from shared.domain.readiness.line import Status
from shared.domain.run import State
from shared.errors import NotFound, Refused, Unavailable
from shared.handlers.approve_run import Said
from shared.handlers.check_readiness import CheckReadiness
from tests.fakes.duel import ANA, WINS, duel, live, run_of
from tests.fakes.endpoint import FakeEndpointMonitor, Request
from tests.fakes.loop import FakeLoop
from tests.fakes.samples import MODEL, TRAINED
from tests.fakes.signatures import FakeSignatures

AROUND = Surroundings(("retrain-loop-drift",), Link(found=True, told="a file"), notices=True)
LOG = {"workspace_id": "00000000-0000-4000-8000-000000000009", "value": "flight-delay"}


class World:
    """A loop whose version 2 has come to serve, and who looks whether it is ready."""

    def __init__(self, **model: Any) -> None:
        self.loop: FakeLoop = duel(endpoint_log=LOG, **model)
        live(self.loop, WINS)
        self.loop.drain()
        self.ports = self.loop.ports
        self.signatures, self.endpoint = FakeSignatures(), FakeEndpointMonitor()
        self.check = CheckReadiness(
            self.loop.catalogue,
            self.ports.registry,
            self.signatures,
            self.ports.tables,
            self.ports.windows,
            self.ports.scorer,
            self.loop.verify,
            self.endpoint,
        )

    def make_ready(self) -> None:
        """Add what a training job, a drift timer and callers of the endpoint leave."""
        registry, now = self.ports.registry, self.ports.clock.now()
        registry.annotate(MODEL, "2", TRAINED)
        self.signatures.log(registry.champion(MODEL), ["distance"])
        for back in range(8):
            self.checked(now - timedelta(days=back))
        self.triggered("STAGED")
        at = now - timedelta(hours=1)
        self.endpoint.requests = [Request("flight-delay", at, 20.0) for _ in range(100)]

    def checked(self, at: Any, status: str = "NO_TRIGGER") -> None:
        row = {
            "run_id": f"check-{at:%Y%m%d}", "run_timestamp": at, "model_name": MODEL,
            "model_version": "2", "feature_name": "__summary__", "metric_type": "DRIFT_VERDICT",
            "status": status, "severity": "HEALTHY", "reference_days": 90, "current_days": 7,
        }  # fmt: skip
        fresh = {"metric_type": "STALE_HOURS", "feature_name": "__freshness__", "value": 0.0}
        rows = [row, row | fresh | {"threshold": 24.0, "note": "rows of yesterday"}]
        batch = int(at.timestamp())
        self.ports.tables.append("lh_gold.ml_drift_metrics", rows, writer=str(at), batch=batch)

    def triggered(self, status: str) -> None:
        row = {
            "trigger_id": "t-1", "triggered_at": self.ports.clock.now(), "model_name": MODEL,
            "model_version": "1", "severity": "P1", "reasons": "drift", "drift_run_id": "check-1",
            "status": status,
        }  # fmt: skip
        self.ports.tables.append("lh_gold.ml_retrain_triggers", [row], writer=status, batch=1)

    def report(self) -> Any:
        return self.check(MODEL, AROUND)

    def line(self, name: str) -> Any:
        return next(each for each in self.report().lines if each.name == name)

    def failing(self) -> dict[str, str]:
        return {e.name: e.found for e in self.report().lines if e.status is Status.FAIL}


@pytest.fixture
def world() -> World:
    found = World()
    assert run_of(found.loop).state is State.PROMOTED
    return found


def test_a_model_that_the_loop_has_promoted_and_watched_is_ready(world: World):
    world.make_ready()

    report = world.report()

    assert world.failing() == {}
    assert (report.ready, report.version) == (True, "2")
    card = world.line("Model card")
    assert card.found.startswith(f"{MODEL}/")
    assert card.found.endswith("risk tier low")
    assert world.line("Rollback tried").found == (
        "not since 2013-04-06, but version 1 loads and answers 60 rows"
    )


def test_a_model_that_nobody_has_readied_fails_where_proof_is_missing(world: World):
    failing = world.failing()

    assert failing["Drift checked daily"].startswith("no conclusive check on")
    assert "ml_drift_metrics is not there" in failing["Tables and schemas"]
    assert failing["Signature"].startswith("not known: NotFound")
    assert failing["Endpoint"] == "the endpoint had no request"
    assert not {"Model card", "All gates passed", "Audit holds", "Alert arrived"} & set(failing)


def test_a_rollback_is_a_rehearsal_and_spares_asking_the_champion_before(world: World):
    world.make_ready()
    world.loop.ask_champion.roll_back(MODEL, "rehearsal", ANA, "key-1")
    world.loop.drain()
    world.ports.scorer.faults.order(Unavailable("not to be asked"), times=100)

    found = world.line("Rollback tried")

    assert (found.status, found.found[:17]) == (Status.PASS, "back to version 1")


def test_a_champion_before_that_answers_no_more_is_told(world: World):
    world.make_ready()
    world.ports.scorer._answers.pop((MODEL, "1"))

    assert "version 1, the champion before, does not answer" in world.failing()["Rollback tried"]


def test_numbers_that_are_none_are_no_answer(world: World):
    world.ports.scorer.answers(MODEL, "1", lambda rows: [None] * len(rows))

    assert "60 answers that are no finite numbers" in world.failing()["Rollback tried"]


def test_a_silent_registry_harms_the_lines_that_rest_on_it_and_no_other(world: World, monkeypatch):
    world.make_ready()
    before = {each.name: each.status for each in world.report().lines}
    world.ports.registry.faults.order(Unavailable("no answer"), times=100)

    failing = world.failing()

    assert failing["Registry reachable"] == "not known: Unavailable: no answer"
    assert failing["Champion serves"] == "not known, see 'Registry reachable'"
    assert set(failing) == {
        *("Registry reachable", "Champion serves", "Signature", "Training data version"),
        *("Holdout kept apart", "Code commit", "Environment", "All gates passed"),
        *("Model card", "Cost tags", "On-call told", "Rollback tried"),
    }
    assert all(before[name] is Status.PASS for name in failing)


def test_a_silent_lakehouse_harms_the_lines_that_rest_on_it_and_no_other(world: World, monkeypatch):
    world.make_ready()

    def silent(*_args: Any, **_named: Any) -> Any:
        raise Unavailable("no lakehouse")

    monkeypatch.setattr(world.ports.tables, "read", silent)
    monkeypatch.setattr(world.ports.tables, "columns", silent)

    assert set(world.failing()) == {
        *("All gates passed", "Model card", "Tables and schemas", "Drift checked daily"),
        *("No open trigger", "Audit holds", "Served daily"),
    }


def test_a_card_that_could_not_be_written_is_found_missing_until_it_is(world: World, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(world.ports.tables, "append", _refuse)
        world.loop.ask_champion.roll_back(MODEL, "back", ANA, "key-1")
        world.loop.handle = _without_projection(world.loop)
        world.loop.drain()

    missing = world.failing()["Model card"]
    assert missing == "version 1 has no card in ml_model_cards"
    world.loop.write_card.again(world.loop.catalogue.models[0])

    assert "Model card" not in world.failing()


def _refuse(*_args: Any, **_named: Any) -> bool:
    raise Refused("the table has another shape", code="SchemaMismatch")


def _without_projection(loop: FakeLoop) -> Any:
    """Keep the audit's projection out: it appends to a table too."""
    handle = loop.handle
    return lambda queue, message: None if queue == "audit-rows" else handle(queue, message)


def test_an_open_trigger_and_a_suppression_are_told(world: World):
    world.make_ready()
    world.triggered("PENDING")
    until = world.ports.clock.now() + timedelta(days=1)
    world.loop.suppress(MODEL, until, "holidays", ANA)

    failing = world.failing()

    assert failing["No open trigger"] == "t-1 is PENDING"
    assert "holidays" in failing["No suppression"]


def test_a_ledger_that_was_changed_is_not_ready(world: World):
    world.make_ready()
    partition = world.ports.store._partitions[MODEL]
    partition.documents[1]["reason"] = "another"

    assert "was changed after it was written" in world.failing()["Audit holds"]


def test_rows_that_are_projected_while_it_looks_are_no_breach(world: World, monkeypatch):
    world.make_ready()
    until = world.ports.clock.now() + timedelta(days=1)
    world.loop.suppress(MODEL, until, "holidays", ANA)  # a row that is not projected yet
    tables = world.ports.tables
    real, behind = tables.last_batch, ["one projection"]

    def projected_meanwhile(table: str, writer: str) -> int:
        if writer == f"ledger:{MODEL}" and behind:
            behind.pop()
            world.loop.project(MODEL)
        return real(table, writer)

    monkeypatch.setattr(tables, "last_batch", projected_meanwhile)

    assert "Audit holds" not in world.failing()
    assert not behind


@pytest.mark.parametrize("field", ["action", "event_ts", "context", "hash_self", "subject"])
@pytest.mark.parametrize("value", [None, 7, "gone"])
def test_a_ledger_that_cannot_be_read_any_more_fails_its_line_alone(world, field, value):
    world.make_ready()
    partition = world.ports.store._partitions[MODEL]
    for document in partition.documents[1:3]:
        document[field] = value

    assert "Audit holds" in world.failing()


def test_an_endpoint_that_is_too_slow_is_not_ready(world: World):
    world.make_ready()
    at = world.ports.clock.now() - timedelta(minutes=1)
    world.endpoint.requests += [Request("flight-delay", at, 900.0) for _ in range(5)]

    assert world.failing()["Endpoint"] == "p99 900.0 ms, allowed are 100"


def test_a_model_of_no_catalogue_is_not_found(world: World):
    with pytest.raises(NotFound):
        world.check("nobody", AROUND)


def test_looking_changes_nothing(world: World):
    world.make_ready()
    commits = len(world.ports.store.commits)
    rows = {name: len(found) for name, found in world.ports.tables._rows.items()}
    sent, attached = len(world.ports.notifier.sent), dict(world.ports.registry.attached)

    world.report()

    assert len(world.ports.store.commits) == commits
    assert {name: len(found) for name, found in world.ports.tables._rows.items()} == rows
    assert (len(world.ports.notifier.sent), world.ports.registry.attached) == (sent, attached)


def test_a_public_safety_model_is_ready_once_a_person_has_agreed():
    world = World(public_safety=True)
    run = run_of(world.loop)
    assert run.state is State.AWAITING_APPROVAL
    world.loop.approval.approve(MODEL, run.run_id, Said(ANA, "seven good days", "2"))
    world.loop.drain()
    world.make_ready()

    assert world.failing() == {}
    assert world.line("Agreed by a person").found.startswith(f"{ANA.name}, run.")
