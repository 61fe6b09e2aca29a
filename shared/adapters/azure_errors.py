"""Errors of the Azure SDKs, told in the app's own terms.

Only the mapping lives here. It reads the status and the service's error code, never the message:
messages are for people and change.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError

from shared.errors import Conflict, LoopError, NotFound, Refused, Throttled, Unavailable

_IN_PASSING = ("BeingDeleted", "BeingCreated")
"""Ends of the codes that come with 409 and mean: not yet."""


@contextmanager
def azure_errors(subject: str) -> Iterator[None]:
    """Raise the app's error for whatever an Azure SDK raises inside the block.

    Args:
        subject: what is talked to, such as ``queue drift-checks``.
    """
    try:
        yield
    except AzureError as error:
        raise loop_error(error, subject) from error


@contextmanager
def azure_creation(subject: str) -> Iterator[None]:
    """Do the same for a block that makes something, content with what exists already."""
    with azure_errors(subject):
        try:
            yield
        except ResourceExistsError as error:
            # what is being deleted exists too, and is no good
            if error_code(error).endswith(_IN_PASSING):
                raise


def loop_error(error: AzureError, subject: str) -> LoopError:
    """Give the app's error for an SDK's error."""
    if not isinstance(error, HttpResponseError) or error.response is None:
        # a refused connection, a timeout, a credential that nobody answered for
        return Unavailable(f"{subject}: no answer ({type(error).__name__})", subject=subject)
    status, code = error.response.status_code or 0, error_code(error)
    message = f"{subject}: {status} {code}".rstrip()
    if not _may_pass(status, code):
        return _final(status, code, message, subject)
    wait = _retry_after(getattr(error.response, "headers", {}))
    if wait is None:
        return Unavailable(message, subject=subject)
    return Throttled(message, retry_after=wait, subject=subject)


def _final(status: int, code: str, message: str, subject: str) -> LoopError:
    if status == HTTPStatus.NOT_FOUND:
        return NotFound(message, subject=subject)
    if status in (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED):
        return Conflict(message, subject=subject)
    return Refused(message, code=code, subject=subject)


def error_code(error: AzureError) -> str:
    """Give the service's own code, such as ``EntityAlreadyExists``; empty where it sent none."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")


def _may_pass(status: int, code: str) -> bool:
    # a status below 400 on an error means an answer that could not be read
    return (
        status < HTTPStatus.BAD_REQUEST
        or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        or status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
        or (status == HTTPStatus.CONFLICT and code.endswith(_IN_PASSING))
    )


def _retry_after(given: Mapping[str, str]) -> float | None:
    """Give the seconds the other side asks to wait.

    Both forms of RFC 9110, section 10.2.3; a date counts from the answer's own ``Date``, so that a
    wrong clock here does no harm.
    """
    headers = {name.lower(): value for name, value in given.items()}
    text = headers.get("retry-after", "").strip()
    try:
        if text.isdecimal():
            return float(text)
        until, sent = parsedate_to_datetime(text), parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (until - sent).total_seconds())
    except (ValueError, TypeError):
        return None
