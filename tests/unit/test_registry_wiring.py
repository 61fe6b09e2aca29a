"""Which registry the settings choose, and where its tokens may go."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from shared import bootstrap
from shared.adapters.registry.fabric_registry import FabricRegistry
from shared.adapters.registry.mlflow_environment import PATIENCE
from shared.adapters.registry.mlflow_registry import MlflowRegistry
from shared.adapters.registry.mlflow_signature import FetchedSignatures, MlflowSignatures
from shared.bootstrap import App
from shared.catalogue import Catalogue
from shared.config import load_settings
from shared.errors import ConfigError, Unavailable
from tests.contract.windows_worlds import model
from tests.fakes.settings import LOCAL, NOBODY

ROOT = Path(__file__).parents[2]
WORKSPACE = "4B218778-e7a5-4d73-8187-f10824047715"
FABRIC = {"MLFLOW_TRACKING_URI": f"fabric://{WORKSPACE}", "ONELAKE_DFS_URL": f"{NOBODY}/onelake"}
CLOUD = {"AUTH_MODE": "entra", "FABRIC_API_URL": "", "LOGS_INGESTION_ENDPOINT": "https://x.example"}


def app(**settings: str) -> App:
    catalogue = Catalogue(version=1, models=(model(),))
    return App(load_settings({**LOCAL, **settings}), catalogue)


def test_an_address_of_mlflow_s_is_for_mlflow_s_client():
    assert isinstance(app().registry, MlflowRegistry)
    assert app().scorer._copy is None


def test_a_workspace_s_own_registry_is_spoken_to_over_rest():
    wired = app(**FABRIC)

    assert isinstance(wired.registry, FabricRegistry)
    with pytest.raises(Unavailable, match="Fabric's registry"):
        wired.registry.champion("m")


def test_its_versions_are_fetched_by_the_process_that_has_the_credential():
    wired = app(**FABRIC)

    assert wired.scorer._copy == wired.registry.fetch
    assert isinstance(wired.signatures, FetchedSignatures)
    assert isinstance(app().signatures, MlflowSignatures)


@pytest.mark.parametrize("address", ["fabric://", "fabric://my-workspace", "fabric://a/b"])
def test_a_workspace_is_named_by_its_id(address: str):
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_URI"):
        load_settings({**LOCAL, **FABRIC, "MLFLOW_TRACKING_URI": address})


def test_the_local_stack_s_token_goes_to_no_onelake_in_the_cloud():
    with pytest.raises(ConfigError, match="ONELAKE_DFS_URL"):
        load_settings({**LOCAL, **FABRIC, "ONELAKE_DFS_URL": ""})


def test_a_storage_token_goes_nowhere_unencrypted():
    with pytest.raises(ConfigError, match="ONELAKE_DFS_URL"):
        load_settings({**LOCAL, **FABRIC, **CLOUD, "ONELAKE_DFS_URL": "http://onelake.example"})


def test_the_cloud_s_onelake_is_the_default():
    settings = load_settings({**LOCAL, **FABRIC, **CLOUD, "ONELAKE_DFS_URL": ""})

    assert settings.onelake_url == "https://onelake.dfs.fabric.microsoft.com"
    assert settings.fabric_registry == WORKSPACE


def test_the_rest_adapter_needs_no_heavy_library():
    code = (
        "import sys, shared.adapters.registry.fabric_registry; "
        "print([n for n in ('mlflow', 'numpy', 'pandas', 'pyarrow') if n in sys.modules])"
    )

    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert found.stdout.strip() == "[]"


def test_the_worker_gives_up_a_dead_registry_soon_unless_the_environment_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    document = {"version": 1, "models": [model().model_dump(mode="json", exclude_unset=True)]}
    file = tmp_path / "models.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    tried, waited = PATIENCE
    environment = {**LOCAL, "MODELS_FILE": str(file), tried: "5"}
    monkeypatch.setattr(bootstrap.os, "environ", environment)

    bootstrap.app.__wrapped__()

    assert environment[tried] == "5"
    assert environment[waited] == PATIENCE[waited]
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"
