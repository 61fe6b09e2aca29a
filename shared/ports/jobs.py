"""Where a retrain runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from shared.catalogue import FabricItems


@dataclass(frozen=True)
class Started:
    """An accepted start: the instance id, or None where the answer did not carry one."""

    instance_id: str | None
    retry_after: float


@dataclass(frozen=True)
class JobInstance:
    """One job instance as the service reports it.

    Attributes:
        status: as sent; values that are not known today are to be expected.
        invoke_type: Manual or Scheduled, as sent.
        started_at: UTC; None while the service gives none.
        failure: the failure's code and message, or empty.
        retry_after: seconds the service asks to wait before the next look, or None.
    """

    instance_id: str
    status: str
    invoke_type: str
    started_at: datetime | None
    failure: str = ""
    retry_after: float | None = None


class Jobs(Protocol):
    """Where a retrain runs. Raises Throttled, Refused and Unavailable beside what is named."""

    def start(self, items: FabricItems, parameters: Mapping[str, Any]) -> Started:
        """Ask for a run.

        Raises:
            StartAmbiguous: the request was sent and it is not known whether it took.
        """

    def get(self, items: FabricItems, instance_id: str) -> JobInstance:
        """Look at one.

        Raises:
            NotFound: the service knows no such instance.
        """

    def instances(self, items: FabricItems) -> Sequence[JobInstance]: ...

    def cancel(self, items: FabricItems, instance_id: str) -> None:
        """Ask to cancel; one that has ended already is no error."""

    def failure_text(self, items: FabricItems, instance_id: str) -> str:
        """Give the activities' error texts, which say more than the instance does."""
