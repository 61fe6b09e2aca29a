"""A lakehouse and a registry of a test's own; the registry's versions are made once."""

import shutil

import pytest

from tests.fabric.lakeside import MODEL, RUN_ID, SLOPES, Lakeside, register


@pytest.fixture(scope="session")
def registered(tmp_path_factory):
    """A folder with an MLflow store: version 1 is the champion, version 2 the challenger."""
    mlflow = pytest.importorskip("mlflow")
    folder = tmp_path_factory.mktemp("registry")
    uri = f"sqlite:///{folder}/mlflow.db"
    client = mlflow.MlflowClient(tracking_uri=uri)
    client.create_experiment("casino-regression", artifact_location=str(folder / "artifacts"))
    for place, slope in enumerate(SLOPES.values(), start=1):
        register(uri, slope, {"retrain_run_id": f"run-{place}", "training_data_version": "7"})
    client.set_registered_model_alias(MODEL, "champion", "1")
    client.set_registered_model_alias(MODEL, "challenger", "2")
    assert client.get_model_version(MODEL, "2").tags["retrain_run_id"] == RUN_ID
    yield folder
    mlflow.set_tracking_uri(None)


@pytest.fixture
def lakeside(registered, tmp_path, monkeypatch):
    """An empty lakehouse, and a copy of the registry that a test may change."""
    import mlflow

    shutil.copy(registered / "mlflow.db", tmp_path / "mlflow.db")
    found = Lakeside(tmp_path / "lakehouse", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("LAKEHOUSE_ROOT", str(found.root))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    mlflow.set_tracking_uri(found.tracking_uri)
    yield found
    mlflow.set_tracking_uri(None)
