"""One container of the app's storage account, made when it is first needed."""

from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from shared.adapters.azure_errors import azure_creation

if TYPE_CHECKING:
    from collections.abc import Callable

    from azure.core.credentials import TokenCredential
    from azure.storage.blob import ContainerClient

    from shared.config import Settings

_PATIENCE: Final = {"connection_timeout": 5, "read_timeout": 30}  # seconds; no alert waits for it


class BlobContainer:
    """A container behind a port.

    Args:
        container: gives the client. Called once, at first use: the blob SDK takes 0.3 s to import,
            and an alert needs no blob.
    """

    def __init__(self, container: "Callable[[], ContainerClient]") -> None:
        self._open = container
        self._making = Lock()
        self._container: ContainerClient | None = None

    def close(self) -> None:
        if self._container is not None:
            self._container.close()

    def _ready(self) -> "ContainerClient":
        with self._making:
            if self._container is None:
                container = self._open()
                with azure_creation(f"container {container.container_name}"):
                    container.create_container()
                self._container = container
        return self._container


def container_client(
    settings: "Settings", credential: "TokenCredential", name: str
) -> "ContainerClient":
    """Make a client on the app's storage account; nothing is sent yet."""
    from azure.storage.blob import ContainerClient, LinearRetry

    options: dict[str, Any] = {
        **_PATIENCE,
        "retry_policy": LinearRetry(backoff=1, retry_total=2, random_jitter_range=0),
    }
    connection = settings.storage_connection.get_secret_value()
    if connection:
        return ContainerClient.from_connection_string(connection, name, **options)
    return ContainerClient(settings.blob_uri, name, credential=credential, **options)
