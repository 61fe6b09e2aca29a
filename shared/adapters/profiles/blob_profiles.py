"""Profiles in Azure Blob storage: the ProfileStore port."""

from typing import TYPE_CHECKING, Final

from shared.adapters.azure_errors import azure_errors
from shared.adapters.storage.blob_container import BlobContainer, container_client

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from shared.config import Settings

CONTAINER: Final = "profiles"


class BlobProfiles(BlobContainer):
    """Keeps profiles in one container; the last writer of a name stays."""

    @classmethod
    def connect(cls, settings: "Settings", credential: "TokenCredential") -> "BlobProfiles":
        """Make one on the app's storage account; nothing is sent yet."""
        return cls(lambda: container_client(settings, credential, CONTAINER))

    def put(self, name: str, content: bytes) -> None:
        container = self._ready()
        with azure_errors(f"container {CONTAINER}: {name}"):
            container.upload_blob(name, content, overwrite=True)

    def get(self, name: str) -> bytes:
        container = self._ready()
        with azure_errors(f"container {CONTAINER}: {name}"):
            return container.download_blob(name).readall()
