"""What any Registry does: the fake and MLflow on SQLite give the same answers."""

import contextlib
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import pytest

from local.processes import free_port
from shared.adapters.mlflow_registry import MlflowRegistry
from shared.errors import NoChampion, NotFound, Refused, Unavailable
from shared.ports import Registry
from tests.fakes.registry import FakeRegistry

pytestmark = pytest.mark.filterwarnings(
    # raised inside MLflow's own modules
    "ignore::sqlalchemy.exc.SADeprecationWarning",
    "ignore::DeprecationWarning:mlflow",
    "ignore::FutureWarning:mlflow",
)

NUMBERS = count(1)


class World(Protocol):
    """A Registry, and what training jobs and operators do to it."""

    registry: Registry

    def register(self, model: str, **how: Any) -> str: ...

    def set_champion(self, model: str, version: str) -> None: ...

    def set_stage(self, model: str, version: str, stage: str) -> None: ...

    def start_run(self) -> str:
        """Give the id of a training run that takes files."""

    def attached(self, model: str, version: str, name: str) -> bytes: ...


class FakeWorld:
    def __init__(self) -> None:
        self.registry = fake = FakeRegistry()
        self.register = fake.register
        self.set_champion = fake.set_champion
        self.set_stage = fake.set_stage
        self.attached = lambda *key: fake.attached[key]

    def start_run(self) -> str:
        return f"run{next(NUMBERS)}"


class RealWorld:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.registry = MlflowRegistry(f"sqlite:///{folder}/mlflow.db")
        self.client = self.registry._client
        self.experiment = self.client.create_experiment("training", (folder / "files").as_uri())

    def register(
        self,
        model: str,
        *,
        tags: dict[str, str] | None = None,
        run_id: str = "",
        source: str = "file:///source",
    ) -> str:
        if not self.client.search_registered_models(f"name='{model}'"):
            self.client.create_registered_model(model)
        made = self.client.create_model_version(model, source, run_id or None, tags=tags)
        return str(made.version)

    def set_champion(self, model: str, version: str) -> None:
        self.client.set_registered_model_alias(model, "champion", version)

    def set_stage(self, model: str, version: str, stage: str) -> None:
        with pytest.warns(FutureWarning):
            self.client.transition_model_version_stage(model, version, stage)

    def start_run(self) -> str:
        return str(self.client.create_run(self.experiment).info.run_id)

    def attached(self, model: str, version: str, name: str) -> bytes:
        run_id = self.client.get_model_version(model, version).run_id
        return Path(self.client.download_artifacts(run_id, name, str(self.folder))).read_bytes()


@pytest.fixture(scope="module")
def sqlite_world(tmp_path_factory: pytest.TempPathFactory) -> RealWorld:
    return RealWorld(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture(params=["fake", "real"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "fake":
        yield FakeWorld()
    else:
        yield request.getfixturevalue("sqlite_world")


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
    version = world.register(model, tags={"a": "1"}, run_id="abc", source="file:///here")
    world.register(model)
    world.set_champion(model, version)

    champion = world.registry.champion(model)

    assert champion.version == version == "1"
    assert champion.name == model
    assert champion.run_id == "abc"
    assert champion.tags == {"a": "1"}
    assert champion.source == "file:///here"
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
    assert world.registry.capabilities() == {"aliases": True, "stages": True}


# --- MLflow only -----------------------------------------------------------------------------


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


def test_a_database_that_is_none_is_unavailable(tmp_path: Path):
    (tmp_path / "mlflow.db").write_text("no database, and long enough to be looked at" * 10)

    with pytest.raises(Unavailable):
        MlflowRegistry(f"sqlite:///{tmp_path}/mlflow.db").champion("m")


def test_a_tag_that_the_store_does_not_take_is_refused(sqlite_world: RealWorld, model: str):
    version = sqlite_world.register(model)

    with pytest.raises(Refused):
        sqlite_world.registry.annotate(model, version, {"too long": "x" * 200_000})


class WithoutRoles:
    """A client whose server has neither aliases nor stages."""

    def __init__(self, client: Any, missing: set[str]) -> None:
        self._client = client
        self._missing = missing

    def __getattr__(self, name: str) -> Any:
        if name in self._missing:
            return self._no_such_call
        return getattr(self._client, name)

    @staticmethod
    def _no_such_call(*_: Any, **__: Any) -> None:
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import ENDPOINT_NOT_FOUND

        raise MlflowException("no such endpoint", error_code=ENDPOINT_NOT_FOUND)


ALIAS_CALLS = {"get_model_version_by_alias", "set_registered_model_alias"}
STAGE_CALLS = {"get_latest_versions", "transition_model_version_stage"}


def limited(world: RealWorld, missing: set[str]) -> MlflowRegistry:
    registry = MlflowRegistry("unused")
    registry.__dict__["_client"] = WithoutRoles(world.client, missing)
    return registry


def test_a_server_without_stages_has_roles_by_alias(sqlite_world: RealWorld, model: str):
    version = sqlite_world.register(model)
    registry = limited(sqlite_world, STAGE_CALLS)

    registry.stage_candidate(model, version)

    assert registry.capabilities() == {"aliases": True, "stages": False}
    assert registry.challenger(model).version == version
    assert registry.challenger(model).stage == "None"


def test_a_server_without_aliases_has_roles_by_stage(sqlite_world: RealWorld, model: str):
    version = sqlite_world.register(model)
    registry = limited(sqlite_world, ALIAS_CALLS)

    registry.stage_candidate(model, version)

    assert registry.capabilities() == {"aliases": False, "stages": True}
    assert registry.challenger(model).version == version


def test_a_server_with_neither_stages_nobody(sqlite_world: RealWorld, model: str):
    version = sqlite_world.register(model)
    registry = limited(sqlite_world, ALIAS_CALLS | STAGE_CALLS)

    with pytest.raises(Refused):
        registry.stage_candidate(model, version)


@pytest.mark.parametrize(
    "missing", [set(), ALIAS_CALLS, STAGE_CALLS], ids=["all", "stages", "aliases"]
)
@pytest.mark.parametrize("calls", range(1, 5))
def test_a_promotion_that_broke_off_anywhere_is_finished_by_the_next(
    sqlite_world: RealWorld, model: str, missing: set[str], calls: int
):
    old, new = sqlite_world.register(model), sqlite_world.register(model)
    registry = limited(sqlite_world, missing)
    registry.promote(model, old)
    registry.stage_candidate(model, new)
    breaking = limited(sqlite_world, missing)
    breaking.__dict__["_client"] = Breaking(registry._client, calls)

    with contextlib.suppress(Unavailable):
        breaking.promote(model, new)
    assert registry.champion(model).version in (old, new)
    registry.promote(model, new)

    assert registry.champion(model).version == new
    assert registry.previous(model).version == old
    assert registry.challenger(model) is None


WRITES = {
    "set_registered_model_alias",
    "delete_registered_model_alias",
    "transition_model_version_stage",
    "set_model_version_tag",
}


class Breaking:
    """A client whose connection is lost with the answer to its n-th write."""

    def __init__(self, client: Any, calls: int) -> None:
        self._client = client
        self._left = calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name not in WRITES:
            return found

        def write(*args: Any, **how: Any) -> Any:
            answer = found(*args, **how)
            self._left -= 1
            if not self._left:
                raise ConnectionError
            return answer

        return write
