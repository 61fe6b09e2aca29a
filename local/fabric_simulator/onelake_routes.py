"""OneLake's DFS API as far as a registry's files need it: create, append, flush, read, list.

Source: Azure Data Lake Storage Gen2, Path - Create, Update, Read, List. What was appended is there
once it is flushed, and not before.
"""

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from aiohttp import web

from local.fabric_simulator.faults import Operation
from local.fabric_simulator.gateway import Call, Gateway
from local.fabric_simulator.settings import Settings

_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


class OneLake:
    """Keeps each workspace's files in a folder of its own."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder = folder / "onelake"
        self._settings = settings
        self._appended: dict[Path, dict[int, bytes]] = {}

    def routes(self, gateway: Gateway) -> Iterable[web.AbstractRouteDef]:
        path = "/onelake/{workspace}/{path:.+}"
        return [
            web.put(path, gateway.handler(Operation.FILES, self._create)),
            web.patch(path, gateway.handler(Operation.FILES, self._update)),
            web.get(path, gateway.handler(Operation.FILES, self._read)),
            web.get("/onelake/{workspace}", gateway.handler(Operation.FILES, self._list)),
        ]

    async def _create(self, call: Call) -> web.Response:
        if call.request.query.get("resource") != "file":
            return _error(400, "InvalidQueryParameterValue")
        file = self._file(call.request)
        if file is None:
            return _error(404, "FilesystemNotFound")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
        self._appended[file] = {}
        return web.Response(status=201)

    async def _update(self, call: Call) -> web.Response:
        file, query = self._file(call.request), call.request.query
        if file is None or not file.is_file():
            return _error(404, "PathNotFound")
        parts, position = self._appended.setdefault(file, {}), int(query.get("position", "0"))
        if query.get("action") == "append":
            parts[position] = await call.request.read()
            return web.Response(status=202)
        content = b"".join(parts[start] for start in sorted(parts))
        if query.get("action") != "flush" or len(content) != position:
            return _error(400, "InvalidFlushPosition")
        file.write_bytes(content)
        self._appended[file] = {}
        return web.Response(status=200)

    async def _read(self, call: Call) -> web.Response:
        file = self._file(call.request)
        if file is None or not file.is_file():
            return _error(404, "PathNotFound")
        asked = _RANGE.fullmatch(call.request.headers.get("Range", ""))
        content = file.read_bytes()
        if asked is None:
            return web.Response(body=content)
        return web.Response(status=206, body=content[int(asked[1]) : int(asked[2]) + 1])

    async def _list(self, call: Call) -> web.Response:
        root, query = self._root(call.request), call.request.query
        if root is None:
            return _error(404, "FilesystemNotFound")
        folder = root / query.get("directory", "")
        if not folder.is_dir():
            return _error(404, "PathNotFound")
        found = sorted(folder.rglob("*") if query.get("recursive") == "true" else folder.iterdir())
        start = int(query.get("continuation", "0"))
        end = start + self._settings.page_size
        headers = {"x-ms-continuation": str(end)} if end < len(found) else {}
        paths = [_entry(path, root) for path in found[start:end]]
        return web.json_response({"paths": paths}, headers=headers)

    def _root(self, request: web.Request) -> Path | None:
        workspace = self._settings.workspace_id.lower()
        known = request.match_info["workspace"].lower() == workspace
        return self._folder / workspace if known else None

    def _file(self, request: web.Request) -> Path | None:
        root, path = self._root(request), PurePosixPath(request.match_info["path"])
        return None if root is None or ".." in path.parts else root / path


def _entry(path: Path, root: Path) -> dict[str, str]:
    name = path.relative_to(root).as_posix()
    if path.is_dir():
        return {"name": name, "isDirectory": "true", "contentLength": "0"}
    return {"name": name, "contentLength": str(path.stat().st_size)}


def _error(status: int, code: str) -> web.Response:
    told = {"error": {"code": code, "message": f"{code}: see the code"}}
    return web.json_response(told, status=status, headers={"x-ms-error-code": code})
