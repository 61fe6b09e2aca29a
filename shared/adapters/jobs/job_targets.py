"""The Jobs port over several services: each model's ``job`` says which one runs its retrain.

A service is set up when a model first asks for it, so what nobody uses is never imported.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

from shared.catalogue import Catalogue, FabricItems, JobItems
from shared.errors import ConfigError
from shared.ports import JobInstance, JobService, Started
from shared.sections.job import DatabricksJob

if TYPE_CHECKING:
    from shared.config import Settings

Makers = Mapping[str, Callable[[], JobService[Any]]]

_TOKEN = re.compile(r"[!-~]+")
"""Printable ASCII without spaces: what a header's value may hold."""


class JobTargets:
    """The Jobs port, by ``job.target``."""

    def __init__(self, makers: Makers) -> None:
        self._makers = makers
        self._made: dict[str, JobService[Any]] = {}
        self._lock = Lock()  # a worker handles some messages at a time

    def start(self, items: JobItems, parameters: Mapping[str, Any]) -> Started:
        return self._of(items).start(items, parameters)

    def get(self, items: JobItems, instance_id: str) -> JobInstance:
        return self._of(items).get(items, instance_id)

    def instances(self, items: JobItems) -> Sequence[JobInstance]:
        return self._of(items).instances(items)

    def cancel(self, items: JobItems, instance_id: str) -> None:
        self._of(items).cancel(items, instance_id)

    def failure_text(self, items: JobItems, instance_id: str) -> str:
        return self._of(items).failure_text(items, instance_id)

    def _of(self, items: JobItems) -> JobService[Any]:
        target = "fabric" if isinstance(items, FabricItems) else items.target
        with self._lock:
            if target not in self._made:
                self._made[target] = self._makers[target]()
            return self._made[target]


def check_targets(settings: "Settings", catalogue: Catalogue) -> None:
    """Make sure that what the models' job targets need is set, before any run depends on it.

    Raises:
        ConfigError: names the model and the setting.
    """
    for model in catalogue.models:
        items = model.job_items
        if isinstance(items, FabricItems):
            continue
        if items.target == "github":
            _check_token(model.name, settings.github_token.get_secret_value())
        name, url = _address(settings, items)
        if settings.forbids(url):
            message = f"{model.name}: {name}: AUTH_MODE=local allows loopback addresses only"
            raise ConfigError(message, subject=name)


def _check_token(model: str, token: str) -> None:
    if not token:
        message = f"{model}: job.target is github, and GITHUB_TOKEN is not set"
        raise ConfigError(message, subject="GITHUB_TOKEN")
    if not _TOKEN.fullmatch(token):
        message = f"{model}: GITHUB_TOKEN: no header takes it: a line break at its end, or a space?"
        raise ConfigError(message, subject="GITHUB_TOKEN")


def _address(settings: "Settings", items: JobItems) -> tuple[str, str]:
    if isinstance(items, DatabricksJob):
        return "job.workspace_url", items.workspace_url
    return {
        "Azure ML": ("AZURE_MANAGEMENT_URL", settings.management_url),
        "Azure DevOps": ("DEVOPS_URL", settings.devops_url),
        "GitHub": ("GITHUB_API_URL", settings.github_url),
    }[items.service]
