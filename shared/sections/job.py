"""The ``job:`` section of a model: which service runs its retrain, and by which ids.

Ids and names only; the services' addresses and limits are settings. Each section tells what all
job services are asked for: ``place``, which names the one thing that is started (models that share
it share its list of jobs), ``label``, which tells a person, and ``service``, its name in texts.
"""

from typing import Annotated, Literal

from pydantic import Field

from shared.sections.base import Section

Subscription = Annotated[
    str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")
]
ResourceGroup = Annotated[str, Field(pattern=r"^[A-Za-z0-9_().-]{1,90}$")]
Workspace = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{2,32}$")]
Component = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}:[A-Za-z0-9_.-]{1,30}$")
]
Compute = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{1,31}$")]
Experiment = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,254}$")]
Organization = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,49}$")]
Project = Annotated[str, Field(pattern=r"^[^\\/:*?\"<>|;#$&%{},+=\[\]\x00-\x1f]{1,64}$")]
GitRef = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_./-]{0,254}$")]
Owner = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,38}$")]
Repository = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]
Workflow = Annotated[str, Field(pattern=r"^([A-Za-z0-9_.-]+\.ya?ml|[0-9]+)$")]
DatabricksUrl = Annotated[
    str,
    Field(
        pattern=r"^(https://[a-z0-9.-]+\.(azuredatabricks\.net|databricks\.azure\.(us|cn))"
        r"|http://127\.0\.0\.1(:[0-9]+)?)/?$"
    ),
]
Number = Annotated[int, Field(ge=1)]

Place = tuple[str, ...]


class FabricJob(Section):
    """The Fabric item of the model's ``fabric`` section."""

    target: Literal["fabric"] = "fabric"


class AzureMLJob(Section):
    """A pipeline component of an Azure Machine Learning workspace."""

    target: Literal["azureml"]
    subscription_id: Subscription
    resource_group: ResourceGroup
    workspace: Workspace
    component: Component
    """The pipeline component and its version, ``name:version``."""
    compute: Compute | None = None
    """The compute its steps run on where they name none; None: serverless, or the steps' own."""
    experiment: Experiment = "retrain-loop"
    """The experiment under which the studio lists the jobs."""

    @property
    def place(self) -> Place:
        component = self.component.partition(":")[0]
        named = (self.subscription_id, self.resource_group, self.workspace, component)
        return ("azureml", *(name.casefold() for name in named))

    @property
    def label(self) -> str:
        return f"azureml:{self.workspace}/{self.component}"

    @property
    def service(self) -> str:
        return "Azure ML"


class DevOpsJob(Section):
    """A YAML pipeline of Azure DevOps."""

    target: Literal["devops"]
    organization: Organization
    project: Project
    """Its name or id."""
    pipeline_id: Number
    """The number in the pipeline's address, ``definitionId``."""
    ref: GitRef = "refs/heads/main"
    """The branch or tag of its YAML."""

    @property
    def place(self) -> Place:
        named = (self.organization.casefold(), self.project.casefold(), str(self.pipeline_id))
        return ("devops", *named)

    @property
    def label(self) -> str:
        return f"devops:{self.organization}/{self.project}/{self.pipeline_id}"

    @property
    def service(self) -> str:
        return "Azure DevOps"


class GitHubJob(Section):
    """A workflow of GitHub Actions that has ``workflow_dispatch``."""

    target: Literal["github"]
    owner: Owner
    repository: Repository
    workflow: Workflow
    """Its file's name under .github/workflows, or its number."""
    ref: GitRef = "main"
    """The branch or tag it is run from."""

    @property
    def place(self) -> Place:
        named = (self.owner, self.repository, self.workflow)
        return ("github", *(name.casefold() for name in named))

    @property
    def label(self) -> str:
        return f"github:{self.owner}/{self.repository}/{self.workflow}"

    @property
    def service(self) -> str:
        return "GitHub"


class DatabricksJob(Section):
    """A job of an Azure Databricks workspace."""

    target: Literal["databricks"]
    workspace_url: DatabricksUrl
    """``https://adb-….azuredatabricks.net``; tokens of this target go to no other host."""
    job_id: Number

    @property
    def place(self) -> Place:
        return ("databricks", self.workspace_url.rstrip("/"), str(self.job_id))

    @property
    def label(self) -> str:
        return f"databricks:{self.workspace_url.rstrip('/')}/{self.job_id}"

    @property
    def service(self) -> str:
        return "Databricks"


JobTarget = Annotated[
    FabricJob | AzureMLJob | DevOpsJob | GitHubJob | DatabricksJob, Field(discriminator="target")
]
TARGETS = ("fabric", "azureml", "devops", "github", "databricks")
