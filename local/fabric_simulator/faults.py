"""Failures on order: what Fabric and the network do now and then, when a test wants it."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

_RETRY_AFTER_SECONDS = 1


class Operation(StrEnum):
    """The requests that can be made to fail."""

    START = "start"
    GET = "get"
    LIST = "list"
    CANCEL = "cancel"
    ACTIVITY_RUNS = "activity_runs"
    REGISTRY_READ = "registry_read"
    REGISTRY_WRITE = "registry_write"
    FILES = "files"
    READ = "read"


class Kind(StrEnum):
    """What happens instead of, or beside, the proper answer."""

    THROTTLE = "throttle"  # 429 RequestBlocked
    CAPACITY = "capacity"  # 429 CapacityLimitExceeded
    SERVER_ERROR = "server_error"  # 500
    UNAUTHORIZED = "unauthorized"  # 401 TokenExpired
    FORBIDDEN = "forbidden"  # 403 InsufficientPrivileges
    TIMEOUT = "timeout"  # nothing is done, and no answer comes for `seconds`
    RESET = "reset"  # nothing is done, and the connection is reset
    LOST_RESPONSE = "lost_response"  # it is done, and the connection is reset
    SLOW = "slow"  # it is done after `seconds`
    LOCATION_WITHOUT_ID = "location_without_id"  # as in two examples of the specification
    DEDUPED = "deduped"  # accepted, but skipped in favour of one that runs
    UNKNOWN_STATUS = "unknown_status"  # "additional statuses may be added over time"
    DUPLICATE_LISTING = "duplicate_listing"  # every instance of a page comes twice


_ONLY_FOR = {
    Kind.LOCATION_WITHOUT_ID: {Operation.START},
    Kind.DEDUPED: {Operation.START},
    Kind.LOST_RESPONSE: {
        Operation.START,
        Operation.CANCEL,
        Operation.REGISTRY_WRITE,
        Operation.FILES,
    },
    Kind.UNKNOWN_STATUS: {Operation.GET, Operation.LIST},
    Kind.DUPLICATE_LISTING: {Operation.LIST},
}


class Fault(BaseModel):
    """An order: the next ``times`` requests of this operation fail in this way."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: Operation
    kind: Kind
    times: Annotated[int, Field(ge=1)] = 1
    retry_after: Annotated[int, Field(ge=0)] = _RETRY_AFTER_SECONDS
    seconds: Annotated[float, Field(ge=0)] = 2.0

    @model_validator(mode="after")
    def _fits_the_operation(self) -> "Fault":
        if self.operation not in _ONLY_FOR.get(self.kind, set(Operation)):
            raise ValueError(f"{self.kind} cannot happen to {self.operation}")
        return self


class FaultBox:
    """The orders not yet used up, first come first served."""

    def __init__(self) -> None:
        self._pending: list[Fault] = []

    def order(self, fault: Fault) -> None:
        self._pending.append(fault)

    def clear(self) -> None:
        self._pending.clear()

    def pending(self) -> list[Fault]:
        return list(self._pending)

    def take(self, operation: Operation) -> Fault | None:
        """Use up one time of the oldest order for this operation."""
        for index, fault in enumerate(self._pending):
            if fault.operation is operation:
                left = fault.times - 1
                self._pending[index : index + 1] = (
                    [fault.model_copy(update={"times": left})] if left else []
                )
                return fault
        return None
