"""The model registry on MLflow's client: the Registry port.

Written against what stores are seen to do, not what they say: version numbers are int or text by
store, searches leave out aliases, and a server may have neither aliases nor stages.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from shared.errors import NoChampion, NotFound, Refused, Unavailable
from shared.ports import ModelVersion

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION = "champion"
CHALLENGER = "challenger"
PREVIOUS = "previous-champion"
STAGING = "Staging"
PRODUCTION = "Production"
ARCHIVED = "Archived"
RUN_TAG = "retrain_run_id"
REPLACED_TAG = "replaced_version"
"""Where a server has no aliases: the version that was the champion before this one."""

_MISSING = "RESOURCE_DOES_NOT_EXIST"
_INVALID = "INVALID_PARAMETER_VALUE"
_REFUSED = frozenset({_INVALID, "PERMISSION_DENIED", "UNAUTHENTICATED", "INVALID_STATE"})
_NO_SUCH_CALL = frozenset({"ENDPOINT_NOT_FOUND", "NOT_IMPLEMENTED", "FEATURE_DISABLED"})
_PROBE = "retrain-loop-probe"
"""A model name nobody uses: a server that has a call answers that the model is not there."""


class MlflowRegistry:
    """The Registry port. A role is an alias; where no alias says it, the stage does."""

    def __init__(self, tracking_uri: str) -> None:
        self._uri = tracking_uri

    def champion(self, model: str) -> ModelVersion:
        found = self._holder(model, CHAMPION, PRODUCTION)
        if found is None:
            raise NoChampion(f"{model}: no version is the champion", subject=model)
        return found

    def challenger(self, model: str) -> ModelVersion | None:
        return self._holder(model, CHALLENGER, STAGING)

    def version(self, model: str, version: str) -> ModelVersion:
        aliases = self._aliases(model)
        if aliases is None:
            raise NotFound(f"{model}: no such model", subject=model)
        return self._version(model, version, aliases)

    def made_by(self, model: str, run_id: str) -> Sequence[ModelVersion]:
        aliases = self._aliases(model) or {}
        found = [_normal(item, aliases) for item in self._search(model, run_id)]
        # checked again, whatever the server made of the filter
        return tuple(item for item in found if item.tags.get(RUN_TAG) == run_id)

    def stage_candidate(self, model: str, version: str) -> None:
        """Give the challenger role; whoever had it before loses it.

        The alias comes last: a version that carries it has everything.

        Raises:
            NotFound: there is no such version.
            Refused: it is the champion, or the server knows neither aliases nor stages.
        """
        candidate = self.version(model, version)
        _require_no_champion(candidate)
        has = self._require_roles(model)
        with _mlflow_errors(f"{model} version {version}"):
            if has["stages"] and candidate.stage != STAGING:
                self._move(model, version, STAGING)
            if has["aliases"] and CHALLENGER not in candidate.aliases:
                self._client.set_registered_model_alias(model, CHALLENGER, version)

    def promote(self, model: str, version: str) -> None:
        """Make a version the champion.

        The champion's alias moves last but one: until then the one before it serves, and whoever
        repeats this finds the same champion to remember.
        """
        winner = self.version(model, version)
        has = self._require_roles(model)
        self._remember(model, version, has)
        with _mlflow_errors(f"{model} version {version}"):
            if has["stages"] and winner.stage != PRODUCTION:
                self._move(model, version, PRODUCTION)
            if has["aliases"]:
                if CHAMPION not in winner.aliases:
                    self._client.set_registered_model_alias(model, CHAMPION, version)
                if CHALLENGER in winner.aliases:
                    self._client.delete_registered_model_alias(model, CHALLENGER)

    def _remember(self, model: str, version: str, has: Mapping[str, bool]) -> None:
        """Name the champion of now as the one before, if it is another one."""
        try:
            now = self.champion(model).version
        except NoChampion:
            return
        if now == version:
            return
        with _mlflow_errors(f"{model} version {now}"):
            if has["aliases"]:
                self._client.set_registered_model_alias(model, PREVIOUS, now)
            else:
                self._client.set_model_version_tag(model, version, REPLACED_TAG, now)

    def previous(self, model: str) -> ModelVersion | None:
        """Give the champion before: by alias, or by what the champion's tag says it replaced."""
        if self.capabilities()["aliases"]:
            return self._holder(model, PREVIOUS, "")
        try:
            replaced = self.champion(model).tags.get(REPLACED_TAG, "")
        except NoChampion:
            return None
        return self.version(model, replaced) if replaced else None

    def retire(self, model: str, version: str) -> None:
        found = self.version(model, version)
        _require_no_champion(found)
        has = self.capabilities()
        with _mlflow_errors(f"{model} version {version}"):
            if has["aliases"] and CHALLENGER in found.aliases:
                self._client.delete_registered_model_alias(model, CHALLENGER)
            if has["stages"] and found.stage == STAGING:
                self._move(model, version, ARCHIVED)

    def annotate(self, model: str, version: str, tags: Mapping[str, str]) -> None:
        """Set tags one by one, for there is no call for many: after a failure, some are set.

        Raises:
            NotFound: there is no such version.
            Refused: a tag that the store does not take.
        """
        _require_number(model, version)
        with _mlflow_errors(f"{model} version {version}"):
            for name, value in tags.items():
                self._client.set_model_version_tag(model, version, name, value)

    def attach(self, model: str, version: str, name: str, content: bytes) -> None:
        """Store a file among the artifacts of the run that made the version.

        Raises:
            NotFound: there is no such version, or its run is gone.
            Refused: the version was registered without a run.
        """
        run_id = self.version(model, version).run_id
        if not run_id:
            message = f"{model}: version {version} belongs to no run"
            raise Refused(message, code="NoRun", subject=model)
        with TemporaryDirectory() as folder, _mlflow_errors(f"{model} version {version}"):
            path = Path(folder, name)
            path.write_bytes(content)
            self._client.log_artifact(run_id, str(path))

    def capabilities(self) -> Mapping[str, bool]:
        return self._capabilities

    @cached_property
    def _capabilities(self) -> Mapping[str, bool]:
        client = self._client
        return {
            "aliases": _has(lambda: client.get_model_version_by_alias(_PROBE, CHAMPION)),
            "stages": _has(lambda: client.get_latest_versions(_PROBE, stages=[STAGING])),
        }

    @cached_property
    def _client(self) -> "MlflowClient":
        with _mlflow_errors("MLflow"):
            from mlflow import MlflowClient

            return MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)

    def _holder(self, model: str, alias: str, stage: str) -> ModelVersion | None:
        """Give the version with the alias, else the newest in the stage."""
        aliases = self._aliases(model)
        if aliases is None:
            return None
        if alias in aliases:
            return self._version(model, aliases[alias], aliases)
        found = [_normal(item, aliases) for item in self._search(model)]
        staged = [item for item in found if item.stage == stage]
        return max(staged, key=lambda item: int(item.version), default=None)

    def _version(self, model: str, version: str, aliases: Mapping[str, str]) -> ModelVersion:
        _require_number(model, version)
        with _mlflow_errors(f"{model} version {version}"):
            return _normal(self._client.get_model_version(model, version), aliases)

    def _aliases(self, model: str) -> Mapping[str, str] | None:
        """Give alias -> version; None where the model does not exist."""
        try:
            with _mlflow_errors(model):
                found = self._client.get_registered_model(model)
        except NotFound:
            return None
        return {alias: str(version) for alias, version in (found.aliases or {}).items()}

    def _search(self, model: str, run_id: str = "") -> Iterator[Any]:
        condition = f"name='{model}'"
        if run_id and "'" not in run_id:
            condition += f" and tags.`{RUN_TAG}`='{run_id}'"
        token = None
        while True:
            with _mlflow_errors(model):
                page = self._client.search_model_versions(condition, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _require_roles(self, model: str) -> Mapping[str, bool]:
        has = self.capabilities()
        if not any(has.values()):
            message = f"{model}: the registry has neither aliases nor stages"
            raise Refused(message, code="NoRoles", subject=model)
        return has

    def _move(self, model: str, version: str, stage: str) -> None:
        with _no_stage_warning():
            self._client.transition_model_version_stage(
                model, version, stage, archive_existing_versions=stage != ARCHIVED
            )


@contextmanager
def _no_stage_warning() -> Iterator[None]:
    """Silence MLflow's word that stages will go: whether they are there is probed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


@contextmanager
def _mlflow_errors(subject: str) -> Iterator[None]:
    """Raise the app's error: NotFound only where the registry said that a thing is not there."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except MlflowException as error:
        raise _loop_error(error.error_code, str(error), subject) from error
    except (RequestException, SQLAlchemyError, OSError) as error:
        message = f"registry: {subject}: no answer ({type(error).__name__})"
        raise Unavailable(message, subject=subject) from error


def _loop_error(code: str, text: str, subject: str) -> NotFound | Refused | Unavailable:
    message = f"registry: {subject}: {code}: {' '.join(text.split())[:300]}"
    if code == _MISSING:
        return NotFound(message, subject=subject)
    if code in _REFUSED | _NO_SUCH_CALL:
        return Refused(message, code=code, subject=subject)
    return Unavailable(message, subject=subject)


def _has(call: Callable[[], Any]) -> bool:
    """Say whether the server knows a call, asked about a model that is not there.

    Raises:
        Unavailable: it did not answer.
    """
    try:
        with _mlflow_errors("capabilities"), _no_stage_warning():
            call()
    except NotFound:
        return True
    except Refused as error:
        if error.code in _NO_SUCH_CALL:
            return False
        if error.code != _INVALID:
            raise
    return True


def _require_no_champion(found: ModelVersion) -> None:
    if CHAMPION in found.aliases or found.stage == PRODUCTION:
        message = f"{found.name}: version {found.version} is the champion"
        raise Refused(message, code="IsChampion", subject=found.name)


def _require_number(model: str, version: str) -> None:
    """Raise NotFound: MLflow calls a version that is no number an invalid parameter."""
    if not version.isdecimal():
        raise NotFound(f"{model}: no version {version!r}", subject=model)


def _normal(found: Any, aliases: Mapping[str, str]) -> ModelVersion:
    version = str(found.version)
    return ModelVersion(
        name=found.name,
        version=version,
        run_id=found.run_id or "",
        stage=found.current_stage or "None",
        aliases=frozenset(alias for alias, holder in aliases.items() if holder == version),
        tags=dict(found.tags),
        source=found.source or "",
    )
