"""The model registry on MLflow's client: the Registry port.

Written against what stores are seen to do, not what they say: version numbers are int or text by
store, searches leave out aliases, and a server may have neither aliases nor stages.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from shared.adapters.registry.registry_base import RoleRegistry
from shared.adapters.registry.registry_roles import (
    ARCHIVED,
    CHAMPION,
    ROLE_TAG,
    STAGING,
    Capabilities,
    DropAlias,
    Move,
    SetAlias,
    SetTag,
    Write,
)
from shared.adapters.registry.registry_wire import (
    MISSING,
    NO_SUCH_CALL,
    PROBE,
    REFUSED,
    condition_for,
    known,
    unanswered,
)
from shared.errors import NotFound, Refused, Unavailable
from shared.ports import ModelVersion

if TYPE_CHECKING:
    from mlflow import MlflowClient


class MlflowRegistry(RoleRegistry):
    """The Registry port on MLflow's own client."""

    def __init__(self, tracking_uri: str) -> None:
        super().__init__(MlflowServer(tracking_uri))


class MlflowServer:
    """The calls, by MLflow's client."""

    def __init__(self, tracking_uri: str) -> None:
        self._uri = tracking_uri

    def capabilities(self) -> Capabilities:
        # the public client first asks whether the model is there, and then makes no call at all
        whole: Any = self.client
        client = whole._get_registry_client()  # noqa: SLF001 - there is no public way
        return Capabilities(
            aliases=_has(lambda: client.get_model_version_by_alias(PROBE, CHAMPION)),
            stages=_has(lambda: client.transition_model_version_stage(PROBE, "1", STAGING)),
            tags=_has(lambda: client.set_model_version_tag(PROBE, "1", ROLE_TAG, "")),
        )

    def aliases(self, model: str) -> Mapping[str, str] | None:
        try:
            with _mlflow_errors(model):
                found = self.client.get_registered_model(model)
        except NotFound:
            return None
        if found.name != model:
            # what MLflow's client makes of any JSON object, a gateway's among them
            raise Unavailable(f"registry: {model}: the answer has no such model", subject=model)
        return {alias: str(version) for alias, version in (found.aliases or {}).items()}

    def version(self, model: str, version: str) -> ModelVersion:
        with _mlflow_errors(f"{model} version {version}"):
            return _normal(self.client.get_model_version(model, version))

    def versions(self, model: str, run_id: str = "") -> Iterator[ModelVersion]:
        condition = condition_for(model, run_id)
        token = None
        while True:
            with _mlflow_errors(model):
                page = self.client.search_model_versions(condition, page_token=token)
            yield from map(_normal, page)
            token = page.token
            if not token:
                return

    def write(self, model: str, write: Write) -> None:
        with _mlflow_errors(f"{model}: {type(write).__name__}"), _no_stage_warning():
            match write:
                case SetAlias(alias, version):
                    self.client.set_registered_model_alias(model, alias, version)
                case DropAlias(alias):
                    self.client.delete_registered_model_alias(model, alias)
                case SetTag(version, name, value):
                    self.client.set_model_version_tag(model, version, name, value)
                case Move(version, stage):
                    self.client.transition_model_version_stage(
                        model, version, stage, archive_existing_versions=stage != ARCHIVED
                    )

    def attach(self, version: ModelVersion, name: str, content: bytes) -> None:
        subject = f"{version.name} version {version.version}"
        with TemporaryDirectory() as folder, _mlflow_errors(subject):
            path = Path(folder, name)
            path.write_bytes(content)
            self.client.log_artifact(version.run_id, str(path))

    @cached_property
    def client(self) -> "MlflowClient":
        with _mlflow_errors("MLflow"):
            from mlflow import MlflowClient

            return MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)


def _has(call: Callable[[], Any]) -> bool:
    def ask() -> None:
        with _mlflow_errors("capabilities"), _no_stage_warning():
            call()

    return known(ask)


@contextmanager
def _no_stage_warning() -> Iterator[None]:
    """Silence MLflow's word that stages will go: whether they are there is probed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def _no_answer() -> tuple[type[Exception], ...]:
    """Give the errors that mean no answer; a database's own only where MLflow can open one."""
    from requests import RequestException

    try:
        from sqlalchemy.exc import SQLAlchemyError
    except ModuleNotFoundError:  # mlflow-skinny, which the package that is deployed holds
        return RequestException, OSError
    return RequestException, SQLAlchemyError, OSError


@contextmanager
def _mlflow_errors(subject: str) -> Iterator[None]:
    """Raise the app's error: NotFound only where the registry said that a thing is not there."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        reason = unanswered(error)
        if reason:
            message = f"registry: {subject}: no answer ({reason})"
            raise Unavailable(message, subject=subject) from None
        raise _loop_error(error.error_code, str(error), subject) from error
    except _no_answer() as error:
        message = f"registry: {subject}: no answer ({type(error).__name__})"
        raise Unavailable(message, subject=subject) from error


def _loop_error(code: str, text: str, subject: str) -> NotFound | Refused | Unavailable:
    message = f"registry: {subject}: {code}: {' '.join(text.split())[:300]}"
    if code == MISSING:
        return NotFound(message, subject=subject)
    if code in REFUSED | NO_SUCH_CALL:
        return Refused(message, code=code, subject=subject)
    return Unavailable(message, subject=subject)


def _normal(found: Any) -> ModelVersion:
    return ModelVersion(
        name=found.name,
        version=str(found.version),
        run_id=found.run_id or "",
        stage=found.current_stage or "None",
        aliases=frozenset(),
        tags=dict(found.tags),
        source=found.source or "",
    )
