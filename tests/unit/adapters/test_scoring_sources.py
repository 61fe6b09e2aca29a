"""Which versions may be loaded is decided by where their files lie and what the files are."""

from pathlib import Path
from typing import Any

import pytest

from shared.adapters.scoring.scoring_sources import carries_code, elsewhere, locations

FABRIC = "sds://api.fabric.microsoft.com/v1/workspaces/w/mlflow"
SERVER = "https://mlflow.example.com:5000"


@pytest.mark.parametrize(
    ("registry", "source"),
    [
        (FABRIC, "sds://onelake.pbidedicated.windows.net/w/item/run/artifacts/model"),
        (FABRIC, "abfss://w@onelake.dfs.fabric.microsoft.com/item/run/artifacts"),
        (FABRIC, "https://onelake.dfs.fabric.microsoft.com/w/item"),
        ("fabric://w", "abfss://w@onelake.dfs.fabric.microsoft.com/item/run/artifacts"),
        (SERVER, "mlflow-artifacts:/3/models/m-1/artifacts"),
        (SERVER, "https://mlflow.example.com:5000/api/2.0/mlflow-artifacts/artifacts/3"),
        ("sqlite:////srv/mlflow/mlflow.db", "file:///srv/mlflow/artifacts/m-1"),
        ("sqlite:////srv/mlflow/mlflow.db", "/srv/mlflow/artifacts/m-1"),
        ("file:///srv/mlruns", "file:///srv/mlruns/0/m%201"),
    ],
)
def test_where_a_registry_keeps_its_files_a_version_may_come_from(registry, source):
    assert elsewhere(source, locations(registry) or ()) == ""


@pytest.mark.parametrize(
    ("registry", "source"),
    [
        (FABRIC, "abfss://w@onelake.dfs.fabric.microsoft.com.evil.example/item"),
        (FABRIC, "abfss://evil.example/@onelake.dfs.fabric.microsoft.com/item"),
        (FABRIC, "https://onelake.dfs.fabric.microsoft.com@evil.example/item"),
        ("fabric://w", "abfss://other@onelake.dfs.fabric.microsoft.com/item"),
        (FABRIC, "file:///etc"),
        (FABRIC, "s3://bucket/model"),
        (SERVER, "https://mlflow.example.com.evil.example/model"),
        (SERVER, "mlflow-artifacts:/3/../../etc"),
        (SERVER, "mlflow-artifacts:/3/%2e%2e/etc"),
        (SERVER, ""),
        ("sqlite:////srv/mlflow/mlflow.db", "file:///srv/mlflow/../other/m-1"),
        ("sqlite:////srv/mlflow/mlflow.db", "file:///srv/mlflow-other/m-1"),
        ("sqlite:////srv/mlflow/mlflow.db", "file:///etc"),
    ],
)
def test_a_version_from_anywhere_else_is_refused(registry, source):
    assert "where the registry keeps none (see ARTIFACT_LOCATIONS)" in elsewhere(
        source, locations(registry) or ()
    )


def test_a_link_that_leads_out_of_the_folder_is_followed_before_it_is_judged(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "m-1").symlink_to("/etc")

    said = elsewhere(f"file://{tmp_path}/store/m-1", (f"file://{tmp_path}/store",))

    assert "keeps none" in said


def test_further_places_are_named_by_a_setting_and_end_at_a_slash():
    allowed = locations(SERVER, "s3://models , abfss://m@lake.dfs.core.windows.net/ml") or ()

    assert elsewhere("s3://models/m-1", allowed) == ""
    assert elsewhere("abfss://m@lake.dfs.core.windows.net/ml/m-1", allowed) == ""
    assert elsewhere("s3://models-of-others/m-1", allowed)


def test_a_star_alone_allows_any_place():
    assert locations(SERVER, " * ") is None


def test_a_model_that_is_data_alone_carries_no_code(tmp_path):
    assert carries_code(tmp_path, _described("mlflow.sklearn", sklearn="skops")) == ""
    assert carries_code(tmp_path, _described("mlflow.onnx")) == ""


@pytest.mark.parametrize(
    ("described", "said"),
    [
        ({}, "its loader None is not known"),
        ({"flavors": {"python_function": {"loader_module": "own"}}}, "its loader own is not known"),
        (
            {"flavors": {"python_function": {"python_model": "python_model.pkl"}}},
            "its MLmodel names python_model",
        ),
        (
            {"flavors": {"python_function": {"loader_module": "mlflow.onnx", "code": "code"}}},
            "its MLmodel names code",
        ),
    ],
)
def test_what_is_not_known_to_be_data_counts_as_code(tmp_path, described, said):
    assert said in carries_code(tmp_path, described)


@pytest.mark.parametrize("form", ["pickle", "cloudpickle", "something new"])
def test_a_flavor_that_is_not_skops_counts_as_code(tmp_path, form):
    described = _described("mlflow.sklearn", sklearn=form)

    assert carries_code(tmp_path, described) == f"its sklearn flavor is written as {form}"


def test_a_pickle_that_the_mlmodel_does_not_own_up_to_is_found(tmp_path: Path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "MODEL.PKL").touch()

    assert carries_code(tmp_path, _described("mlflow.lightgbm")) == "it holds the file MODEL.PKL"


def _described(loader: str, **forms: str) -> dict[str, Any]:
    flavors: dict[str, Any] = {"python_function": {"loader_module": loader}}
    for flavor, form in forms.items():
        flavors[flavor] = {"serialization_format": form}
    return {"flavors": flavors}
