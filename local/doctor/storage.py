"""The app's storage account: queues, tables and containers, each by a read that changes nothing."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from azure.core.exceptions import ResourceNotFoundError

from local.doctor.findings import Check, warn
from shared.adapters.azure_errors import azure_errors
from shared.adapters.profiles import blob_profiles
from shared.adapters.storage import blob_evidence, table_marks, table_store
from shared.adapters.storage.blob_container import container_client
from shared.errors import ConfigError
from shared.handlers import messages

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.storage.queue import QueueServiceClient

    from shared.config import Settings

T = TypeVar("T")
GROUP: Final = "storage"
QUEUES: Final = (
    *(messages.RETRAIN_RUNS, messages.GATE_CHECKS, messages.PROMOTIONS),
    *(messages.DRIFT_CHECKS, messages.NOTICES, messages.AUDIT_ROWS),
)
_NOT_YET: Final = "may be read; not made yet, the first use makes it"
_PATIENCE: Final[dict[str, Any]] = {"connection_timeout": 5, "read_timeout": 10}


def assign(role: str, scope: str = "the app's storage account") -> str:
    """Give the command that grants a role."""
    return (
        f'az role assignment create --role "{role}" --assignee <object id of the identity> '
        f"--scope <id of {scope}>; a new role takes minutes to hold"
    )


def checks(settings: "Settings", credential: "TokenCredential") -> list[Check]:
    """Give a check for each queue, table and container."""
    found = [_queue(settings, credential, name) for name in QUEUES]
    role = assign("Storage Queue Data Contributor")
    found.append(Check(GROUP, "poison queues", lambda: _poison(settings, credential), role))
    tables = (table_store.TABLE, table_marks.TABLE)
    containers = (blob_evidence.CONTAINER, blob_profiles.CONTAINER)
    found += [_table(settings, credential, name) for name in tables]
    return found + [_container(settings, credential, name) for name in containers]


def _queue(settings: "Settings", credential: "TokenCredential", name: str) -> Check:
    def look() -> str:
        count = _read(f"queue {name}", lambda: _waiting(settings, credential, name))
        return _NOT_YET if count is None else f"{count} messages wait"

    return Check(GROUP, f"queue {name}", look, assign("Storage Queue Data Contributor"))


def _poison(settings: "Settings", credential: "TokenCredential") -> str:
    counts = {
        name: _read(f"queue {name}", lambda name=name: _waiting(settings, credential, name)) or 0  # type: ignore[misc]
        for name in (f"{queue}-poison" for queue in QUEUES)
    }
    given_up = {name: count for name, count in counts.items() if count}
    if given_up:
        told = ", ".join(f"{name}: {count}" for name, count in given_up.items())
        raise warn(
            f"messages were given up: {told}",
            "see the log of the function of that queue, then send them again or delete them",
        )
    return "no message was given up"


def _waiting(settings: "Settings", credential: "TokenCredential", name: str) -> int:
    with _queues(settings, credential) as service:
        properties = service.get_queue_client(name).get_queue_properties()
    return int(properties.approximate_message_count or 0)


def _queues(settings: "Settings", credential: "TokenCredential") -> "QueueServiceClient":
    from azure.storage.queue import LinearRetry, QueueServiceClient

    options: dict[str, Any] = {
        **_PATIENCE,
        # its own policy waits 15 s before it comes again
        "retry_policy": LinearRetry(backoff=1, retry_total=1, random_jitter_range=0),
    }
    connection = settings.storage_connection.get_secret_value()
    if connection:
        return QueueServiceClient.from_connection_string(connection, **options)
    return QueueServiceClient(settings.queue_uri, credential=credential, **options)


def _table(settings: "Settings", credential: "TokenCredential", name: str) -> Check:
    def look() -> str:
        rows = _read(f"table {name}", lambda: _first_row(settings, credential, name))
        if rows is None:
            return _NOT_YET
        return "one row was read" if rows else "was read, and is empty"

    return Check(GROUP, f"table {name}", look, assign("Storage Table Data Contributor"))


def _first_row(settings: "Settings", credential: "TokenCredential", name: str) -> int:
    from azure.data.tables import TableClient

    connection = settings.storage_connection.get_secret_value()
    table = (
        TableClient.from_connection_string(connection, name, retry_total=1, **_PATIENCE)
        if connection
        else TableClient(
            settings.table_uri, name, credential=credential, retry_total=1, **_PATIENCE
        )
    )
    with table:
        row = next(table.query_entities("", select=["PartitionKey"], results_per_page=1), None)
    return 0 if row is None else 1


def _container(settings: "Settings", credential: "TokenCredential", name: str) -> Check:
    def properties() -> bool:
        with container_client(settings, credential, name) as container:
            container.get_container_properties()
        return True

    def look() -> str:
        return "may be read" if _read(f"container {name}", properties) else _NOT_YET

    return Check(GROUP, f"container {name}", look, assign("Storage Blob Data Owner"))


def _read(subject: str, call: Callable[[], T]) -> T | None:
    """Call; None where the thing is not there yet, which the service says only to who may know."""
    with azure_errors(subject):
        try:
            return call()
        except ResourceNotFoundError:
            return None
        except ValueError as error:
            # without its words: they may hold the connection string
            message = "AzureWebJobsStorage: no connection string and no addresses of an account"
            raise ConfigError(message, subject="AzureWebJobsStorage") from error
