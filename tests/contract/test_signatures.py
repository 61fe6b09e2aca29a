"""What any Signatures does: the fake and MLflow on SQLite give the same answers."""

import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from shared.adapters.registry.mlflow_registry import MlflowRegistry
from shared.adapters.registry.mlflow_signature import FetchedSignatures, MlflowSignatures
from shared.errors import DataError, NotFound
from shared.ports import ModelVersion, Signatures
from tests.fakes.signatures import FakeSignatures

pytestmark = pytest.mark.filterwarnings(
    # raised inside MLflow's own modules
    "ignore::sqlalchemy.exc.SADeprecationWarning",
    "ignore::DeprecationWarning:mlflow",
    "ignore::FutureWarning:mlflow",
)
NUMBERS = count(1)


class FakeWorld:
    def __init__(self) -> None:
        self.signatures = FakeSignatures()

    def register(self, columns: list[str] | None) -> ModelVersion:
        version = ModelVersion(f"m{next(NUMBERS)}", "1", "run", "None", frozenset(), {}, "file:///")
        self.signatures.log(version, columns)
        return version

    def spoil(self, version: ModelVersion, how: Callable[[Path], Any] | None) -> None:
        self.signatures.spoil(version, gone=how is None)


class RealWorld:
    """Versions whose ``MLmodel`` is written here, as MLflow writes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uri = f"sqlite:///{folder}/mlflow.db"
        self.registry: Any = MlflowRegistry(self.uri)
        self.signatures: Any = MlflowSignatures(self.uri)

    def register(self, columns: list[str] | None) -> ModelVersion:
        from mlflow import MlflowClient
        from mlflow.models import Model, infer_signature

        name = f"m{next(NUMBERS)}"
        files = self.folder / name
        files.mkdir()
        rows = pd.DataFrame({column: [1.0, 2.0] for column in columns or []})
        Model(signature=infer_signature(rows) if columns else None).save(str(files / "MLmodel"))
        client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
        client.create_registered_model(name)
        client.create_model_version(name, files.as_uri())
        return self.registry.version(name, "1")

    def spoil(self, version: ModelVersion, how: Callable[[Path], Any] | None) -> None:
        file = self.folder / version.name / "MLmodel"
        file.unlink()
        if how is not None:
            how(file)


class FetchedWorld(RealWorld):
    """The same files, from a registry that copies a version's folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.signatures = FetchedSignatures(self._copy)

    def _copy(self, version: ModelVersion, folder: Path) -> None:
        files = self.folder / version.name
        if not files.is_dir():
            raise NotFound("no files")
        shutil.copytree(files, folder, dirs_exist_ok=True)


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> FetchedWorld:
    return FetchedWorld(tmp_path_factory.mktemp("fetched"))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> RealWorld:
    return RealWorld(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture(params=["fake", "real", "fetched"])
def world(request: pytest.FixtureRequest) -> Any:
    return FakeWorld() if request.param == "fake" else request.getfixturevalue(request.param)


def of(world: Any) -> Signatures:
    signatures: Signatures = world.signatures
    return signatures


def test_the_columns_come_in_their_order(world: Any):
    version = world.register(["distance", "carrier", "dep_delay"])

    assert of(world).inputs(version) == ("distance", "carrier", "dep_delay")


def test_a_version_without_a_signature_has_no_columns(world: Any):
    assert of(world).inputs(world.register(None)) == ()


def test_a_version_whose_files_are_gone_is_not_found(world: Any):
    version = world.register(["distance"])
    world.spoil(version, None)

    with pytest.raises(NotFound):
        of(world).inputs(version)


@pytest.mark.parametrize("text", ["{", "signature: 3", "- a", ""])
def test_what_cannot_be_read_is_an_error_of_the_data(world: Any, text: str):
    version = world.register(["distance"])
    world.spoil(version, lambda file: file.write_text(text))

    with pytest.raises(DataError):
        of(world).inputs(version)


def test_a_version_that_is_not_there_is_not_found(world: Any):
    version = ModelVersion("nobody", "1", "", "None", frozenset(), {}, "")

    with pytest.raises(NotFound):
        of(world).inputs(version)


def test_a_version_of_a_logged_model_is_read_where_that_lies(tmp_path: Path):
    import mlflow
    from sklearn.linear_model import LinearRegression

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    rows = pd.DataFrame({"a": [1.0, 2.0], "b": [0.0, 1.0]})
    mlflow.set_tracking_uri(uri)
    try:
        mlflow.set_experiment(
            experiment_id=mlflow.create_experiment("e", artifact_location=str(tmp_path / "files"))
        )
        with mlflow.start_run():
            fitted = LinearRegression().fit(rows, [1.0, 2.0])
            logged = mlflow.sklearn.log_model(
                fitted, "model", signature=mlflow.models.infer_signature(rows)
            )
        mlflow.register_model(logged.model_uri, "logged")
    finally:
        mlflow.set_tracking_uri(None)

    version = MlflowRegistry(uri).version("logged", "1")

    assert MlflowSignatures(uri).inputs(version) == ("a", "b")
