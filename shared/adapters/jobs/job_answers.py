"""What the job services beside Fabric have in common: reading answers, looking before cancelling.

Nothing here knows one service's shapes.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from shared.adapters.rest_http import DEFAULT_WAIT_SECONDS, Answer, NoAnswer
from shared.errors import NotFound, Refused, StartAmbiguous, Unavailable
from shared.ports import ENDED, Clock, JobInstance, Started

MOST_LISTED = 300
"""Newest jobs that are listed. A lost start is looked for within minutes: so many others would
have to begin meanwhile to hide it. House rule."""
MOST_CHARACTERS = 2000
MANUAL, SCHEDULED = "Manual", "Scheduled"

_RUN_ID = re.compile(r"\brun-[0-9a-f]{24}\b")
"""The form of a run's id, wherever it stands in a text."""


def ask_to_start(
    clock: Clock, ask: Callable[[], Answer], read_id: Callable[[Mapping[str, Any]], object]
) -> Started:
    """Send a start and read its id, which may be missing.

    Raises:
        StartAmbiguous: the request was sent and it is not known whether it took.
        Refused: with the code ``NotFound`` where there is no such pipeline.
    """
    sent_at = clock.now()
    try:
        answer = ask()
    except NotFound as error:
        raise Refused(str(error), code="NotFound", subject=error.subject) from error
    except NoAnswer as error:
        raise StartAmbiguous(str(error), sent_at=sent_at, subject=error.subject) from error
    wait = answer.retry_after
    found = read_id(answer.body) if isinstance(answer.body, dict) else None
    return Started(str(found) if found else None, DEFAULT_WAIT_SECONDS if wait is None else wait)


def cancel_once(look: Callable[[], JobInstance], ask: Callable[[], object]) -> None:
    """Ask to cancel what has not ended; ending in between is no error either.

    Raises:
        NotFound: there is no such job.
    """
    if look().status in ENDED:
        return
    try:
        ask()
    except Refused:
        if look().status not in ENDED:
            raise


def fields(answer: Answer, service: str, path: str) -> Mapping[str, Any]:
    if not isinstance(answer.body, dict):
        raise Unavailable(f"{service}: the answer is not an object", subject=path)
    return answer.body


def listed(body: Mapping[str, Any], name: str, service: str, path: str) -> Sequence[Any]:
    """Give a list of the answer; one that is left out is empty."""
    found = body.get(name)
    if found is not None and not isinstance(found, list):
        raise Unavailable(f"{service}: {name} is not a list", subject=path)
    return found or ()


def objects(value: Any) -> list[Mapping[str, Any]]:
    """Give the objects of what may be a list: for texts, where a part is better than none."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def going_on(status: str) -> str:
    """Give a status that is no end; one that looks like the port's word for one is not that."""
    return f"{status} (unknown)" if status in ENDED else status


Document = Mapping[str, Any]
Read = Callable[[Document], JobInstance]


def read_job(read: Read, answer: Answer, service: str, path: str) -> JobInstance:
    """Read the job of an answer, and when to look again."""
    job = _read(read, fields(answer, service, path), service, path)
    return replace(job, retry_after=answer.retry_after)


def read_jobs(
    read: Read, documents: Iterable[Document], service: str, path: str
) -> dict[str, JobInstance]:
    """Read a list's jobs, by their ids: each once, whatever pages repeat."""
    jobs = [_read(read, document, service, path) for document in documents]
    return {job.instance_id: job for job in jobs}


def _read(read: Read, document: Document, service: str, path: str) -> JobInstance:
    """Read a job, where an answer of another shape is a service that does not answer."""
    try:
        return read(document)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Unavailable(f"{service}: the answer is not a job", subject=path) from error


def require_place(found: bool, instance_id: str, label: str) -> None:
    """Raise NotFound for a job that another pipeline of the same service ran."""
    if not found:
        raise NotFound(f"job {instance_id} is none of {label}", subject=instance_id)


def run_id_in(text: Any) -> str:
    """Find the run that a text names; empty: none, or more than one."""
    found = set(_RUN_ID.findall(text)) if isinstance(text, str) else set()
    return found.pop() if len(found) == 1 else ""


def moment(text: Any) -> datetime | None:
    """Read an ISO time; None where there is none."""
    try:
        read = datetime.fromisoformat(text)
        return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def moment_of(milliseconds: Any) -> datetime | None:
    """Read a Unix time; None where there is none: 0 is not begun yet."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def texts(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Give the parameters as texts, which is all these services take."""
    return {name: str(value) for name, value in parameters.items()}


def joined(parts: list[str]) -> str:
    return "; ".join(part for part in parts if part)[:MOST_CHARACTERS]


def part(name: object) -> str:
    """Give an id as one segment of a path."""
    return quote(str(name), safe="")
