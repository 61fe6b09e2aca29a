"""Evidence in Azure Blob storage: written once, never changed."""

import hashlib
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from azure.core.exceptions import ResourceExistsError

from shared.adapters.azure_errors import azure_creation, azure_errors
from shared.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from azure.core.credentials import TokenCredential
    from azure.storage.blob import ContainerClient

    from shared.config import Settings

CONTAINER: Final = "evidence"
_WHERE: Final = f"container {CONTAINER}"
_PATIENCE: Final = {"connection_timeout": 5, "read_timeout": 30}  # seconds; no alert waits for it


class BlobEvidence:
    """An EvidenceStore on one container, made at the first call.

    Args:
        container: gives the client. Called once, at first use: the blob SDK takes 0.3 s to import,
            and an alert needs no evidence.
    """

    def __init__(self, container: "Callable[[], ContainerClient]") -> None:
        self._open = container
        self._making = Lock()
        self._container: ContainerClient | None = None

    @classmethod
    def connect(cls, settings: "Settings", credential: "TokenCredential") -> "BlobEvidence":
        """Make one on the app's storage account; nothing is sent yet."""
        return cls(lambda: _client(settings, credential))

    def close(self) -> None:
        if self._container is not None:
            self._container.close()

    def put(self, name: str, content: bytes) -> str:
        """Store under a name that is free, or that holds the same content already.

        Raises:
            Refused: the name holds something else.
        """
        container = self._ready()
        with azure_errors(f"{_WHERE}: {name}"):
            try:
                container.upload_blob(name, content, overwrite=False)
            except ResourceExistsError:
                same = container.download_blob(name).readall() == content
                if not same:
                    message = f"{name} holds other evidence already"
                    raise Refused(message, code="EvidenceExists", subject=name) from None
        return hashlib.sha256(content).hexdigest()

    def get(self, name: str) -> bytes:
        container = self._ready()
        with azure_errors(f"{_WHERE}: {name}"):
            return container.download_blob(name).readall()

    def _ready(self) -> "ContainerClient":
        with self._making:
            if self._container is None:
                container = self._open()
                with azure_creation(_WHERE):
                    container.create_container()
                self._container = container
        return self._container


def _client(settings: "Settings", credential: "TokenCredential") -> "ContainerClient":
    from azure.storage.blob import ContainerClient, LinearRetry

    options: dict[str, Any] = {
        **_PATIENCE,
        "retry_policy": LinearRetry(backoff=1, retry_total=2, random_jitter_range=0),
    }
    connection = settings.storage_connection.get_secret_value()
    if connection:
        return ContainerClient.from_connection_string(connection, CONTAINER, **options)
    return ContainerClient(settings.blob_uri, CONTAINER, credential=credential, **options)
