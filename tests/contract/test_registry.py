"""What any Registry does: the fake, MLflow's client on SQLite and over REST, the REST adapter."""

import traceback
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from local.processes import free_port
from shared.adapters.registry.mlflow_registry import MlflowRegistry
from shared.adapters.registry.mlflow_signature import MlflowSignatures
from shared.adapters.registry.registry_base import RoleRegistry
from shared.errors import NoChampion, NotFound, Refused, Unavailable
from shared.ports import ModelVersion
from tests.contract.registry_worlds import (
    JSON,
    NO_MODEL,
    NUMBERS,
    SOURCE,
    FabricWorld,
    FakeWorld,
    MlflowRestWorld,
    ServerWorld,
    Simulator,
    SqliteWorld,
    World,
    broken,
    simulated,
)
from tests.fakes.web import Answer, Web, serving

pytestmark = [
    pytest.mark.xdist_group("registry"),  # one worker starts the simulator for all
    pytest.mark.filterwarnings(
        # raised inside MLflow's own modules
        "ignore::sqlalchemy.exc.SADeprecationWarning",
        "ignore::DeprecationWarning:mlflow",
        "ignore::FutureWarning:mlflow",
    ),
]


@pytest.fixture(scope="module")
def sqlite_world(tmp_path_factory: pytest.TempPathFactory) -> SqliteWorld:
    return SqliteWorld(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with simulated(tmp_path_factory.mktemp("fabric")) as running:
        yield running


@pytest.fixture(scope="module")
def rest_world(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> MlflowRestWorld:
    return MlflowRestWorld(simulator, tmp_path_factory.mktemp("client"))


@pytest.fixture(scope="module")
def fabric_world(simulator: Simulator) -> FabricWorld:
    return FabricWorld(simulator)


SERVERS = ["sqlite_world", "rest_world", "fabric_world"]


@pytest.fixture(params=["fake", *SERVERS])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "fake":
        return FakeWorld()
    chosen: World = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture(params=SERVERS)
def server_world(request: pytest.FixtureRequest) -> Iterator[ServerWorld]:
    chosen: ServerWorld = request.getfixturevalue(request.param)
    yield chosen
    chosen.restore()


@pytest.fixture
def model() -> str:
    return f"flight-delay-{next(NUMBERS)}"


def test_a_model_that_does_not_exist_has_no_champion(world: World, model: str):
    with pytest.raises(NoChampion):
        world.registry.champion(model)


def test_a_model_whose_versions_have_no_role_has_no_champion(world: World, model: str):
    world.register(model)

    with pytest.raises(NoChampion):
        world.registry.champion(model)


def test_the_alias_makes_the_champion(world: World, model: str):
    version = world.register(model, tags={"a": "1"}, run_id="abc", source=SOURCE)
    world.register(model)
    world.set_champion(model, version)

    champion = world.registry.champion(model)

    assert champion.version == version == "1"
    assert champion.name == model
    assert champion.run_id == "abc"
    assert champion.tags == {"a": "1"}
    assert champion.source == SOURCE
    assert champion.aliases == {"champion"}
    assert champion.stage == "None"


def test_without_an_alias_the_stage_makes_the_champion(world: World, model: str):
    world.register(model)
    world.set_stage(model, world.register(model), "Production")
    world.register(model)

    assert world.registry.champion(model).version == "2"


def test_the_alias_goes_before_the_stage(world: World, model: str):
    first, second = world.register(model), world.register(model)
    world.set_stage(model, second, "Production")
    world.set_champion(model, first)

    assert world.registry.champion(model).version == first


def test_there_is_no_challenger_until_one_is_staged(world: World, model: str):
    assert world.registry.challenger(model) is None
    version = world.register(model)
    assert world.registry.challenger(model) is None

    world.registry.stage_candidate(model, version)

    challenger = world.registry.challenger(model)
    assert challenger is not None
    assert challenger.version == version
    assert challenger.stage == "Staging"
    assert challenger.aliases == {"challenger"}


def test_to_stage_twice_is_to_stage_once(world: World, model: str):
    version = world.register(model)
    world.registry.stage_candidate(model, version)

    world.registry.stage_candidate(model, version)

    assert world.registry.version(model, version).stage == "Staging"


def test_a_new_challenger_takes_the_role_from_the_old_one(world: World, model: str):
    old, new = world.register(model), world.register(model)
    world.registry.stage_candidate(model, old)

    world.registry.stage_candidate(model, new)

    assert world.registry.challenger(model).version == new
    assert world.registry.version(model, old).aliases == frozenset()
    assert world.registry.version(model, old).stage == "Archived"


def test_staging_leaves_the_champion_alone(world: World, model: str):
    champion, candidate = world.register(model), world.register(model)
    world.set_champion(model, champion)
    world.set_stage(model, champion, "Production")

    world.registry.stage_candidate(model, candidate)

    assert world.registry.champion(model).version == champion
    assert world.registry.champion(model).stage == "Production"


@pytest.mark.parametrize("role", ["alias", "stage"])
def test_the_champion_cannot_be_staged(world: World, model: str, role: str):
    version = world.register(model)
    if role == "alias":
        world.set_champion(model, version)
    else:
        world.set_stage(model, version, "Production")

    with pytest.raises(Refused):
        world.registry.stage_candidate(model, version)

    assert world.registry.champion(model).version == version


def test_the_promoted_version_serves_and_the_one_before_is_kept(world: World, model: str):
    old, new = world.register(model), world.register(model)
    world.registry.promote(model, old)
    world.registry.stage_candidate(model, new)

    world.registry.promote(model, new)

    champion, previous = world.registry.champion(model), world.registry.previous(model)
    assert (champion.version, champion.stage, champion.aliases) == (new, "Production", {"champion"})
    assert previous is not None
    assert (previous.version, previous.stage) == (old, "Archived")
    assert previous.aliases == {"previous-champion"}
    assert world.registry.challenger(model) is None


def test_the_first_champion_has_nobody_before_it(world: World, model: str):
    version = world.register(model)

    world.registry.promote(model, version)

    assert world.registry.champion(model).version == version
    assert world.registry.previous(model) is None


def test_to_promote_twice_is_to_promote_once(world: World, model: str):
    old, new = world.register(model), world.register(model)
    world.registry.promote(model, old)
    world.registry.promote(model, new)

    world.registry.promote(model, new)

    assert world.registry.champion(model).version == new
    assert world.registry.previous(model).version == old


def test_back_and_forth_each_is_the_one_before_the_other(world: World, model: str):
    first, second = world.register(model), world.register(model)
    world.registry.promote(model, first)
    world.registry.promote(model, second)

    world.registry.promote(model, first)

    assert world.registry.champion(model).version == first
    assert world.registry.champion(model).stage == "Production"
    assert world.registry.previous(model).version == second
    assert world.registry.version(model, second).stage == "Archived"


@pytest.mark.parametrize("done", [True, False], ids=["done", "not begun"])
def test_an_undone_promotion_leaves_champion_and_the_one_before_as_they_were(
    world: World, model: str, done: bool
):
    older, old, new = (world.register(model) for _ in range(3))
    world.registry.promote(model, older)
    world.registry.promote(model, old)
    world.registry.stage_candidate(model, new)
    if done:
        world.registry.promote(model, new)

    for _ in range(2):
        world.registry.undo_promotion(model, new, champion=old, previous=older)

    champion = world.registry.champion(model)
    assert (champion.version, champion.stage, champion.aliases) == (old, "Production", {"champion"})
    assert world.registry.previous(model).version == older
    assert world.registry.version(model, older).stage == "Archived"
    undone = world.registry.version(model, new)
    assert (undone.aliases, undone.stage) == (
        (frozenset(), "Archived") if done else ({"challenger"}, "Staging")
    )


def test_an_undone_rollback_leaves_champion_and_the_one_before_as_they_were(
    world: World, model: str
):
    first, second = world.register(model), world.register(model)
    world.registry.promote(model, first)
    world.registry.promote(model, second)
    world.registry.promote(model, first)

    world.registry.undo_promotion(model, first, champion=second, previous=first)

    assert world.registry.champion(model).version == second
    assert world.registry.champion(model).stage == "Production"
    assert world.registry.previous(model).version == first
    assert world.registry.version(model, first).stage == "Archived"


def test_an_undone_first_promotion_leaves_nobody(world: World, model: str):
    version = world.register(model)
    world.registry.promote(model, version)

    for _ in range(2):
        world.registry.undo_promotion(model, version, champion="", previous="")

    with pytest.raises(NoChampion):
        world.registry.champion(model)
    assert world.registry.previous(model) is None
    assert world.registry.version(model, version).stage == "Archived"


def test_a_promotion_cannot_be_undone_to_a_champion_that_is_gone(world: World, model: str):
    version = world.register(model)
    world.registry.promote(model, version)

    with pytest.raises(NotFound):
        world.registry.undo_promotion(model, version, champion="99", previous="")

    assert world.registry.champion(model).version == version


def test_a_promotion_is_undone_even_if_the_champion_s_forerunner_is_gone(world: World, model: str):
    old, new = world.register(model), world.register(model)
    world.registry.promote(model, old)
    world.registry.promote(model, new)

    world.registry.undo_promotion(model, new, champion=old, previous="99")

    assert world.registry.champion(model).version == old
    assert world.registry.previous(model) is None


def test_promoting_another_leaves_the_challenger_its_role(world: World, model: str):
    old, new, back = (world.register(model) for _ in range(3))
    world.registry.promote(model, old)
    world.registry.stage_candidate(model, new)

    world.registry.promote(model, back)

    assert world.registry.challenger(model).version == new


def test_a_retired_challenger_has_no_role(world: World, model: str):
    version = world.register(model)
    world.registry.stage_candidate(model, version)

    for _ in range(2):
        world.registry.retire(model, version)

    assert world.registry.challenger(model) is None
    assert world.registry.version(model, version).stage == "Archived"
    assert world.registry.version(model, version).aliases == frozenset()


def test_a_version_without_the_role_is_retired_and_the_challenger_stays(world: World, model: str):
    other, challenger = world.register(model), world.register(model)
    world.registry.stage_candidate(model, challenger)

    world.registry.retire(model, other)

    assert world.registry.challenger(model).version == challenger
    assert world.registry.version(model, other).stage == "None"


def test_the_champion_cannot_be_retired(world: World, model: str):
    version = world.register(model)
    world.registry.promote(model, version)

    with pytest.raises(Refused):
        world.registry.retire(model, version)


@pytest.mark.parametrize("version", ["99", "latest", "", "1.0"])
def test_a_version_that_is_not_there_is_not_found(world: World, model: str, version: str):
    world.register(model)

    for call in (
        lambda: world.registry.version(model, version),
        lambda: world.registry.stage_candidate(model, version),
        lambda: world.registry.promote(model, version),
        lambda: world.registry.retire(model, version),
        lambda: world.registry.annotate(model, version, {"a": "1"}),
        lambda: world.registry.attach(model, version, "a", b""),
    ):
        with pytest.raises(NotFound):
            call()


def test_a_version_of_a_model_that_is_not_there_is_not_found(world: World, model: str):
    with pytest.raises(NotFound):
        world.registry.version(model, "1")


def test_versions_are_found_by_the_run_that_made_them(world: World, model: str):
    world.register(model, tags={"retrain_run_id": "run-1"})
    world.register(model, tags={"retrain_run_id": "run-2"})
    world.register(model, tags={"retrain_run_id": "run-2"})
    world.register(model)

    assert [v.version for v in world.registry.made_by(model, "run-1")] == ["1"]
    assert sorted(v.version for v in world.registry.made_by(model, "run-2")) == ["2", "3"]


@pytest.mark.parametrize("run_id", ["run-9", "run-", "%", "run-1' or name='x"])
def test_a_run_that_made_nothing_has_no_versions(world: World, model: str, run_id: str):
    world.register(model, tags={"retrain_run_id": "run-1"})

    assert list(world.registry.made_by(model, run_id)) == []


def test_a_model_that_is_not_there_was_made_by_nobody(world: World, model: str):
    assert list(world.registry.made_by(model, "run-1")) == []


def test_a_version_made_by_a_run_shows_its_aliases(world: World, model: str):
    version = world.register(model, tags={"retrain_run_id": "run-1"})
    world.registry.stage_candidate(model, version)

    (found,) = world.registry.made_by(model, "run-1")

    assert found.aliases == {"challenger"}


def test_tags_are_added_and_replaced_and_the_others_stay(world: World, model: str):
    version = world.register(model, tags={"a": "1", "b": "2"})

    world.registry.annotate(model, version, {"b": "3", "gate.performance": "PASS 0.41 ≥ 0.3"})

    tags = world.registry.version(model, version).tags
    assert tags == {"a": "1", "b": "3", "gate.performance": "PASS 0.41 ≥ 0.3"}


def test_a_file_is_stored_with_a_version_and_the_last_one_stays(world: World, model: str):
    version = world.register(model, run_id=world.start_run())
    world.registry.attach(model, version, "reference.rlp", b"first and longer")

    world.registry.attach(model, version, "reference.rlp", bytes(range(256)))

    assert world.attached(model, version, "reference.rlp") == bytes(range(256))


def test_a_version_without_a_run_has_no_place_for_files(world: World, model: str):
    version = world.register(model)

    with pytest.raises(Refused):
        world.registry.attach(model, version, "reference.rlp", b"")


def test_it_says_what_the_server_can_do(world: World):
    assert world.registry.capabilities() == {"aliases": True, "stages": True, "tags": True}


# --- servers that lack something -------------------------------------------------------------


def test_a_server_without_stages_has_roles_by_alias(server_world: ServerWorld, model: str):
    version = server_world.register(model)
    registry = server_world.limited({"stages"})

    registry.stage_candidate(model, version)

    assert registry.capabilities() == {"aliases": True, "stages": False, "tags": True}
    assert registry.challenger(model).version == version
    assert registry.challenger(model).stage == "None"


def test_a_server_without_aliases_has_roles_by_stage(server_world: ServerWorld, model: str):
    version = server_world.register(model)
    registry = server_world.limited({"aliases"})

    registry.stage_candidate(model, version)

    assert registry.capabilities() == {"aliases": False, "stages": True, "tags": True}
    assert registry.challenger(model).version == version


def test_a_server_with_neither_has_roles_by_tag(server_world: ServerWorld, model: str):
    old, new = server_world.register(model), server_world.register(model)
    registry = server_world.limited({"aliases", "stages"})
    with pytest.raises(NoChampion):
        registry.champion(model)
    registry.promote(model, old)
    registry.stage_candidate(model, new)
    assert registry.challenger(model).version == new
    with pytest.raises(Refused):
        registry.stage_candidate(model, old)

    registry.promote(model, new)

    assert registry.capabilities() == {"aliases": False, "stages": False, "tags": True}
    assert registry.champion(model).version == new
    assert registry.champion(model).tags["retrain_loop.role"] == "champion"
    assert registry.previous(model).version == old
    assert registry.challenger(model) is None


def test_two_champions_by_tag_are_told_and_none_is_chosen(server_world: ServerWorld, model: str):
    versions = [server_world.register(model) for _ in range(2)]
    registry = server_world.limited({"aliases", "stages"})
    for version in versions:
        registry.annotate(model, version, {"retrain_loop.role": "champion"})

    with pytest.raises(Refused, match=r"versions (1, 2|2, 1) all have") as caught:
        registry.champion(model)

    assert caught.value.code == "AmbiguousRole"


def test_a_server_with_nothing_stages_nobody(server_world: ServerWorld, model: str):
    version = server_world.register(model)
    registry = server_world.limited({"aliases", "stages", "tags"})

    with pytest.raises(Refused, match="neither aliases nor stages nor tags"):
        registry.stage_candidate(model, version)


@pytest.mark.parametrize("missing", [{"aliases"}, {"aliases", "stages"}], ids=sorted)
def test_an_alias_that_can_be_read_and_not_moved_is_told_and_nothing_is_written_beside_it(
    server_world: ServerWorld, model: str, missing: set[str]
):
    old, new = server_world.register(model), server_world.register(model)
    server_world.set_champion(model, old)
    registry = server_world.limited(missing)

    for act in (registry.promote, registry.stage_candidate, registry.retire):
        with pytest.raises(Refused, match="lists the alias champion") as caught:
            act(model, new)
        assert caught.value.code == "StuckAlias"

    assert registry.champion(model).version == old
    assert registry.version(model, new).tags == {}
    assert registry.version(model, new).stage == "None"


# --- whatever breaks -------------------------------------------------------------------------

BREAKING: list[tuple[str, tuple[str, ...]]] = [
    ("sqlite_world", ()),
    ("sqlite_world", ("aliases",)),
    ("sqlite_world", ("stages",)),
    ("sqlite_world", ("aliases", "stages")),
    ("fabric_world", ()),
    ("fabric_world", ("aliases", "stages")),
]
Act = Callable[[RoleRegistry, str], None]
ACTS: dict[str, Act] = {
    "promote": lambda registry, model: registry.promote(model, "3"),
    "roll back": lambda registry, model: registry.promote(model, "1"),
    "retire": lambda registry, model: registry.retire(model, "3"),
    "undo": lambda registry, model: registry.undo_promotion(model, "3", champion="2", previous="1"),
    "undo a rollback": lambda registry, model: registry.undo_promotion(
        model, "1", champion="2", previous="1"
    ),
}
BEFORE: dict[str, Act] = {"undo": ACTS["promote"], "undo a rollback": ACTS["roll back"]}
ENDS = {
    "promote": ("3", "2", None),
    "roll back": ("1", "2", "3"),
    "retire": ("2", "1", None),
    "undo": ("2", "1", None),
    "undo a rollback": ("2", "1", "3"),
}
"""The champion, the one before it, and the challenger once it is done."""


@pytest.fixture(params=BREAKING, ids=lambda given: " without ".join((given[0], *given[1])))
def breaking(request: pytest.FixtureRequest) -> Iterator[tuple[ServerWorld, RoleRegistry]]:
    """A world and its registry; the plans are the same for both, every way is on SQLite."""
    name, lacking = request.param
    chosen: ServerWorld = request.getfixturevalue(name)
    yield chosen, chosen.limited(set(lacking))
    chosen.restore()


def made(world: ServerWorld, model: str) -> None:
    world.client.create_registered_model(model)
    for _ in range(3):
        world.client.create_model_version(model, SOURCE)


def prepared(registry: RoleRegistry, model: str) -> None:
    """Have the champion be 2, the one before it 1, the challenger 3, whatever was before."""
    registry.promote(model, "1")
    registry.promote(model, "2")
    registry.stage_candidate(model, "3")


@pytest.mark.parametrize("act", ACTS)
def test_whatever_broke_off_after_any_call_is_finished_by_the_next(
    breaking: tuple[ServerWorld, RoleRegistry], model: str, act: str
):
    world, registry = breaking
    made(world, model)
    tried = 0
    for at in count(1):
        prepared(registry, model)
        BEFORE.get(act, lambda *_: None)(registry, model)

        more = broken(registry, at, lambda torn: ACTS[act](torn, model))

        assert registry.champion(model).version in {"1", "2", "3"}
        ACTS[act](registry, model)
        challenger = registry.challenger(model)
        held = (registry.champion(model).version, registry.previous(model).version)
        assert (*held, challenger and challenger.version) == ENDS[act], at
        if not more:
            break
        tried += 1
    assert tried


@pytest.mark.parametrize("winner", ["1", "3"])
def test_a_promotion_that_broke_off_anywhere_is_undone(
    breaking: tuple[ServerWorld, RoleRegistry], model: str, winner: str
):
    world, registry = breaking
    made(world, model)
    for at in count(1):
        prepared(registry, model)

        more = broken(registry, at, lambda torn: torn.promote(model, winner))
        registry.undo_promotion(model, winner, champion="2", previous="1")

        assert registry.champion(model).version == "2"
        assert registry.previous(model).version == "1"
        if not more:
            break


# --- MLflow's client only --------------------------------------------------------------------


def test_a_server_that_is_down_is_unavailable_and_not_without_a_champion(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    registry = MlflowRegistry(f"http://127.0.0.1:{free_port()}")

    for call in (
        lambda: registry.champion("m"),
        lambda: registry.challenger("m"),
        lambda: registry.made_by("m", "run-1"),
        registry.capabilities,
    ):
        with pytest.raises(Unavailable):
            call()


@pytest.mark.parametrize(
    ("address", "token"), [("me:swordfish@127.0.0.1", ""), ("127.0.0.1", "swordfish\n")]
)
def test_what_signs_in_at_the_server_is_in_no_error(
    monkeypatch: pytest.MonkeyPatch, address: str, token: str
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", token)
    uri = f"http://{address}:{free_port()}"
    version = ModelVersion("m", "1", "run", "None", frozenset(), {}, "")

    for call in (
        lambda: MlflowRegistry(uri).champion("m"),
        lambda: MlflowSignatures(uri).inputs(version),
    ):
        with pytest.raises(Unavailable, match="no answer") as caught:
            call()
        assert "swordfish" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((404, {}, b"<html>not here</html>"), Refused),
        ((401, {}, b""), Refused),
        ((403, {}, b""), Refused),
        ((404, JSON, b'{"errorCode": "WorkspaceNotFound", "message": "no"}'), Unavailable),
        ((200, {}, b"<html>a sign-in page</html>"), Unavailable),
        ((200, JSON, b"{}"), Unavailable),
        ((429, {}, b""), Unavailable),
        ((503, {}, b""), Unavailable),
        ((404, JSON, NO_MODEL), NoChampion),
    ],
)
def test_only_the_server_s_own_word_means_that_there_is_no_champion(
    monkeypatch: pytest.MonkeyPatch, answer: Answer, error: type[Exception]
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with serving(Web([answer])) as web, pytest.raises(error) as caught:
        MlflowRegistry(web.url).champion("m")

    assert isinstance(caught.value, NoChampion) is (error is NoChampion)


def test_an_address_without_a_server_has_no_capabilities_to_speak_of():
    with serving(Web([(404, {}, b"<html>not here</html>")])) as web, pytest.raises(Refused):
        MlflowRegistry(web.url).capabilities()


def test_a_database_that_is_none_is_unavailable(tmp_path: Path):
    (tmp_path / "mlflow.db").write_text("no database, and long enough to be looked at" * 10)

    with pytest.raises(Unavailable):
        MlflowRegistry(f"sqlite:///{tmp_path}/mlflow.db").champion("m")


def test_a_tag_that_the_store_does_not_take_is_refused(sqlite_world: SqliteWorld, model: str):
    version = sqlite_world.register(model)

    with pytest.raises(Refused):
        sqlite_world.registry.annotate(model, version, {"too long": "x" * 200_000})
