"""Where a retrain may run: what models.yaml may say of it, and what that needs to be set."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.core.credentials import AccessToken

from shared.adapters.jobs.job_targets import check_targets
from shared.bootstrap import App
from shared.catalogue import Catalogue, FabricItems, load_catalogue
from shared.config import Settings, load_settings
from shared.errors import ConfigError, Unavailable
from shared.handlers.start_run import parameters_of
from shared.sections.job import TARGETS
from tests.fakes.loop import FakeLoop
from tests.fakes.samples import alert_of, catalogue_of, model_document
from tests.fakes.settings import LOCAL as AN_APP
from tests.fakes.settings import NOBODY

GUID = "00000000-0000-4000-8000-000000000001"
JOBS: dict[str, dict[str, Any]] = {
    "azureml": {
        "target": "azureml",
        "subscription_id": GUID,
        "resource_group": "rg-ml",
        "workspace": "ws-ml",
        "component": "retrain:3",
    },
    "devops": {
        "target": "devops",
        "organization": "acme",
        "project": "models",
        "pipeline_id": 12,
    },
    "github": {
        "target": "github",
        "owner": "acme",
        "repository": "models",
        "workflow": "retrain.yml",
    },
    "databricks": {"target": "databricks", "workspace_url": NOBODY, "job_id": 77},
}
LOCAL = {
    **AN_APP,
    "AZURE_MANAGEMENT_URL": NOBODY,
    "DEVOPS_URL": NOBODY,
    "GITHUB_API_URL": NOBODY,
    "GITHUB_TOKEN": "ghs_secret",
}
SERVICES = {
    "azureml": "Azure ML",
    "devops": "Azure DevOps",
    "github": "GitHub",
    "databricks": "Databricks",
}


def watched(target: str, **changes: Any) -> Catalogue:
    job = JOBS[target] | changes
    return catalogue_of(model_document(job=job, fabric={"workspace_id": GUID}))


def settings(**changes: str) -> Settings:
    return load_settings({**LOCAL, **changes})


def faults_of(folder: Path, job: Any, **environment: str) -> str:
    """Load a file with one model of this job; gives what is said of it."""
    document = model_document(job=job, fabric={"workspace_id": GUID})
    file = folder / "models.yaml"
    file.write_text(yaml.safe_dump({"version": 1, "models": [document]}))
    with pytest.raises(ConfigError) as caught:
        load_catalogue(file, environment)
    return str(caught.value)


def test_every_target_is_one_a_model_may_name():
    assert ("fabric", *JOBS) == TARGETS


def test_a_model_that_says_nothing_retrains_in_fabric():
    (model,) = catalogue_of(model_document()).models

    assert isinstance(model.job_items, FabricItems)
    assert model.job_items is model.fabric


@pytest.mark.parametrize("target", JOBS)
def test_another_target_needs_no_fabric_pipeline(target: str):
    (model,) = watched(target).models

    assert model.job_items is model.job
    assert model.job_items.place[0] == target


def test_ids_may_come_from_the_settings(tmp_path: Path):
    job = JOBS["devops"] | {"pipeline_id": "${DEVOPS_PIPELINE_ID}"}
    document = model_document(job=job, fabric={"workspace_id": GUID})
    file = tmp_path / "models.yaml"
    file.write_text(yaml.safe_dump({"version": 1, "models": [document]}))

    (model,) = load_catalogue(file, {"DEVOPS_PIPELINE_ID": "12"}).models

    assert model.job_items.place == ("devops", "acme", "models", "12")


@pytest.mark.parametrize(
    ("target", "change", "fault"),
    [
        ("azureml", lambda job: job.pop("workspace"), "models[0].job.workspace: Field required"),
        ("azureml", lambda job: job.update(component="x"), "models[0].job.component: String"),
        ("azureml", lambda job: job.update(subscription_id="s"), "models[0].job.subscription_id:"),
        ("devops", lambda job: job.pop("pipeline_id"), "models[0].job.pipeline_id: Field required"),
        ("devops", lambda job: job.update(project="a/b"), "models[0].job.project: String"),
        ("devops", lambda job: job.update(pipeline_id=0), "models[0].job.pipeline_id: Input"),
        ("github", lambda job: job.update(owner="../x"), "models[0].job.owner: String"),
        ("github", lambda job: job.update(workflow="x.sh"), "models[0].job.workflow: String"),
        ("github", lambda job: job.update(ref="a b"), "models[0].job.ref: String"),
        ("github", lambda job: job.update(token="t"), "models[0].job.token: Extra inputs"),
        ("databricks", lambda job: job.update(job_id="x"), "models[0].job.job_id: Input"),
        ("databricks", lambda job: job.update(target="sagemaker"), "models[0].job: Input tag"),
        ("databricks", lambda job: job.pop("target"), "models[0].job: Unable to extract tag"),
    ],
)
def test_a_wrong_or_missing_id_is_named(
    tmp_path: Path, target: str, change: Callable[[dict[str, Any]], Any], fault: str
):
    job = dict(JOBS[target])
    change(job)

    assert fault in faults_of(tmp_path, job)


@pytest.mark.parametrize(
    "url",
    [
        "https://adb-1.2.azuredatabricks.net.evil.example",
        "https://evil.example/adb-1.2.azuredatabricks.net",
        "https://evil.example#.azuredatabricks.net",
        "https://user@adb-1.2.azuredatabricks.net",
        "http://adb-1.2.azuredatabricks.net",
    ],
)
def test_a_databricks_token_goes_to_databricks_alone(tmp_path: Path, url: str):
    text = faults_of(tmp_path, JOBS["databricks"] | {"workspace_url": url})

    assert "models[0].job.workspace_url: String" in text


def test_the_default_target_asks_for_its_pipeline(tmp_path: Path):
    text = faults_of(tmp_path, {"target": "fabric"})

    assert "models[0]: fabric.pipeline_id: must be given where job.target is fabric" in text


@pytest.mark.parametrize("target", JOBS)
def test_each_target_asks_its_own_service(target: str):
    catalogue = watched(target)
    wired = App(settings(), catalogue).jobs

    with pytest.raises(Unavailable) as caught:
        wired.instances(catalogue.models[0].job_items)

    assert str(caught.value).startswith(f"{SERVICES[target]}: no answer")


class Asked:
    """A credential that keeps which scopes it was asked for."""

    def __init__(self) -> None:
        self.scopes: list[str] = []

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.scopes += scopes
        return AccessToken("a-token", 2**33)


@pytest.mark.parametrize(
    ("target", "scopes"),
    [
        ("azureml", ["https://management.azure.com/.default"]),
        ("devops", ["499b84ac-1321-427f-aa17-267ca6975798/.default"]),
        ("github", []),
        ("databricks", ["2ff814a6-3304-4ab8-85cb-cd0e6f879c1d/.default"]),
    ],
)
def test_the_identity_is_asked_for_the_services_own_token(target: str, scopes: list[str]):
    catalogue, credential = watched(target), Asked()
    loop = App(settings(), catalogue)
    vars(loop)["credential"] = credential

    with pytest.raises(Unavailable):
        loop.jobs.instances(catalogue.models[0].job_items)

    assert credential.scopes == scopes


def test_what_a_target_needs_is_known_at_the_start():
    with pytest.raises(ConfigError, match="GITHUB_TOKEN is not set"):
        check_targets(settings(GITHUB_TOKEN=""), watched("github"))

    check_targets(settings(GITHUB_TOKEN=""), watched("devops"))


@pytest.mark.parametrize(
    "token", ["ghs_secret\n", "ghs_ secret", "ghs_s\u00e9cret", "\tghs_secret"]
)
def test_a_token_that_no_header_takes_is_named_and_not_shown(token: str):
    with pytest.raises(ConfigError, match="GITHUB_TOKEN: no header takes it") as caught:
        check_targets(settings(GITHUB_TOKEN=token), watched("github"))

    assert "ghs" not in str(caught.value)


@pytest.mark.parametrize(
    ("target", "name", "url"),
    [
        ("azureml", "AZURE_MANAGEMENT_URL", "https://management.azure.com"),
        ("devops", "DEVOPS_URL", "https://dev.azure.com"),
        ("github", "GITHUB_API_URL", "https://api.github.com"),
    ],
)
def test_the_local_stack_starts_nothing_in_the_cloud(target: str, name: str, url: str):
    with pytest.raises(ConfigError, match=f"{name}: AUTH_MODE=local"):
        check_targets(settings(**{name: url}), watched(target))

    check_targets(settings(**{name: url}), catalogue_of(model_document()))


def test_the_local_stack_starts_nothing_in_a_databricks_workspace():
    cloud = watched("databricks", workspace_url="https://adb-1.2.azuredatabricks.net")

    with pytest.raises(ConfigError, match=r"job\.workspace_url: AUTH_MODE=local"):
        check_targets(settings(), cloud)


@pytest.mark.parametrize("name", ["AZURE_MANAGEMENT_URL", "DEVOPS_URL", "GITHUB_API_URL"])
def test_in_the_cloud_tokens_travel_encrypted(name: str):
    cloud = {
        **LOCAL,
        "AUTH_MODE": "entra",
        "FABRIC_API_URL": "https://api.fabric.microsoft.com/v1",
        "LOGS_INGESTION_ENDPOINT": "https://dce.example",
        name: "http://example.com",
    }

    with pytest.raises(ConfigError, match=f"{name}: must be an https address"):
        load_settings(cloud)


def test_the_token_of_github_is_never_shown():
    assert "ghs_secret" not in repr(settings())


# --- what the page says ----------------------------------------------------------------------

PAGE = (Path(__file__).parents[2] / "docs" / "job-targets.md").read_text(encoding="utf-8")
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


def test_the_page_has_a_section_of_each_target_that_is_taken():
    shown = [block["job"] for block in BLOCKS if "job" in block]

    taken = [catalogue_of(model_document(job=filled(job))).models[0].job for job in shown]

    assert [job.target for job in taken] == list(JOBS)


def filled(job: dict[str, Any]) -> dict[str, Any]:
    return {key: GUID if str(value).startswith("${") else value for key, value in job.items()}


def test_the_page_declares_the_parameters_that_every_job_gets():
    loop = FakeLoop()
    loop.receive(alert_of())
    sent = set(parameters_of(loop.catalogue.models[0], loop.run()))
    (pipeline,) = [block for block in BLOCKS if "trigger" in block]
    (workflow,) = [block for block in BLOCKS if "run-name" in block]

    assert {each["name"] for each in pipeline["parameters"]} == sent
    assert set(workflow[True]["workflow_dispatch"]["inputs"]) == sent  # "on" is true in YAML 1.1
    assert "${{ inputs.run_id }}" in workflow["run-name"]
    assert all(f"`{name}`" in PAGE for name in sent)
