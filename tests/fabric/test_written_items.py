"""What infra/fabric holds twice says the same in both places."""

import ast
import re
import sys
from types import SimpleNamespace

import pytest

from local.notebook_runner import parse
from tests.fabric.items import FABRIC, PYTHON_NOTEBOOKS, ROOT, notebook, pipeline, platform, script

WRITER = script("write_fabric_items")
EVERY_NOTEBOOK = pytest.mark.parametrize("name", PYTHON_NOTEBOOKS)


@pytest.mark.parametrize("path", WRITER.render(), ids=lambda path: path.name)
def test_a_written_file_is_what_the_script_writes(path):
    assert path.read_text(encoding="utf-8") == WRITER.render()[path]


def test_every_python_notebook_is_among_those_checked_here():
    kernels = {
        path.parent.stem
        for path in FABRIC.glob("*.Notebook/notebook-content.py")
        if '"jupyter_kernel_name"' in path.read_text(encoding="utf-8")
    }

    assert kernels == set(PYTHON_NOTEBOOKS)


@EVERY_NOTEBOOK
def test_the_cells_that_notebooks_share_are_the_same_everywhere(name):
    text = notebook(name).read_text(encoding="utf-8")

    assert WRITER.LIBRARIES in text
    assert WRITER.LOCATE in text


@EVERY_NOTEBOOK
def test_a_notebook_pins_what_the_app_loads_models_with(name):
    pinned = re.search(r"^PINNED = (\[.*\])$", notebook(name).read_text("utf-8"), re.MULTILINE)
    required = (ROOT / "requirements.txt").read_text("utf-8").splitlines()

    pins = ast.literal_eval(pinned[1])
    assert [pin.split("==")[0] for pin in pins] == list(WRITER.PINNED)
    assert set(pins) <= set(required)


@pytest.mark.parametrize("name", [*PYTHON_NOTEBOOKS, "profile_days"])
def test_every_notebook_has_the_lakehouse_that_is_deployed(name):
    lakehouse = platform("lh_retrain_loop.Lakehouse")["config"]["logicalId"]
    text = notebook(name).read_text("utf-8")

    assert f'"default_lakehouse": "{lakehouse}"' in text
    assert f'"id": "{lakehouse}"' in text


def test_the_spark_notebook_has_the_environment_that_is_deployed():
    environment = platform("retrain_loop.Environment")["config"]["logicalId"]

    assert f'"environmentId": "{environment}"' in notebook("profile_days").read_text("utf-8")


def test_the_deployment_needs_the_versions_that_are_tested():
    deployed, tested = (
        (ROOT / f"requirements{name}.txt").read_text("utf-8").splitlines()
        for name in ("-deploy", "-dev")
    )

    assert [pin for pin in deployed if pin.startswith("fabric-cicd==")] == [
        pin for pin in tested if pin.startswith("fabric-cicd==")
    ]


@pytest.mark.parametrize("name", ["pl_batch_score_flight_delay", "pl_batch_score_slot_revenue"])
def test_a_scoring_pipeline_means_its_scenarios_tables_and_columns(name):
    from local.scenarios import SCENARIOS

    given = {
        key: entry["value"]
        for key, entry in pipeline(name)["activities"][0]["typeProperties"]["parameters"].items()
    }
    spec = next(each.spec for each in SCENARIOS.values() if each.spec.model_name == given["model"])

    tables, columns = spec.tables, spec.columns
    assert (given["facts"], given["predictions"]) == (tables.facts, tables.predictions)
    assert (given["id_column"], given["timestamp_column"], given["day_column"]) == (
        columns.id, columns.timestamp, columns.day,
    )  # fmt: skip
    assert given["prediction_column"] == columns.prediction


@pytest.mark.parametrize(
    ("name", "used"),
    [
        ("pl_batch_score_flight_delay", "batch_score"),
        ("pl_batch_score_slot_revenue", "batch_score"),
        ("pl_compare_versions", "compare_versions"),
    ],
)
def test_a_pipeline_hands_its_notebook_every_parameter_it_has(name, used):
    (activity,) = pipeline(name)["activities"]
    cell = next(cell for cell in parse(notebook(used).read_text("utf-8")) if cell.is_parameters)
    parameters = {node.targets[0].id for node in ast.parse(cell.source).body}

    handed = activity["typeProperties"]["parameters"]
    assert (
        activity["typeProperties"]["notebookId"]
        == platform(f"{used}.Notebook")["config"]["logicalId"]
    )
    assert set(handed) == parameters


def located(monkeypatch, **modules):
    monkeypatch.delenv("LAKEHOUSE_ROOT", raising=False)
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    namespace = {}
    exec(f"import os\n{WRITER.LOCATE}", namespace)
    return namespace["locate"]()


def test_in_fabric_tables_are_addressed_by_url_with_a_token(monkeypatch):
    context = {"defaultLakehouseWorkspaceId": "w-1", "defaultLakehouseId": "l-1"}
    utilities = SimpleNamespace(
        runtime=SimpleNamespace(context=context),
        credentials=SimpleNamespace(getToken=lambda audience: f"a token for {audience}"),
    )

    root, options = located(monkeypatch, notebookutils=utilities)

    assert root == "abfss://w-1@onelake.dfs.fabric.microsoft.com/l-1/Tables"
    assert options == {"bearer_token": "a token for storage", "use_fabric_endpoint": "true"}


def test_what_the_deployment_did_not_fill_in_is_not_taken_for_a_commit(monkeypatch):
    for name in ("GIT_SHA", "GIT_BRANCH", "GIT_AUTHOR", "GIT_PR_NUMBER"):
        monkeypatch.setenv(name, "")  # so that what the cell sets is taken back
        monkeypatch.delenv(name)
    namespace = {}

    exec(WRITER.LIBRARIES.replace("git-sha-of-deployment", "4adfaff"), namespace)

    assert namespace["os"].environ["GIT_SHA"] == "4adfaff"
    assert "GIT_BRANCH" not in namespace["os"].environ
