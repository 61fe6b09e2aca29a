"""Reads a version's signature from its ``MLmodel``, one small file: the Signatures port."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from shared.adapters.registry.registry_wire import LOGGED, unanswered
from shared.errors import DataError, NotFound, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.ports import ModelVersion

FILE = "MLmodel"
_MISSING = frozenset({"RESOURCE_DOES_NOT_EXIST"})


class MlflowSignatures:
    """The Signatures port on an MLflow server, or a store on this machine."""

    def __init__(self, tracking_uri: str) -> None:
        self._uri = tracking_uri

    def inputs(self, version: "ModelVersion") -> Sequence[str]:
        from mlflow.artifacts import download_artifacts

        subject = f"{version.name} version {version.version}"
        with TemporaryDirectory() as folder, _errors(subject):
            uri = f"{self._files(version)}/{FILE}"
            path = download_artifacts(artifact_uri=uri, dst_path=folder, tracking_uri=self._uri)
            return _columns(Path(path), subject)

    def _files(self, version: "ModelVersion") -> str:
        """Give where the files lie: MLflow 3 names a logged model, older ones the place."""
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)
        source: str = client.get_model_version_download_uri(version.name, version.version)
        if source.startswith(LOGGED):
            source = client.get_logged_model(source.removeprefix("models:/")).artifact_location
        return source.rstrip("/")


class FetchedSignatures:
    """The Signatures port on a registry that gives a version's files as a whole.

    Args:
        fetch: copies a version's files into a folder.
    """

    def __init__(self, fetch: "Callable[[ModelVersion, Path], None]") -> None:
        self._fetch = fetch

    def inputs(self, version: "ModelVersion") -> Sequence[str]:
        subject = f"{version.name} version {version.version}"
        with TemporaryDirectory() as folder:
            self._fetch(version, Path(folder))
            path = Path(folder) / FILE
            if not path.is_file():
                raise NotFound(f"{subject}: it has no {FILE}", subject=subject)
            return _columns(path, subject)


def _columns(path: Path, subject: str) -> tuple[str, ...]:
    """Read the file.

    Raises:
        DataError: it is none of MLflow's, or the signature is of tensors without names.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model
    from yaml import YAMLError

    try:
        signature: Any = Model.load(str(path)).signature
        names = signature.inputs.input_names() if signature and signature.inputs else []
    except (MlflowException, YAMLError, ValueError, TypeError, AttributeError) as error:
        message = f"{subject}: its {FILE} cannot be read: {type(error).__name__}"
        raise DataError(message, subject=subject) from error
    if not all(isinstance(name, str) for name in names):
        raise DataError(f"{subject}: its signature names no columns", subject=subject)
    return tuple(names)


def _no_answer() -> tuple[type[Exception], ...]:
    """Give the errors that mean no answer; a database's own only where MLflow can open one."""
    from requests import RequestException

    try:
        from sqlalchemy.exc import SQLAlchemyError
    except ModuleNotFoundError:  # mlflow-skinny
        return RequestException, OSError
    return RequestException, SQLAlchemyError, OSError


@contextmanager
def _errors(subject: str) -> Iterator[None]:
    """Raise the app's error: NotFound only where it was said that a thing is not there."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(f"{subject}: it has no {FILE}", subject=subject) from error
    except MlflowException as error:
        reason = unanswered(error)
        if reason:
            message = f"registry: {subject}: no answer ({reason})"
            raise Unavailable(message, subject=subject) from None
        text = f"{subject}: {' '.join(str(error).split())[:300]}"
        if error.error_code in _MISSING:
            raise NotFound(text, subject=subject) from error
        raise Unavailable(text, subject=subject) from error
    except _no_answer() as error:
        message = f"registry: {subject}: no answer ({type(error).__name__})"
        raise Unavailable(message, subject=subject) from error
