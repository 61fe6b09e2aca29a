"""Where a retrain runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from shared.catalogue import JobItems

ENDED = frozenset({"Completed", "Failed", "Cancelled", "Deduped"})
"""The words in which a service says that a job has ended; Deduped: it was skipped for another."""

ItemsT_contra = TypeVar("ItemsT_contra", contravariant=True)


@dataclass(frozen=True)
class Started:
    """An accepted start: the instance id, or None where the answer did not carry one."""

    instance_id: str | None
    retry_after: float


@dataclass(frozen=True)
class JobInstance:
    """One job instance as the service reports it.

    Attributes:
        status: one of ENDED, whatever the service's own word for it; any other as it was sent, for
            values that are not known today are to be expected.
        invoke_type: Manual or Scheduled: only a manual one may be a run's.
        started_at: UTC; None while the service gives none.
        failure: the failure's code and message, or empty.
        retry_after: seconds the service asks to wait before the next look, or None.
        run_id: the run it was started for, where the service tells its parameters; or empty.
    """

    instance_id: str
    status: str
    invoke_type: str
    started_at: datetime | None
    failure: str = ""
    retry_after: float | None = None
    run_id: str = ""


class JobService(Protocol[ItemsT_contra]):
    """One service that runs jobs. Raises Throttled, Refused and Unavailable beside what is named.

    ``items`` say which of its pipelines is meant.
    """

    def start(self, items: ItemsT_contra, parameters: Mapping[str, Any]) -> Started:
        """Ask for a run; ``run_id`` is among the parameters.

        Raises:
            StartAmbiguous: the request was sent and it is not known whether it took.
        """

    def get(self, items: ItemsT_contra, instance_id: str) -> JobInstance:
        """Look at one.

        Raises:
            NotFound: the service knows no such instance.
        """

    def instances(self, items: ItemsT_contra) -> Sequence[JobInstance]:
        """List the jobs, at least those that the last hours began, each once."""

    def cancel(self, items: ItemsT_contra, instance_id: str) -> None:
        """Ask to cancel; one that has ended already is no error."""

    def failure_text(self, items: ItemsT_contra, instance_id: str) -> str:
        """Give the activities' error texts, which say more than the instance does."""


Jobs: TypeAlias = "JobService[JobItems]"
"""Where a retrain runs: whichever service the items belong to."""
