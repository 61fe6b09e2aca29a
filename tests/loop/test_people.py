"""What people decide, over HTTP through the running host: the first champion to a rollback."""

from collections.abc import Iterator

import pytest

from local.client import wait_for
from shared.domain.audit import verify
from shared.handlers.project_audit import AUDIT_TABLE
from tests.fakes.loop import APPROVER_ROLE, OPERATOR_ROLE
from tests.fakes.samples import MODEL
from tests.loop.people_world import PeopleWorld, run_people_world

pytestmark = [pytest.mark.loop, pytest.mark.timeout(300), pytest.mark.xdist_group("people")]

WHY = {"reason": "looked at the figures"}
SECONDS = 120


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PeopleWorld]:
    with run_people_world(tmp_path_factory.mktemp("people")) as running:
        yield running


def reaches(world: PeopleWorld, run_id: str, state: str) -> str:
    """Wait until a run is in a state; gives its id."""

    def there() -> bool:
        found = world.state(run_id)
        assert found not in {"rejected", "gate_error", "job_failed", "start_failed"}, told(world)
        return found == state

    wait_for(f"the run to be {state}", there, seconds=SECONDS)
    return run_id


def told(world: PeopleWorld) -> str:
    return "\n".join(f"{row['action']}/{row['outcome']}: {row['reason']}" for row in chain(world))


def chain(world: PeopleWorld) -> list[dict[str, str]]:
    return list(world.app.store.chain(MODEL))


def serving(world: PeopleWorld) -> tuple[str, str]:
    champion = world.app.registry.champion(MODEL)
    return champion.version, champion.stage


def test_from_the_first_champion_to_production_and_back_each_act_is_somebody_s(world: PeopleWorld):
    olga = world.token("olga", OPERATOR_ROLE, APPROVER_ROLE)
    ana = world.token("ana", APPROVER_ROLE)

    # the first champion
    first = {"version": "1", **WHY}
    assert world.send(f"models/{MODEL}/bootstrap", **first).status_code == 403
    assert world.send(f"models/{MODEL}/bootstrap", token=ana, **first).status_code == 403
    begun = world.send(f"models/{MODEL}/bootstrap", token=olga, **first)
    assert begun.status_code == 202
    reaches(world, begun.json()["run_id"], "promoted")
    assert serving(world) == ("1", "Production")

    # a challenger that beats it
    asked = world.send(f"models/{MODEL}/retrain", token=olga, **WHY)
    assert asked.status_code == 202
    run_id = reaches(world, asked.json()["run_id"], "staged")
    world.live_a_day()
    world.trigger("compare_champion")
    reaches(world, run_id, "awaiting_approval")
    assert serving(world) == ("1", "Production")

    # another person's yes
    yes = {"version": "2", **WHY}
    assert world.send(f"runs/{run_id}/approve", **yes).status_code == 403
    refused = world.send(f"runs/{run_id}/approve", token=olga, **yes)
    assert refused.status_code == 403
    assert "another person must approve" in refused.json()["detail"]
    assert world.send(f"runs/{run_id}/approve", token=ana, **yes).status_code == 202
    reaches(world, run_id, "promoted")
    assert serving(world) == ("2", "Production")

    # and the way back
    assert world.send(f"models/{MODEL}/rollback", **WHY).status_code == 403
    assert world.send(f"models/{MODEL}/rollback", token=ana, **WHY).status_code == 403
    back = world.send(f"models/{MODEL}/rollback", token=olga, **WHY)
    assert back.status_code == 202
    reaches(world, back.json()["run_id"], "promoted")
    assert serving(world) == ("1", "Production")
    assert world.state(run_id) == "rolled_back"

    # and all of it is on record
    who = {row["action"]: row["subject"] for row in chain(world)}
    assert who["run.bootstrap"] == who["run.requested"] == who["run.rollback"] == "olga@example.com"
    assert who["run.approved"] == "ana@example.com"
    assert not list(verify(chain(world), world.app.store.head(MODEL), chain=MODEL))
    wait_for("the whole audit in its table", lambda: projected(world), seconds=SECONDS)
    approvers = [row["approver"] for row in audit(world) if row["to_stage"] == "Production"]
    assert approvers[-2:] == ["olga@example.com", "olga@example.com"]
    assert "ana@example.com" in approvers
    assert not world.app.verify_audit(MODEL).breaches


def audit(world: PeopleWorld) -> list[dict[str, str]]:
    return world.app.tables.read(AUDIT_TABLE, {"chain": MODEL})


def projected(world: PeopleWorld) -> bool:
    return len(audit(world)) == len(chain(world))
