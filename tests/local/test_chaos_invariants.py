"""The chaos run's checks find what they are for: each promise, broken by hand, is told."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from local.chaos.invariants import World
from local.chaos.plan import Delivery
from local.chaos.storm import Sent
from shared.domain.run import State
from shared.ports import Commit
from tests.fakes.loop import FakeLoop
from tests.fakes.samples import MODEL, alert_of


class StillWorld(World):
    """A world on fakes: one run to its end, and messages that a test puts there."""

    poison: tuple[dict[str, Any], ...] = ()

    def _left(self, queue: str) -> Any:
        return iter(self.poison if queue == "retrain-runs-poison" else ())


@pytest.fixture
def loop():
    loop = FakeLoop()
    loop.receive(alert_of())
    loop.drain()
    loop.settle()
    return loop


def world(loop: FakeLoop, *sent: Sent, jobs: Any = None) -> StillWorld:
    app = SimpleNamespace(store=loop.ports.store, tables=loop.ports.tables)
    made = [
        {"id": job_id, "parameters": parameters}
        for job_id, parameters in loop.ports.jobs.parameters.items()
    ]
    rig: Any = SimpleNamespace(
        app=app, models=[MODEL], fabric=lambda _: {"jobs": made if jobs is None else jobs}
    )
    return StillWorld(rig, list(sent))


def answered(loop: FakeLoop, status: int = 202, **receipt: Any) -> Sent:
    delivery = Delivery("fired", alert_of().alert_id, MODEL, b"")
    return Sent(delivery, status, {"run_id": loop.run().run_id} | receipt)


def put(loop: FakeLoop, **changes: Any) -> None:
    snapshot = loop.ports.store.snapshot(MODEL, loop.run().run_id)
    run = replace(loop.run(), **changes)
    loop.ports.store.commit(snapshot, Commit(run, None, (), snapshot.head))


def test_a_loop_that_kept_its_promises_has_no_breach(loop):
    assert world(loop, answered(loop), answered(loop)).breaches() == []


def test_an_alert_that_was_never_accepted_is_told(loop):
    assert "never accepted: 503" in world(loop, answered(loop, 503)).breaches()[0]


def test_an_accepted_alert_without_its_run_is_told(loop):
    assert "stored 1" in world(loop, answered(loop, run_id="run-lost")).breaches()[0]


def test_two_answers_about_one_alert_must_name_the_same_run(loop):
    broken = world(loop, answered(loop), answered(loop, run_id="run-other")).breaches()

    assert "run-other" in broken[0]


@pytest.mark.parametrize(("status", "run_id"), [(500, ""), (0, ""), (202, "run-1")])
def test_garbage_that_is_taken_or_breaks_the_app_is_told(loop, status, run_id):
    garbage = Sent(Delivery("garbage", "", "", b"{"), status, {"run_id": run_id})

    assert f"was answered {status}" in world(loop, garbage).breaches()[0]


def test_a_second_job_of_a_run_is_told(loop):
    run_id = loop.run().run_id
    jobs = [{"id": str(n), "parameters": {"run_id": run_id}} for n in range(2)]

    assert "has 2 jobs" in world(loop, jobs=jobs).breaches()[0]


def test_a_job_that_no_run_asked_for_is_told(loop):
    jobs = [{"id": "1", "parameters": {"run_id": "run-nobody"}}]

    assert "has no run that asked for it" in world(loop, jobs=jobs).breaches()[0]


def test_a_run_with_another_run_s_job_is_told(loop):
    put(loop, job_id="stolen")

    assert "has job stolen" in world(loop).breaches()[0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"state": State.RUNNING}, "is stuck in running"),
        ({"notified_at": None}, "nobody was told"),
        ({"state": State.REJECTED}, "its ledger says staged"),
    ],
)
def test_a_run_that_does_not_rest_as_its_ledger_says_is_told(loop, changes, said):
    put(loop, **changes)

    assert any(said in breach for breach in world(loop).breaches())


def test_a_lock_that_a_finished_run_holds_is_told(loop):
    run = loop.run()
    loop.lose_lock(run.run_id, 9)

    assert f"locked by {run.run_id}" in world(loop).breaches()[0]


def test_a_ledger_that_was_changed_is_told(loop):
    found = world(loop)
    found.chains[MODEL][1]["reason"] = "another reason"

    assert any(breach.startswith(f"{MODEL}: row 2") for breach in found.breaches())


def test_a_row_that_is_not_projected_is_told(loop):
    loop.receive(alert_of(2))

    assert any("projected" in breach for breach in world(loop).breaches())


def test_a_message_that_was_given_up_on_a_run_that_is_not_done_is_told(loop):
    found = world(loop)
    found.poison = ({"run_id": loop.run().run_id}, {"run_id": "run-gone"})

    (breach,) = found.breaches()

    assert "run-gone" in breach


def test_many_breaches_of_one_kind_are_told_as_a_few_and_a_number(loop):
    sent = [answered(loop, 503) for _ in range(9)]

    assert world(loop, *sent).breaches()[-1] == "... and 4 more like the last"
