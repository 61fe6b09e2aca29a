"""The deployment by fabric-cicd itself: what its parser takes, and what a workspace is given."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.fabric.fake_workspace import WORKSPACE
from tests.fabric.items import FABRIC, ROOT, platform

LAKEHOUSE, ELSEWHERE = (
    "44444444-4444-4444-4444-444444444444",
    "55555555-5555-5555-5555-555555555555",
)
CONNECTION = "66666666-6666-6666-6666-666666666666"
SHA = "0123456789abcdef0123456789abcdef01234567"
NOWHERE = "http://127.0.0.1:9"
ITEMS = {path.parent.name for path in FABRIC.glob("*/.platform")}


def run(*command, cwd=ROOT, **variables):
    """Run a command that can reach no network, with these of the deployment's variables alone."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FABRIC_", "GIT_", "AZURE_"))
    }
    environment = {**inherited, "PYTHONPATH": str(ROOT)}
    environment |= {"GIT_SHA": SHA, "GIT_BRANCH": "main", "GIT_AUTHOR": "somebody"}
    environment |= {"HTTPS_PROXY": NOWHERE, "https_proxy": NOWHERE, **variables}
    return subprocess.run(
        [sys.executable, *command],
        cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def check(environment, *arguments, cwd=ROOT, **variables):
    return run(
        str(ROOT / "scripts" / "deploy_fabric.py"), environment, *arguments, cwd=cwd, **variables
    )


def publish(environment, **variables):
    module = "tests.fabric.fake_workspace"
    done = run("-m", module, environment, FABRIC_WORKSPACE_ID=WORKSPACE, **variables)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def published():
    return publish("prod")


@pytest.fixture
def broken(tmp_path):
    """A copy of the items for a test to break."""
    return shutil.copytree(FABRIC, tmp_path / "items")


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_the_items_and_parameters_are_sound_and_nobody_is_called(environment, tmp_path):
    done = check(environment, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{environment}: {len(ITEMS)} items sound\n"
    assert list(tmp_path.iterdir()) == []


def test_every_item_is_published(published):
    assert published["status"] == 0
    assert set(published["items"]) == ITEMS
    assert not [call for call in published["calls"] if call.startswith("DELETE")]


def test_nothing_that_stands_for_something_else_is_left(published):
    logical_ids = {platform(item)["config"]["logicalId"] for item in ITEMS}
    for name, item in published["items"].items():
        text = "".join(content for path, content in item["files"].items() if path != ".platform")
        assert not [each for each in logical_ids if each in text], name
        assert "00000000-0000-0000-0000-000000000000" not in text, name
        assert not re.search(
            r"(sha|branch|author|number)-of-deployment|\$ENV|\$items|\$workspace", text
        ), name


def test_notebooks_are_bound_to_the_lakehouse_and_pipelines_to_the_notebooks(published):
    items = published["items"]
    ids = {name: item["id"] for name, item in items.items()}

    for name in ("train_flight_delay", "batch_score", "create_tables", "profile_days"):
        text = items[f"{name}.Notebook"]["files"]["notebook-content.py"]
        assert f'"default_lakehouse": "{ids["lh_retrain_loop.Lakehouse"]}"' in text
        assert f'"default_lakehouse_workspace_id": "{WORKSPACE}"' in text
    pipeline = items["pl_retrain_flight_delay.DataPipeline"]["files"]["pipeline-content.json"]
    (activity,) = json.loads(pipeline)["properties"]["activities"]
    assert activity["typeProperties"]["notebookId"] == ids["train_flight_delay.Notebook"]
    assert activity["typeProperties"]["workspaceId"] == WORKSPACE
    assert "externalReferences" not in activity


def test_a_notebook_knows_the_commit_it_was_deployed_from(published):
    text = published["items"]["train_slot_revenue.Notebook"]["files"]["notebook-content.py"]

    assert f'"GIT_SHA": "{SHA}",' in text
    assert '"GIT_BRANCH": "main",' in text
    assert '"GIT_AUTHOR": "somebody",' in text
    assert '"GIT_PR_NUMBER": "none",' in text


@pytest.mark.parametrize(
    ("author", "told"),
    [
        (r"CONTOSO\nancy", "CONTOSO_nancy"),
        ('José "Pepe" O\'Neil [bot]', "José _Pepe_ O'Neil [bot]"),
        (r"x\", \"E\": exit() or \"", "x__, __E__: exit() or __"),
        ("$ENV:HOME", "_ENV:HOME"),
    ],
)
def test_an_authors_name_is_a_name_in_a_notebook_and_never_code(author, told):
    items = publish("dev", GIT_AUTHOR=author)["items"]

    text = items["train_slot_revenue.Notebook"]["files"]["notebook-content.py"]
    assert f'"GIT_AUTHOR": "{told}",\n' in text
    compile(text, "notebook", "exec")


def test_the_pipelines_ids_are_told_for_the_apps_settings(published):
    told = dict(line.split() for line in published["printed"].splitlines())

    expected = {
        name.removesuffix(".DataPipeline"): item["id"]
        for name, item in published["items"].items()
        if name.endswith(".DataPipeline")
    }
    assert told == expected
    assert len(told) == 6


@pytest.mark.parametrize(("environment", "enabled"), [("dev", False), ("prod", True)])
def test_scoring_runs_by_itself_in_production_alone(environment, enabled):
    items = publish(environment)["items"]

    for model in ("flight_delay", "slot_revenue"):
        text = items[f"pl_batch_score_{model}.DataPipeline"]["files"][".schedules"]
        assert [each["enabled"] for each in json.loads(text)["schedules"]] == [enabled]


def test_an_existing_lakehouse_is_used_and_none_is_made():
    told = publish(
        "staging", FABRIC_LAKEHOUSE_ID=LAKEHOUSE, FABRIC_LAKEHOUSE_WORKSPACE_ID=ELSEWHERE
    )

    text = told["items"]["batch_score.Notebook"]["files"]["notebook-content.py"]
    assert "lh_retrain_loop.Lakehouse" not in told["items"]
    assert f'"default_lakehouse": "{LAKEHOUSE}"' in text
    assert f'"default_lakehouse_workspace_id": "{ELSEWHERE}"' in text


def test_with_a_connection_every_notebook_runs_by_its_identity():
    items = publish("dev", FABRIC_CONNECTION_ID=CONNECTION)["items"]

    pipelines = [item for name, item in items.items() if name.endswith(".DataPipeline")]
    for item in pipelines:
        properties = json.loads(item["files"]["pipeline-content.json"])["properties"]
        assert [each["externalReferences"] for each in properties["activities"]] == [
            {"connection": CONNECTION}
        ]


def test_a_parameter_that_finds_nothing_fails_the_check(broken):
    path = broken / "parameter.yml"
    path.write_text(path.read_text("utf-8").replace("git-sha-of-", "commit-of-"), "utf-8")

    done = check("dev", "--items", str(broken))

    assert done.returncode == 1
    assert "nothing to replace: commit-of-deployment" in done.stderr


def test_a_key_that_is_in_no_item_fails_the_check(broken):
    path = broken / "parameter.yml"
    path.write_text(path.read_text("utf-8").replace("$.schedules[*]", "$.timers[*]"), "utf-8")

    done = check("dev", "--items", str(broken))

    assert done.returncode == 1
    assert "nothing to replace: $.timers[*].enabled" in done.stderr


def test_a_parameter_file_that_fabric_cicd_refuses_fails_the_check(broken):
    path = broken / "parameter.yml"
    path.write_text(path.read_text("utf-8").replace("find_value:", "find:"), "utf-8")

    assert check("dev", "--items", str(broken)).returncode == 1


def test_a_pipeline_whose_notebook_is_not_there_fails_the_check(broken):
    shutil.rmtree(broken / "train_flight_delay.Notebook")

    done = check("dev", "--items", str(broken))

    assert done.returncode == 1
    assert "pl_retrain_flight_delay" in done.stderr


def test_two_items_of_one_id_fail_the_check(broken):
    shutil.copytree(broken / "batch_score.Notebook", broken / "copy.Notebook")

    assert check("dev", "--items", str(broken)).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (["--publish"], {}, "FABRIC_WORKSPACE_ID is not set"),
        ([], {"FABRIC_LAKEHOUSE_ID": LAKEHOUSE}, "both, or neither"),
    ],
)
def test_a_target_that_is_not_whole_is_refused(arguments, variables, said):
    done = check("dev", *arguments, **variables)

    assert done.returncode == 1
    assert said in done.stderr
