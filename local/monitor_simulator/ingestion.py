"""``POST /dataCollectionRules/{id}/streams/{stream}``: the Logs Ingestion API.

The codes and the 413 message are the service's where they are known from its answers.
"""

import json
import re
import zlib
from collections.abc import Mapping
from typing import Any, NoReturn

from aiohttp import web

from local.monitor_simulator.faults import FaultKind
from local.monitor_simulator.simulator import SIMULATOR, Simulator
from local.monitor_simulator.table import RowRefused, parse_row

API_VERSION = "2023-01-01"
LARGEST_BODY_BYTES = 1_048_576
RETRY_AFTER_SECONDS = 1
_RULE_ID = re.compile(r"dcr-[0-9A-Za-z]+")
_GZIP = 31
"""zlib's name for a window of 32 KB with a gzip header."""


class UploadRefused(Exception):
    """An upload that is answered with an error."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers or {}

    def as_response(self) -> web.Response:
        body = {"error": {"code": self.code, "message": str(self)}}
        return web.json_response(body, status=self.status, headers=self.headers)


async def upload(request: web.Request) -> web.Response:
    simulator = request.app[SIMULATOR]
    try:
        _check_caller(request, simulator.settings.token)
        _check_faults(simulator)
        _check_target(request, simulator.table.stream)
        rows = _rows(await _body(request))
        received = simulator.clock.now()
        simulator.store.add([parse_row(row, simulator.table, received) for row in rows])
    except RowRefused as refused:
        return UploadRefused(400, "InvalidPayload", str(refused)).as_response()
    except UploadRefused as refused:
        return refused.as_response()
    return web.Response(status=204)


def _check_caller(request: web.Request, token: str | None) -> None:
    scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not sent or (token is not None and sent != token):
        challenge = {"WWW-Authenticate": "Bearer"}
        raise UploadRefused(401, "InvalidToken", "A valid bearer token is required.", challenge)


def _check_faults(simulator: Simulator) -> None:
    if simulator.faults.take(FaultKind.THROTTLE_INGEST):
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        raise UploadRefused(429, "TooManyRequests", "The rate limit was exceeded.", headers)
    if simulator.faults.take(FaultKind.SERVER_ERROR_INGEST):
        raise UploadRefused(500, "InternalServerError", "An ordered failure.")


def _check_target(request: web.Request, stream: str) -> None:
    rule_id, asked = request.match_info["rule_id"], request.match_info["stream"]
    if request.query.get("api-version") != API_VERSION:
        raise UploadRefused(400, "InvalidApiVersion", f"api-version must be {API_VERSION}.")
    if not _RULE_ID.fullmatch(rule_id):
        message = f"Data collection rule with immutable Id '{rule_id}' not found."
        raise UploadRefused(404, "NotFound", message)
    if asked != stream:
        raise UploadRefused(404, "InvalidStream", f"Stream '{asked}' is not configured.")


async def _body(request: web.Request) -> bytes:
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        _refuse_size(request.content_length or LARGEST_BODY_BYTES + 1)
    if request.headers.get("Content-Encoding", "").lower() == "gzip":
        body = _unzipped(body)
    if len(body) > LARGEST_BODY_BYTES:
        _refuse_size(len(body))
    return body


def _unzipped(body: bytes) -> bytes:
    """At most one byte over the limit is ever unpacked."""
    unpacker = zlib.decompressobj(_GZIP)
    try:
        plain = unpacker.decompress(body, LARGEST_BODY_BYTES + 1)
    except zlib.error as error:
        raise UploadRefused(400, "InvalidPayload", "The body is not valid gzip.") from error
    if not unpacker.eof and len(plain) <= LARGEST_BODY_BYTES:
        raise UploadRefused(400, "InvalidPayload", "The gzip body ends early.")
    return plain


def _refuse_size(size: int) -> NoReturn:
    message = (
        f"Maximum allowed content length: {LARGEST_BODY_BYTES} bytes (1 MB). "
        f"Provided content length: {size} bytes."
    )
    raise UploadRefused(413, "ContentLengthLimitExceeded", message)


def _rows(body: bytes) -> list[Any]:
    try:
        rows = json.loads(body, parse_constant=_refuse_constant)
    except ValueError as error:
        raise UploadRefused(400, "InvalidPayload", "The body is not valid JSON.") from error
    if not isinstance(rows, list):
        raise UploadRefused(400, "InvalidPayload", "The body must be a JSON array.")
    return rows


def _refuse_constant(name: str) -> NoReturn:
    # json would read NaN and Infinity, which are not JSON and which the service refuses
    raise ValueError(name)
