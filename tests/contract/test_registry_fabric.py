"""Fabric's registry over REST: what goes wrong on the way, its files, and scoring from it."""

import contextlib
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from azure.core.credentials import AccessToken

import shared.adapters.registry.fabric_registry_files as files_module
from local.processes import free_port
from shared.adapters.clock import SystemClock
from shared.adapters.credentials import StaticCredential
from shared.adapters.registry.fabric_registry import FabricRegistry, FabricServer
from shared.adapters.registry.fabric_registry_files import OneLakeFiles, Place
from shared.adapters.registry.fabric_registry_http import MlflowRest, Patience
from shared.adapters.registry.registry_roles import DropAlias
from shared.adapters.scoring.scorer import SubprocessScorer
from shared.adapters.scoring.scoring_sources import locations
from shared.errors import DataError, NoChampion, NotFound, Refused, Throttled, Unavailable
from shared.ports import ModelVersion
from tests.contract import scorer_models
from tests.contract.registry_worlds import (
    JSON,
    NO_MODEL,
    NUMBERS,
    TOKEN,
    WORKSPACE,
    FabricWorld,
    Simulator,
    simulated,
)
from tests.fakes.duel import ANA, duel, live
from tests.fakes.samples import MODEL
from tests.fakes.web import Answer, Asked, Web, serving

pytestmark = [
    pytest.mark.xdist_group("fabric-registry"),  # one worker starts the simulator for all
    pytest.mark.filterwarnings(
        # raised inside MLflow's own modules
        "ignore::sqlalchemy.exc.SADeprecationWarning",
        "ignore::DeprecationWarning:mlflow",
        "ignore::FutureWarning:mlflow",
    ),
]

CLOCK = SystemClock()
HERE = f"abfss://{WORKSPACE}@onelake.dfs.fabric.microsoft.com"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FabricWorld]:
    with simulated(tmp_path_factory.mktemp("fabric")) as running:
        yield FabricWorld(running)


@pytest.fixture
def simulator(world: FabricWorld) -> Iterator[Simulator]:
    yield world.simulator
    world.simulator.forget()


@pytest.fixture
def model(world: FabricWorld) -> str:
    """A model with a champion, version 1, and one more."""
    name = f"slot-revenue-{next(NUMBERS)}"
    for _ in range(2):
        world.register(name)
    world.set_champion(name, "1")
    return name


class Credential:
    """Gives another token each time, and keeps for what it was asked."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)
        self.asked: list[tuple[str, Any]] = []

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        self.asked.append((scopes[0], options.get("claims")))
        token = self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]
        return AccessToken(token, 2**40)

    def close(self) -> None:
        return


def rest(url: str, credential: Any = None, **how: Any) -> MlflowRest:
    patience = Patience(sleep=lambda _: None)
    chosen = credential or StaticCredential(TOKEN)
    return MlflowRest(url, WORKSPACE, chosen, CLOCK, **{"patience": patience, **how})


def onelake(url: str, credential: Any = None, **how: Any) -> OneLakeFiles:
    chosen = credential or StaticCredential(TOKEN)
    given = {"locations": locations(f"fabric://{WORKSPACE}"), "seconds": 30, **how}
    patience = Patience(sleep=lambda _: None)
    return OneLakeFiles(url, chosen, CLOCK, **{"patience": patience, **given})


def registry_at(url: str, credential: Any = None, **how: Any) -> FabricRegistry:
    return FabricRegistry(FabricServer(rest(url, credential, **how), onelake(url, credential)))


# --- "no champion" and "no answer" never look alike --------------------------------------------


def test_a_registry_that_is_down_is_unavailable():
    registry = registry_at(f"http://127.0.0.1:{free_port()}/v1")

    for call in (
        lambda: registry.champion("m"),
        lambda: registry.challenger("m"),
        lambda: registry.previous("m"),
        lambda: registry.made_by("m", "run-1"),
        lambda: registry.promote("m", "1"),
        registry.capabilities,
    ):
        with pytest.raises(Unavailable):
            call()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((404, {}, b"<html>not here</html>"), Refused),
        ((404, JSON, b'{"errorCode": "WorkspaceNotFound", "message": "no"}'), Refused),
        ((404, JSON, b'{"errorCode": "EndpointNotFound", "message": "no"}'), Refused),
        ((403, JSON, b'{"errorCode": "InsufficientPrivileges"}'), Refused),
        ((401, JSON, b'{"errorCode": "Unauthorized"}'), Refused),
        ((400, JSON, b'{"error_code": "INVALID_PARAMETER_VALUE"}'), Refused),
        ((302, {"Location": "http://127.0.0.1:1/login"}, b""), Refused),
        ((200, {}, b"<html>a sign-in page</html>"), Unavailable),
        ((200, JSON, b"{}"), Unavailable),
        ((200, JSON, b"[]"), Unavailable),
        ((200, JSON, b""), Unavailable),
        ((200, JSON, b'{"registered_model": {}}'), Unavailable),
        ((200, JSON, b'{"registered_model": {"name": "m", "aliases": [{}]}}'), Unavailable),
        ((500, JSON, b'{"error_code": "INTERNAL_ERROR"}'), Unavailable),
        ((503, {}, b""), Unavailable),
        ((429, {}, b""), Throttled),
        ((430, {}, b""), Throttled),
        ((400, JSON, b'{"errorCode": "CapacityNotActive"}'), Throttled),
        ((404, JSON, NO_MODEL), NoChampion),
    ],
)
def test_only_the_registry_s_own_word_means_that_there_is_no_champion(answer: Answer, error: type):
    with serving(Web([answer])) as web, pytest.raises(error) as caught:
        registry_at(web.url).champion("m")

    assert isinstance(caught.value, NoChampion) is (error is NoChampion)


@pytest.mark.parametrize("answer", [(404, {}, b""), (404, JSON, b'{"errorCode": "ItemNotFound"}')])
def test_an_address_without_a_registry_has_no_capabilities_to_speak_of(answer: Answer):
    with serving(Web([answer])) as web, pytest.raises(Refused):
        registry_at(web.url).capabilities()


@pytest.mark.parametrize(
    "answer",
    [
        (404, JSON, b'{"error_code": "ENDPOINT_NOT_FOUND"}'),
        (404, JSON, b'{"errorCode": "EndpointNotFound"}'),
        (400, JSON, b'{"errorCode": "FeatureNotAvailable"}'),
        (404, {}, b""),
        (405, {}, b""),
        (501, {}, b""),
        (501, JSON, b'{"error_code": "NOT_IMPLEMENTED"}'),
    ],
)
def test_a_call_that_the_server_does_not_know_is_a_capability_it_lacks(answer: Answer):
    def respond(asked: Asked) -> Answer:
        lacks = "alias" in asked.path or "stage" in asked.path
        return answer if lacks else (404, JSON, NO_MODEL)

    with serving(Web(answer=respond)) as web:
        has = registry_at(web.url).capabilities()

    assert has == {"aliases": False, "stages": False, "tags": True}


def test_a_right_that_is_missing_is_no_call_that_is_missing(world, simulator, model):
    simulator.order("registry_write", "forbidden", times=2)

    registry = simulator.registry()
    assert registry.capabilities() == {"aliases": True, "stages": True, "tags": True}

    simulator.order("registry_write", "forbidden")
    with pytest.raises(Refused) as caught:
        registry.promote(model, "2")
    assert caught.value.code == "InsufficientPrivileges"
    assert world.registry.champion(model).version == "1"


def test_what_the_server_can_do_is_asked_once():
    with serving(Web([(404, JSON, NO_MODEL)])) as web:
        registry = registry_at(web.url)

        assert registry.capabilities() == registry.capabilities()

        assert len(web.asked) == 4


def test_a_failed_question_is_asked_again_next_time(simulator):
    registry = simulator.registry()
    simulator.order("registry_read", "server_error", times=3)
    with pytest.raises(Unavailable):
        registry.capabilities()

    assert registry.capabilities()["aliases"] is True


# --- throttling, tokens, lost answers ----------------------------------------------------------


def test_a_short_retry_after_is_waited_for(simulator, model):
    waits: list[float] = []
    simulator.order("registry_read", "throttle", retry_after=7)

    assert simulator.registry(waits=waits).champion(model).version == "1"

    assert waits == [7]


@pytest.mark.parametrize(("kind", "asked"), [("throttle", 600), ("capacity", 300)])
def test_a_long_retry_after_is_for_the_caller_to_wait_for(simulator, model, kind, asked):
    waits: list[float] = []
    simulator.order("registry_read", kind, retry_after=600 if kind == "throttle" else 5)

    with pytest.raises(Throttled) as caught:
        simulator.registry(waits=waits).champion(model)

    assert (caught.value.retry_after, waits) == (asked, [])


def test_it_gives_up_after_three_times(simulator, model):
    waits: list[float] = []
    simulator.order("registry_read", "server_error", times=4)

    with pytest.raises(Unavailable):
        simulator.registry(waits=waits).champion(model)

    assert waits == [1, 2]
    assert simulator.pending()[0]["times"] == 1


@pytest.mark.parametrize("kind", ["reset", "server_error", "unauthorized"])
def test_a_passing_fault_is_passed_over(simulator, model, kind):
    simulator.order("registry_read", kind)
    simulator.order("registry_write", kind)
    registry = simulator.registry()

    registry.promote(model, "2")

    assert registry.champion(model).version == "2"
    assert simulator.pending() == []


def test_an_answer_that_does_not_come_is_not_waited_for_without_end(simulator, model):
    simulator.order("registry_read", "slow", seconds=2.0)
    registry = registry_at(f"{simulator.url}/v1", patience=Patience(retries=0), read_seconds=0.3)

    with pytest.raises(Unavailable):
        registry.champion(model)


@pytest.mark.parametrize("nth", range(1, 5))
def test_a_write_whose_answer_is_lost_is_made_again_and_does_no_harm(simulator, model, nth):
    registry = simulator.registry()
    registry.stage_candidate(model, "2")
    for _ in range(nth - 1):
        simulator.order("registry_write", "slow", seconds=0)
    simulator.order("registry_write", "lost_response")

    registry.promote(model, "2")

    assert registry.champion(model).version == "2"
    assert registry.previous(model).version == "1"
    assert registry.challenger(model) is None
    assert simulator.pending() == []


@pytest.mark.parametrize("still_there", [True, False])
def test_an_alias_that_cannot_be_dropped_since_it_is_gone_is_dropped(still_there: bool):
    """As a server would answer that does not know the alias any more; MLflow's does not mind."""
    aliases = [{"alias": "challenger", "version": "1"}] if still_there else []
    held = json.dumps({"registered_model": {"name": "m", "aliases": aliases}}).encode()

    def respond(asked: Asked) -> Answer:
        gone = (400, JSON, b'{"error_code": "INVALID_PARAMETER_VALUE"}')
        return gone if asked.method == "DELETE" else (200, JSON, held)

    with serving(Web(answer=respond)) as web:
        server = FabricServer(rest(web.url), onelake(web.url))
        with pytest.raises(Refused) if still_there else contextlib.nullcontext():
            server.write("m", DropAlias("challenger"))


def test_an_expired_token_is_replaced_once(simulator, model):
    credential = Credential("expired", TOKEN)

    champion = registry_at(f"{simulator.url}/v1", credential).champion(model)

    assert champion.version == "1"
    assert {scope for scope, _ in credential.asked} == {"https://api.fabric.microsoft.com/.default"}


def test_the_claims_of_a_challenge_go_into_the_new_token():
    challenge = {"WWW-Authenticate": 'Bearer error="insufficient_claims", claims="eyJhIjoxfQ=="'}
    credential = Credential("one", "two")
    answers = [(401, challenge, b""), (404, JSON, NO_MODEL)]
    with serving(Web(answers)) as web, pytest.raises(NoChampion):
        registry_at(web.url, credential).champion("m")

    assert [claims for _, claims in credential.asked] == [None, '{"a":1}']
    assert [asked.headers["Authorization"] for asked in web.asked] == ["Bearer one", "Bearer two"]


def test_a_wrong_token_is_refused_and_no_word_about_the_model(simulator, model):
    with pytest.raises(Refused) as caught:
        simulator.registry(token="wrong").champion(model)

    assert not isinstance(caught.value, NotFound)


def test_a_token_follows_no_redirect():
    with serving(Web([(404, JSON, NO_MODEL)])) as other:
        away = (302, {"Location": f"{other.url}/v1"}, b"")
        with serving(Web([away])) as web, pytest.raises(Refused):
            registry_at(web.url).champion("m")

    assert other.asked == []


def test_another_model_s_versions_are_never_taken_for_this_one_s():
    """As a server would answer that leaves the filter aside."""
    versions = [
        {"name": name, "version": "1", "current_stage": "Production", "run_id": "r"}
        for name in ("other", "m")
    ]

    def respond(asked: Asked) -> Answer:
        if "registered-models/get" in asked.path and "retrain-loop-probe" not in asked.path:
            return 200, JSON, b'{"registered_model": {"name": "m"}}'
        if "search" in asked.path:
            more = {"next_page_token": "2"} if "page_token" not in asked.path else {}
            page = {"model_versions": versions[: 1 if more else 2], **more}
            return 200, JSON, json.dumps(page).encode()
        return 404, JSON, NO_MODEL

    with serving(Web(answer=respond)) as web:
        champion = registry_at(web.url).champion("m")

    assert champion.name == "m"
    assert champion.tags == {}


def test_a_version_that_lacks_its_number_is_no_answer():
    def respond(asked: Asked) -> Answer:
        if "registered-models/get" in asked.path:
            return 200, JSON, b'{"registered_model": {"name": "m"}}'
        return 200, JSON, b'{"model_versions": [{"name": "m"}], "model_version": {"name": "m"}}'

    with serving(Web(answer=respond)) as web:
        registry = registry_at(web.url)
        for call in (lambda: registry.version("m", "1"), lambda: registry.made_by("m", "run-1")):
            with pytest.raises(Unavailable, match="has no version"):
                call()


# --- files -------------------------------------------------------------------------------------


def test_an_address_is_read_for_workspace_and_path_alone():
    for address in (
        f"abfss://{WORKSPACE}@onelake.dfs.fabric.microsoft.com/item/run/artifacts",
        f"sds://onelakewestus.example.net/{WORKSPACE}/item/run/artifacts",
        f"https://onelake.dfs.fabric.microsoft.com/{WORKSPACE.upper()}/item/run/artifacts/",
    ):
        assert Place.of(address) == Place(WORKSPACE, "item/run/artifacts")


@pytest.mark.parametrize(
    "address", ["", "file:///etc", "abfss://w@h/", "sds://h/w", "dbfs:/x", "abfss://w@h/a/../b"]
)
def test_what_is_no_place_in_onelake_is_not_found(address: str):
    with pytest.raises(NotFound):
        Place.of(address)


def test_a_file_larger_than_a_piece_is_stored_whole(world, monkeypatch, model):
    monkeypatch.setattr(files_module, "PIECE", 1000)
    version = world.register(model, run_id=world.start_run())
    content = bytes(range(256)) * 10

    world.registry.attach(model, version, "reference.rlp", content)

    assert world.attached(model, version, "reference.rlp") == content


@pytest.mark.parametrize("nth", range(1, 4))
@pytest.mark.parametrize("kind", ["lost_response", "server_error", "reset"])
def test_a_file_whose_storing_broke_off_is_stored_from_the_start(
    world, simulator, model, kind, nth
):
    version = world.register(model, run_id=world.start_run())
    for _ in range(nth - 1):
        simulator.order("files", "slow", seconds=0)
    simulator.order("files", kind)

    world.registry.attach(model, version, "reference.rlp", b"whole")

    assert world.attached(model, version, "reference.rlp") == b"whole"


def test_a_run_whose_files_lie_elsewhere_takes_none(world, model):
    other = world.client.create_experiment(
        f"elsewhere-{model}", "abfss://another@onelake.dfs.fabric.microsoft.com/item"
    )
    run_id = world.client.create_run(other).info.run_id
    version = world.register(model, run_id=run_id)

    with pytest.raises(Refused, match="ARTIFACT_LOCATIONS"):
        world.registry.attach(model, version, "reference.rlp", b"")


def stored(world: FabricWorld, model: str, files: dict[str, bytes]) -> ModelVersion:
    """Register a version with files in OneLake."""
    source = f"{HERE}/item/{model}/model"
    for name, content in files.items():
        path = world.simulator.path(Place.of(source).under(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    version = world.register(model, source=source)
    return world.registry.version(model, version)


def test_a_version_s_files_are_copied_with_their_folders_over_several_pages(
    world, monkeypatch, model, tmp_path
):
    monkeypatch.setattr(files_module, "PIECE", 100)
    files = {f"part {n}/data-{n}.bin": bytes([n]) * 99 * n for n in range(5)} | {"MLmodel": b"x"}
    version = stored(world, model, files)

    world.simulator.registry().fetch(version, tmp_path)

    found = {
        path.relative_to(tmp_path).as_posix(): path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert found == files


@pytest.mark.parametrize(
    "source",
    [
        f"{HERE}/item/nothing-there",
        "abfss://another@onelake.dfs.fabric.microsoft.com/item/model",
        "https://example.com/w/model",
    ],
)
def test_a_version_without_files_where_they_may_lie_is_not_found(world, model, tmp_path, source):
    version = ModelVersion(model, "9", "", "None", frozenset(), {}, source)
    with serving(Web([(200, JSON, b"{}")])) as registry:
        fetching = FabricRegistry(
            FabricServer(rest(registry.url), onelake(f"{world.simulator.url}/onelake"))
        )

        with pytest.raises(NotFound):
            fetching.fetch(version, tmp_path)


def test_a_logged_model_s_files_are_fetched_from_where_it_says(world, model, tmp_path):
    stored(world, model, {"MLmodel": b"x"})
    logged = {"model": {"info": {"artifact_uri": f"{HERE}/item/{model}/model"}}}

    def respond(asked: Asked) -> Answer:
        if asked.path.endswith("/logged-models/m-1"):
            return 200, JSON, json.dumps(logged).encode()
        return 200, JSON, b'{"artifact_uri": "models:/m-1"}'

    version = ModelVersion(model, "9", "", "None", frozenset(), {}, "models:/m-1")
    with serving(Web(answer=respond)) as web:
        files = onelake(f"{world.simulator.url}/onelake")
        FabricRegistry(FabricServer(rest(web.url), files)).fetch(version, tmp_path)

    assert (tmp_path / "MLmodel").read_bytes() == b"x"


def test_files_get_a_storage_token_and_no_other_host(tmp_path):
    credential = Credential("storage")
    listing = json.dumps({"paths": [{"name": "item/model/MLmodel", "contentLength": "2"}]})
    with serving(Web([(200, JSON, listing.encode()), (206, {}, b"ok")])) as web:
        address = f"sds://onelakewestus.example.net/{WORKSPACE}/item/model"

        onelake(web.url, credential).copy(address, tmp_path)

    assert (tmp_path / "MLmodel").read_bytes() == b"ok"
    assert {scope for scope, _ in credential.asked} == {"https://storage.azure.com/.default"}
    assert all(asked.headers["Authorization"] == "Bearer storage" for asked in web.asked)
    assert all(asked.headers["x-ms-version"] for asked in web.asked)


@pytest.mark.parametrize(
    "name", ["item/model/../../../etc/passwd", "item/other/x", "/etc/passwd", "item/model//etc/x"]
)
def test_a_listing_that_leads_out_of_the_folder_is_not_followed(tmp_path, name):
    listing = json.dumps({"paths": [{"name": name, "contentLength": "2"}]}).encode()
    with serving(Web([(200, JSON, listing), (206, {}, b"ok")])) as web, pytest.raises(NotFound):
        onelake(web.url).copy(f"{HERE}/item/model", tmp_path)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((404, {"x-ms-error-code": "PathNotFound"}, b""), NotFound),
        ((404, {"x-ms-error-code": "FilesystemNotFound"}, b""), Refused),
        ((404, {}, b"<html>"), Refused),
        ((403, {"x-ms-error-code": "AuthorizationFailure"}, b""), Refused),
        ((503, {"x-ms-error-code": "ServerBusy"}, b""), Unavailable),
        ((200, {}, b"<html>"), Unavailable),
    ],
)
def test_only_onelake_s_own_word_means_that_there_are_no_files(tmp_path, answer, error):
    with serving(Web([answer])) as web, pytest.raises(error):
        onelake(web.url).copy(f"{HERE}/item/model", tmp_path)


@pytest.mark.parametrize(
    "entry", [{"contentLength": "2"}, {"name": "item/model/f"}, {"name": "f", "contentLength": ""}]
)
def test_a_listing_that_leaves_something_out_is_no_answer(tmp_path, entry):
    listing = json.dumps({"paths": [entry]}).encode()
    with serving(Web([(200, JSON, listing)])) as web, pytest.raises(Unavailable):
        onelake(web.url).copy(f"{HERE}/item/model", tmp_path)


def test_a_file_that_comes_short_is_asked_for_again(tmp_path):
    listing = json.dumps({"paths": [{"name": "item/model/f", "contentLength": 4}]}).encode()
    answers = [(200, JSON, listing), (206, {}, b"ab"), (206, {}, b"abcd")]
    with serving(Web(answers)) as web:
        onelake(web.url).copy(f"{HERE}/item/model", tmp_path)

    assert (tmp_path / "f").read_bytes() == b"abcd"


def test_files_that_take_too_long_are_unavailable(tmp_path):
    listing = json.dumps({"paths": [{"name": "item/model/f", "contentLength": 4}]}).encode()
    moments = iter([0.0, 31.0])
    with serving(Web([(200, JSON, listing), (206, {}, b"abcd")])) as web:
        slow = onelake(web.url, now=lambda: next(moments))

        with pytest.raises(Unavailable, match="no answer in 30 s"):
            slow.copy(f"{HERE}/item/model", tmp_path)


# --- scoring -----------------------------------------------------------------------------------

ROWS = pa.table({"coin_in": [1.5, 2.0], "visits": pa.array([1, 2], pa.int64()), "zone": ["a", "b"]})


@pytest.fixture(scope="module")
def candidate(world: FabricWorld, tmp_path_factory: pytest.TempPathFactory) -> ModelVersion:
    """A version of a model that can be loaded, with its files in OneLake."""
    with warnings.catch_warnings(record=True):  # MLflow's advice on saving: it resets the filters
        warnings.simplefilter("ignore")
        saved = scorer_models._saved(tmp_path_factory.mktemp("saved"), "good")
    files = {
        path.relative_to(saved).as_posix(): path.read_bytes()
        for path in saved.rglob("*")
        if path.is_file()
    }
    return stored(world, "scored", files)


def scorer(registry: FabricRegistry, **how: Any) -> SubprocessScorer:
    return SubprocessScorer(
        f"fabric://{WORKSPACE}", memory_mb=1500, seconds=90, fetch=registry.fetch, **how
    )


def test_a_candidate_in_fabric_s_registry_is_scored(world, candidate):
    scored = scorer(world.simulator.registry()).score(candidate, ROWS)

    assert scored.predictions.tolist() == [3.0, 4.0]


def test_a_candidate_that_brings_code_is_not_loaded_where_none_may(world, candidate):
    with pytest.raises(DataError, match="ALLOW_PICKLED_MODELS"):
        scorer(world.simulator.registry(), allow_pickled=False).score(candidate, ROWS)


def test_files_that_are_not_there_are_the_model_s_fault_and_a_missing_right_is_not(
    world, simulator, model
):
    bare = world.registry.version(model, "1")
    with pytest.raises(DataError, match="could not be loaded"):
        scorer(simulator.registry()).score(bare, ROWS)

    simulator.order("files", "forbidden")
    listed = stored(world, model, {"MLmodel": b"x"})
    with pytest.raises(Unavailable):
        scorer(simulator.registry()).score(listed, ROWS)


def test_files_without_a_model_s_description_are_no_model(world, simulator, model):
    listed = stored(world, model, {"weights.bin": b"x"})

    with pytest.raises(DataError, match="no MLmodel"):
        scorer(simulator.registry()).score(listed, ROWS)


def test_a_registry_without_a_fetched_file_leaves_nothing_behind(world, tmp_path: Path):
    simulator = world.simulator
    with pytest.raises(NotFound):
        simulator.registry().fetch(
            ModelVersion("nobody", "1", "", "None", frozenset(), {}, ""), tmp_path
        )

    assert list(tmp_path.iterdir()) == []


# --- the loop on it ----------------------------------------------------------------------------


class OnServer:
    """Puts a server's registry in the place of a loop's fake one."""

    def __init__(self, world: FabricWorld, lacking: set[str]) -> None:
        self.world = world
        self.registry = world.limited(lacking)

    def tap(self, name: str, port: Any) -> Any:
        if name != "registry":
            return port
        port.register, port.set_champion = self.register, self.registry.promote
        port.promote, port.previous = self.registry.promote, self.registry.previous
        return self.registry

    def register(self, model: str, **how: Any) -> str:
        return self.world.register(model, **{**how, "run_id": self.world.start_run()})


@pytest.mark.parametrize(
    "lacking", [(), ("aliases",), ("stages",), ("aliases", "stages")], ids=" and ".join
)
def test_a_challenger_is_promoted_and_rolled_back_on_a_server_without(world, lacking):
    server = OnServer(world, set(lacking))
    try:
        loop = duel(fuse=server)
        live(loop, 3)
        loop.drain()
        assert server.registry.champion(MODEL).version == "2"
        assert server.registry.previous(MODEL).version == "1"

        loop.ask_champion.roll_back(MODEL, "worse in the field", ANA, "key-1")
        loop.drain()

        states = sorted(run.state.value for run in loop.runs())
        assert states == ["promoted", "rolled_back"]
        assert server.registry.champion(MODEL).version == "1"
        assert server.registry.previous(MODEL).version == "2"
        assert server.registry.challenger(MODEL) is None
        assert not loop.breaches()
        assert not loop.poison
    finally:
        world.restore()
        world.client.delete_registered_model(MODEL)
