"""Fabric's job scheduler: the Jobs port.

Knows the job endpoints and the shapes of their answers; HTTP itself is in ``fabric_http.py``. The
service has no idempotency key, so a start is never sent twice from here: what cannot be known is
said (StartAmbiguous) and settled by the caller from the list of instances.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from shared.adapters.fabric_http import DEFAULT_WAIT_SECONDS, Answer, FabricHttp, NoAnswer
from shared.adapters.jobs.fabric_requests import has_activities, start_request
from shared.errors import NotFound, Refused, StartAmbiguous, Unavailable
from shared.ports import Clock, JobInstance, Started

if TYPE_CHECKING:
    from shared.catalogue import FabricItems

_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MOST_PAGES = 100
_ACTIVITY_DAYS = 30
"""How far back activity runs are asked for; no job runs for so long."""
_MOST_CHARACTERS = 2000
_EPOCH_YEAR = 1970


class FabricJobs:
    """The Jobs port on Fabric's REST API."""

    def __init__(self, http: FabricHttp, clock: Clock) -> None:
        self._http = http
        self._clock = clock

    def start(self, items: "FabricItems", parameters: Mapping[str, Any]) -> Started:
        """Start the item in the form that the catalogue says.

        Raises:
            Refused: with Fabric's error code; ``ItemNotFound`` where there is no such pipeline.
        """
        sent_at = self._clock.now()
        job_type, body = start_request(items.start_form, parameters)
        try:
            answer = self._http.call(
                "POST",
                _instances(items),
                params={"jobType": job_type},
                body=body,
            )
        except NotFound as error:
            raise Refused(str(error), code="ItemNotFound", subject=error.subject) from error
        except NoAnswer as error:
            raise StartAmbiguous(str(error), sent_at=sent_at, subject=error.subject) from error
        wait = answer.retry_after
        return Started(
            instance_id=_id_in(answer.headers.get("Location", "")),
            retry_after=DEFAULT_WAIT_SECONDS if wait is None else wait,
        )

    def get(self, items: "FabricItems", instance_id: str) -> JobInstance:
        path = _instance(items, instance_id)
        answer = self._http.call("GET", path)
        return _job(answer.body, path, answer.retry_after)

    def instances(self, items: "FabricItems") -> Sequence[JobInstance]:
        """List all instances the service still knows, each once, whatever its pages repeat."""
        path = _instances(items)
        found: dict[str, JobInstance] = {}
        token = ""
        for _ in range(_MOST_PAGES):
            params = {"continuationToken": token} if token else None
            body = _object(self._http.call("GET", path, params=params), path)
            jobs = [_job(document, path) for document in body.get("value") or ()]
            found.update({job.instance_id: job for job in jobs})
            token = body.get("continuationToken") or ""
            if not token:
                return tuple(found.values())
        raise Unavailable(f"Fabric: the list has more than {_MOST_PAGES} pages", subject=path)

    def cancel(self, items: "FabricItems", instance_id: str) -> None:
        try:
            self._http.call("POST", f"{_instance(items, instance_id)}/cancel")
        except Refused as error:
            if error.code != "JobAlreadyCompleted":
                raise

    def failure_text(self, items: "FabricItems", instance_id: str) -> str:
        if not has_activities(items.start_form):
            return ""
        workspace, instance = items.workspace_id, quote(instance_id, safe="")
        path = f"workspaces/{workspace}/datapipelines/pipelineruns/{instance}/queryactivityruns"
        now = self._clock.now()
        answer = self._http.call("POST", path, body=_activity_query(now))
        runs = answer.body if isinstance(answer.body, list) else []
        texts = [text for text in map(_activity_failure, runs) if text]
        return "; ".join(texts)[:_MOST_CHARACTERS]


def _instances(items: "FabricItems") -> str:
    return f"workspaces/{items.workspace_id}/items/{items.pipeline_id}/jobs/instances"


def _instance(items: "FabricItems", instance_id: str) -> str:
    return f"{_instances(items)}/{quote(instance_id, safe='')}"


def _id_in(location: str) -> str | None:
    """Give the last path segment where it is an id: two documented answers carry none."""
    last = urlsplit(location).path.rsplit("/", 1)[-1]
    return last if _GUID.fullmatch(last) else None


def _object(answer: Answer, path: str) -> Mapping[str, Any]:
    if not isinstance(answer.body, dict):
        raise Unavailable("Fabric: the answer is not an object", subject=path)
    return answer.body


def _job(document: Any, path: str, retry_after: float | None = None) -> JobInstance:
    try:
        return JobInstance(
            instance_id=str(document["id"]),
            status=str(document["status"]),
            invoke_type=str(document.get("invokeType") or ""),
            started_at=_moment(document.get("startTimeUtc")),
            failure=_failure(document.get("failureReason")),
            retry_after=retry_after,
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise Unavailable("Fabric: the answer is not a job instance", subject=path) from error


def _failure(reason: Any) -> str:
    if not isinstance(reason, dict):
        return ""
    parts = (reason.get("errorCode"), reason.get("message"))
    return ": ".join(str(part) for part in parts if part)


def _moment(text: Any) -> datetime | None:
    """Read a time: UTC where it names no zone, as the recorded ones; None where there is none."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    if moment.year < _EPOCH_YEAR:
        return None  # .NET's zero time: not started
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _activity_query(now: datetime) -> Mapping[str, Any]:
    return {
        "filters": [],
        "orderBy": [{"orderBy": "ActivityRunStart", "order": "DESC"}],
        "lastUpdatedAfter": _utc(now - timedelta(days=_ACTIVITY_DAYS)),
        "lastUpdatedBefore": _utc(now + timedelta(days=1)),
    }


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _activity_failure(run: Any) -> str:
    error = run.get("error") if isinstance(run, dict) else None
    if not isinstance(error, dict):
        return ""
    parts = [str(error[name]) for name in ("errorCode", "message") if error.get(name)]
    return f"{run.get('activityName', '?')}: {' '.join(parts)}" if parts else ""
