"""A registry's files in OneLake, over its DFS REST API with a storage token.

What an address names is a workspace and a path; the host is always the configured one, whichever
host the registry names. Source: Azure Data Lake Storage Gen2, Path - Create, Update, Read, List.
Not yet run live.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

import requests

from shared.adapters.delta.lakehouse import STORAGE_SCOPE
from shared.adapters.registry.fabric_registry_http import Patience
from shared.adapters.rest_http import NoAnswer, RestHttp, entra_tokens
from shared.adapters.scoring.scoring_sources import elsewhere
from shared.errors import NotFound, Refused, Unavailable
from shared.ports import Clock

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

_FORMS = (
    re.compile(r"abfss://(?P<workspace>[^@/]+)@[^/]+/(?P<path>.+)"),
    re.compile(r"(?:sds|https)://[^/]+/(?P<workspace>[^/]+)/(?P<path>.+)"),
)
"""How an artifact's address is written. Source: synapseml-mlflow 2.0.3, ``sds`` and ``abfss``."""
_CANONICAL = "abfss://{}@onelake.dfs.fabric.microsoft.com/{}"
_NO_WORKSPACE = frozenset({"FilesystemNotFound", "ContainerNotFound", "WorkspaceNotFound"})
PIECE = 8 * 1024 * 1024
"""Bytes in one request, either way: what a lost connection costs, and what is held in memory."""


@dataclass(frozen=True)
class Place:
    """A file or folder in OneLake."""

    workspace: str
    path: str

    @classmethod
    def of(cls, address: str) -> "Place":
        """Read an address.

        Raises:
            NotFound: it is none in OneLake, or leads upwards.
        """
        found = next((match for form in _FORMS if (match := form.fullmatch(address))), None)
        if found is None or ".." in PurePosixPath(found["path"]).parts:
            message = f"its files lie at {address or 'no address'}, which is no place in OneLake"
            raise NotFound(message, subject=address)
        return cls(found["workspace"].lower(), found["path"].rstrip("/"))

    def under(self, name: str) -> "Place":
        return Place(self.workspace, f"{self.path}/{name}")

    def __str__(self) -> str:
        return _CANONICAL.format(self.workspace, self.path)


class OneLakeFiles(RestHttp):
    """Stores single files, and copies whole folders, within the places that are allowed.

    Args:
        url: OneLake's DFS endpoint; tokens go to no other host.
        locations: prefixes in the form ``abfss://workspace@onelake.dfs.fabric.microsoft.com/…``;
            None: anywhere in OneLake.
        seconds: how long copying one folder may take.
        now: a clock that only goes forward, seconds.
    """

    service = "OneLake"
    headers: ClassVar[Mapping[str, str]] = {"x-ms-version": "2023-11-03"}

    def __init__(  # noqa: PLR0913 - one keyword a property of the connection
        self,
        url: str,
        credential: "TokenCredential",
        clock: Clock,
        *,
        locations: Sequence[str] | None,
        seconds: float,
        patience: Patience | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(url, entra_tokens(credential, STORAGE_SCOPE, self.service), clock)
        self._locations = locations
        self._seconds = seconds
        self._patience = patience or Patience()
        self._now = now

    def put(self, address: str, name: str, content: bytes) -> None:
        """Store a file in a folder, in place of what has the name.

        Raises:
            Refused: the folder is none in OneLake, or elsewhere than the registry keeps its files.
        """
        try:
            place = self._allowed(address).under(name)
        except NotFound as error:
            raise Refused(str(error), code="NoPlace", subject=address) from error
        # from the start again: a part that arrived twice cannot be told from one that did not
        self._patience.run(lambda: self._write(place, content))

    def copy(self, address: str, folder: Path) -> None:
        """Copy a folder with all that is in it.

        Raises:
            NotFound: there is none, it is empty, or it lies where the registry keeps no files.
            Unavailable: OneLake did not answer, or not within the time.
        """
        place, until = self._allowed(address), self._now() + self._seconds
        files = list(self._listed(place))
        if not files:
            raise NotFound(f"{place}: no files", subject=str(place))
        for name, size in files:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                for piece in self._read(place.under(name), size):
                    if self._now() > until:
                        message = f"OneLake: no answer in {self._seconds:g} s"
                        raise Unavailable(message, subject=str(place))
                    file.write(piece)

    def _allowed(self, address: str) -> Place:
        place = Place.of(address)
        strange = "" if self._locations is None else elsewhere(str(place), self._locations)
        if strange:
            raise NotFound(strange, subject=address)
        return place

    def _write(self, place: Place, content: bytes) -> None:
        path = _path(place)
        self._accepted("PUT", path, params={"resource": "file"})
        for start in range(0, len(content), PIECE):
            asked = {"action": "append", "position": str(start)}
            self._accepted("PATCH", path, params=asked, body=content[start : start + PIECE])
        self._accepted("PATCH", path, params={"action": "flush", "position": str(len(content))})

    def _listed(self, place: Place) -> Iterator[tuple[str, int]]:
        """Yield each file below a folder with its size in bytes, by its path from there."""
        asked = {"resource": "filesystem", "recursive": "true", "directory": place.path}
        more = ""
        while True:
            params = {**asked, "continuation": more} if more else asked
            document, more = self._page(place, params)
            for entry in document.get("paths", ()):
                if str(entry.get("isDirectory", "false")).lower() != "true":
                    yield _file(place, entry)
            if not more:
                return

    def _page(self, place: Place, params: Mapping[str, str]) -> tuple[Mapping[str, Any], str]:
        path = quote(place.workspace)
        answer = self._patience.run(lambda: self._accepted("GET", path, params=params))
        document = self._json(answer, path)
        if not isinstance(document, dict):
            raise NoAnswer("OneLake: the listing is no JSON object", subject=path)
        return document, answer.headers.get("x-ms-continuation", "")

    def _read(self, place: Place, size: int) -> Iterator[bytes]:
        for start in range(0, size, PIECE):
            end = min(start + PIECE, size)
            asked = {"Range": f"bytes={start}-{end - 1}"}
            yield self._patience.run(partial(self._piece, place, asked, end - start))

    def _piece(self, place: Place, asked: Mapping[str, str], length: int) -> bytes:
        content = self._accepted("GET", _path(place), headers=asked).content
        if len(content) != length:
            message = f"OneLake: {len(content)} of {length} bytes"
            raise NoAnswer(message, subject=str(place))
        return content

    def _reading(self, response: requests.Response, document: Mapping[str, Any]) -> tuple[str, str]:
        told = document.get("error")
        error = told if isinstance(told, dict) else {}
        code = response.headers.get("x-ms-error-code") or error.get("code")
        return str(code or f"HTTP{response.status_code}"), str(error.get("message", ""))

    def _is_missing(self, response: requests.Response, code: str, text: str) -> bool:  # noqa: ARG002 - the code tells
        # a missing workspace, or a 404 that is not the storage's, is a wrong address and no verdict
        own = not code.startswith("HTTP") and code not in _NO_WORKSPACE
        return response.status_code == HTTPStatus.NOT_FOUND and own


def _path(place: Place) -> str:
    return f"{quote(place.workspace)}/{quote(place.path)}"


def _file(place: Place, entry: Mapping[str, Any]) -> tuple[str, int]:
    try:
        name, size = str(entry["name"]), int(entry["contentLength"])
    except (KeyError, ValueError) as error:
        message = "OneLake: the listing leaves out a file's name or size"
        raise NoAnswer(message, subject=str(place)) from error
    return _name(place, name), size


def _name(place: Place, listed: str) -> str:
    """Give a listed file's path from the folder that was asked for.

    Raises:
        NotFound: it is not below that folder.
    """
    start, name = listed[: len(place.path) + 1], listed[len(place.path) + 1 :]
    parts = PurePosixPath(name).parts
    if start != f"{place.path}/" or not parts or ".." in parts or name.startswith("/"):
        raise NotFound(f"{place}: the listing names {listed}, which is not below it")
    return name
