"""What every public request passes: the token check, the record of starts, and ordered faults."""

import asyncio
import hmac
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from aiohttp import web

from local.fabric_simulator.answers import ApiError
from local.fabric_simulator.faults import Fault, FaultBox, Kind, Operation
from local.fabric_simulator.settings import Settings
from local.fabric_simulator.store import Store
from shared.ports import Clock


@dataclass(frozen=True)
class Call:
    """One request, its id, and the fault it meets."""

    request: web.Request
    request_id: str
    fault: Fault | None
    new_id: Callable[[], str]

    def has(self, kind: Kind) -> bool:
        return self.fault is not None and self.fault.kind is kind


_UPSTREAM_TIME = "%-m/%-d/%Y %-I:%M:%S %p (UTC)"  # as recorded: no ISO 8601 here

_UNKNOWN_CALLER = ApiError(401, "Unauthorized", "The access token is missing or invalid")

Operate = Callable[[Call], Awaitable[web.Response]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def random_id() -> str:
    return str(uuid4())


class Gateway:
    """Stands before the operations."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        faults: FaultBox,
        clock: Clock,
        new_id: Callable[[], str] = random_id,
    ) -> None:
        self._settings = settings
        self._store = store
        self._faults = faults
        self._clock = clock
        self._new_id = new_id

    def handler(self, operation: Operation, operate: Operate) -> Handler:
        """Give the aiohttp handler for an operation."""

        async def handle(request: web.Request) -> web.StreamResponse:
            known = self._knows_caller(request)
            fault = self._faults.take(operation) if known else None
            call = Call(request, self._new_id(), fault, self._new_id)
            if operation is Operation.START:
                await self._record(call, authorized=known)
            if not known:
                return _UNKNOWN_CALLER.answer(call.request_id)
            try:
                return await self._answer(call, operate)
            except ApiError as error:
                return error.answer(call.request_id)

        return handle

    def _knows_caller(self, request: web.Request) -> bool:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return False
        expected = self._settings.token
        return expected is None or hmac.compare_digest(token.encode(), expected.encode())

    async def _record(self, call: Call, *, authorized: bool) -> None:
        """Keep a start request before anything is decided about it."""
        request = call.request
        self._store.record_request(
            {
                "request_id": call.request_id,
                "received": self._clock.now().isoformat(),
                "item_id": request.match_info["item"],
                "url": str(request.rel_url),
                "body": await request.text(),
                "authorized": authorized,
                "fault": call.fault.kind.value if call.fault else None,
            }
        )

    async def _answer(self, call: Call, operate: Operate) -> web.Response:
        fault = call.fault
        if fault is None:
            return await operate(call)
        self._refuse(fault)
        if fault.kind in {Kind.SLOW, Kind.TIMEOUT}:
            await asyncio.sleep(fault.seconds)
        if fault.kind in {Kind.TIMEOUT, Kind.RESET}:
            return _reset(call.request)
        response = await operate(call)
        return _reset(call.request) if fault.kind is Kind.LOST_RESPONSE else response

    def _refuse(self, fault: Fault) -> None:
        match fault.kind:
            case Kind.THROTTLE:
                until = self._clock.now() + timedelta(seconds=fault.retry_after)
                blocked = (
                    f"Request is blocked by the upstream service until: {until:{_UPSTREAM_TIME}}"
                )
                raise ApiError(429, "RequestBlocked", blocked, fault.retry_after)
            case Kind.CAPACITY:
                exceeded = "The capacity limit is exceeded. Try again later."
                raise ApiError(429, "CapacityLimitExceeded", exceeded, fault.retry_after)
            case Kind.SERVER_ERROR:
                raise ApiError(500, "InternalServerError", "An unexpected error occurred")
            case Kind.UNAUTHORIZED:
                raise ApiError(401, "TokenExpired", "The access token has expired")
            case Kind.FORBIDDEN:
                lacking = "The caller does not have sufficient permissions"
                raise ApiError(403, "InsufficientPrivileges", lacking)
            case _:
                return


def _reset(request: web.Request) -> web.Response:
    """Break the connection, with a TCP reset; the response given back goes nowhere."""
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return web.Response()
