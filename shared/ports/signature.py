"""What a version says of its own inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.ports.registry import ModelVersion


class Signatures(Protocol):
    """Reads the signatures that versions were logged with; no version is loaded."""

    def inputs(self, version: ModelVersion) -> Sequence[str]:
        """Give the names of the input columns, in their order; none where it has no signature.

        Raises:
            NotFound: the version's files are not there.
            DataError: what is there cannot be read, or names no columns.
        """
