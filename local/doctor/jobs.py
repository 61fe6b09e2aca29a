"""Where a retrain runs beside Fabric: whether its jobs may be listed there, by that read alone."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from local.doctor.findings import Check, skip

if TYPE_CHECKING:
    from shared.catalogue import Catalogue, Model
    from shared.ports import Jobs

GROUP: Final = "jobs"
_ROLES: Final[Mapping[str, str]] = {
    "azureml": "give the identity the role AzureML Data Scientist on the workspace",
    "devops": "add the identity to the organization (Basic), with Queue, View and Stop builds",
    "github": "GITHUB_TOKEN needs Actions: read and write on the repository",
    "databricks": "add the identity to the workspace, with Can manage run on the job",
}
_IDS: Final = "are the names and ids of the model's job section right?"


def checks(jobs: "Callable[[], Jobs]", catalogue: "Catalogue", *, token_kept: bool) -> list[Check]:
    """Give a check for each model whose retrain runs elsewhere than in Fabric.

    Args:
        jobs: sets up the services.
        catalogue: the models.
        token_kept: GitHub's token is in a vault, and only the app can read it.
    """
    return [
        Check(GROUP, f"jobs of {model.name}", _listed(jobs, model, token_kept), _role(model), _IDS)
        for model in catalogue.models
        if model.job.target != "fabric"
    ]


def _role(model: "Model") -> str:
    return f"{_ROLES[model.job.target]}: docs/job-targets.md"


def _listed(jobs: "Callable[[], Jobs]", model: "Model", kept: bool) -> Callable[[], str]:
    def look() -> str:
        if kept and model.job.target == "github":
            raise skip("GITHUB_TOKEN is in a vault: only the app can read it")
        items = model.job_items
        return f"{items.label}: {len(jobs().instances(items))} jobs are listed"

    return look
