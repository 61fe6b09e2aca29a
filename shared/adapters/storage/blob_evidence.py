"""Evidence in Azure Blob storage: written once, never changed."""

import hashlib
from typing import TYPE_CHECKING, Final

from azure.core.exceptions import ResourceExistsError

from shared.adapters.azure_errors import azure_errors
from shared.adapters.storage.blob_container import BlobContainer, container_client
from shared.errors import Refused

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from shared.config import Settings

CONTAINER: Final = "evidence"
_WHERE: Final = f"container {CONTAINER}"


class BlobEvidence(BlobContainer):
    """An EvidenceStore on one container."""

    @classmethod
    def connect(cls, settings: "Settings", credential: "TokenCredential") -> "BlobEvidence":
        """Make one on the app's storage account; nothing is sent yet."""
        return cls(lambda: container_client(settings, credential, CONTAINER))

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
