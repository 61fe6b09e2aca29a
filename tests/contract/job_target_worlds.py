"""The job services beside Fabric to test against: each adapter, and its simulated service."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from shared.adapters.credentials import StaticCredential
from shared.adapters.jobs.azureml_jobs import AzureMLJobs
from shared.adapters.jobs.databricks_jobs import DatabricksJobs
from shared.adapters.jobs.devops_jobs import DevOpsJobs
from shared.adapters.jobs.github_jobs import GitHubJobs
from shared.adapters.jobs.job_http import (
    DATABRICKS_SCOPE,
    DEVOPS_SCOPE,
    MANAGEMENT_SCOPE,
    AzureMLHttp,
    DatabricksHttp,
    DevOpsHttp,
    GitHubHttp,
)
from shared.adapters.rest_http import DEFAULT_WAIT_SECONDS, entra_tokens
from shared.catalogue import JobItems
from shared.ports import JobInstance, JobService
from shared.sections.job import AzureMLJob, DatabricksJob, DevOpsJob, GitHubJob
from tests.contract.jobs_worlds import CLOCK
from tests.fakes.job_services.azureml import AzureML
from tests.fakes.job_services.databricks import JOB, Databricks
from tests.fakes.job_services.devops import PIPELINE, DevOps
from tests.fakes.job_services.github import WORKFLOW, GitHub
from tests.fakes.job_services.service import TOKEN, SimulatedService, serve

READ_SECONDS = 10.0
AZUREML: dict[str, Any] = {
    "target": "azureml",
    "subscription_id": "11111111-1111-4111-8111-111111111111",
    "resource_group": "rg-ml",
    "workspace": "ws-ml",
    "component": "retrain_flights:3",
}
DEVOPS: dict[str, Any] = {
    "target": "devops",
    "organization": "org",
    "project": "my project",
    "pipeline_id": PIPELINE,
}
GITHUB: dict[str, Any] = {
    "target": "github",
    "owner": "acme",
    "repository": "models",
    "workflow": WORKFLOW,
}


class TargetWorld:
    """One adapter and the service it speaks to."""

    first_wait = DEFAULT_WAIT_SECONDS
    next_wait = None
    unknown = "999999"

    def __init__(
        self,
        jobs: JobService[Any],
        items: JobItems,
        service: SimulatedService,
        texts: tuple[str, ...],
        code: str,
    ) -> None:
        self.jobs = jobs
        self.items = items
        self.service = service
        self.texts = texts
        self.failure_code = code

    def fault(self, operation: str, kind: str) -> None:
        self.service.order(operation, kind)

    def settle(self, instance_id: str, status: str) -> JobInstance:
        (job,) = [job for job in self.service.jobs if instance_id in (str(job.number), job.name)]
        job.status = status
        return self.jobs.get(self.items, instance_id)

    def parameters(self) -> list[dict[str, Any]]:
        return [job.parameters for job in self.service.jobs]


@contextmanager
def azureml(token: str = TOKEN, read_seconds: float = READ_SECONDS) -> Iterator[TargetWorld]:
    service = AzureML()
    with serve(service) as url:
        tokens = entra_tokens(StaticCredential(token), MANAGEMENT_SCOPE, "Azure ML")
        jobs = AzureMLJobs(AzureMLHttp(url, tokens, CLOCK, read_seconds=read_seconds), CLOCK)
        texts = ("https://ml.azure.com/runs/retrain-run-",)
        yield TargetWorld(jobs, AzureMLJob(**AZUREML), service, texts, "pipeline job failed")


@contextmanager
def devops(token: str = TOKEN, read_seconds: float = READ_SECONDS) -> Iterator[TargetWorld]:
    service = DevOps()
    with serve(service) as url:
        tokens = entra_tokens(StaticCredential(token), DEVOPS_SCOPE, "Azure DevOps")
        jobs = DevOpsJobs(DevOpsHttp(url, tokens, CLOCK, read_seconds=read_seconds), CLOCK)
        texts = ("Train", "no rows before the cut-off")
        yield TargetWorld(jobs, DevOpsJob(**DEVOPS), service, texts, "result is failed")


@contextmanager
def github(token: str = TOKEN, read_seconds: float = READ_SECONDS) -> Iterator[TargetWorld]:
    service = GitHub()
    with serve(service) as url:
        http = GitHubHttp(url, lambda _: token, CLOCK, read_seconds=read_seconds)
        texts = ("Train", "no rows before the cut-off")
        items = GitHubJob(**GITHUB)
        yield TargetWorld(GitHubJobs(http, CLOCK), items, service, texts, "conclusion is failure")


@contextmanager
def databricks(token: str = TOKEN, read_seconds: float = READ_SECONDS) -> Iterator[TargetWorld]:
    service = Databricks()
    tokens = entra_tokens(StaticCredential(token), DATABRICKS_SCOPE, "Databricks")

    def connect(url: str) -> DatabricksHttp:
        return DatabricksHttp(url, tokens, CLOCK, read_seconds=read_seconds)

    with serve(service) as url:
        items = DatabricksJob(target="databricks", workspace_url=url, job_id=JOB)
        texts = ("Train", "no rows before the cut-off")
        yield TargetWorld(DatabricksJobs(connect, CLOCK), items, service, texts, "FAILED")


TARGETS: dict[str, Callable[..., Any]] = {
    "azureml": azureml,
    "devops": devops,
    "github": github,
    "databricks": databricks,
}
