"""What goes wrong on the loop's way, with everything real but the clouds: nothing is lost."""

import json
import shutil
from dataclasses import dataclass

import pytest
import requests

from local.client import StackClient, wait_for
from local.scenarios import SCENARIOS
from local.stack import Stack, run_stack
from shared.domain.audit import verify
from shared.domain.run import WORKING, Run, State
from tests.documents import alert_document

pytestmark = [pytest.mark.loop, pytest.mark.timeout(600), pytest.mark.xdist_group("failures")]

MODEL = "casino-slot-revenue-forecast-gbt"


@dataclass
class World:
    """A running stack with the slot scenario's data."""

    stack: Stack
    client: StackClient

    def alert(self, name: str) -> requests.Response:
        document = alert_document(model=MODEL)
        essentials = document["data"]["essentials"]
        essentials["alertId"] = f"/subscriptions/s/providers/alerts/{name}"
        essentials["firedDateTime"] = self.client.app.clock.now().isoformat()
        return self.client.post_alert(json.dumps(document).encode())

    def run(self, answer: requests.Response) -> Run:
        assert answer.status_code == 202, answer.text
        run_id = answer.json()["run_id"]

        def at_rest() -> Run | None:
            run = self.client.app.store.snapshot(MODEL, run_id).run
            return run if run is not None and run.state not in WORKING else None

        return wait_for("the run's end", at_rest, seconds=120)

    def chain_holds(self) -> bool:
        store = self.client.app.store
        return not list(verify(store.chain(MODEL), store.head(MODEL), chain=MODEL))

    def cards(self) -> str:
        return json.dumps(self.client.cards())


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    scenario = SCENARIOS["slot-revenue"]
    with run_stack(scenario, home=tmp_path_factory.mktemp("home")) as stack:
        scenario.prepare(stack.workdir)
        yield World(stack, StackClient(stack.endpoints))


def test_a_training_job_that_fails_ends_the_run_with_the_notebooks_own_words(world):
    facts = world.stack.workdir.lakehouse / "lh_gold" / "fact_daily_slot_revenue"
    aside = facts.with_name("aside")
    facts.rename(aside)

    try:
        run = world.run(world.alert("no-facts"))
    finally:
        aside.rename(facts)

    assert run.state is State.JOB_FAILED
    assert "fact_daily_slot_revenue" in run.reason
    wait_for("the notice", lambda: run.run_id in world.cards(), seconds=60)
    assert world.chain_holds()


def test_a_start_whose_answer_was_lost_is_found_and_not_repeated(world):
    before = len(world.client.jobs()["jobs"])
    world.client.order_fabric_fault(operation="start", kind="lost_response")

    run = world.run(world.alert("lost-answer"))

    assert run.state is State.STAGED, run.reason
    assert run.starts == 1
    assert len(world.client.jobs()["jobs"]) == before + 1
    assert world.chain_holds()


def test_a_repeated_alert_names_the_same_run_and_starts_nothing(world):
    first = world.alert("twice")
    again = world.alert("twice")

    assert first.json()["run_id"] == again.json()["run_id"]
    assert again.json()["decision"] == "duplicate"


def test_a_check_of_a_model_whose_table_is_gone_is_tried_again_until_it_is_back(world):
    table = world.stack.workdir.lakehouse / "lh_gold" / "slot_revenue_forecasts"
    aside = table.with_name("forecasts-aside")
    table.rename(aside)
    metrics = "lh_gold.ml_drift_metrics"
    seen = _rows(world, metrics)

    world.client.trigger("check_drift")
    wait_for("the failure in the log", lambda: "no such table" in _log(world), seconds=60)
    if table.exists():
        shutil.rmtree(table)
    aside.rename(table)

    wait_for("the check from the queue", lambda: _rows(world, metrics) > seen, seconds=120)
    assert "tried again" in _log(world)


def test_garbage_is_refused_by_name_and_harms_nothing(world):
    answer = world.client.post_alert(b"{not json")

    assert answer.status_code == 400
    assert answer.json()["field"] == "body"
    assert world.client.health()["status"] == "ready"


def _rows(world: World, table: str) -> int:
    from shared.errors import NoTable

    try:
        return len(world.client.app.tables.read(table, {"model_name": MODEL}))
    except NoTable:
        return 0


def _log(world: World) -> str:
    functions = next(each for each in world.stack.processes if each.name == "functions")
    return functions.log_tail(400)
