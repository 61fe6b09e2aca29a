"""The Fabric items agree with each other and with the scenarios that run them."""

import json
import uuid

import pytest

from local.notebook_runner import execute, parse
from local.scenarios import SCENARIOS
from local.scenarios.base import PROJECT

FABRIC = PROJECT / "infra" / "fabric"
EVERY_SCENARIO = pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
PARAMETERS = {
    "run_id", "trigger_reason", "alert_id", "model", "as_of", "cost_center", "domain", "intent",
}  # fmt: skip


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def definitions(notebook, tmp_path):
    """What the notebook's first three code cells define: parameters, names and windows."""
    lines = notebook.read_text(encoding="utf-8").splitlines()
    head = lines[: parse("\n".join(lines))[3].line - 2]
    path = tmp_path / "notebook-content.py"
    path.write_text("\n".join(head), encoding="utf-8")
    return execute(path, {})


def test_every_item_has_its_own_logical_id():
    ids = [read(path)["config"]["logicalId"] for path in FABRIC.glob("*/.platform")]

    assert len(ids) >= 4
    assert len(set(ids)) == len(ids)
    assert all(str(uuid.UUID(item)) == item for item in ids)


def test_every_item_is_named_as_its_folder():
    for path in FABRIC.glob("*/.platform"):
        metadata = read(path)["metadata"]

        assert path.parent.name == f"{metadata['displayName']}.{metadata['type']}"


@EVERY_SCENARIO
def test_the_pipeline_hands_every_parameter_to_its_own_notebook(scenario):
    spec = scenario.spec
    properties = read(FABRIC / spec.pipeline / "pipeline-content.json")["properties"]
    notebook = read(FABRIC / spec.notebook / ".platform")["config"]["logicalId"]

    (activity,) = properties["activities"]

    passed = activity["typeProperties"]["parameters"]
    assert activity["type"] == "TridentNotebook"
    assert activity["typeProperties"]["notebookId"] == notebook
    assert set(properties["parameters"]) == set(passed) == PARAMETERS
    for name, given in passed.items():
        assert given["value"] == {"value": f"@pipeline().parameters.{name}", "type": "Expression"}


@EVERY_SCENARIO
def test_the_notebook_and_the_scenario_mean_the_same_data(scenario, tmp_path):
    spec = scenario.spec

    left = definitions(spec.notebook_path, tmp_path)

    columns, tables = spec.columns, spec.tables
    assert left["model"] == spec.model_name
    assert f"{left['domain']}-{left['TASK']}" == spec.experiment
    assert left["FEATURES"] == columns.features
    assert left["LABEL_LAG"] == spec.label_lag
    assert left["HOLDOUT_EVERY_DAYS"] == spec.holdout_every_days
    assert (left["FACTS"], left["HOLDOUT"], left["PREDICTIONS"]) == (
        tables.facts, tables.holdout, tables.predictions,
    )  # fmt: skip
    assert (left["ID"], left["TIMESTAMP"], left["DAY"], left["TARGET"], left["PREDICTION"]) == (
        columns.id, columns.timestamp, columns.day, columns.actual, columns.prediction,
    )  # fmt: skip


@EVERY_SCENARIO
def test_the_pipeline_defaults_are_the_notebooks(scenario, tmp_path):
    given = read(FABRIC / scenario.spec.pipeline / "pipeline-content.json")["properties"]

    left = definitions(scenario.spec.notebook_path, tmp_path)

    defaults = {name: entry["defaultValue"] for name, entry in given["parameters"].items()}
    assert defaults == {name: left[name] for name in PARAMETERS}


@EVERY_SCENARIO
def test_the_notebook_needs_nothing_of_this_repository(scenario):
    source = "\n".join(c.source for c in parse(scenario.spec.notebook_path.read_text("utf-8")))

    assert "import local" not in source
    assert "from local" not in source
    assert "from shared" not in source
    assert "pyspark" not in source
